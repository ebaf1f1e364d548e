// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The start, the keeper and the sandbox of the agent, as they are, around an agent that serves
 * nobody: it says what its keeper wants to hear, or not.
 *
 *	agent_double PIN_DIR CONF [deaf|forbidden|rules|reserve|flood|silent|garbage]
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_files.h"
#include "agent_keeper.h"
#include "agent_log.h"
#include "agent_start.h"
#include "endpoint.h"
#include "log.h"
#include "rules.h"

#define ALIVE_GAP_MS 100

static const char *mode = "";

static bool is_mode(const char *name)
{
	return !strcmp(mode, name);
}

/* As the agent does: all of it from what is open. */
static int take_reload(struct agent_start *start, int line, struct keeper_files *files)
{
	char text[CONF_BYTES], why[TLS_WHY_LEN] = "";
	ssize_t len = pread(files->conf, text, sizeof(text), 0);
	struct tls *tls = tls_new(TLS_AGENT, &files->tls, why);
	int err = len < 0 || !tls ? -EINVAL : 0;

	if (!err)
		err = agent_conf_parse(text, len, &start->conf, why);
	agent_files_close(files);
	tls_free(tls);
	agent_log(AGENT_LOG_INFO, "double-reload", "why", why, "policies",
		  AGENT_LOG_NUM(start->conf.policy_count), NULL);
	return err ?: keeper_tell(line, KEEPER_RELOADED);
}

static void misbehave(int line)
{
	if (is_mode("forbidden"))
		execl("/bin/true", "true", NULL);
	if (is_mode("rules") || is_mode("reserve"))
		keeper_tell(line, KEEPER_RULES);
	while (is_mode("flood") && !keeper_tell(line, KEEPER_RULES))
		;
	/* Data, and a descriptor, where a byte is expected. */
	if (is_mode("garbage"))
		send(line, "\xff and more that nobody reads", 30, MSG_NOSIGNAL);
}

/* As RESERVE does, of an OLD where nobody is. */
static int reserve(struct agent_start *start)
{
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_endpoint old;
	struct tcpmig_owner next = {};

	endpoint_parse("10.9.0.77:5000", &old);
	endpoint_parse("10.9.0.2:5000", &next.peer);
	return rules_reserve(&start->tables, &old, &next, 60000, &none, &outcome);
}

static int agent_double(struct agent_start *start, int line)
{
	struct keeper_files files;
	int order = -EAGAIN;

	if (is_mode("reserve") && reserve(start))
		return 1;
	keeper_tell(line, KEEPER_READY);
	while (order == -EAGAIN || order >= 0) {
		struct pollfd fd = { .fd = line, .events = POLLIN };

		if (!is_mode("silent"))
			keeper_tell(line, KEEPER_ALIVE);
		misbehave(line);
		poll(&fd, 1, ALIVE_GAP_MS);
		order = keeper_hear(line, &files);
		if (order == KEEPER_STOP && !is_mode("deaf"))
			return 0;
		if (order == KEEPER_RELOAD && take_reload(start, line, &files))
			return 1;
		if (is_mode("deaf"))
			order = -EAGAIN;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct agent_start start;
	int status;

	if (argc < 3)
		return 2;
	mode = argc > 3 ? argv[3] : "";
	log_init();
	agent_log_init();
	status = agent_start_open(&start, argv[2], argv[1]);
	if (status)
		return status;
	status = keeper_run(&start, agent_double);
	agent_start_close(&start);
	return status;
}
