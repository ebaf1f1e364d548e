// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <json-c/json.h>
#include <stdio.h>

#include "args.h"
#include "endpoint.h"
#include "images.h"
#include "log.h"
#include "output.h"

static bool parse(const char *text, struct tcpmig_endpoint *ep)
{
	const char *wrong = endpoint_parse_optional_port(text, ep);

	if (!wrong)
		wrong = endpoint_check_routable(ep);
	if (wrong)
		log_usage("'%s': %s; expected ADDR or ADDR:PORT, IPv6 with a port as [V6]:PORT",
			  text, wrong);
	return !wrong;
}

static bool pair_fits(const char *from_text, const struct tcpmig_endpoint *from,
		      const char *to_text, const struct tcpmig_endpoint *to)
{
	if (to->port && !from->port) {
		log_usage("'%s': it has a port but --from '%s' has none; expected both or neither",
			  to_text, from_text);
		return false;
	}
	return args_pair(from_text, from, to_text, to);
}

static int rewrite(const struct globals *g, const char *dir, const char *from_text,
		   const struct tcpmig_endpoint *from, const struct tcpmig_endpoint *to)
{
	struct images_result result;
	struct json_object *json;
	const char *why;
	int err = images_rewrite(dir, from, to, &result, &why);

	if (err)
		return log_errno(err, "'%s': %s (looking for '%s')", dir, why, from_text);
	if (!g->json) {
		printf("rewrote %zu listener%s and %zu connection%s in %s\n", result.listeners,
		       result.listeners == 1 ? "" : "s", result.connections,
		       result.connections == 1 ? "" : "s", dir);
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "listeners", json_object_new_int64(result.listeners));
	json_object_object_add(json, "connections", json_object_new_int64(result.connections));
	json_object_object_add(json, "unchanged", json_object_new_int64(result.unchanged));
	return output_json(json);
}

int cmd_rewrite_images(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, ARG_FROM },
		{ "to", required_argument, NULL, ARG_TO },
		ARGS_GLOBAL,
	};
	const char *from_text = NULL, *to_text = NULL;
	struct tcpmig_endpoint from, to;
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0) {
		if (c == ARG_FROM)
			from_text = optarg;
		else
			to_text = optarg;
	}
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 1, 1))
		return 2;
	if (!from_text || !to_text)
		return log_usage("rewrite-images: --from and --to are needed; expected: %s %s",
				 self->name, self->args);
	if (!parse(from_text, &from) || !parse(to_text, &to) ||
	    !pair_fits(from_text, &from, to_text, &to))
		return 2;
	return rewrite(g, argv[optind], from_text, &from, &to);
}
