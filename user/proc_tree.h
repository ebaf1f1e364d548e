/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process and its descendants, by number, fast and again and again, while they fork. */
#ifndef TCPMIG_PROC_TREE_H
#define TCPMIG_PROC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct proc_stat - of /proc/PID/stat.
 * @start_ticks: since boot: with the PID it names the process for good
 * @dead:        it is only waited for: no thread of it runs any more
 */
struct proc_stat {
	pid_t parent;
	uint64_t start_ticks;
	bool dead;
};

/** proc_stat_read() - Return: 0; -ESRCH; -errno. */
int proc_stat_read(pid_t pid, struct proc_stat *stat);

/**
 * proc_tree_read() - @root and below, parents before their children, as they are met.
 * @pids: free() it
 * Return: 0; -ESRCH: no such process, or it is dead; -errno.
 */
int proc_tree_read(pid_t root, pid_t **pids, size_t *count);

/** proc_pids_add() - append. Return: 0; -ENOMEM. */
int proc_pids_add(pid_t **pids, size_t *count, pid_t pid);

/** proc_pids_have() - is @pid in the list? */
bool proc_pids_have(const pid_t *pids, size_t count, pid_t pid);

#endif
