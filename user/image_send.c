// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "image_send.h"
#include "image_watch.h"

#define DIGESTS_MAX 800 /* that fit a message, whatever their names */

/** struct image_send - @piece: read, and to be sent. */
struct image_send {
	struct image_watch watch;
	uint8_t uuid[HOST_UUID_LEN];
	EVP_MD *sha256;
	uint64_t sent_bytes;
	uint8_t piece[HOST_PIECE_MAX];
};

__attribute__((format(printf, 3, 4))) static int say(char *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, HOST_WHY_LEN, fmt, args);
	va_end(args);
	return err;
}

struct image_send *image_send_new(int dir_fd, const uint8_t *uuid)
{
	struct image_send *send = calloc(1, sizeof(*send));
	char why[HOST_WHY_LEN];
	int err;

	if (!send) {
		errno = ENOMEM;
		return NULL;
	}
	memcpy(send->uuid, uuid, sizeof(send->uuid));
	err = image_watch_begin(&send->watch, dir_fd, why);
	send->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!err && send->sha256)
		return send;
	image_send_free(send);
	errno = err ? -err : ENOMEM;
	return NULL;
}

int image_send_fd(const struct image_send *send)
{
	return send->watch.inotify_fd;
}

/* Return: bytes, fewer only at the end; -errno. */
static ssize_t read_piece(int fd, uint8_t *piece)
{
	size_t len = 0;
	ssize_t done = 1;

	while (done && len < HOST_PIECE_MAX) {
		done = read(fd, piece + len, HOST_PIECE_MAX - len);
		if (done < 0 && errno != EINTR)
			return -errno;
		len += done > 0 ? done : 0;
	}
	return len;
}

static int send_piece(struct image_send *send, struct host_link *link, struct image *image,
		      size_t len, uint64_t end_ms, char *why)
{
	TcpmigHost__Image piece = TCPMIG_HOST__IMAGE__INIT;
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;

	if (host_link_readable(link))
		return say(why, -ECANCELED, "the other host does not listen any more");
	piece.name = image->name;
	piece.offset = image->bytes;
	piece.data = (ProtobufCBinaryData){ .len = len, .data = send->piece };
	req.uuid = (ProtobufCBinaryData){ .len = HOST_UUID_LEN, .data = send->uuid };
	req.body_case = TCPMIG_HOST__REQUEST__BODY_IMAGE;
	req.image = &piece;
	image->bytes += len;
	send->sent_bytes += len;
	return host_queue_request(link, &req, end_ms, why);
}

static int file_error(const struct image *image, int err, char *why)
{
	return say(why, err, "image '%s': %s", image->name, strerror(-err));
}

