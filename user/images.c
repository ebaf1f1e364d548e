// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "files_img.h"
#include "images.h"

#define FILES_IMG_TMP "files.img.tcpmig"
/* files.img has some 100 bytes for each descriptor. */
#define FILES_IMG_MAX (1UL << 30)

int images_read_file(int dir_fd, const char *name, struct bytes *b, mode_t *mode)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size > FILES_IMG_MAX)
		return -EBADMSG;
	*mode = st.st_mode & 07777;
	err = bytes_reserve(b, st.st_size + 1);
	if (err)
		return err;
	while (b->len < (size_t)st.st_size) {
		n = read(fd, b->data + b->len, st.st_size - b->len);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		b->len += n;
	}
	return 0;
}

static int write_all(int fd, const unsigned char *data, size_t len)
{
	ssize_t n;

	for (; len; data += n, len -= n) {
		n = write(fd, data, len);
		if (n < 0)
			return -errno;
	}
	return fsync(fd) ? -errno : 0;
}

/* The new content replaces the old one in one step, or the old one stays. */
static int replace_file(int dir_fd, const struct bytes *b, mode_t mode)
{
	_cleanup_close_ int fd = openat(
		dir_fd, FILES_IMG_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	int err;

	if (fd < 0)
		return -errno;
	err = fchmod(fd, mode) ? -errno : write_all(fd, b->data, b->len);
	if (!err && renameat(dir_fd, FILES_IMG_TMP, dir_fd, FILES_IMG))
		err = -errno;
	if (err)
		unlinkat(dir_fd, FILES_IMG_TMP, 0);
	return err;
}

int images_rewrite(const char *dir, const struct tcpmig_endpoint *from,
		   const struct tcpmig_endpoint *to, struct images_result *result, const char **why)
{
	_cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_bytes_ struct bytes in = {}, out = {};
	mode_t mode = 0600;
	int err;

	memset(result, 0, sizeof(*result));
	*why = "no files.img there; expected the image directory of a finished dump";
	if (dir_fd < 0)
		return -errno;
	err = images_read_file(dir_fd, FILES_IMG, &in, &mode);
	if (!err)
		err = files_img_rewrite(&in, from, to, result, &out);
	if (err == -EBADMSG)
		*why = "files.img is damaged";
	if (!err && !result->listeners && !result->connections && !result->unchanged) {
		*why = "no socket in files.img has that address";
		err = -ENOMSG;
	}
	if (!err && (result->listeners || result->connections)) {
		*why = "replace files.img";
		err = replace_file(dir_fd, &out, mode);
	}
	return err;
}

int images_each_connection(int dir_fd,
			   int (*fn)(const struct tcpmig_endpoint *local,
				     const struct tcpmig_endpoint *remote, void *ctx),
			   void *ctx)
{
	_cleanup_bytes_ struct bytes in = {};
	mode_t mode;
	int err = images_read_file(dir_fd, FILES_IMG, &in, &mode);

	return err ? err : files_img_each_connection(&in, fn, ctx);
}
