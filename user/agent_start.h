/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The root half of starting the agent: everything that needs a path or a privilege is opened
 * here, so that the process which talks to the network opens nothing any more.
 */
#ifndef TCPMIG_AGENT_START_H
#define TCPMIG_AGENT_START_H

#include <stdbool.h>

#include "agent_conf.h"
#include "control_path.h"
#include "pindir.h"
#include "tables.h"
#include "tls.h"

/**
 * struct agent_start - what agent_start_open() has opened; all of it is inherited by fork.
 * @conf_path:  the configuration file
 * @conf, @tls: as read from there
 * @pins:       pin directory; its lock is taken for each change, not kept
 * @tables:     the maps that the agent may write
 * @policy:     those that tell BPF what is allowed: for the keeper, closed in the agent
 * @lock_fd:    says that an agent serves these pins
 * @listen_fds: listening TCP sockets, non-blocking, conf.listen_count of them
 * @control_fd: listening UNIX socket, non-blocking
 * @control_path: its name; empty: it is not ours to remove
 * @state_fd:   file of what must survive a restart (agent_store.h), read and write
 * @our_netns:  the pins serve this network namespace
 */
struct agent_start {
	const char *conf_path;
	struct agent_conf conf;
	struct tls *tls;
	struct pindir pins;
	struct tables tables;
	struct tables_policy policy;
	int lock_fd;
	int listen_fds[AGENT_LISTEN_MAX];
	int control_fd;
	char control_path[CONTROL_PATH_LEN];
	int state_fd;
	bool our_netns;
};

/**
 * agent_start_open() - open and check everything, as root; write the policy for BPF.
 * Says what is wrong. Return: 0, and agent_start_close() it; or an exit status. On error
 * nothing has changed: no socket, no file that was not there before, no policy.
 */
int agent_start_open(struct agent_start *start, const char *conf_path, const char *pin_dir);

/**
 * agent_start_close() - close all, remove the control socket and the lock. The policy stays:
 * what the agent has set up goes on, within it.
 */
void agent_start_close(struct agent_start *start);

/**
 * agent_start_policy() - tell BPF what @conf allows, at once.
 * @start: its pins are locked by the caller
 * Return: 0 or -errno.
 */
int agent_start_policy(struct agent_start *start, const struct agent_conf *conf);

#endif
