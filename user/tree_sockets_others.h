/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of tree_sockets.c that is not about TCP. */
#ifndef TCPMIG_TREE_SOCKETS_OTHERS_H
#define TCPMIG_TREE_SOCKETS_OTHERS_H

#include <stdbool.h>

struct tree_fd_list;
struct tree_sockets;

/**
 * tree_sockets_read_others() - fill in @s->others.
 * @taken: which of @fds are in @s already
 * Return: 0 or -errno.
 */
int tree_sockets_read_others(const struct tree_fd_list *fds, const bool *taken,
			     struct tree_sockets *s);

#endif
