// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "proc.h"
#include "tree.h"

#define READINGS   5
#define PF_KTHREAD 0x00200000 /* linux/sched.h, which user space cannot include */

/** struct kinship - who is whose child, of all processes. */
struct kinship {
	struct {
		pid_t pid, parent;
	} * list;
	size_t count;
};

/** struct stat_line - of /proc/PID/stat. */
struct stat_line {
	char state;
	int parent, session;
	unsigned long flags;
	unsigned int threads;
	unsigned long long start;
};

/* The name may hold anything, parentheses too: the last one ends it. */
static int read_stat(pid_t pid, struct stat_line *stat)
{
	char buf[1024];
	ssize_t len = proc_read(pid, "stat", buf, sizeof(buf));
	const char *rest = len < 0 ? NULL : strrchr(buf, ')');

	if (len < 0)
		return (int)len;
	if (!rest || sscanf(rest + 1,
			    " %c %d %*d %d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			    "%u %*d %llu",
			    &stat->state, &stat->parent, &stat->session, &stat->flags,
			    &stat->threads, &stat->start) != 6)
		return -EPROTO;
	return 0;
}

static int note_kin(int pid, void *ctx)
{
	struct kinship *kin = ctx;
	struct stat_line stat;
	void *grown;

	if (read_stat(pid, &stat))
		return 0;
	grown = array_grow(kin->list, kin->count, sizeof(*kin->list));
	if (!grown)
		return -ENOMEM;
	kin->list = grown;
	kin->list[kin->count].pid = pid;
	kin->list[kin->count++].parent = stat.parent;
	return 0;
}

static int number_of(const char *status, const char *name)
{
	const char *field = proc_field(status, name);

	return field ? (int)strtoul(field, NULL, 10) : 0;
}

static int read_task(pid_t pid, struct tree_task *task)
{
	char status[PROC_STATUS_ROOM];
	struct stat_line stat;
	int err = read_stat(pid, &stat);
	ssize_t len = err ? err : proc_read(pid, "status", status, sizeof(status));

	if (len < 0)
		return (int)len;
	*task = (struct tree_task){
		.pid = pid,
		.parent = stat.parent,
		.inner = proc_inner_pid(status) ?: pid,
		.session = stat.session,
		.tracer = number_of(status, "TracerPid"),
		.uid = number_of(status, "Uid"),
		.threads = stat.threads,
		.start = stat.start,
		.seccomp = number_of(status, "Seccomp"),
		.state = stat.state,
	};
	proc_comm(pid, task->comm, sizeof(task->comm));
	return 0;
}

static int add_task(struct tree *t, pid_t pid)
{
	struct tree_task *grown = array_grow(t->tasks, t->count, sizeof(*grown));
	int err;

	if (!grown)
		return -ENOMEM;
	t->tasks = grown;
	err = read_task(pid, &t->tasks[t->count]);
	if (!err)
		t->count++;
	return err;
}

/* The list grows at its end while it is gone through: parents come first. */
static int add_all_children(struct tree *t, const struct kinship *kin)
{
	int err = 0;

	for (size_t i = 0; i < t->count; i++) {
		for (size_t k = 0; k < kin->count && !err; k++) {
			if (kin->list[k].parent == t->tasks[i].pid)
				err = add_task(t, kin->list[k].pid);
			err = err == -ESRCH ? 0 : err; /* it has ended since */
		}
	}
	return err;
}

static int read_tasks(struct tree *t, pid_t root)
{
	struct kinship kin = {};
	int err = add_task(t, root);

	if (!err)
		err = proc_each(0, "", note_kin, &kin);
	if (!err)
		err = add_all_children(t, &kin);
	free(kin.list);
	return err;
}

/** struct id_walk - the threads of @task, whose IDs are added to those of @tree. */
struct id_walk {
	struct tree *tree;
	const struct tree_task *task;
};

