/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the keeper gives up, once its agent runs. */
#ifndef TCPMIG_KEEPER_SANDBOX_H
#define TCPMIG_KEEPER_SANDBOX_H

#include <sys/types.h>

/**
 * keeper_confine() - keep CAP_NET_ADMIN (neighbour entries), CAP_NET_RAW (asking by ARP) and
 * CAP_KILL, and a list of system calls: files can be read and pinned maps opened, but no program
 * started, traced or loaded, nothing mounted, no network spoken to but netlink, ARP and ND.
 *
 * Root without CAP_KILL may not signal the agent, neither by kill() nor by the signal for the
 * death of a parent. The filter allows it for @agent alone.
 * @why: as sandbox_enter()
 * Return: 0 or -errno.
 */
int keeper_confine(pid_t agent, const char **why);

#endif
