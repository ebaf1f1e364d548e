// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "proc.h"
#include "proc_tree.h"

int proc_stat_read(pid_t pid, struct proc_stat *stat)
{
	char line[1024], state;
	ssize_t len = proc_read(pid, "stat", line, sizeof(line));
	long threads;

	if (len < 0)
		return len;
	/* The name, in parentheses, may have any character. proc(5): fields 3, 4, 20 and 22. */
	if (!strrchr(line, ')') ||
	    sscanf(strrchr(line, ')') + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d "
		   "%" SCNu64,
		   &state, &stat->parent, &threads, &stat->start_ticks) != 4)
		return -ESRCH; /* it has just ended */
	stat->dead = state == 'X' || (state == 'Z' && threads <= 1);
	return 0;
}

int proc_pids_add(pid_t **pids, size_t *count, pid_t pid)
{
	pid_t *list = *pids;

	/* Doubled whenever it is full: at 16, 32 and so on. */
	if (!list || (*count >= 16 && !(*count & (*count - 1))))
		list = realloc(list, (*count < 16 ? 16 : *count * 2) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	*pids = list;
	list[(*count)++] = pid;
	return 0;
}

bool proc_pids_have(const pid_t *pids, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++) {
		if (pids[i] == pid)
			return true;
	}
	return false;
}

/** struct family - where the children of the threads of @pid go. */
struct family {
	pid_t pid;
	pid_t **pids;
	size_t *count;
};

static int add_children_of_thread(int tid, void *ctx)
{
	const struct family *family = ctx;
	_cleanup_fclose_ FILE *file = NULL;
	int fd, err = 0;
	char name[32];
	pid_t child;

	snprintf(name, sizeof(name), "task/%d/children", tid);
	fd = proc_open(family->pid, name, O_RDONLY);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	while (!err && file && fscanf(file, "%d", &child) == 1)
		err = proc_pids_add(family->pids, family->count, child);
	return err;
}

static int add_children(pid_t pid, pid_t **pids, size_t *count)
{
	struct family family = { .pid = pid, .pids = pids, .count = count };
	int err = proc_each(pid, "task", add_children_of_thread, &family);

	return err == -ESRCH ? 0 : err; /* it has ended meanwhile */
}

int proc_tree_read(pid_t root, pid_t **pids, size_t *count)
{
	struct proc_stat stat;
	int err = proc_stat_read(root, &stat);

	*pids = NULL;
	*count = 0;
	if (err || stat.dead)
		return err ? err : -ESRCH;
	err = proc_pids_add(pids, count, root);
	for (size_t i = 0; !err && i < *count; i++)
		err = add_children((*pids)[i], pids, count);
	if (!err)
		return 0;
	free(*pids);
	*pids = NULL;
	return err;
}
