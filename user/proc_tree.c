// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "proc_tree.h"

int proc_stat_read(pid_t pid, struct proc_stat *stat)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[32], line[1024], state;
	long threads;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	n = fread(line, 1, sizeof(line) - 1, file);
	line[n] = 0;
	/* The name, in parentheses, may have any character. proc(5): fields 3, 4, 20 and 22. */
	if (!n || !strrchr(line, ')') ||
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

static int add_children_of_thread(pid_t pid, const char *thread, pid_t **pids, size_t *count)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[300];
	int err = 0;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, thread);
	file = fopen(path, "re");
	while (!err && file && fscanf(file, "%d", &child) == 1)
		err = proc_pids_add(pids, count, child);
	return err;
}

static int add_children(pid_t pid, pid_t **pids, size_t *count)
{
	const struct dirent *entry;
	char path[32];
	DIR *threads;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	if (!threads) /* it has ended meanwhile */
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (!err && (entry = readdir(threads))) {
		if (*entry->d_name != '.')
			err = add_children_of_thread(pid, entry->d_name, pids, count);
	}
	closedir(threads);
	return err;
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
