/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CRIU images: the addresses of the inet sockets in files.img. A connection
 * keeps its queues and sequence numbers in tcp-stream-*.img, which holds no address.
 */
#ifndef TCPMIG_IMAGES_H
#define TCPMIG_IMAGES_H

#include <stddef.h>

#include "tcpmig_shared.h"

/** struct images_result - sockets that were changed, and listeners that fit as they are. */
struct images_result {
	size_t listeners;
	size_t connections;
	size_t unchanged;
};

/**
 * images_rewrite() - give the sockets in the images of @dir another address.
 * @dir:  image directory of a finished dump
 * @from: address that they have; port 0: whatever the port
 * @to:   of the same family; port 0: the port stays
 * @why:  on error: what is wrong, as a phrase (static storage)
 *
 * TCP and UDP; IPv4 also where a socket holds it v4-mapped. A listener on the
 * wildcard address keeps it and gets the port. files.img is replaced as a whole
 * (write, fsync, rename) or not at all.
 * Return: 0; -ENOENT: no files.img; -ENOMSG: nothing in it matches; -EBADMSG:
 * damaged; another -errno.
 */
int images_rewrite(const char *dir, const struct tcpmig_endpoint *from,
		   const struct tcpmig_endpoint *to, struct images_result *result,
		   const char **why);

/**
 * images_each_connection() - call @fn for each TCP connection in the images of @dir.
 * @dir_fd: image directory
 * Return: 0, what @fn returned if that is not 0, or -errno as images_rewrite().
 */
int images_each_connection(int dir_fd,
			   int (*fn)(const struct tcpmig_endpoint *local,
				     const struct tcpmig_endpoint *remote, void *ctx),
			   void *ctx);

#endif
