/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SIGHUP: the files are read again; if they are right, BPF and the agent get what they say. */
#ifndef TCPMIG_KEEPER_RELOAD_H
#define TCPMIG_KEEPER_RELOAD_H

#include "agent_start.h"

/**
 * keeper_reload() - if anything is wrong with the files, a log line says so, and nothing changes.
 * Else the policy for BPF is another one at once, and the agent gets the open files; it says
 * when it works with them. What needs a restart is named. Tells systemd.
 * @start: .conf becomes what was read, but for what needs a restart
 * @line:  to the agent
 */
void keeper_reload(struct agent_start *start, int line);

#endif
