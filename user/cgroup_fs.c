// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "cgroup.h"
#include "cgroup_fs.h"
#include "cleanup.h"
#include "proc_tree.h"

#define DEPTH_MAX 32

static bool is_cgroup2(const char *dir)
{
	struct statfs fs;

	return !statfs(dir, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/*
 * The mount that shows most: one of the root if there is one. What another mount covers is no
 * cgroup v2 when it is looked at. @root, @dir: PATH_MAX.
 */
static int find_mount(char *root, char *dir)
{
	_cleanup_fclose_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	char this_root[PATH_MAX], this_dir[PATH_MAX];
	bool found = false;
	size_t size = 0;

	if (!mounts)
		return -errno;
	while (getline(&line, &size, mounts) > 0) {
		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*d %*d %*s %4095s %4095s", this_root, this_dir) != 2 ||
		    (found && strcmp(this_root, "/")) || !is_cgroup2(this_dir))
			continue;
		strcpy(root, this_root);
		strcpy(dir, this_dir);
		found = true;
		if (!strcmp(root, "/"))
			break;
	}
	return found ? 0 : -ENOENT;
}

int cgroup_mount(char *dir)
{
	char root[PATH_MAX];

	return find_mount(root, dir);
}

/* "0::/path": of v2; those of v1 have other numbers. Return: 0; -ENOENT: no such line. */
static int read_path(FILE *file, char *path)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, file) > 0) {
		if (strncmp(line, "0::/", 4) || strlen(line) >= PATH_MAX)
			continue;
		strcpy(path, line + 3);
		path[strcspn(path, "\n")] = 0;
		return 0;
	}
	return -ENOENT;
}

/* Below what is mounted. A path that begins with ".." is above our cgroup namespace. */
static const char *below(const char *path, const char *root)
{
	size_t length = strcmp(root, "/") ? strlen(root) : 0;

	if (!strncmp(path, "/..", 3) || strncmp(path, root, length))
		return NULL;
	path += length;
	return *path == '/' ? path : *path ? NULL : "/";
}

int cgroup_of(pid_t pid, char **result)
{
	char root[PATH_MAX], dir[PATH_MAX], name[32], path[PATH_MAX];
	_cleanup_fclose_ FILE *file = NULL;
	const char *part;
	int err = find_mount(root, dir);

	if (err)
		return err;
	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	file = fopen(name, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_path(file, path);
	if (err)
		return ferror(file) ? -ESRCH : err;
	part = below(path, root);
	if (!part)
		return -EXDEV;
	*result = strdup(part);
	return *result ? 0 : -ENOMEM;
}

int cgroup_full_path(const char *path, char *full)
{
	char dir[PATH_MAX];
	int err = cgroup_mount(dir);

	if (err)
		return err;
	return snprintf(full, PATH_MAX, "%s%s", dir, path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int cgroup_open_dir(const char *path)
{
	char full[PATH_MAX];
	int err = cgroup_full_path(path, full);
	int fd;

	if (err)
		return err;
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_write(int dir_fd, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int cgroup_read(int dir_fd, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = 0;
	return n < 0 ? -errno : 0;
}

static int add_own_pids(int dir_fd, pid_t **pids, size_t *count)
{
	_cleanup_fclose_ FILE *file = NULL;
	int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	int err = 0;
	pid_t pid;

	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		return -errno;
	while (!err && fscanf(file, "%d", &pid) == 1)
		err = proc_pids_add(pids, count, pid);
	return err ? err : ferror(file) ? -errno : 0;
}

static int add_pids(int dir_fd, int depth, pid_t **pids, size_t *count)
{
	int err = add_own_pids(dir_fd, pids, count);
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		_cleanup_close_ int child = -1;

		if (entry->d_type != DT_DIR || *entry->d_name == '.')
			continue;
		child = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child >= 0) /* else it is gone */
			err = depth < DEPTH_MAX ? add_pids(child, depth + 1, pids, count) : -ELOOP;
	}
	closedir(dir);
	if (err == -EOPNOTSUPP && depth)
		return 0; /* threads: their processes are those of the domain above */
	return err == -ENODEV ? 0 : err; /* removed while we read */
}

int cgroup_add_pids(int dir_fd, pid_t **pids, size_t *count)
{
	return add_pids(dir_fd, 0, pids, count);
}

int cgroup_move(int dir_fd, pid_t pid)
{
	char text[16];
	int err;

	snprintf(text, sizeof(text), "%d", pid);
	err = cgroup_write(dir_fd, "cgroup.procs", text);
	return err == -ESRCH ? 0 : err;
}
