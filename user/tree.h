/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process and all its children, as /proc shows them. Reads only; nothing is stopped. */
#ifndef TCPMIG_TREE_H
#define TCPMIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Room for a phrase that says why something cannot be done, and its NUL. */
#define TREE_WHY 256

/**
 * struct tree_task - a process; a thread is none of its own.
 * @pid, @parent: as we see them
 * @inner:   its PID in its own PID namespace; the same as @pid where that is ours
 * @session: PID of its session, as we see it; 0: its leader is outside of our namespace
 * @tracer:  PID of who traces it; 0: nobody
 * @uid:     the real one
 * @threads: how many, at least 1
 * @start:   when it began, in clock ticks since boot: with @pid it names it for good
 * @seccomp: as in /proc/PID/status: 0 none, 1 strict, 2 filter
 * @state:   as in /proc/PID/stat: 'S', 'R', 'Z' and so on
 */
struct tree_task {
	pid_t pid;
	pid_t parent;
	pid_t inner;
	pid_t session;
	pid_t tracer;
	uid_t uid;
	uint32_t threads;
	uint64_t start;
	int seccomp;
	char state;
	char comm[32];
};

/**
 * struct tree - zero it, tree_read(), tree_free().
 * @tasks:  the root first, parents before their children
 * @ids:    IDs of all threads of all tasks in their own PID namespace: what B must have free
 * @pidns:  inode number of the root's PID namespace; @pidns_is_ours: it is ours too
 * @one_mntns, @one_pidns: all tasks have the same; of network and user they must
 */
struct tree {
	struct tree_task *tasks;
	size_t count;
	uint32_t *ids;
	size_t id_count;
	uint64_t pidns;
	bool one_mntns, one_pidns;
	bool pidns_is_ours;
};

/**
 * tree_read() - @root and all its children and theirs, at this moment.
 * @why: TREE_WHY bytes; a phrase about what is refused, "" where -errno says all
 *
 * Read again until two readings agree, a few times; a tree that forks all the time is taken
 * as it was last. Refused: a tree that we are part of, one in another network or user namespace
 * than ours, or in several.
 * Return: 0; -ESRCH: no such process; -EINVAL: refused; or another -errno. @t is empty then.
 */
int tree_read(struct tree *t, pid_t root, char *why);

/** tree_find() - Return: the task with this PID (as we see it), or NULL. */
const struct tree_task *tree_find(const struct tree *t, pid_t pid);

/** tree_same() - do @a and @b have the same tasks and as many threads? */
bool tree_same(const struct tree *a, const struct tree *b);

void tree_free(struct tree *t);

#endif
