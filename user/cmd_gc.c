// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <json-c/json.h>
#include <stdio.h>

#include "args.h"
#include "gc.h"
#include "log.h"
#include "output.h"
#include "session.h"

#define IDLE_MAX_S (30 * 24 * 3600)

static int gc(const struct globals *g, unsigned int idle_s)
{
	struct json_object *json;
	struct session s;
	size_t removed;
	int err;

	if (session_open(&s, g->pin_dir))
		return 1;
	err = session_gc(&s, idle_s, &removed);
	session_close(&s);
	if (err)
		return log_errno(err, "'%s': cannot sweep the flows", g->pin_dir);
	if (!g->json) {
		printf("removed %zu flow%s\n", removed, removed == 1 ? "" : "s");
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "removed", json_object_new_int64(removed));
	return output_json(json);
}

int cmd_gc(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "idle", required_argument, NULL, ARG_IDLE },
		ARGS_GLOBAL,
	};
	unsigned int idle_s = GC_IDLE_DEFAULT_S;
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0) {
		idle_s = args_seconds("--idle", optarg, IDLE_MAX_S);
		if (!idle_s)
			return 2;
	}
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	return gc(g, idle_s);
}
