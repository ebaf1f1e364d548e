/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Processes that tests make, to look at: they do what they are told, say so, and wait. */
#ifndef TCPMIG_TEST_CHILD_H
#define TCPMIG_TEST_CHILD_H

#include <sys/types.h>

/**
 * child_start() - fork a session leader without any descriptor but 0 to 2 (/dev/null), that does
 * @fn(@arg) and then sleeps until it is killed. Returns when @fn is through.
 */
pid_t child_start(void (*fn)(void *arg), void *arg);

/** child_stop() - SIGKILL to its process group, and wait until nobody of it is there. */
void child_stop(pid_t pid);

/** own_network() - a network namespace for this test alone, with lo up. Return: 0, or -errno: then
 * it goes on in the one of its caller. */
int own_network(void);

/** must() - @ok or the child says @what on stderr's other side and ends: child_start() fails. */
#define must(ok) must_be((ok), #ok, __LINE__)
void must_be(int ok, const char *what, int line);

#endif
