// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "log.h"
#include "output.h"
#include "redirector.h"

static bool parse_mode(const char *text, enum redirector_mode *mode)
{
	if (!strcmp(text, "auto"))
		*mode = REDIRECTOR_AUTO;
	else if (!strcmp(text, "tcx"))
		*mode = REDIRECTOR_TCX;
	else if (!strcmp(text, "clsact"))
		*mode = REDIRECTOR_CLSACT;
	else
		return false;
	return true;
}

static int open_error(int err, const char *pin_dir)
{
	if (err == -EMEDIUMTYPE)
		return log_error("'%s': not in a BPF file system; mount one: mount -t bpf -o "
				 "mode=0700 bpf %s",
				 pin_dir, PINDIR_BPFFS);
	if (err == -ENOTUNIQ)
		return log_error("'%s': others may write there; expected a directory of the user "
				 "who runs this, mode 0700",
				 pin_dir);
	if (err == -EBUSY)
		return log_error("'%s': another command has it locked for more than 10 s", pin_dir);
	if (err == -EPERM || err == -EACCES)
		return log_errno(err, "'%s': cannot make it; expected to run as root", pin_dir);
	return log_errno(err, "'%s': cannot make it, expected a directory in a BPF file system",
			 pin_dir);
}

static int report(const struct globals *g, const char *ifname,
		  const struct redirector_attached *attached)
{
	struct json_object *json;

	if (!g->json) {
		printf("%s %s by %s\n", attached->already ? "refreshed" : "attached to", ifname,
		       redirector_mode_name(attached->mode));
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "interface", json_object_new_string(ifname));
	json_object_object_add(json, "mode",
			       json_object_new_string(redirector_mode_name(attached->mode)));
	json_object_object_add(json, "already", json_object_new_boolean(attached->already));
	return output_json(json);
}

int cmd_attach(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, ARG_MODE },
		ARGS_GLOBAL,
	};
	enum redirector_mode mode = REDIRECTOR_AUTO;
	struct redirector_attached attached;
	const char *why, *ifname;
	struct pindir dir;
	int c, err, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0) {
		if (!parse_mode(optarg, &mode))
			return log_usage("'%s': expected auto, tcx or clsact for --mode", optarg);
	}
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 1, 1))
		return 2;
	ifname = argv[optind];
	err = pindir_open(&dir, g->pin_dir, true);
	if (err)
		return open_error(err, g->pin_dir);
	err = redirector_attach(&dir, ifname, mode, &attached, &why);
	if (!err && dir.mounted)
		log_note("mounted a BPF file system on " PINDIR_BPFFS);
	pindir_close(&dir);
	if (err)
		return log_errno(err, "'%s': %s", ifname, why);
	log_verbose("programs: the %s build", attached.plain ? "plain" : "full");
	return report(g, ifname, &attached);
}
