// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cleanup.h"
#include "host_link.h"
#include "image_watch.h"

#define EVENTS_BYTES (64 * 1024)

/* Images of memory: large, and written from the beginning to the end. */
#define GROWS "pages-"

__attribute__((format(printf, 3, 4))) static int say(char *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, HOST_WHY_LEN, fmt, args);
	va_end(args);
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct image *find(struct image_watch *watch, const char *name)
{
	struct image *const *node = tfind(name, &watch->tree, by_name);

	return node ? *node : NULL;
}

static struct image *add(struct image_watch *watch, const char *name)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	snprintf(image->name, sizeof(image->name), "%s", name);
	if (!tsearch(image, &watch->tree, by_name)) {
		free(image);
		return NULL;
	}
	image->fd = -1;
	image->next = watch->images;
	watch->images = image;
	return image;
}

static void enqueue(struct image_watch *watch, struct image *image, bool whole)
{
	image->whole |= whole;
	if (image->waits)
		return;
	image->waits = true;
	image->after = NULL;
	*watch->queue_end = image;
	watch->queue_end = &image->after;
}

static int enqueue_name(struct image_watch *watch, const char *name, struct image **image,
			bool whole, char *why)
{
	*image = find(watch, name);
	if (!host_name_is_valid(name))
		return say(why, -EINVAL,
			   "a file in the images directory has a name that no image has; expected "
			   "a directory for images alone");
	if (!*image)
		*image = add(watch, name);
	if (!*image)
		return say(why, -ENOMEM, "no memory");
	enqueue(watch, *image, whole);
	return 0;
}

struct image *image_watch_next(struct image_watch *watch)
{
	struct image *image = watch->queue;

	if (!image)
		return NULL;
	watch->queue = image->after;
	if (!watch->queue)
		watch->queue_end = &watch->queue;
	image->waits = false; /* may be written again from here on */
	return image;
}

static bool has_changed(const struct image *image, const struct stat *st)
{
	return !image->sent || image->stat.st_ino != st->st_ino ||
	       image->stat.st_size != st->st_size ||
	       image->stat.st_mtim.tv_sec != st->st_mtim.tv_sec ||
	       image->stat.st_mtim.tv_nsec != st->st_mtim.tv_nsec;
}

static int scan_one(struct image_watch *watch, const char *name, char *why)
{
	struct image *image;
	struct stat st;
	int err = 0;

	if (fstatat(watch->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0
				       : say(why, -errno, "image '%s': %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return 0;
	image = find(watch, name);
	if (!image || has_changed(image, &st))
		err = enqueue_name(watch, name, &image, true, why);
	if (!err)
		image->seen = true;
	return err;
}

int image_watch_scan(struct image_watch *watch, char *why)
{
	int fd = openat(watch->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int err = 0;

	if (!dir) {
		err = say(why, -errno, "the images directory: %s", strerror(errno));
		cleanup_closep(&fd);
		return err;
	}
	for (struct image *image = watch->images; image; image = image->next)
		image->seen = false;
	while (!err && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = scan_one(watch, entry->d_name, why);
	closedir(dir);
	return err;
}

/* A watch of its own: what all the small files do before they are closed is nobody's business. */
static void watch_growth(struct image_watch *watch, struct image *image)
{
	char path[48 + HOST_IMAGE_NAME_MAX];
	int number;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", watch->dir_fd, image->name);
	number = inotify_add_watch(watch->inotify_fd, path, IN_MODIFY | IN_DONT_FOLLOW);
	if (number < 0 || image->grows == number)
		return; /* then it goes when it is closed */
	if (!image->grows) {
		image->next_grown = watch->grown;
		watch->grown = image;
	}
	image->grows = number;
}

static int take_creation(struct image_watch *watch, const char *name, char *why)
{
	struct image *image;
	int err;

	if (strncmp(name, GROWS, strlen(GROWS)))
		return 0;
	err = enqueue_name(watch, name, &image, false, why);
	if (!err)
		watch_growth(watch, image);
	return err;
}

static void take_growth(struct image_watch *watch, int number)
{
	struct image *image = watch->grown;

	while (image && image->grows != number)
		image = image->next_grown;
	if (image)
		enqueue(watch, image, false);
}

/* Who has lost events does not know which. */
static int take_event(struct image_watch *watch, const struct inotify_event *event, char *why)
{
	struct image *image;

	if (event->mask & IN_Q_OVERFLOW)
		return image_watch_scan(watch, why);
	if (event->mask & IN_MODIFY)
		take_growth(watch, event->wd);
	if (event->mask & IN_ISDIR || !event->len)
		return 0;
	if (event->mask & IN_CREATE)
		return take_creation(watch, event->name, why);
	return enqueue_name(watch, event->name, &image, true, why);
}

int image_watch_take(struct image_watch *watch, char *why)
{
	_Alignas(struct inotify_event) char buf[EVENTS_BYTES];
	const struct inotify_event *event;
	ssize_t len;
	int err = 0;

	while (!err) {
		len = read(watch->inotify_fd, buf, sizeof(buf));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0
					       : say(why, -errno, "inotify: %s", strerror(errno));
		for (ssize_t at = 0; !err && at < len; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(buf + at);
			err = take_event(watch, event, why);
		}
	}
	return err;
}

int image_watch_begin(struct image_watch *watch, int dir_fd, char *why)
{
	char path[40];

	*watch = (struct image_watch){ .dir_fd = dir_fd };
	watch->queue_end = &watch->queue;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
	watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify_fd < 0 ||
	    inotify_add_watch(watch->inotify_fd, path,
			      IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return say(why, -errno, "inotify: %s", strerror(errno));
	return image_watch_scan(watch, why);
}

static void keep(void *image)
{
	(void)image; /* they are freed by the list */
}

void image_watch_end(struct image_watch *watch)
{
	struct image *next;

	tdestroy(watch->tree, keep);
	for (struct image *image = watch->images; image; image = next) {
		next = image->next;
		cleanup_closep(&image->fd);
		EVP_MD_CTX_free(image->hash);
		free(image);
	}
	cleanup_closep(&watch->inotify_fd);
}
