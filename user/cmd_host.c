// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "args.h"
#include "host_conf.h"
#include "host_daemon.h"

int cmd_host(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, ARG_CONFIG },
		ARGS_GLOBAL,
	};
	const char *path = HOST_CONF_DEFAULT;
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0)
		path = optarg;
	if (c == ARGS_STOP)
		return status;
	return args_operands(self, argc, 0, 0) ? host_daemon_run(path) : 2;
}
