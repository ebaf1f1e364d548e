/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The descriptors of a tree's tasks, and those of everybody else. */
#ifndef TCPMIG_TREE_FDS_H
#define TCPMIG_TREE_FDS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree;

/**
 * tree_fds_cb - called with a descriptor and what /proc/PID/fd says that it is.
 * Return: 0 to go on, else what tree_fds_each() returns.
 */
typedef int tree_fds_cb(pid_t pid, int fd, const char *link, void *ctx);

/** tree_fds_each() - all descriptors of all tasks. Return: 0, what @cb returned, or -errno. */
int tree_fds_each(const struct tree *t, tree_fds_cb *cb, void *ctx);

/** tree_fds_each_other() - all descriptors of all processes that are not in @t, but ourselves. */
int tree_fds_each_other(const struct tree *t, tree_fds_cb *cb, void *ctx);

/** struct tree_fd - a socket that a task has. */
struct tree_fd {
	uint64_t inode;
	pid_t pid;
	int fd;
};

/** struct tree_fd_list - sorted by inode, each once. */
struct tree_fd_list {
	struct tree_fd *list;
	size_t count;
};

/** tree_fds_sockets() - the sockets of @t. free() @found->list. Return: 0 or -errno. */
int tree_fds_sockets(const struct tree *t, struct tree_fd_list *found);

/** tree_fds_find() - Return: that with @inode, or NULL. */
struct tree_fd *tree_fds_find(const struct tree_fd_list *fds, uint64_t inode);

/** struct tree_getfd - zero it; keeps the pidfd of the last process. tree_getfd_close() it. */
struct tree_getfd {
	pid_t pid;
	int pidfd;
};

/** tree_getfd() - a descriptor of another process as one of ours. Return: it, or -errno. */
int tree_getfd(struct tree_getfd *from, pid_t pid, int fd);
void tree_getfd_close(struct tree_getfd *from);

#endif
