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

/* What the user asked for. @next_text NULL: it is not known yet where the server goes. */
struct request {
	const char *old_text;
	const char *next_text;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint next;
	struct rules_flows named;
	unsigned int max_s;
	enum tcpmig_hold_mode mode;
};

static int hold_flows(const struct request *req, struct session *s, const struct rules_flows *flows,
		      struct rules_outcome *outcome)
{
	struct tcpmig_owner next;
	int err = rules_sweep(&s->tables);

	if (!err)
		err = rules_hold(&s->tables, &req->old, req->max_s * 1000, req->mode, flows,
				 outcome);
	if (!err)
		err = rules_learn(&s->tables, &req->old, &req->named, outcome);
	if (err || !req->next_text)
		return err;
	session_owner(s, &req->next, &next);
	return rules_prepare(&s->tables, &req->old, &next, req->max_s * 1000, flows, outcome);
}

/* Connections that were made while the rule was: looked up again once it is there. */
static int hold(const struct request *req, struct session *s, struct rules_outcome *outcome)
{
	struct rules_flows flows;
	int err = session_local_flows(s, &req->old, &flows);

	if (!err)
		err = hold_flows(req, s, &flows, outcome);
	free(flows.local);
	return err ? err : session_learn(s, &req->old, outcome);
}

static int run(const struct globals *g, const struct request *req)
{
	struct rules_outcome outcome = {};
	struct json_object *json;
	struct session s;
	int err;

	if (session_open(&s, g->pin_dir))
		return 1;
	err = hold(req, &s, &outcome);
	session_settle(&s);
	if (!err)
		session_note_path(&s, &req->old);
	session_close(&s);
	if (err == -EBUSY)
		return log_error("'%s': already armed for its next owner; "
				 "expected 'redirect' or 'release' first",
				 req->old_text);
	if (err)
		return log_errno(err, "'%s': cannot hold it", req->old_text);
	if (!g->json) {
		printf("held %s for at most %u s, %zu flow%s known\n", req->old_text, req->max_s,
		       outcome.flows, outcome.flows == 1 ? "" : "s");
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "old", json_object_new_string(req->old_text));
	json_object_object_add(json, "flows", json_object_new_int64(outcome.flows));
	return output_json(json);
}

/* An option of hold, in optarg. Return: 0, or the exit status after saying what is wrong. */
static int read_option(int option, struct request *req)
{
	switch (option) {
	case ARG_HOLD:
		if (parse_hold_mode(optarg, &req->mode))
			return 0;
		return log_usage("'%s': expected drop or swallow for --hold", optarg);
	case ARG_MAX:
		req->max_s = args_seconds("--max", optarg, RULES_HOLD_MAX_MS / 1000);
		return req->max_s ? 0 : 2;
	case ARG_FLOW:
		return args_flow(optarg, &req->named);
	}
	req->next_text = optarg;
	return 0;
}

static int run_request(const struct globals *g, struct request *req, const char *old_text)
{
	req->old_text = old_text;
	if (!args_endpoint(req->old_text, &req->old))
		return 2;
	if (req->next_text && (!args_endpoint(req->next_text, &req->next) ||
			       !args_pair(req->old_text, &req->old, req->next_text, &req->next)))
		return 2;
	return run(g, req);
}

int cmd_hold(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "max", required_argument, NULL, ARG_MAX },
		{ "hold", required_argument, NULL, ARG_HOLD },
		{ "next", required_argument, NULL, ARG_NEXT },
		{ "flow", required_argument, NULL, ARG_FLOW },
		ARGS_GLOBAL,
	};
	struct request req = { .mode = TCPMIG_HOLD_DROP, .max_s = RULES_HOLD_DEFAULT_MS / 1000 };
	int c, status = 0;

	while (!status && (c = args_next(g, self, argc, argv, options, &status)) >= 0)
		status = read_option(c, &req);
	if (!status && c == ARGS_END)
		status = args_operands(self, argc, 1, 1) ? run_request(g, &req, argv[optind]) : 2;
	free(req.named.local);
	return status;
}
