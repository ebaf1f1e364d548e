// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which places there are, and who is in them: by /proc. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc.h"
#include "tree_place.h"

/* The PID of @pid in its own namespace. Return: PID; -ESRCH; -errno. */
static pid_t innermost_pid(pid_t pid)
{
	char status[PROC_STATUS_ROOM];
	ssize_t len = proc_read(pid, "status", status, sizeof(status));

	return len < 0 ? len : proc_inner_pid(status) ?: -ESRCH;
}

/* Anybody may be PID 1 of a PID namespace in a user namespace of his own, by that name. */
static bool is_roots(pid_t pid)
{
	char path[64];
	uint64_t ours, its;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return !stat(path, &st) && !st.st_uid && !proc_namespace(getpid(), "user", &ours) &&
	       !proc_namespace(pid, "user", &its) && its == ours;
}

/* Is @pid the init of a place? Its name goes to @name. */
static bool is_init(pid_t pid, char name[TREE_PLACE_NAME])
{
	char text[sizeof(TREE_PLACE_COMM) + TREE_PLACE_NAME] = "";
	size_t comm = sizeof(TREE_PLACE_COMM);

	if (proc_read(pid, "cmdline", text, sizeof(text)) < (ssize_t)comm)
		return false;
	if (strcmp(text, TREE_PLACE_COMM) || innermost_pid(pid) != 1 || !is_roots(pid))
		return false;
	memcpy(name, text + comm, TREE_PLACE_NAME);
	return true;
}

/* Who is sought: the one that is @pid in the PID namespace @ns. */
struct sought {
	uint64_t ns;
	pid_t pid;
};

static int is_sought(pid_t pid, void *ctx)
{
	const struct sought *sought = ctx;
	uint64_t ns;

	if (proc_namespace(pid, "pid", &ns) || ns != sought->ns ||
	    innermost_pid(pid) != sought->pid)
		return 0;
	return pid;
}

static pid_t find_in_ns(uint64_t ns, pid_t pid)
{
	struct sought sought = { .ns = ns, .pid = pid };

	return proc_each(0, "", is_sought, &sought) ?: -ESRCH;
}

/* Its pidfd first: what is read afterwards is of this one, or of nobody. */
static int open_place(struct tree_place *place, pid_t init, uint64_t ns)
{
	uint64_t now;

	place->init = init;
	place->init_fd = pidfd_open(init, 0);
	if (place->init_fd < 0)
		return -errno;
	if (!proc_namespace(init, "pid", &now) && now == ns && is_init(init, place->name))
		return 0;
	tree_place_close(place);
	return -EXDEV;
}

int tree_place_of(struct tree_place *place, pid_t pid, pid_t *pid_there)
{
	uint64_t ours, its;
	pid_t init;
	int err;

	*place = (struct tree_place){ .init_fd = -1, .leash_fd = -1, .tree_cgroup_fd = -1 };
	err = proc_namespace(getpid(), "pid", &ours) ?: proc_namespace(pid, "pid", &its);
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
	uint64_t ns;

	return proc_namespace(place->init, "pid", &ns) ?: find_in_ns(ns, pid_there);
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

	return proc_each(0, "", show_init, &each);
}
