// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cleanup.h"
#include "log.h"
#include "output.h"
#include "session.h"

static bool parse_hold_mode(const char *text, enum tcpmig_hold_mode *mode)
{
	if (!strcmp(text, "drop"))
		*mode = TCPMIG_HOLD_DROP;
	else if (!strcmp(text, "swallow"))
		*mode = TCPMIG_HOLD_SWALLOW;
	else
		return false;
	return true;
}

static int hold(const struct globals *g, const char *old_text, const struct tcpmig_endpoint *old,
		unsigned int max_s, enum tcpmig_hold_mode mode)
{
	struct rules_outcome outcome = {};
	struct rules_flows flows = {};
	struct json_object *json;
	struct session s;
	int err;

	if (session_open(&s, g->pin_dir))
		return 1;
	err = session_local_flows(&s, old, &flows);
	if (!err)
		err = rules_sweep(&s.tables);
	if (!err)
		err = rules_hold(&s.tables, old, max_s * 1000, mode, &flows, &outcome);
	free(flows.local);
	session_close(&s);
	if (err == -EBUSY)
		return log_error("'%s': already armed for its next owner; "
				 "expected 'redirect' or 'release' first",
				 old_text);
	if (err)
		return log_errno(err, "'%s': cannot hold it", old_text);
	if (!g->json) {
		printf("held %s for at most %u s, %zu flow%s known\n", old_text, max_s,
		       outcome.flows, outcome.flows == 1 ? "" : "s");
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "old", json_object_new_string(old_text));
	json_object_object_add(json, "flows", json_object_new_int64(outcome.flows));
	return output_json(json);
}

int cmd_hold(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "max", required_argument, NULL, ARG_MAX },
		{ "hold", required_argument, NULL, ARG_HOLD },
		ARGS_GLOBAL,
	};
	enum tcpmig_hold_mode mode = TCPMIG_HOLD_DROP;
	unsigned int max_s = RULES_HOLD_DEFAULT_MS / 1000;
	struct tcpmig_endpoint old;
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0) {
		if (c == ARG_HOLD && !parse_hold_mode(optarg, &mode))
			return log_usage("'%s': expected drop or swallow for --hold", optarg);
		if (c == ARG_MAX)
			max_s = args_seconds("--max", optarg, RULES_HOLD_MAX_MS / 1000);
		if (!max_s)
			return 2;
	}
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 1, 1) || !args_endpoint(argv[optind], &old))
		return 2;
	return hold(g, argv[optind], &old, max_s, mode);
}
