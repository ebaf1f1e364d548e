// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "array.h"
#include "cleanup.h"
#include "file_content.h"
#include "tree_files.h"

_Static_assert(TREE_FILE_BUILD_ID == FILE_BUILD_ID_MAX, "room for what is found");

static const char cure_copy[] = "copy it there with rsync -a, or have it on storage that both see";
static const char cure_same[] = "install the same version there";
static const char cure_mode[] = "chmod it there";
static const char cure_log[] = "copy it there with rsync -a; a log may be opened with O_APPEND "
			       "and O_WRONLY, then its size does not matter";

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)data };
}

static void file_message(const struct tree_file *file, TcpmigHost__File *message)
{
	tcpmig_host__file__init(message);
	message->path = file->path;
	message->mode = file->mode;
	message->size = file->size;
	message->mtime_ns = file->mtime_ns;
	message->written = file->written;
	message->appended = file->appended;
	message->build_id = bytes_of(file->build_id, file->build_id_len);
	if (file->hashed)
		message->sha256 = bytes_of(file->sha256, sizeof(file->sha256));
}

TcpmigHost__Files *tree_files_message(const struct tree_files *f)
{
	TcpmigHost__Files *message = malloc(sizeof(*message));
	TcpmigHost__File **list = calloc(f->count + 1, sizeof(*list));
	TcpmigHost__File *files = calloc(f->count + 1, sizeof(*files));

	if (!message || !list || !files) {
		free(message);
		free(list);
		free(files);
		return NULL;
	}
	for (size_t i = 0; i < f->count; i++) {
		file_message(&f->files[i], &files[i]);
		list[i] = &files[i];
	}
	list[f->count] = files; /* to be freed, where there is none too */
	tcpmig_host__files__init(message);
	message->n_files = f->count;
	message->files = list;
	return message;
}

void tree_files_message_free(TcpmigHost__Files *message)
{
	if (!message)
		return;
	free(message->files[message->n_files]);
	free(message->files);
	free(message);
}

static int differs(struct file_differences *d, const char *path, const char *cure, const char *fmt,
		   ...) __attribute__((format(printf, 4, 5)));

/* Return: 1, or -ENOMEM. */
static int differs(struct file_differences *d, const char *path, const char *cure, const char *fmt,
		   ...)
{
	struct file_difference *grown = array_grow(d->list, d->count, sizeof(*grown));
	va_list args;
	int len;

	if (!grown)
		return -ENOMEM;
	d->list = grown;
	grown += d->count;
	*grown = (struct file_difference){ .path = path, .cure = cure };
	va_start(args, fmt);
	len = vasprintf(&grown->what, fmt, args);
	va_end(args);
	if (len < 0)
		return -ENOMEM;
	d->count++;
	return 1;
}

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a FIFO";
	default:
		return "something else";
	}
}

static const char *hex(const uint8_t *data, size_t len, char *text, size_t room)
{
	*text = 0;
	for (size_t i = 0; i < len && 2 * i + 3 <= room; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	return text;
}

static int compare_build_id(const TcpmigHost__File *file, int fd, struct file_differences *d)
{
	char here[41], there[41]; /* a sha1: what nearly all are */
	uint8_t id[FILE_BUILD_ID_MAX];
	int len = file_build_id(fd, id);

	if (len < 0)
		return len;
	if ((size_t)len == file->build_id.len && !memcmp(id, file->build_id.data, len))
		return 0;
	return differs(d, file->path, cure_same, "has build-id %s, expected %s",
		       len ? hex(id, len, here, sizeof(here)) : "none",
		       hex(file->build_id.data, file->build_id.len, there, sizeof(there)));
}

static bool has_same_sha256(const TcpmigHost__File *file, int fd)
{
	uint8_t sha256[FILE_SHA256];

	return file->sha256.len == sizeof(sha256) && !file_sha256(fd, sha256) &&
	       !memcmp(sha256, file->sha256.data, sizeof(sha256));
}

/*
 * What is written may have grown while we look, on storage that both hosts see: it was
 * changed after A had looked.
 */
static int compare_written(const TcpmigHost__File *file, const struct stat *st, int fd, bool later,
			   struct file_differences *d)
{
	bool same_size = (uint64_t)st->st_size == file->size;

	if (later && (uint64_t)st->st_size >= file->size)
		return 0;
	if (!same_size)
		return differs(d, file->path, cure_log,
			       "is written to, and has %lld bytes, expected %llu",
			       (long long)st->st_size, (unsigned long long)file->size);
	if (file->sha256.len && !has_same_sha256(file, fd))
		return differs(d, file->path, cure_log, "is written to, and has other contents");
	return 0;
}

static int compare_contents(const TcpmigHost__File *file, const struct stat *st, int fd,
			    struct file_differences *d)
{
	int64_t mtime_ns = st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;

	if (file->appended)
		return 0;
	if (file->written)
		return compare_written(file, st, fd, mtime_ns > file->mtime_ns, d);
	if ((uint64_t)st->st_size != file->size) /* CRIU refuses it whatever is in it */
		return differs(d, file->path, file->build_id.len ? cure_same : cure_copy,
			       "has %lld bytes, expected %llu", (long long)st->st_size,
			       (unsigned long long)file->size);
	if (file->build_id.len)
		return compare_build_id(file, fd, d);
	if (file->sha256.len)
		return has_same_sha256(file, fd)
			       ? 0
			       : differs(d, file->path, cure_copy, "has other contents");
	if (mtime_ns != file->mtime_ns)
		return differs(d, file->path, cure_copy,
			       "was changed at another time, and is too large to be compared");
	return 0;
}

/* Not opened yet: nobody knows what it is. */
static int find(int root, const char *path, bool link)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (link ? O_NOFOLLOW : 0),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int compare_regular(const TcpmigHost__File *file, const struct stat *st, int path_fd,
			   struct file_differences *d)
{
	_cleanup_close_ int fd = -1;
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return differs(d, file->path, cure_mode, "cannot be read: %s", strerror(errno));
	return compare_contents(file, st, fd, d);
}

static int compare(int root, const TcpmigHost__File *file, struct file_differences *d)
{
	_cleanup_close_ int fd = *file->path == '/' ? find(root, file->path, S_ISLNK(file->mode))
						    : -ENOENT;
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return differs(d, file->path, cure_copy, "is not there");
	if (fd < 0)
		return differs(d, file->path, cure_copy, "cannot be opened: %s", strerror(-fd));
	if (fstat(fd, &st))
		return -errno;
	if ((st.st_mode & S_IFMT) != (file->mode & S_IFMT))
		return differs(d, file->path, cure_copy, "is %s, expected %s",
			       type_name(st.st_mode), type_name(file->mode));
	if (st.st_mode != file->mode)
		return differs(d, file->path, cure_mode, "has mode %04o, expected %04o",
			       st.st_mode & 07777, file->mode & 07777);
	return S_ISREG(st.st_mode) ? compare_regular(file, &st, fd, d) : 0;
}

int tree_files_compare(const TcpmigHost__Files *message, const char *root,
		       struct file_differences *d)
{
	_cleanup_close_ int dir = open(root ?: "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err = dir < 0 ? -errno : 0;

	*d = (struct file_differences){};
	for (size_t i = 0; i < message->n_files && err >= 0; i++)
		err = compare(dir, message->files[i], d);
	if (err >= 0)
		return (int)d->count;
	file_differences_free(d);
	return err;
}

void file_differences_free(struct file_differences *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->list[i].what);
	free(d->list);
	*d = (struct file_differences){};
}
