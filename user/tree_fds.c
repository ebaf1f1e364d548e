// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "array.h"
#include "proc.h"
#include "tree.h"
#include "tree_fds.h"

/** struct fd_walk - where we are, and who wants to know. */
struct fd_walk {
	const struct tree *tree;
	pid_t pid;
	tree_fds_cb *cb;
	void *ctx;
};

static int on_fd(int fd, void *ctx)
{
	const struct fd_walk *walk = ctx;
	char name[24], link[PATH_MAX];

	snprintf(name, sizeof(name), "fd/%d", fd);
	if (proc_link(walk->pid, name, link, sizeof(link)) < 0)
		return 0; /* closed since */
	return walk->cb(walk->pid, fd, link, walk->ctx);
}

/* A process that has gone has none. */
static int each_fd(struct fd_walk *walk)
{
	int err = proc_each(walk->pid, "fd", on_fd, walk);

	return err == -ESRCH ? 0 : err;
}

int tree_fds_each(const struct tree *t, tree_fds_cb *cb, void *ctx)
{
	struct fd_walk walk = { .tree = t, .cb = cb, .ctx = ctx };
	int err = 0;

	for (size_t i = 0; i < t->count && !err; i++) {
		walk.pid = t->tasks[i].pid;
		err = each_fd(&walk);
	}
	return err;
}

static int on_process(int pid, void *ctx)
{
	struct fd_walk *walk = ctx;

	if (tree_find(walk->tree, pid) || pid == getpid())
		return 0;
	walk->pid = pid;
	return each_fd(walk);
}

int tree_fds_each_other(const struct tree *t, tree_fds_cb *cb, void *ctx)
{
	struct fd_walk walk = { .tree = t, .cb = cb, .ctx = ctx };

	return proc_each(0, "", on_process, &walk);
}

static int on_socket(pid_t pid, int fd, const char *link, void *ctx)
{
	uint64_t inode = proc_link_inode(link, "socket");
	struct tree_fd_list *found = ctx;
	struct tree_fd *grown;

	if (!inode)
		return 0;
	grown = array_grow(found->list, found->count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	found->list = grown;
	grown[found->count++] = (struct tree_fd){ .inode = inode, .pid = pid, .fd = fd };
	return 0;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct tree_fd *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* The parent's descriptor of a socket that its children have too, where there is one. */
static int compare_fds(const void *a, const void *b)
{
	const struct tree_fd *x = a, *y = b;

	return compare_inodes(a, b) ?: (x->pid - y->pid) ?: (x->fd - y->fd);
}

int tree_fds_sockets(const struct tree *t, struct tree_fd_list *found)
{
	size_t kept = 0;
	int err;

	*found = (struct tree_fd_list){};
	err = tree_fds_each(t, on_socket, found);
	if (err) {
		free(found->list);
		*found = (struct tree_fd_list){};
		return err;
	}
	if (found->count)
		qsort(found->list, found->count, sizeof(*found->list), compare_fds);
	for (size_t i = 0; i < found->count; i++) {
		if (!kept || found->list[kept - 1].inode != found->list[i].inode)
			found->list[kept++] = found->list[i];
	}
	found->count = kept;
	return 0;
}

struct tree_fd *tree_fds_find(const struct tree_fd_list *fds, uint64_t inode)
{
	struct tree_fd key = { .inode = inode };

	if (!fds->count)
		return NULL;
	return bsearch(&key, fds->list, fds->count, sizeof(*fds->list), compare_inodes);
}

void tree_getfd_close(struct tree_getfd *from)
{
	if (from->pid)
		close(from->pidfd);
	*from = (struct tree_getfd){};
}

int tree_getfd(struct tree_getfd *from, pid_t pid, int fd)
{
	int got;

	if (from->pid != pid) {
		tree_getfd_close(from);
		from->pidfd = pidfd_open(pid, 0);
		if (from->pidfd < 0)
			return -errno;
		from->pid = pid;
	}
	got = pidfd_getfd(from->pidfd, fd, 0);
	return got < 0 ? -errno : got;
}
