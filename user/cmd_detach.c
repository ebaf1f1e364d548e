// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "args.h"
#include "log.h"
#include "output.h"
#include "redirector.h"

static int report(const struct globals *g, size_t count)
{
	struct json_object *json;

	if (!g->json) {
		printf("detached from %zu interface%s\n", count, count == 1 ? "" : "s");
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "detached", json_object_new_int64(count));
	return output_json(json);
}

static int detach(const struct globals *g, const char *ifname)
{
	struct pindir dir;
	size_t count = 0;
	int err = pindir_open(&dir, g->pin_dir, false);

	if (!err) {
		err = redirector_detach(&dir, ifname, &count);
		pindir_close(&dir);
	}
	if (err == -ENOENT && !ifname)
		err = 0; /* --all of nothing */
	if (err == -ENOENT)
		return log_error("'%s': not attached; 'tcpmig-bpf list' shows what is", ifname);
	if (err == -EPERM || err == -EACCES)
		return log_errno(err, "'%s': cannot open it; expected to run as root", g->pin_dir);
	if (err == -EXDEV)
		return log_error("'%s': it serves another network namespace; "
				 "expected to run in that one",
				 g->pin_dir);
	if (err == -ENOTUNIQ)
		return log_error("'%s': others may write there; expected a directory of the user "
				 "who runs this, mode 0700",
				 g->pin_dir);
	if (err == -EPROTO)
		return log_error("'%s': maps of another version of tcpmig-bpf; "
				 "detach with that version",
				 g->pin_dir);
	if (err)
		return log_errno(err, "'%s': cannot detach %s", g->pin_dir, ifname ?: "all");
	return report(g, count);
}

int cmd_detach(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, ARG_ALL },
		ARGS_GLOBAL,
	};
	bool all = false;
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0)
		all = true;
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, !all, !all))
		return 2;
	return detach(g, all ? NULL : argv[optind]);
}
