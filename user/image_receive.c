// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_receive.h"

#define FILES_MAX 65536

/**
 * struct image - a file that has come.
 * @name:  first, so that a name compares with it
 * @hash:  of what has come so far
 * @named: by a digest
 */
struct image {
	char name[HOST_IMAGE_NAME_MAX + 1];
	uint64_t bytes;
	EVP_MD_CTX *hash;
	bool named;
	struct image *next;
};

/**
 * struct image_receive - into @dir_fd.
 * @fd, @current: the file of the latest piece, open for writing; -1, NULL
 * @tree: of images by name (tsearch)
 */
struct image_receive {
	int dir_fd;
	uint64_t limit_bytes, bytes;
	const char *aside, *aside_as;
	EVP_MD *sha256;
	int fd;
	struct image *current;
	void *tree;
	struct image *images;
	size_t count;
};

__attribute__((format(printf, 3, 4))) static int say(char *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, IMAGE_WHY_LEN, fmt, args);
	va_end(args);
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static const char *name_on_disk(const struct image_receive *receive, const char *name)
{
	return receive->aside && !strcmp(name, receive->aside) ? receive->aside_as : name;
}

struct image_receive *image_receive_new(int dir_fd, uint64_t limit_bytes, const char *aside,
					const char *aside_as)
{
	struct image_receive *receive = calloc(1, sizeof(*receive));

	if (!receive)
		return NULL;
	receive->dir_fd = dir_fd;
	receive->limit_bytes = limit_bytes;
	receive->aside = aside;
	receive->aside_as = aside_as;
	receive->fd = -1;
	receive->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (receive->sha256)
		return receive;
	free(receive);
	return NULL;
}

static struct image *find(struct image_receive *receive, const char *name)
{
	struct image *const *node = tfind(name, &receive->tree, by_name);

	return node ? *node : NULL;
}

static struct image *add(struct image_receive *receive, const char *name)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	snprintf(image->name, sizeof(image->name), "%s", name);
	image->hash = EVP_MD_CTX_new();
	if (!image->hash || !tsearch(image, &receive->tree, by_name)) {
		EVP_MD_CTX_free(image->hash);
		free(image);
		return NULL;
	}
	image->next = receive->images;
	receive->images = image;
	receive->count++;
	return image;
}

static void leave_current(struct image_receive *receive)
{
	if (receive->fd >= 0)
		close(receive->fd);
	receive->fd = -1;
	receive->current = NULL;
}

/* @flags: beside those that all have */
static int open_file(struct image_receive *receive, struct image *image, int flags)
{
	leave_current(receive);
	receive->fd = openat(receive->dir_fd, name_on_disk(receive, image->name),
			     O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags, 0600);
	if (receive->fd < 0)
		return -errno;
	receive->current = image;
	return 0;
}

/* What nobody has sent is not there, so the first piece of all must make the file. */
static int begin(struct image_receive *receive, struct image **image, const char *name)
{
	int flags = *image ? O_TRUNC : O_CREAT | O_EXCL;

	if (!*image && receive->count == FILES_MAX)
		return -EFBIG;
	if (!*image)
		*image = add(receive, name);
	if (!*image || EVP_DigestInit_ex2((*image)->hash, receive->sha256, NULL) != 1)
		return -ENOMEM;
	receive->bytes -= (*image)->bytes;
	(*image)->bytes = 0;
	return open_file(receive, *image, flags);
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	ssize_t done;

	for (size_t at = 0; at < len; at += done) {
		done = write(fd, data + at, len - at);
		if (done < 0 && errno != EINTR)
			return -errno;
		done = done < 0 ? 0 : done;
	}
	return 0;
}

/* It is open, and at its end. */
static int append(struct image_receive *receive, struct image *image, ProtobufCBinaryData data)
{
	int err;

	if (data.len > receive->limit_bytes - receive->bytes)
		return -EFBIG;
	err = write_all(receive->fd, data.data, data.len);
	if (err)
		return err;
	receive->bytes += data.len;
	image->bytes += data.len;
	return EVP_DigestUpdate(image->hash, data.data, data.len) == 1 ? 0 : -ENOMEM;
}

