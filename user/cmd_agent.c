// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "agent.h"
#include "agent_keeper.h"
#include "agent_log.h"
#include "agent_start.h"
#include "args.h"

int cmd_agent(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, ARG_CONFIG },
		ARGS_GLOBAL,
	};
	const char *conf_path = AGENT_CONF_DEFAULT;
	static struct agent_start start;
	int c, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0)
		conf_path = optarg;
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	agent_log_init();
	status = agent_start_open(&start, conf_path, g->pin_dir);
	if (status)
		return status;
	status = keeper_run(&start, agent_run);
	agent_start_close(&start);
	return status;
}
