// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which places there are, and who is in them: by /proc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "tree_place.h"

/* Inode of a namespace of @pid. Return: 0; -ESRCH: there is no such process; -errno. */
static int ns_inode(pid_t pid, const char *ns, ino_t *inode)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, ns);
	if (stat(path, &st))
		return errno == ENOENT ? -ESRCH : -errno;
	*inode = st.st_ino;
	return 0;
}

/* The PID of @pid in its own namespace. Return: PID; -ESRCH; -errno. */
static pid_t innermost_pid(pid_t pid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char line[256];

	snprintf(line, sizeof(line), "/proc/%d/status", pid);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "NSpid:", 6))
			return atoi(strrchr(line, '\t') ?: "");
	}
	return -ESRCH;
}

/* Reads a file of @pid in /proc; what does not fit is left out. Return: bytes; -errno. */
static ssize_t read_proc(pid_t pid, const char *name, char *text, size_t room)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, room - 1);
	if (len < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	text[len] = '\0';
	return len;
}

/* Anybody may be PID 1 of a PID namespace in a user namespace of his own, by that name. */
static bool is_roots(pid_t pid)
{
	char path[64];
	ino_t ours, its;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return !stat(path, &st) && !st.st_uid && !ns_inode(getpid(), "user", &ours) &&
	       !ns_inode(pid, "user", &its) && its == ours;
}

/* Is @pid the init of a place? Its name goes to @name. */
static bool is_init(pid_t pid, char name[TREE_PLACE_NAME])
{
	char text[sizeof(TREE_PLACE_COMM) + TREE_PLACE_NAME] = "";
	size_t comm = sizeof(TREE_PLACE_COMM);

	if (read_proc(pid, "cmdline", text, sizeof(text)) < (ssize_t)comm)
		return false;
	if (strcmp(text, TREE_PLACE_COMM) || innermost_pid(pid) != 1 || !is_roots(pid))
		return false;
	memcpy(name, text + comm, TREE_PLACE_NAME);
	return true;
}

/* @fn of every process; it ends the search by anything but 0. */
static int each_process(int (*fn)(pid_t pid, void *ctx), void *ctx)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return -errno;
	while (!result && (entry = readdir(dir))) {
		if (*entry->d_name >= '1' && *entry->d_name <= '9')
			result = fn(atoi(entry->d_name), ctx);
	}
	closedir(dir);
	return result;
}

/* Who is sought: the one that is @pid in the PID namespace @ns. */
struct sought {
	ino_t ns;
	pid_t pid;
};

static int is_sought(pid_t pid, void *ctx)
{
	const struct sought *sought = ctx;
	ino_t ns;

	if (ns_inode(pid, "pid", &ns) || ns != sought->ns || innermost_pid(pid) != sought->pid)
		return 0;
	return pid;
}

static pid_t find_in_ns(ino_t ns, pid_t pid)
{
	struct sought sought = { .ns = ns, .pid = pid };

	return each_process(is_sought, &sought) ?: -ESRCH;
}

/* Its pidfd first: what is read afterwards is of this one, or of nobody. */
static int open_place(struct tree_place *place, pid_t init, ino_t ns)
{
	ino_t now;

	place->init = init;
	place->init_fd = pidfd_open(init, 0);
	if (place->init_fd < 0)
		return -errno;
	if (!ns_inode(init, "pid", &now) && now == ns && is_init(init, place->name))
		return 0;
	tree_place_close(place);
	return -EXDEV;
}

int tree_place_of(struct tree_place *place, pid_t pid, pid_t *pid_there)
{
	ino_t ours, its;
	pid_t init;
	int err;

	*place = (struct tree_place){ .init_fd = -1, .leash_fd = -1, .tree_cgroup_fd = -1 };
	err = ns_inode(getpid(), "pid", &ours) ?: ns_inode(pid, "pid", &its);
	if (err)
		return err;
	*pid_there = innermost_pid(pid);
	if (*pid_there < 0)
		return *pid_there;
	if (its == ours)
		return 0;
	init = find_in_ns(its, 1);
	err = init < 0 ? init : open_place(place, init, its);
	return !err ? 1 : err == -ESRCH ? -EXDEV : err;
}

pid_t tree_place_pid_here(const struct tree_place *place, pid_t pid_there)
{
	ino_t ns;

	return ns_inode(place->init, "pid", &ns) ?: find_in_ns(ns, pid_there);
}

struct each {
	int (*cb)(pid_t init, const char *name, void *ctx);
	void *ctx;
};

static int show_init(pid_t pid, void *ctx)
{
	const struct each *each = ctx;
	char name[TREE_PLACE_NAME];

	return is_init(pid, name) ? each->cb(pid, name, each->ctx) : 0;
}

int tree_place_each(int (*cb)(pid_t init, const char *name, void *ctx), void *ctx)
{
	struct each each = { .cb = cb, .ctx = ctx };

	return each_process(show_init, &each);
}
