// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "proc.h"

#define PATH_ROOM 80

static const char *path_of(char *path, pid_t pid, const char *name)
{
	if (pid)
		snprintf(path, PATH_ROOM, "/proc/%d/%s", pid, name);
	else
		snprintf(path, PATH_ROOM, "/proc/%s", name);
	return path;
}

/* Who looks for a process does not care how the kernel says that it has gone. */
static int gone(int err)
{
	return err == ENOENT ? -ESRCH : -err;
}

int proc_open(pid_t pid, const char *name, int flags)
{
	char path[PATH_ROOM];
	int fd = open(path_of(path, pid, name), flags | O_CLOEXEC);

	return fd < 0 ? gone(errno) : fd;
}

ssize_t proc_read(pid_t pid, const char *name, char *buf, size_t size)
{
	_cleanup_close_ int fd = proc_open(pid, name, O_RDONLY);
	size_t len = 0;
	ssize_t got;

	buf[0] = 0;
	if (fd < 0)
		return fd;
	while (len < size - 1) {
		got = read(fd, buf + len, size - 1 - len);
		if (got < 0)
			return gone(errno);
		if (!got)
			break;
		len += got;
	}
	buf[len] = 0;
	return len;
}

ssize_t proc_link(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[PATH_ROOM];
	ssize_t len = readlink(path_of(path, pid, name), buf, size - 1);

	buf[len > 0 ? len : 0] = 0;
	return len < 0 ? gone(errno) : len;
}

int proc_namespace(pid_t pid, const char *name, uint64_t *inode)
{
	char path[PATH_ROOM], ns[24];
	struct stat st;

	snprintf(ns, sizeof(ns), "ns/%s", name);
	if (stat(path_of(path, pid, ns), &st))
		return gone(errno);
	*inode = st.st_ino;
	return 0;
}

void proc_comm(pid_t pid, char *comm, size_t size)
{
	proc_read(pid, "comm", comm, size);
	comm[strcspn(comm, "\n")] = 0;
}

int proc_each(pid_t pid, const char *name, int (*fn)(int number, void *ctx), void *ctx)
{
	char path[PATH_ROOM];
	DIR *dir = opendir(path_of(path, pid, name));
	struct dirent *entry;
	int err = 0;
	long number;
	char *end;

	if (!dir)
		return gone(errno);
	while (!err && (errno = 0, entry = readdir(dir))) {
		number = strtol(entry->d_name, &end, 10);
		if (end != entry->d_name && !*end)
			err = fn((int)number, ctx);
	}
	if (!err && errno)
		err = gone(errno);
	closedir(dir);
	return err;
}

const char *proc_field(const char *status, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

/* The last of "NSpid: 100 7 1". */
pid_t proc_inner_pid(const char *status)
{
	const char *field = proc_field(status, "NSpid");
	pid_t pid = 0;
	char *end;

	for (; field && *field && *field != '\n'; field = end + strspn(end, " \t")) {
		pid = (pid_t)strtol(field, &end, 10);
		if (end == field)
			break;
	}
	return pid;
}

uint64_t proc_link_inode(const char *link, const char *kind)
{
	size_t len = strlen(kind);

	if (strncmp(link, kind, len) || strncmp(link + len, ":[", 2))
		return 0;
	return strtoull(link + len + 2, NULL, 10);
}
