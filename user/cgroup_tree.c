// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which processes belong into the private cgroup, and where they go when it ends. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cgroup_fs.h"
#include "cleanup.h"
#include "control_message.h"
#include "proc_tree.h"

/* Each round meets the children of those that the one before has moved: generations, no more. */
#define ROUNDS_MAX	100
#define ANCESTORS_MAX	64
#define ORPHAN_TRIES	5
#define REMOVE_LIMIT_MS 1000

static int set_why(const char **why, const char *text, int err)
{
	*why = text;
	return err;
}

/* Has @pid ended? 0: it is in another PID namespace, and nobody knows. */
static bool has_ended(pid_t pid)
{
	struct proc_stat stat;

	return pid > 0 && (proc_stat_read(pid, &stat) || stat.dead);
}

static bool is_below(pid_t pid, pid_t root)
{
	struct proc_stat stat;

	for (int i = 0; pid != root; i++) {
		if (pid <= 1 || i == ANCESTORS_MAX || proc_stat_read(pid, &stat))
			return false;
		pid = stat.parent;
	}
	return true;
}

/* Is what is in @dir_fd just the tree of @root? Read one after the other, while it forks. */
static int has_only_now(int dir_fd, pid_t root)
{
	_cleanup_free_ pid_t *tree = NULL, *inside = NULL;
	size_t tree_count, inside_count = 0;
	int err = proc_tree_read(root, &tree, &tree_count);

	if (!err)
		err = cgroup_add_pids(dir_fd, &inside, &inside_count);
	if (err)
		return err;
	for (size_t i = 0; i < tree_count; i++) {
		if (!proc_pids_have(inside, inside_count, tree[i]) && !has_ended(tree[i]))
			return 0;
	}
	for (size_t i = 0; i < inside_count; i++) {
		if (!proc_pids_have(tree, tree_count, inside[i]) && !is_below(inside[i], root) &&
		    !has_ended(inside[i]))
			return 0;
	}
	return 1;
}

/* An orphan of a moment ago, which will have ended in the next, is nobody's. */
static int has_only(int dir_fd, pid_t root)
{
	int only = has_only_now(dir_fd, root);

	for (int i = 0; !only && i < ORPHAN_TRIES; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		only = has_only_now(dir_fd, root);
	}
	return only;
}

int cgroup_has_only(const struct cgroup *cg, pid_t root)
{
	return cg->fd < 0 ? -EBADF : has_only(cg->fd, root);
}

static int add_home(struct cgroup *cg, pid_t pid)
{
	struct cgroup_home *homes, home = { .pid = pid };
	struct proc_stat stat;
	int err = proc_stat_read(pid, &stat);

	if (err || stat.dead)
		return err ? err : -ESRCH;
	home.start_ticks = stat.start_ticks;
	err = cgroup_of(pid, &home.path);
	if (err)
		return err;
	homes = realloc(cg->homes, (cg->home_count + 1) * sizeof(*homes));
	if (!homes) {
		free(home.path);
		return -ENOMEM;
	}
	cg->homes = homes;
	homes[cg->home_count++] = home;
	return 0;
}

/* The root's first. Of the others some may end while we look. */
static int add_homes(struct cgroup *cg, pid_t root)
{
	_cleanup_free_ pid_t *tree = NULL;
	size_t count;
	int err = proc_tree_read(root, &tree, &count);

	for (size_t i = 0; !err && i < count; i++) {
		err = add_home(cg, tree[i]);
		if (err == -ESRCH && i)
			err = 0;
	}
	return err;
}

static bool is_threaded(int dir_fd)
{
	char type[64] = "";

	/* The root has no such file. */
	return !cgroup_read(dir_fd, "cgroup.type", type, sizeof(type)) && strcmp(type, "domain\n");
}

/* Decide, once it is known where the root is. */
static int choose(struct cgroup *cg, pid_t root, const uint8_t uuid[16], const char **why)
{
	const char *home = cg->homes[0].path;
	_cleanup_close_ int fd = cgroup_open_dir(home);
	bool is_root = !strcmp(home, "/");
	char uuid_text[MESSAGE_UUID_STRLEN];
	int alone = fd < 0 ? fd : is_root ? 0 : has_only(fd, root);

	if (alone < 0 && alone != -EOPNOTSUPP)
		return set_why(why, "its cgroup cannot be read", alone);
	if (alone <= 0 && is_threaded(fd))
		return set_why(why, "it is in a threaded cgroup, with others", -EOPNOTSUPP);
	cg->made = !alone;
	if (alone)
		cg->path = strdup(home);
	else if (asprintf(&cg->path, "%s/tcpmig-%s", is_root ? "" : home,
			  message_uuid_text(uuid, uuid_text)) < 0)
		cg->path = NULL;
	return cg->path ? 0 : -ENOMEM;
}

