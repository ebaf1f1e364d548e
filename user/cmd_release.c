// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "args.h"
#include "local_order.h"
#include "log.h"
#include "output.h"

static int release(const struct globals *g, const char *old_text, const struct order *order)
{
	struct json_object *json;
	struct order_outcome outcome;
	int err = local_order(g->pin_dir, MESSAGE_LOCAL_RELEASE, order, &outcome);

	if (err == -ENOENT)
		return log_error("'%s': there is no rule for it; 'tcpmig-bpf list' shows them",
				 old_text);
	if (err < 0)
		return log_errno(err, "'%s': cannot release it", old_text);
	if (err)
		return err;
	if (!g->json) {
		printf("released %s\n", old_text);
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "old", json_object_new_string(old_text));
	return output_json(json);
}

int cmd_release(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	struct order order = {};
	int c, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 1, 1) || !args_endpoint(argv[optind], &order.old))
		return 2;
	return release(g, argv[optind], &order);
}
