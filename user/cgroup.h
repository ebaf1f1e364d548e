/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A cgroup v2 that holds one process tree and nothing else, so that it can be frozen, and killed,
 * as a whole, whoever traces it. Beside v1 hierarchies too: the freezer is in the core of v2.
 *
 * A frozen tree stays frozen when whoever froze it has ended, and SIGKILL gets through.
 */
#ifndef TCPMIG_CGROUP_H
#define TCPMIG_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** struct cgroup_home - where a process was: PID @pid that began at @start_ticks. */
struct cgroup_home {
	pid_t pid;
	uint64_t start_ticks;
	char *path;
};

/**
 * struct cgroup - the private one. Begin with cgroup_plan(), or with the fields from a journal and
 * fd -1, and end with cgroup_free().
 * @path:  below the mount point of cgroup v2, "/tcpmig-UUID"; allocated
 * @made:  it is ours: cgroup_put_back() or cgroup_remove() ends it. Else it was there before, for
 *         this tree alone
 * @homes: where the tasks were; [0] is the root's, and serves for whoever is not in the list
 * @fd:    its directory, while open; else -1
 */
struct cgroup {
	char *path;
	bool made;
	struct cgroup_home *homes;
	size_t home_count;
	int fd;
};

/**
 * cgroup_mount() - where cgroup v2 is mounted, with its own root or some part of it.
 * @dir: PATH_MAX bytes
 * Return: 0; -ENOENT: nowhere; -errno.
 */
int cgroup_mount(char *dir);

/**
 * cgroup_of() - the path of @pid's cgroup v2 below the mount point; "/" is the root.
 * @path: free() it
 * Return: 0; -ESRCH; -ENOENT: no cgroup v2; -EXDEV: outside of what is mounted here; -errno.
 */
int cgroup_of(pid_t pid, char **path);

/**
 * cgroup_plan() - which cgroup the tree of @root shall be in. Changes nothing.
 *
 * Its own if it is alone there, else a new one below that: limits and systemd's unit still count.
 * Write the result down before cgroup_enter(), which makes it so.
 * @why: on error: a phrase (static storage)
 * Return: 0; -ESRCH: no such process; -ENOENT, -EXDEV: see cgroup_of(); -EOPNOTSUPP: a threaded
 * cgroup; -errno.
 */
int cgroup_plan(struct cgroup *cg, pid_t root, const uint8_t uuid[16], const char **why);

/**
 * cgroup_enter() - make it, and move the tree of @root there, until nothing of it is elsewhere.
 * On error the tasks are back where they were.
 * Return: 0; -EBUSY: others are in it; -ESRCH: @root has ended; -ETIME: it forks faster than it can
 * be followed; -errno.
 */
int cgroup_enter(struct cgroup *cg, pid_t root, const char **why);

/** cgroup_make() - only the directory, if it is not there. Return: 0; -errno. */
int cgroup_make(const struct cgroup *cg);

/** cgroup_open() - one that has been made, maybe in an earlier life. Return: 0; -ENOENT; -errno. */
int cgroup_open(struct cgroup *cg);

/** cgroup_has_only() - nothing in it but the tree of @root, and all of that? Return: 1, 0, -errno.
 */
int cgroup_has_only(const struct cgroup *cg, pid_t root);

/**
 * cgroup_freeze() - and wait until every task of it stands still, also those that are traced.
 * Return: 0; -ETIME: they do not within @timeout_ms: still to be thawed; -errno.
 */
int cgroup_freeze(const struct cgroup *cg, int timeout_ms);

/** cgroup_freeze_begin() - only the order. Return: 0; -errno. */
int cgroup_freeze_begin(const struct cgroup *cg);

/** cgroup_thaw() - Return: 0; -errno. */
int cgroup_thaw(const struct cgroup *cg);

/** cgroup_is_frozen() - do all tasks of it stand still? Return: 1, 0; -errno. */
int cgroup_is_frozen(const struct cgroup *cg);

/**
 * cgroup_pids() - the processes in it and below, as this PID namespace sees them.
 * @pids: free() it
 * Return: 0; -errno.
 */
int cgroup_pids(const struct cgroup *cg, pid_t **pids, size_t *count);

/** cgroup_kill() - SIGKILL to all of it, frozen or not. Return: 0: empty and thawed, or gone;
 * -ETIME; -errno. */
int cgroup_kill(const struct cgroup *cg, int timeout_ms);

/**
 * cgroup_put_back() - every process to where it was, or, where it is younger, to where its parent
 * goes. Then, if it is ours, remove it. Thaw it first.
 * Return: 0, also where it is gone already; -errno.
 */
int cgroup_put_back(struct cgroup *cg);

/** cgroup_remove() - an empty one of ours. Return: 0, also where it is gone; -EBUSY; -errno. */
int cgroup_remove(struct cgroup *cg, int timeout_ms);

void cgroup_free(struct cgroup *cg);

#endif
