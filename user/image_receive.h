/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Images as they arrive: plain files in one directory, counted, hashed, complete or refused. */
#ifndef TCPMIG_IMAGE_RECEIVE_H
#define TCPMIG_IMAGE_RECEIVE_H

#include <stddef.h>
#include <stdint.h>

#include "host_message.h"

#define IMAGE_WHY_LEN 400

struct image_receive;

/**
 * image_receive_new() - into an empty directory.
 * @dir_fd:  not owned, kept open by the caller
 * @limit_bytes: of all files together
 * @aside:   name of an image that is to be kept under another name, because something else has
 *           its place; NULL: none. Not copied
 * @aside_as: that other name, under which nothing may be sent. Not copied
 * Return: to be freed by image_receive_free(); NULL: no memory.
 */
struct image_receive *image_receive_new(int dir_fd, uint64_t limit_bytes, const char *aside,
					const char *aside_as);

/**
 * image_receive_piece() - write it. Offset 0 begins the file anew; else it must go on where
 * the latest piece of this file has ended.
 * @why: IMAGE_WHY_LEN bytes; on error: what is wrong, as a phrase that names the file
 * Return: 0; -EINVAL: another offset, or the name that is kept aside; -EFBIG: more bytes or
 * files than there may be; -errno of writing. After an error the images are of no use.
 */
int image_receive_piece(struct image_receive *receive, const TcpmigHost__Image *piece, char *why);

/**
 * image_receive_digests() - take some of the files that there must be in the end.
 * Return: 0; -EBADMSG and @why: a file that is not here, or has another size or digest, or is
 * named twice.
 */
int image_receive_digests(struct image_receive *receive, TcpmigHost__ImageDigest *const *digests,
			  size_t count, char *why);

/** image_receive_done() - all have been named. Return: 0; -EBADMSG and @why: there are more. */
int image_receive_done(struct image_receive *receive, char *why);

size_t image_receive_files(const struct image_receive *receive);
uint64_t image_receive_bytes(const struct image_receive *receive);

/** image_receive_free() - leaves the files where they are. */
void image_receive_free(struct image_receive *receive);

#endif
