// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "cleanup.h"
#include "endpoint.h"
#include "local_order.h"
#include "log.h"
#include "output.h"

/* What the user asked for. Without named flows: the local sockets. */
struct request {
	const char *old_text;
	const char *new_text;
	struct order order;
};

static int report(const struct globals *g, const struct request *req,
		  const struct order_outcome *outcome)
{
	struct json_object *json;

	if (outcome->narrowed)
		log_note("note: '%s': all connections were redirected until now; %zu known one%s "
			 "stay%s so, new ones go to '%s' itself; 'redirect' without --flow and "
			 "--established-only redirects all",
			 req->old_text, outcome->rules.flows, outcome->rules.flows == 1 ? "" : "s",
			 outcome->rules.flows == 1 ? "s" : "", req->old_text);
	if (outcome->rules.taken)
		log_note("note: %zu of %zu flows cannot be redirected: the client has other "
			 "connections between the same addresses",
			 outcome->rules.taken, outcome->rules.flows);
	if (!g->json) {
		printf("redirected %s to %s, %zu flow%s known\n", req->old_text, req->new_text,
		       outcome->rules.flows, outcome->rules.flows == 1 ? "" : "s");
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "old", json_object_new_string(req->old_text));
	json_object_object_add(json, "new", json_object_new_string(req->new_text));
	json_object_object_add(json, "flows", json_object_new_int64(outcome->rules.flows));
	json_object_object_add(json, "refused", json_object_new_int64(outcome->rules.taken));
	return output_json(json);
}

static int run(const struct globals *g, const struct request *req)
{
	struct order_outcome outcome;
	int err = local_order(g->pin_dir, MESSAGE_LOCAL_REDIRECT, &req->order, &outcome);

	if (err == -EBUSY)
		return log_error(
			"'%s': armed for another address than '%s'; expected 'release' first",
			req->old_text, req->new_text);
	if (err < 0)
		return log_errno(err, "'%s': cannot redirect it to '%s'", req->old_text,
				 req->new_text);
	return err ? err : report(g, req, &outcome);
}

int cmd_redirect(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "established-only", no_argument, NULL, ARG_ESTABLISHED_ONLY },
		{ "flow", required_argument, NULL, ARG_FLOW },
		ARGS_GLOBAL,
	};
	struct request req = {};
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0) {
		req.order.established_only = true; /* --flow means it, too */
		if (c == ARG_FLOW)
			status = args_flow(optarg, &req.order.named);
		if (status)
			goto out;
	}
	if (c == ARGS_STOP)
		goto out;
	status = 2;
	if (!args_operands(self, argc, 2, 2))
		goto out;
	req.old_text = argv[optind];
	req.new_text = argv[optind + 1];
	if (args_endpoint(req.old_text, &req.order.old) &&
	    args_endpoint(req.new_text, &req.order.next) &&
	    args_pair(req.old_text, &req.order.old, req.new_text, &req.order.next))
		status = run(g, &req);
out:
	free(req.order.named.local);
	return status;
}
