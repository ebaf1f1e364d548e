/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The images of a dump on their way to the other host while criu still writes them: each file
 * goes when it has been closed, and once more if it is written again. Images of memory
 * (pages-*), which criu writes from their beginning to their end, go as they grow.
 */
#ifndef TCPMIG_IMAGE_SEND_H
#define TCPMIG_IMAGE_SEND_H

#include "host_link.h"

struct image_send;

/** struct image_send_stats - @sent_bytes: of pieces, also of those sent in vain. */
struct image_send_stats {
	size_t files;
	uint64_t bytes; /* of all files as they are now */
	uint64_t sent_bytes;
};

/**
 * image_send_new() - watch the images directory from now on (inotify).
 * @dir_fd: of a directory of regular files only; not owned, kept open by the caller. What is in
 *          it already is sent, too
 * @uuid:   of the migration, HOST_UUID_LEN bytes; copied
 * Return: to be freed by image_send_free(); NULL and errno.
 */
struct image_send *image_send_new(int dir_fd, const uint8_t *uuid);

/** image_send_fd() - to poll() for POLLIN: a file may be ready. */
int image_send_fd(const struct image_send *send);

/**
 * image_send_some() - send what has been closed, or has grown, by now; what is small may wait in
 * the link. Return: 0; -ECANCELED: the other side has said something instead of listening, which
 * host_receive_answer() tells; -errno of the link or of a file. With @why (HOST_WHY_LEN bytes).
 */
int image_send_some(struct image_send *send, struct host_link *link, uint64_t end_ms, char *why);

/**
 * image_send_all() - the dump is complete: send all that is in the directory and was not sent,
 * then the digests, and RESTORE, whose answer is host_receive_answer()'s.
 * Return: as image_send_some().
 */
int image_send_all(struct image_send *send, struct host_link *link, uint64_t end_ms, char *why);

struct image_send_stats image_send_stats(const struct image_send *send);

/** image_send_bytes() - the .sent_bytes of these, without a look at every image. */
uint64_t image_send_bytes(const struct image_send *send);

void image_send_free(struct image_send *send);

#endif
