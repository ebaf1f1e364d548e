/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* files.img of CRIU as bytes: the addresses of its inet sockets. Pure: no I/O, no state. */
#ifndef TCPMIG_FILES_IMG_H
#define TCPMIG_FILES_IMG_H

#include <sys/types.h>

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

#define FILES_IMG "files.img"

/**
 * images_read_file() - all of the file @name in @dir_fd.
 * @mode: its permissions
 * Return: 0; -EBADMSG: no file, or too large; -errno.
 */
int images_read_file(int dir_fd, const char *name, struct bytes *b, mode_t *mode);

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

/**
 * struct img_socket - a TCP socket with a peer, in files.img.
 * @ino:   by which its tcp-stream image is named
 * @state: as in <netinet/tcp.h>
 */
struct img_socket {
	struct tcpmig_endpoint local;
	struct tcpmig_endpoint remote;
	__u32 ino;
	__u32 state;
};

/** files_img_each_socket() - call @fn for each TCP socket that has a peer; as the one above. */
int files_img_each_socket(const struct bytes *in, int (*fn)(const struct img_socket *sk, void *ctx),
			  void *ctx);

#define IMG_COMMON_MAGIC 0x54564319

/**
 * img_entry() - the entry at @off of an image.
 * @magic: the second word of the image; the first is IMG_COMMON_MAGIC
 * @off:   set to 0 to begin; on success behind the entry
 * @entry, @len: result, into @in
 * Return: 1; 0: that was the last one; -EBADMSG: damaged, or cut off.
 */
int img_entry(const struct bytes *in, __u32 magic, size_t *off, const unsigned char **entry,
	      size_t *len);

#endif
