/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Giving up, for good, all that the agent does not need. */
#ifndef TCPMIG_AGENT_SANDBOX_H
#define TCPMIG_AGENT_SANDBOX_H

/**
 * sandbox_enter() - become @user with no capability, no new privileges, no core dump, and a
 * seccomp filter: what is open stays usable, nothing can be opened, loaded, traced, connected.
 * @user: its primary group becomes the only one; must not be root
 * @why:  on error: what failed, as a phrase (static storage)
 *
 * Allowed are reading, writing, accepting, waiting, memory, time, random numbers, advisory
 * locks, and of bpf(2) only access to the elements of maps and running the program that
 * sends events. Netlink sockets must have been opened before (netlink_keep_open()).
 * Return: 0 or -errno; after an error the process must end.
 */
int sandbox_enter(const char *user, const char **why);

#endif
