/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP_REPAIR of the sockets of processes that somebody else has, who may have died while he had
 * it on: each send() of the server then fails with EINVAL. By pidfd_getfd(): CAP_SYS_PTRACE over
 * the processes and CAP_NET_ADMIN in the sockets' network namespace.
 *
 * This is all that can be mended. A criu that is killed while its code runs in a process takes that
 * with it (SIGTRAP; measured: 33 of 434 kills at random moments of a dump): it must be told to give
 * up, or left alone until it sees that nobody listens any more, never killed.
 */
#ifndef TCPMIG_UNREPAIR_H
#define TCPMIG_UNREPAIR_H

#include <stddef.h>
#include <sys/types.h>

/* The values of TCP_REPAIR. */
enum repair {
	REPAIR_ON = 1,	   /* closed like this, a socket says nothing: no FIN, no RST */
	REPAIR_OFF = 0,	   /* and send a window probe, which tells the peer that we are back */
	REPAIR_QUIET = -1, /* off, and send nothing */
};

/**
 * struct repair_result - @sockets of TCP that could be in repair (no listeners), as often as
 * processes have them; @changed of them, each once; @failed.
 */
struct repair_result {
	size_t sockets;
	size_t changed;
	size_t failed;
};

/**
 * repair_set() - for all TCP sockets of the processes @pids; one that is so already is left alone.
 *
 * For processes that stand still, or nothing is known of what they open meanwhile. A thread with
 * descriptors of its own (CLONE_THREAD without CLONE_FILES) is not seen. Turning it off loses
 * SO_REUSEADDR in the kernel: it is set as on the listener of the same port among @pids, and where
 * there is none.
 * @result: also on error, of what could be done; may be NULL
 * Return: 0; the first -errno; all others are done all the same. Processes that have ended are no
 * error.
 */
int repair_set(const pid_t *pids, size_t count, enum repair value, struct repair_result *result);

#endif