int image_receive_piece(struct image_receive *receive, const TcpmigHost__Image *piece, char *why)
{
	struct image *image = receive->current;
	int err = 0;

	if (receive->aside && !strcmp(piece->name, receive->aside_as))
		return say(why, -EINVAL, "image '%s': not a name that can be sent", piece->name);
	if (!image || strcmp(image->name, piece->name))
		image = find(receive, piece->name);
	if (piece->offset && (!image || image->bytes != piece->offset))
		return say(why, -EINVAL, "image '%s': a piece at %llu, expected one at %llu",
			   piece->name, (unsigned long long)piece->offset,
			   (unsigned long long)(image ? image->bytes : 0));
	if (!piece->offset)
		err = begin(receive, &image, piece->name);
	else if (image != receive->current)
		err = open_file(receive, image, O_APPEND);
	if (!err)
		err = append(receive, image, piece->data);
	if (err == -EFBIG)
		return say(why, err, "image '%s': more than %llu bytes, or %d files, in all",
			   piece->name, (unsigned long long)receive->limit_bytes, FILES_MAX);
	return err ? say(why, err, "image '%s': cannot be written: %s", piece->name, strerror(-err))
		   : 0;
}

static int size_on_disk(const struct image_receive *receive, const struct image *image,
			uint64_t *size)
{
	struct stat st;

	if (fstatat(receive->dir_fd, name_on_disk(receive, image->name), &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	*size = st.st_size;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

static int check_digest(struct image_receive *receive, const TcpmigHost__ImageDigest *digest,
			char *why)
{
	struct image *image = find(receive, digest->name);
	uint8_t found[EVP_MAX_MD_SIZE];
	uint64_t size = 0;

	if (!image)
		return say(why, -EBADMSG, "image '%s': it has not come", digest->name);
	if (image->named)
		return say(why, -EBADMSG, "image '%s': named twice", digest->name);
	image->named = true;
	if (size_on_disk(receive, image, &size) || size != image->bytes || size != digest->size)
		return say(why, -EBADMSG, "image '%s': it has %llu bytes, expected %llu",
			   digest->name, (unsigned long long)size,
			   (unsigned long long)digest->size);
	if (EVP_DigestFinal_ex(image->hash, found, NULL) == 1 &&
	    !memcmp(found, digest->sha256.data, HOST_SHA256_LEN))
		return 0;
	return say(why, -EBADMSG, "image '%s': its content is not what was sent", digest->name);
}

int image_receive_digests(struct image_receive *receive, TcpmigHost__ImageDigest *const *digests,
			  size_t count, char *why)
{
	int err = 0;

	leave_current(receive);
	for (size_t i = 0; !err && i < count; i++)
		err = check_digest(receive, digests[i], why);
	return err;
}

int image_receive_done(struct image_receive *receive, char *why)
{
	for (const struct image *image = receive->images; image; image = image->next)
		if (!image->named)
			return say(why, -EBADMSG, "image '%s': it has come, but no digest of it",
				   image->name);
	return 0;
}

size_t image_receive_files(const struct image_receive *receive)
{
	return receive->count;
}

uint64_t image_receive_bytes(const struct image_receive *receive)
{
	return receive->bytes;
}

static void keep(void *image)
{
	(void)image; /* they are freed by the list */
}

void image_receive_free(struct image_receive *receive)
{
	struct image *next;

	if (!receive)
		return;
	leave_current(receive);
	tdestroy(receive->tree, keep);
	for (struct image *image = receive->images; image; image = next) {
		next = image->next;
		EVP_MD_CTX_free(image->hash);
		free(image);
	}
	EVP_MD_free(receive->sha256);
	free(receive);
}
