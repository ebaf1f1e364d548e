// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cleanup.h"
#include "local_order.h"
#include "log.h"
#include "output.h"

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
	struct order order;
};

static int report(const struct globals *g, const struct request *req, size_t flows)
{
	struct json_object *json;

	if (!g->json) {
		printf("held %s for at most %u s, %zu flow%s known\n", req->old_text,
		       req->order.max_ms / 1000, flows, flows == 1 ? "" : "s");
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "old", json_object_new_string(req->old_text));
	json_object_object_add(json, "flows", json_object_new_int64(flows));
	return output_json(json);
}

static int run(const struct globals *g, const struct request *req)
{
	struct order_outcome outcome;
	int err = local_order(g->pin_dir, MESSAGE_LOCAL_HOLD, &req->order, &outcome);

	if (err == -EBUSY)
		return log_error("'%s': already armed for its next owner; "
				 "expected 'redirect' or 'release' first",
				 req->old_text);
	if (err < 0)
		return log_errno(err, "'%s': cannot hold it", req->old_text);
	return err ? err : report(g, req, outcome.rules.flows);
}

/* An option of hold, in optarg. Return: 0, or the exit status after saying what is wrong. */
static int read_option(int option, struct request *req)
{
	switch (option) {
	case ARG_HOLD:
		if (parse_hold_mode(optarg, &req->order.mode))
			return 0;
		return log_usage("'%s': expected drop or swallow for --hold", optarg);
	case ARG_MAX:
		req->order.max_ms = args_seconds("--max", optarg, RULES_HOLD_MAX_MS / 1000) * 1000;
		return req->order.max_ms ? 0 : 2;
	case ARG_FLOW:
		return args_flow(optarg, &req->order.named);
	}
	req->next_text = optarg;
	return 0;
}

static int run_request(const struct globals *g, struct request *req, const char *old_text)
{
	struct order *order = &req->order;

	req->old_text = old_text;
	if (!args_endpoint(old_text, &order->old))
		return 2;
	if (req->next_text && (!args_endpoint(req->next_text, &order->next) ||
			       !args_pair(old_text, &order->old, req->next_text, &order->next)))
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
	struct request req = {
		.order = { .mode = TCPMIG_HOLD_DROP, .max_ms = RULES_HOLD_DEFAULT_MS },
	};
	int c, status = 0;

	while (!status && (c = args_next(g, self, argc, argv, options, &status)) >= 0)
		status = read_option(c, &req);
	if (!status && c == ARGS_END)
		status = args_operands(self, argc, 1, 1) ? run_request(g, &req, argv[optind]) : 2;
	free(req.order.named.local);
	return status;
}
