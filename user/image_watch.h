/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which files of an images directory are to be sent, and when. For image_send.c only. */
#ifndef TCPMIG_IMAGE_WATCH_H
#define TCPMIG_IMAGE_WATCH_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "host_message.h"

/**
 * struct image - a file in the directory.
 * @name:   first, so that a name compares with it
 * @waits:  is in the queue, linked by @after
 * @whole:  to be sent up to its end: it was closed; else as far as it has grown
 * @seen:   by the latest scan of the directory
 * @grows:  number of the watch for it (linked by @next_grown); 0: none
 * @fd, @hash: while it is sent; -1, NULL
 * @stat:   as it was before it was read for the last time
 * @bytes:  that were sent
 * @sent:   up to its end, and then @sha256 is of that
 */
struct image {
	char name[HOST_IMAGE_NAME_MAX + 1];
	bool waits, whole, seen, sent;
	int grows;
	int fd;
	EVP_MD_CTX *hash;
	struct stat stat;
	uint64_t bytes;
	uint8_t sha256[EVP_MAX_MD_SIZE];
	struct image *after, *next_grown;
	struct image *next;
};

/**
 * struct image_watch - of one directory.
 * @tree:  of images by name (tsearch)
 * @grown: those that are watched for themselves
 * @queue, @queue_end: those to be sent, in the order in which they were closed
 */
struct image_watch {
	int dir_fd, inotify_fd;
	void *tree;
	struct image *images, *grown;
	struct image *queue, **queue_end;
};

/**
 * image_watch_begin() - from now on; what is there already is to be sent.
 * @dir_fd: not owned
 * @why:    HOST_WHY_LEN bytes, of all of these; on error: what is wrong, as a phrase
 * Return: 0 or -errno; image_watch_end() it in any case.
 */
int image_watch_begin(struct image_watch *watch, int dir_fd, char *why);
void image_watch_end(struct image_watch *watch);

/** image_watch_take() - what has happened since. Return: 0 or -errno. */
int image_watch_take(struct image_watch *watch, char *why);

/** image_watch_scan() - all that is there and was not sent as it is now. Return: 0 or -errno. */
int image_watch_scan(struct image_watch *watch, char *why);

/** image_watch_next() - out of the queue. Return: NULL: there is none. */
struct image *image_watch_next(struct image_watch *watch);

#endif
