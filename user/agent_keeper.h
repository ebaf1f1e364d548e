/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keeper: the parent of the agent. It stays root with CAP_NET_ADMIN alone, talks to no network,
 * and does the few things that the agent must not be able to do: read configuration and keys again
 * on SIGHUP, write the policy for BPF, set neighbour entries for what the rules say (within
 * that policy), and tell systemd. From the agent it takes single bytes, no data.
 */
#ifndef TCPMIG_AGENT_KEEPER_H
#define TCPMIG_AGENT_KEEPER_H

#include "agent_start.h"

/** enum keeper_note - what the agent tells its keeper. */
enum keeper_note {
	KEEPER_READY,	/* it serves */
	KEEPER_ALIVE,	/* its loop runs: for the watchdog */
	KEEPER_RULES,	/* rules have changed: neighbour entries may have to */
	KEEPER_RELOADED /* it works with what KEEPER_RELOAD has brought */
};

/** enum keeper_order - what the keeper tells the agent. */
enum keeper_order {
	KEEPER_RELOAD, /* with configuration and TLS files */
	KEEPER_STOP,   /* end in good order */
};

/** struct keeper_files - what comes with KEEPER_RELOAD: open files, owned by the receiver. */
struct keeper_files {
	int conf;
	struct tls_fds tls;
};

/**
 * keeper_run() - start the agent as a child, and keep it until it ends.
 * @agent: called in the child, sandboxed already, with the child's end of the line; its
 *         return value is the child's exit status
 * Return: exit status of the command.
 */
int keeper_run(struct agent_start *start, int (*agent)(struct agent_start *start, int keeper_fd));

/** keeper_tell() - from the agent. Never blocks. Return: 0 or -errno. */
int keeper_tell(int keeper_fd, enum keeper_note note);

/**
 * keeper_hear() - in the agent: the next order.
 * @files: of KEEPER_RELOAD
 * Return: enum keeper_order; -EAGAIN: none now; -EPIPE: the keeper is gone; -errno.
 */
int keeper_hear(int keeper_fd, struct keeper_files *files);

#endif
