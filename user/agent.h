/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent: an event loop (libevent) that takes orders from hosts by TLS and from root by a
 * local socket, and turns those that are in order into map entries. Runs in the sandbox.
 */
#ifndef TCPMIG_AGENT_H
#define TCPMIG_AGENT_H

#include "agent_start.h"

/** agent_run() - serve until the keeper says stop or is gone. Return: exit status. */
int agent_run(struct agent_start *start, int keeper_fd);

#endif