/* Anew, from its beginning. */
static int begin_file(struct image_send *send, struct image *image, char *why)
{
	cleanup_closep(&image->fd);
	image->bytes = 0;
	image->sent = false;
	image->fd = openat(send->watch.dir_fd, image->name,
			   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (image->fd < 0)
		return errno == ENOENT ? -ENOENT : file_error(image, -errno, why);
	if (!image->hash)
		image->hash = EVP_MD_CTX_new();
	if (!image->hash || EVP_DigestInit_ex2(image->hash, send->sha256, NULL) != 1)
		return file_error(image, -ENOMEM, why);
	return 0;
}

/* Is what was sent of it still its beginning, as far as can be told? */
static bool is_as_begun(const struct image_send *send, struct image *image)
{
	struct stat st;

	return image->fd >= 0 && !fstat(image->fd, &image->stat) &&
	       (uint64_t)image->stat.st_size >= image->bytes &&
	       !fstatat(send->watch.dir_fd, image->name, &st, AT_SYMLINK_NOFOLLOW) &&
	       st.st_ino == image->stat.st_ino;
}

/* @whole: up to the end, which a file without a byte has, too; else in whole pieces. */
static int send_pieces(struct image_send *send, struct host_link *link, struct image *image,
		       bool whole, uint64_t end_ms, char *why)
{
	uint64_t grown = image->stat.st_size;
	ssize_t len = HOST_PIECE_MAX;
	int err;

	while (len == HOST_PIECE_MAX && (whole || grown - image->bytes >= HOST_PIECE_MAX)) {
		len = read_piece(image->fd, send->piece);
		if (len < 0)
			return file_error(image, len, why);
		if (!len && image->bytes)
			break;
		if (EVP_DigestUpdate(image->hash, send->piece, len) != 1)
			return file_error(image, -ENOMEM, why);
		err = send_piece(send, link, image, len, end_ms, why);
		if (err)
			return err;
	}
	return 0;
}

static int end_file(struct image *image, char *why)
{
	int ok = EVP_DigestFinal_ex(image->hash, image->sha256, NULL);

	EVP_MD_CTX_free(image->hash);
	image->hash = NULL;
	close(image->fd);
	image->fd = -1;
	image->sent = true;
	return ok == 1 ? 0 : file_error(image, -ENOMEM, why);
}

/*
 * One that has gone before its turn was never there; if it was sent before, it is missed later.
 * One that was sent and grows again goes when it is closed again.
 */
static int send_file(struct image_send *send, struct host_link *link, struct image *image,
		     uint64_t end_ms, char *why)
{
	bool whole = image->whole;
	int err = 0;

	if (!whole && image->sent)
		return 0;
	image->whole = false;
	if (!is_as_begun(send, image)) {
		err = begin_file(send, image, why);
		if (err)
			return err == -ENOENT ? 0 : err;
		if (fstat(image->fd, &image->stat))
			return file_error(image, -errno, why);
	}
	if (!S_ISREG(image->stat.st_mode))
		return 0;
	err = send_pieces(send, link, image, whole, end_ms, why);
	return err || !whole ? err : end_file(image, why);
}

static int send_queue(struct image_send *send, struct host_link *link, uint64_t end_ms, char *why)
{
	struct image *image;
	int err = 0;

	while (!err && (image = image_watch_next(&send->watch)))
		err = send_file(send, link, image, end_ms, why);
	return err;
}

int image_send_some(struct image_send *send, struct host_link *link, uint64_t end_ms, char *why)
{
	int err = image_watch_take(&send->watch, why);

	return err ? err : send_queue(send, link, end_ms, why);
}

/** struct list - digests for a message. */
struct list {
	TcpmigHost__ImageDigest digests[DIGESTS_MAX];
	TcpmigHost__ImageDigest *at[DIGESTS_MAX];
	size_t count;
};

/* Up to DIGESTS_MAX of those from @image on. Return: the first that is not in it. */
static struct image *list_digests(struct image *image, struct list *list)
{
	for (list->count = 0; image && list->count < DIGESTS_MAX; image = image->next) {
		TcpmigHost__ImageDigest *digest = &list->digests[list->count];

		if (!image->sent)
			continue;
		tcpmig_host__image_digest__init(digest);
		digest->name = image->name;
		digest->size = image->bytes;
		digest->sha256 = (ProtobufCBinaryData){ .len = HOST_SHA256_LEN,
							.data = image->sha256 };
		list->at[list->count++] = digest;
	}
	return image;
}

static int send_list(struct image_send *send, struct host_link *link, struct list *list, bool last,
		     uint64_t end_ms, char *why)
{
	TcpmigHost__Digests digests = TCPMIG_HOST__DIGESTS__INIT;
	TcpmigHost__Restore restore = TCPMIG_HOST__RESTORE__INIT;
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;

	req.uuid = (ProtobufCBinaryData){ .len = HOST_UUID_LEN, .data = send->uuid };
	if (last) {
		req.body_case = TCPMIG_HOST__REQUEST__BODY_RESTORE;
		req.restore = &restore;
	} else {
		req.body_case = TCPMIG_HOST__REQUEST__BODY_DIGESTS;
		req.digests = &digests;
	}
	digests.images = restore.images = list->at;
	digests.n_images = restore.n_images = list->count;
	return last ? host_send_request(link, &req, end_ms, why)
		    : host_queue_request(link, &req, end_ms, why);
}

static int send_digests(struct image_send *send, struct host_link *link, uint64_t end_ms, char *why)
{
	_cleanup_free_ struct list *list = malloc(sizeof(*list));
	struct image *image = send->watch.images;
	int err = 0;

	if (!list)
		return say(why, -ENOMEM, "no memory");
	do {
		image = list_digests(image, list);
		err = send_list(send, link, list, !image, end_ms, why);
	} while (!err && image);
	return err;
}

/* Of what was sent, all must still be there. */
static int check_gone(const struct image_send *send, char *why)
{
	for (const struct image *image = send->watch.images; image; image = image->next)
		if (image->sent && !image->seen)
			return file_error(image, -ENOENT, why);
	return 0;
}

int image_send_all(struct image_send *send, struct host_link *link, uint64_t end_ms, char *why)
{
	int err = image_watch_take(&send->watch, why);

	if (!err)
		err = image_watch_scan(&send->watch, why);
	if (!err)
		err = check_gone(send, why);
	if (!err)
		err = send_queue(send, link, end_ms, why);
	return err ? err : send_digests(send, link, end_ms, why);
}

struct image_send_stats image_send_stats(const struct image_send *send)
{
	struct image_send_stats stats = { .sent_bytes = send->sent_bytes };

	for (const struct image *image = send->watch.images; image; image = image->next) {
		stats.files += image->sent;
		stats.bytes += image->sent ? image->bytes : 0;
	}
	return stats;
}

uint64_t image_send_bytes(const struct image_send *send)
{
	return send->sent_bytes;
}

void image_send_free(struct image_send *send)
{
	if (!send)
		return;
	image_watch_end(&send->watch);
	EVP_MD_free(send->sha256);
	free(send);
}
