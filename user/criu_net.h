/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * criu-hook over the network: what CRIU's stages mean for the agents on the clients' hosts.
 *
 *   A  pre-dump      nothing is frozen: QUERY, RESERVE and HOLD at the agent of every client
 *      post-dump     all is dumped, the source frozen: HOLD anew, COMMIT
 *   B  pre-restore   no socket exists: CONSENT
 *      post-restore  sockets still silent: ARM
 *      pre-resume, post-resume   GO
 *
 * Before pre-dump's end any failure ends what was begun and stops the dump. COMMIT goes to each
 * agent for itself. If one says no, the dump fails and the process goes on at A: those that have
 * not committed get ABORT; those that have cannot take it back from A, but only B could go on
 * there, which gets no file that says "committed": their hold ends by its deadline, at A. So
 * nothing is lost either way. From the last COMMIT on it is rolled forward.
 *
 * Speaks: it is part of the command.
 */
#ifndef TCPMIG_CRIU_NET_H
#define TCPMIG_CRIU_NET_H

#include "move_agents.h"

enum criu_stage {
	CRIU_NONE,
	CRIU_PRE_DUMP,
	CRIU_POST_DUMP,
	CRIU_PRE_RESTORE,
	CRIU_POST_RESTORE,
	CRIU_RESUME,
};

/** criu_net_run() - do what @stage means. @tls_dir: TCPMIG_TLS. Return: exit status. */
int criu_net_run(const char *tls_dir, enum criu_stage stage);

/* What follows is for criu_net*.c. */

/** enum criu_need - which of the agents must take part: TCPMIG_REQUIRE_AGENTS. */
enum criu_need { CRIU_NEED_ALL, CRIU_NEED_ANY, CRIU_NEED_NONE };

/**
 * struct criu_net - settings and what is known.
 * @dir_fd:     of the images
 * @agent_port: network byte order
 */
struct criu_net {
	int dir_fd;
	__be16 agent_port;
	enum criu_need need;
	struct tls *tls;
	struct move_file file;
	struct move_agents agents;
};

/**
 * criu_net_order() - give @type to all that take part, and see whether enough have taken it.
 * Those that have not, and need not, take part no longer; a note says so.
 * @cure: what to say behind what went wrong
 * Return: 0, or 1 after saying what is wrong.
 */
int criu_net_order(struct criu_net *n, enum message_type type, const char *cure);

/** criu_net_judge() - the second half of it, where .err and .why are set already. */
int criu_net_judge(struct criu_net *n, const char *cure);

/** criu_net_agents() - those of the file take part. Return: 0, or 1 after saying so. */
int criu_net_agents(struct criu_net *n);

/** criu_net_lists() - OLD, NEW and CUR of the environment, into the file. Return: as before. */
int criu_net_lists(struct move_file *file);

/** criu_net_pre_dump(), criu_net_post_dump() - Return: exit status. */
int criu_net_pre_dump(struct criu_net *n);
int criu_net_post_dump(struct criu_net *n);

#endif
