// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "args.h"
#include "log.h"
#include "output.h"
#include "session.h"

static int release(const struct globals *g, const char *old_text, const struct tcpmig_endpoint *old)
{
	struct json_object *json;
	struct session s;
	int err;

	if (session_open(&s, g->pin_dir))
		return 1;
	err = rules_release(&s.tables, old);
	session_settle(&s);
	session_close(&s);
	if (err == -ENOENT)
		return log_error("'%s': there is no rule for it; 'tcpmig-bpf list' shows them",
				 old_text);
	if (err)
		return log_errno(err, "'%s': cannot release it", old_text);
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
	struct tcpmig_endpoint old;
	int c, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 1, 1) || !args_endpoint(argv[optind], &old))
		return 2;
	return release(g, argv[optind], &old);
}
