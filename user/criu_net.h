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

#include "move_orders.h"

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

/**
 * struct criu_net - settings and what is known.
 * @dir_fd: of the images
 */
struct criu_net {
	int dir_fd;
	struct tls *tls;
	struct move_orders orders;
};

/** criu_net_lists() - OLD, NEW and CUR of the environment, into the file. Return: as before. */
int criu_net_lists(struct move_file *file);

/** criu_net_pre_dump(), criu_net_post_dump() - Return: exit status. */
int criu_net_pre_dump(struct criu_net *n);
int criu_net_post_dump(struct criu_net *n);

#endif