int cgroup_plan(struct cgroup *cg, pid_t root, const uint8_t uuid[16], const char **why)
{
	int err;

	*cg = (struct cgroup){ .fd = -1 };
	*why = "its cgroup cannot be found out";
	err = add_homes(cg, root);
	if (err == -ENOENT)
		*why = "cgroup v2 is not mounted";
	else if (err == -EXDEV)
		*why = "its cgroup is outside of what is mounted here";
	if (!err)
		err = choose(cg, root, uuid, why);
	if (err)
		cgroup_free(cg);
	return err;
}

/* Those of the tree that are elsewhere. Return: how many had to be moved; -errno. */
static int move_stragglers(const struct cgroup *cg, pid_t root)
{
	_cleanup_free_ pid_t *tree = NULL, *inside = NULL;
	size_t tree_count, inside_count;
	int err, moved = 0;

	err = proc_tree_read(root, &tree, &tree_count);
	if (!err)
		err = cgroup_pids(cg, &inside, &inside_count);
	for (size_t i = 0; !err && i < tree_count; i++) {
		if (proc_pids_have(inside, inside_count, tree[i]) || has_ended(tree[i]))
			continue;
		err = cgroup_move(cg->fd, tree[i]);
		moved++;
	}
	return err ? err : moved;
}

static int move_all(const struct cgroup *cg, pid_t root)
{
	int moved = 1;

	for (int round = 0; moved > 0 && round < ROUNDS_MAX; round++)
		moved = move_stragglers(cg, root);
	return moved > 0 ? -ETIME : moved;
}

int cgroup_make(const struct cgroup *cg)
{
	char full[PATH_MAX];
	int err = cgroup_full_path(cg->path, full);

	if (!err && mkdir(full, 0755) && errno != EEXIST)
		err = -errno;
	return err;
}

int cgroup_enter(struct cgroup *cg, pid_t root, const char **why)
{
	int only, err = cg->made ? cgroup_make(cg) : 0;

	if (err)
		return set_why(why, "a cgroup cannot be made", err);
	err = cgroup_open(cg);
	if (!err && cg->made)
		err = move_all(cg, root);
	only = err ? err : cgroup_has_only(cg, root);
	if (only > 0)
		return 0;
	if (cg->made)
		cgroup_put_back(cg);
	if (!only)
		return set_why(why, "others are in its cgroup", -EBUSY);
	return set_why(why, "its processes cannot be moved into a cgroup of their own", only);
}

static const struct cgroup_home *home_of(const struct cgroup *cg, pid_t pid, uint64_t start_ticks)
{
	for (size_t i = 0; i < cg->home_count; i++) {
		if (cg->homes[i].pid == pid && cg->homes[i].start_ticks == start_ticks)
			return &cg->homes[i];
	}
	return NULL;
}

/* Its own, or that of the nearest ancestor that has one, or that of the root. */
static const char *home_path(const struct cgroup *cg, pid_t pid)
{
	const struct cgroup_home *home = NULL;
	struct proc_stat stat;

	for (int i = 0; !home && pid > 0 && i < ANCESTORS_MAX && !proc_stat_read(pid, &stat); i++) {
		home = home_of(cg, pid, stat.start_ticks);
		pid = stat.parent;
	}
	if (home)
		return home->path;
	return cg->home_count ? cg->homes[0].path : "/";
}

/* If its home is gone, to that of the root; if that is, to the root of all. */
static int send_home(const struct cgroup *cg, pid_t pid)
{
	const char *paths[] = { home_path(cg, pid), cg->home_count ? cg->homes[0].path : "/", "/" };
	int err = -ENOENT;

	for (size_t i = 0; err && i < ARRAY_SIZE(paths); i++) {
		_cleanup_close_ int fd = cgroup_open_dir(paths[i]);

		err = fd < 0 ? fd : cgroup_move(fd, pid);
	}
	return err;
}

/* Return: how many were there; -errno. */
static int send_all_home(const struct cgroup *cg)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count;
	int err = cgroup_pids(cg, &pids, &count);

	for (size_t i = 0; !err && i < count; i++)
		err = pids[i] > 0 ? send_home(cg, pids[i]) : -EXDEV;
	return err ? err : (int)count;
}

int cgroup_put_back(struct cgroup *cg)
{
	int left = 1, err = 0;

	if (!cg->made)
		return 0;
	if (cg->fd < 0)
		err = cgroup_open(cg);
	if (err)
		return err == -ENOENT ? 0 : err;
	for (int round = 0; left > 0 && round < ROUNDS_MAX; round++)
		left = send_all_home(cg);
	if (left)
		return left > 0 ? -ETIME : left;
	return cgroup_remove(cg, REMOVE_LIMIT_MS);
}
