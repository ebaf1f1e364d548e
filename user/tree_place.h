/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a moved tree lives on its new host: a PID and a mount namespace of its own, so that it
 * keeps its PIDs whatever else runs there, and so that it can be dumped again: CRIU must run
 * inside them. Their PID 1 is this program under another name, which outlives whoever made it.
 *
 *   make ──► a leash ties it to its maker ── keep ──► it lives until the last process in it ends
 *                    │ the maker ends, or lets go              │ SIGTERM, tree_place_end()
 *                    └──────────► all in it is killed ◄────────┘
 */
#ifndef TCPMIG_TREE_PLACE_H
#define TCPMIG_TREE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** What the init of a place is called; also argv[0] by which main() knows that it is to be one. */
#define TREE_PLACE_COMM "tcpmig-init"

/** Bytes of the name of a place, with the 0 behind it: the text of a UUID. */
#define TREE_PLACE_NAME 37

/**
 * struct tree_place - one place. All descriptors are close-on-exec.
 * @init:      its PID 1, as seen here
 * @init_fd:   the same, as a pidfd
 * @leash_fd:  until it is kept: with the last descriptor of this all in it ends; -1: kept
 * @tree_cgroup_fd: cgroup (v2) in which a restore begins; the caller's, not closed; -1: ours
 * @name:      what it was called when it was made; "": nothing
 */
struct tree_place {
	pid_t init;
	int init_fd;
	int leash_fd;
	int tree_cgroup_fd;
	char name[TREE_PLACE_NAME];
};

/**
 * struct tree_place_want - what a new place is to be like. All zero but the cgroups: -1 each.
 * @pids, @pid_count: PIDs (threads, sessions and groups too) that the tree will want: whoever
 *                    starts in the place before it, stays away from them
 * @init_cgroup_fd:   cgroup directory (v2) for its init; -1: that of the caller
 * @tree_cgroup_fd:   the same for the tree; the freezer of a later move needs one without init
 * @name:             shown in its command line, found by tree_place_each(); NULL: none
 */
struct tree_place_want {
	const pid_t *pids;
	size_t pid_count;
	int init_cgroup_fd;
	int tree_cgroup_fd;
	const char *name;
};

/**
 * tree_place_make() - a new place, empty but for its init.
 * @why: on error: which step failed, as a phrase (static storage)
 *
 * Its mounts are those of this process now; what is mounted later comes in, nothing gets out.
 * /proc shows its own processes. The network, host name and IPC are those of the caller.
 * The init is a child of the caller with descriptors 0 to 2 on /dev/null.
 * Return: 0; -ERANGE: the wanted PIDs leave no room; -errno.
 */
int tree_place_make(struct tree_place *place, const struct tree_place_want *want, const char **why);

/**
 * tree_place_keep() - from now on it does not depend on its maker, but ends with the last process
 * in it. Return: 0; -ESRCH: it has ended; -EALREADY: it is kept.
 */
int tree_place_keep(struct tree_place *place);

/**
 * tree_place_of() - the place that process @pid is in.
 * @pid_there: its PID as seen in there, or here if it is in none
 * Return: 1: @place is open, kept; 0: it is in our own PID namespace, @place is closed; -ESRCH:
 * no such process; -EXDEV: it is in another namespace, which is no place of ours; -errno.
 */
int tree_place_of(struct tree_place *place, pid_t pid, pid_t *pid_there);

/**
 * tree_place_pid_here() - the PID as seen here of who is @pid_there in @place.
 * Return: PID; -ESRCH: nobody; -errno.
 */
pid_t tree_place_pid_here(const struct tree_place *place, pid_t pid_there);

/**
 * tree_place_each() - call @cb with the init of each place on this host that can be seen.
 * Return: 0, what @cb returned if that is not 0, or -errno.
 */
int tree_place_each(int (*cb)(pid_t init, const char *name, void *ctx), void *ctx);

/**
 * tree_place_fork() - as fork(), but the child is in @place (and stays a child of ours).
 * @into_tree_cgroup: it begins in @place->tree_cgroup_fd, if that is not -1
 * @place: NULL: here
 * The child is to execute something soon. Only for processes of one thread.
 * Return: 0 in the child; PID as seen here; -errno.
 */
pid_t tree_place_fork(const struct tree_place *place, bool into_tree_cgroup);

/**
 * tree_place_end() - kill all that is in it and wait until it is gone; closes @place.
 * A child of ours in it must have been waited for (criu_swrk_end()): it is not gone before.
 * Return: 0; -ETIMEDOUT: it is not gone after @timeout_ms; -errno.
 */
int tree_place_end(struct tree_place *place, int timeout_ms);

/** tree_place_close() - closes @place. It stays if it is kept; else that ends it. */
void tree_place_close(struct tree_place *place);

/**
 * tree_place_is_init() - was this program started as the init of a place? For main(), before all
 * else. Return: true: call tree_place_init().
 */
bool tree_place_is_init(int argc, char **argv);

/** tree_place_init() - be the init of a place. Return: exit status, when all else has ended. */
int tree_place_init(void);

#endif
