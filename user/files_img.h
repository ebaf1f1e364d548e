/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* files.img of CRIU as bytes: the addresses of its inet sockets. Pure: no I/O, no state. */
#ifndef TCPMIG_FILES_IMG_H
#define TCPMIG_FILES_IMG_H

#include "images.h"

/** struct bytes - grows as need be. Zero it to begin, bytes_free() it. */
struct bytes {
	unsigned char *data;
	size_t len;
	size_t room;
};

/** bytes_reserve() - room for @more behind what is there. Return: 0; -ENOMEM. */
int bytes_reserve(struct bytes *b, size_t more);
void bytes_free(struct bytes *b);

#define _cleanup_bytes_ __attribute__((cleanup(bytes_free)))

/**
 * files_img_rewrite() - @in with other addresses, as images_rewrite().
 * @out: empty; result
 * Return: 0, even if no socket matches; -EBADMSG: damaged; -ENOMEM.
 */
int files_img_rewrite(const struct bytes *in, const struct tcpmig_endpoint *from,
		      const struct tcpmig_endpoint *to, struct images_result *result,
		      struct bytes *out);

/** files_img_each_connection() - as images_each_connection(). */
int files_img_each_connection(const struct bytes *in,
			      int (*fn)(const struct tcpmig_endpoint *local,
					const struct tcpmig_endpoint *remote, void *ctx),
			      void *ctx);

#endif