static int add_id(int tid, void *ctx)
{
	struct id_walk *walk = ctx;
	struct tree *t = walk->tree;
	char name[32], status[PROC_STATUS_ROOM];
	uint32_t *grown;

	if (!t->pidns_is_ours) {
		snprintf(name, sizeof(name), "task/%d/status", tid);
		if (proc_read(walk->task->pid, name, status, sizeof(status)) < 0)
			return 0;
		tid = proc_inner_pid(status);
	}
	grown = array_grow(t->ids, t->id_count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	t->ids = grown;
	t->ids[t->id_count++] = tid;
	return 0;
}

static int read_ids(struct tree *t)
{
	struct id_walk walk = { .tree = t };
	int err;

	for (size_t i = 0; i < t->count; i++) {
		walk.task = &t->tasks[i];
		err = proc_each(walk.task->pid, "task", add_id, &walk);
		if (err && err != -ESRCH)
			return err;
	}
	return 0;
}

/* A namespace in which all have to be, and which has to be ours. Zombies have none any more. */
static int same_namespace(const struct tree *t, const char *name, const char *what,
			  const char *cure, char *why)
{
	uint64_t ours, theirs;
	int err = proc_namespace(getpid(), name, &ours);

	if (!err)
		err = proc_namespace(t->tasks[0].pid, name, &theirs);
	if (err)
		return err;
	for (size_t i = 0; i < t->count; i++) {
		err = proc_namespace(t->tasks[i].pid, name, &theirs);
		if (!err && theirs == ours)
			continue;
		if (err == -ESRCH || t->tasks[i].state == 'Z')
			continue;
		if (err)
			return err;
		snprintf(why, TREE_WHY, "%d (%s) is in another %s namespace%s", t->tasks[i].pid,
			 t->tasks[i].comm, what, cure);
		return -EINVAL;
	}
	return 0;
}

/* A namespace that may be another than ours. @found: the root's; @one: is it that of all? */
static int common_namespace(const struct tree *t, const char *name, uint64_t *found, bool *one)
{
	uint64_t inode;
	int err = proc_namespace(t->tasks[0].pid, name, found);

	if (err)
		return err;
	*one = true;
	for (size_t i = 1; i < t->count; i++) {
		if (!proc_namespace(t->tasks[i].pid, name, &inode) && inode != *found)
			*one = false;
	}
	return 0;
}

static int read_namespaces(struct tree *t, char *why)
{
	uint64_t mntns, ours;
	int err = same_namespace(t, "net", "network", ": enter it with nsenter --net -t PID", why);

	if (!err)
		err = same_namespace(t, "user", "user", "", why);
	if (!err)
		err = common_namespace(t, "mnt", &mntns, &t->one_mntns);
	if (!err)
		err = common_namespace(t, "pid", &t->pidns, &t->one_pidns);
	if (!err)
		err = proc_namespace(getpid(), "pid", &ours);
	t->pidns_is_ours = !err && t->pidns == ours;
	return err;
}

static int refuse(const struct tree *t, char *why)
{
	const struct tree_task *root = &t->tasks[0];
	const struct tree_task *us = tree_find(t, getpid());
	struct stat_line stat;
	int err = read_stat(root->pid, &stat);

	if (err)
		return err;
	if (stat.flags & PF_KTHREAD)
		snprintf(why, TREE_WHY, "%d (%s) is a thread of the kernel", root->pid, root->comm);
	else if (root->state == 'Z' || root->state == 'X')
		snprintf(why, TREE_WHY, "%d (%s) has ended", root->pid, root->comm);
	else if (us)
		snprintf(why, TREE_WHY, "%d (%s) is this program itself or a parent of it",
			 root->pid, root->comm);
	return *why ? -EINVAL : 0;
}

static int read_once(struct tree *t, pid_t root, char *why)
{
	int err = read_tasks(t, root);

	if (!err)
		err = refuse(t, why);
	if (!err)
		err = read_namespaces(t, why);
	if (!err)
		err = read_ids(t);
	if (err)
		tree_free(t);
	return err;
}

int tree_read(struct tree *t, pid_t root, char *why)
{
	struct tree next = {};
	bool same = false;
	int err;

	*why = 0;
	*t = (struct tree){};
	if (root <= 0)
		return -ESRCH;
	err = read_once(t, root, why);
	for (int i = 1; !err && !same && i < READINGS; i++) {
		err = read_once(&next, root, why);
		same = !err && tree_same(t, &next);
		tree_free(t);
		*t = next;
		next = (struct tree){};
	}
	return err;
}

const struct tree_task *tree_find(const struct tree *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->tasks[i].pid == pid)
			return &t->tasks[i];
	}
	return NULL;
}

bool tree_same(const struct tree *a, const struct tree *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (a->tasks[i].pid != b->tasks[i].pid || a->tasks[i].start != b->tasks[i].start ||
		    a->tasks[i].threads != b->tasks[i].threads)
			return false;
	}
	return true;
}

void tree_free(struct tree *t)
{
	free(t->tasks);
	free(t->ids);
	*t = (struct tree){};
}
