// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every file is looked at through /proc/PID, not by its name: that works in any mount
 * namespace, and for what has been deleted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "array.h"
#include "cleanup.h"
#include "file_content.h"
#include "proc.h"
#include "tree.h"
#include "tree_fds.h"
#include "tree_files.h"

#define HANDLE_ROOM 96

/* Major numbers of terminals: consoles and serial lines, /dev/tty and its like, /dev/pts. */
#define MAJOR_TTY	4
#define MAJOR_TTYAUX	5
#define MAJOR_PTS_FIRST 136
#define MAJOR_PTS_LAST	143

/** struct reading - what is filled in, and how thoroughly. */
struct reading {
	struct tree_files *f;
	bool contents;
};

/**
 * struct sight - something that a task has.
 * @handle: path in /proc by which it can be opened; @link: what /proc says that it is
 */
struct sight {
	const char *handle;
	const char *link;
	pid_t pid;
	int fd;
	struct stat st;
	bool written;
	bool appended;
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);

	return len >= tail && !strcmp(text + len - tail, end);
}

static bool begins_with(const char *text, const char *begin)
{
	return !strncmp(text, begin, strlen(begin));
}

static int read_contents(const struct sight *sight, struct tree_file *file)
{
	_cleanup_close_ int fd = open(sight->handle, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int len;

	if (fd < 0) /* without the privilege, or gone: then by size and time */
		return 0;
	len = file_build_id(fd, file->build_id);
	if (len < 0)
		return len;
	file->build_id_len = len;
	if (len || file->size > TREE_FILE_HASHED_BYTES)
		return 0;
	file->hashed = !file_sha256(fd, file->sha256);
	return 0;
}

static struct tree_file *find_file(struct tree_files *f, const struct sight *sight)
{
	for (size_t i = 0; i < f->count; i++) {
		struct tree_file *file = &f->files[i];

		if (file->ino == sight->st.st_ino && file->dev == sight->st.st_dev &&
		    !strcmp(file->path, sight->link))
			return file;
	}
	return NULL;
}

static struct tree_file *new_file(struct reading *r, const struct sight *sight)
{
	struct tree_files *f = r->f;
	struct tree_file *file = array_grow(f->files, f->count, sizeof(*file));

	if (!file)
		return NULL;
	f->files = file;
	file += f->count;
	*file = (struct tree_file){
		.path = strdup(sight->link),
		.mode = sight->st.st_mode,
		.size = S_ISREG(sight->st.st_mode) ? (uint64_t)sight->st.st_size : 0,
		.mtime_ns = sight->st.st_mtim.tv_sec * 1000000000LL + sight->st.st_mtim.tv_nsec,
		.dev = sight->st.st_dev,
		.ino = sight->st.st_ino,
		.appended = true,
	};
	if (!file->path)
		return NULL;
	f->count++;
	return file;
}

static int add_file(struct reading *r, const struct sight *sight)
{
	struct tree_file *file = find_file(r->f, sight);
	int err = 0;

	if (!file) {
		file = new_file(r, sight);
		if (!file)
			return -ENOMEM;
		if (r->contents && S_ISREG(file->mode))
			err = read_contents(sight, file);
	}
	file->written |= sight->written;
	file->appended &= sight->appended;
	return err;
}

static bool same_special(const struct tree_special *special, enum tree_special_kind kind,
			 const char *name, const struct sight *sight)
{
	if (special->kind != kind || strcmp(special->name, name))
		return false;
	return kind == TREE_ANON ||
	       (special->ino == sight->st.st_ino && special->dev == sight->st.st_rdev);
}

static int add_special(struct reading *r, enum tree_special_kind kind, const char *name,
		       const struct sight *sight)
{
	struct tree_files *f = r->f;
	struct tree_special *special;

	for (size_t i = 0; i < f->special_count; i++) {
		if (same_special(&f->specials[i], kind, name, sight))
			return 0;
	}
	special = array_grow(f->specials, f->special_count, sizeof(*special));
	if (!special)
		return -ENOMEM;
	f->specials = special;
	special += f->special_count;
	*special = (struct tree_special){
		.kind = kind,
		.name = strdup(name),
		.pid = sight->pid,
		.fd = sight->fd,
		.size = S_ISREG(sight->st.st_mode) ? (uint64_t)sight->st.st_size : 0,
		.dev = sight->st.st_rdev,
		.ino = sight->st.st_ino,
	};
	if (!special->name)
		return -ENOMEM;
	f->special_count++;
	return 0;
}

static bool is_tty(dev_t dev)
{
	unsigned int number = major(dev);

	return number == MAJOR_TTY || number == MAJOR_TTYAUX ||
	       (number >= MAJOR_PTS_FIRST && number <= MAJOR_PTS_LAST);
}

/* The kernel makes these up as it is asked. */
static bool is_of_the_kernel(const char *path)
{
	return begins_with(path, "/proc/") || begins_with(path, "/sys/") ||
	       !strcmp(path, "/proc") || !strcmp(path, "/sys");
}

static int add_deleted(struct reading *r, const struct sight *sight)
{
	if (begins_with(sight->link, "/memfd:"))
		return add_special(r, TREE_MEMFD, sight->link, sight);
	if (begins_with(sight->link, "/[aio]") || begins_with(sight->link, "/anon_hugepage"))
		return 0; /* memory, which CRIU knows */
	if (begins_with(sight->link, "/SYSV") || begins_with(sight->link, "/dev/zero"))
		return add_special(r, TREE_SHM, sight->link, sight);
	return add_special(r, TREE_DELETED, sight->link, sight);
}

/* The kernel says "(deleted)", but a file may be called so. */
static bool is_deleted(const struct sight *sight)
{
	struct stat st;
	char path[PATH_MAX + 32];

	if (!ends_with(sight->link, " (deleted)"))
		return false;
	if (!sight->st.st_nlink)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/root%s", sight->pid, sight->link);
	return stat(path, &st) || st.st_ino != sight->st.st_ino;
}

static int add_named(struct reading *r, const struct sight *sight)
{
	int err;

	if (is_deleted(sight))
		return add_deleted(r, sight);
	if (is_of_the_kernel(sight->link))
		return 0;
	err = begins_with(sight->link, "/dev/shm/") ? add_special(r, TREE_SHM, sight->link, sight)
						    : 0;
	return err ?: add_file(r, sight);
}

static int add_fifo(struct reading *r, const struct sight *sight)
{
	int err;

	if (proc_link_inode(sight->link, "pipe"))
		return add_special(r, TREE_PIPE, sight->link, sight);
	err = add_special(r, TREE_FIFO, sight->link, sight);
	return err || is_deleted(sight) ? err : add_file(r, sight);
}

static int add_sight(struct reading *r, const struct sight *sight)
{
	static const char anon[] = "anon_inode:";

	if (begins_with(sight->link, anon))
		return add_special(r, TREE_ANON, sight->link + strlen(anon), sight);
	if (S_ISFIFO(sight->st.st_mode))
		return add_fifo(r, sight);
	if (S_ISCHR(sight->st.st_mode) && is_tty(sight->st.st_rdev))
		return add_special(r, TREE_TTY, sight->link, sight);
	if (S_ISCHR(sight->st.st_mode) || S_ISBLK(sight->st.st_mode))
		return add_special(r, TREE_DEVICE, sight->link, sight);
	if (S_ISSOCK(sight->st.st_mode))
		return 0;
	if (*sight->link == '/')
		return add_named(r, sight);
	return add_special(r, TREE_UNKNOWN, sight->link, sight);
}

static void read_flags(pid_t pid, int fd, struct sight *sight)
{
	char name[32], text[4096];
	const char *field;
	unsigned long flags;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	proc_read(pid, name, text, sizeof(text));
	field = proc_field(text, "flags");
	flags = field ? strtoul(field, NULL, 8) : 0;
	sight->written = !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
	sight->appended = (flags & O_ACCMODE) == O_WRONLY && flags & O_APPEND;
}

static int on_fd(pid_t pid, int fd, const char *link, void *ctx)
{
	char handle[HANDLE_ROOM];
	struct sight sight = { .handle = handle, .link = link, .pid = pid, .fd = fd };

	snprintf(handle, sizeof(handle), "/proc/%d/fd/%d", pid, fd);
	if (begins_with(link, "socket:") || stat(handle, &sight.st))
		return 0;
	read_flags(pid, fd, &sight);
	return add_sight(ctx, &sight);
}

static int add_link(struct reading *r, pid_t pid, const char *name)
{
	char handle[HANDLE_ROOM], link[PATH_MAX];
	struct sight sight = { .handle = handle, .link = link, .pid = pid, .fd = -1 };

	snprintf(handle, sizeof(handle), "/proc/%d/%s", pid, name);
	if (proc_link(pid, name, link, sizeof(link)) < 0 || stat(handle, &sight.st))
		return 0;
	return add_sight(r, &sight);
}

/** struct mapping - a line of /proc/PID/maps. */
struct mapping {
	unsigned long start, end;
	char perms[5];
	unsigned int major, minor;
	unsigned long long inode;
};

/* In maps a newline is "\012"; nothing else is changed. */
static void unescape(char *path)
{
	for (char *found = path; (found = strstr(found, "\\012")); found++) {
		*found = '\n';
		memmove(found + 1, found + 4, strlen(found + 4) + 1);
	}
}

static int add_mapping(struct reading *r, pid_t pid, const struct mapping *map, const char *path)
{
	char handle[HANDLE_ROOM], by_name[PATH_MAX + 32];
	struct sight sight = {
		.handle = handle,
		.link = path,
		.pid = pid,
		.fd = -1,
		.written = map->perms[1] == 'w' && map->perms[3] == 's',
	};

	snprintf(handle, sizeof(handle), "/proc/%d/map_files/%lx-%lx", pid, map->start, map->end);
	snprintf(by_name, sizeof(by_name), "/proc/%d/root%s", pid, path);
	if (stat(handle, &sight.st)) { /* without privilege */
		if (stat(by_name, &sight.st) || sight.st.st_ino != map->inode)
			sight.st = (struct stat){ .st_mode = S_IFREG, .st_ino = map->inode };
		sight.handle = by_name;
	}
	return add_sight(r, &sight);
}

static int read_maps(struct reading *r, pid_t pid)
{
	int fd = proc_open(pid, "maps", O_RDONLY), path, err = 0;
	_cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	struct mapping map, last = {};
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (file && !err && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = 0;
		path = 0;
		if (sscanf(line, "%lx-%lx %4s %*x %x:%x %llu %n", &map.start, &map.end, map.perms,
			   &map.major, &map.minor, &map.inode, &path) != 6 ||
		    !path || !line[path] || line[path] == '[')
			continue; /* the first segment of System V has inode 0 */
		if (map.inode == last.inode && map.major == last.major && map.minor == last.minor &&
		    !strcmp(map.perms, last.perms))
			continue;
		last = map;
		unescape(line + path);
		err = add_mapping(r, pid, &map, line + path);
	}
	return err;
}

static int read_task(struct reading *r, pid_t pid)
{
	int err = add_link(r, pid, "cwd");

	if (!err)
		err = add_link(r, pid, "root");
	if (!err)
		err = add_link(r, pid, "exe");
	return err ?: read_maps(r, pid);
}

int tree_files_read(const struct tree *t, bool contents, struct tree_files *f)
{
	struct reading r = { .f = f, .contents = contents };
	int err;

	*f = (struct tree_files){};
	err = tree_fds_each(t, on_fd, &r);
	for (size_t i = 0; i < t->count && !err; i++)
		err = read_task(&r, t->tasks[i].pid);
	if (err)
		tree_files_free(f);
	return err;
}

/** struct elsewhere - a descriptor of another process. */
struct elsewhere {
	pid_t pid;
	int fd;
	const char *link;
};

/* The other side of the terminal @name: who has its master. */
static bool is_master_of(const struct elsewhere *other, const char *name)
{
	static const char pts[] = "/dev/pts/";
	char info[32], text[4096];
	const char *index;

	if (!begins_with(name, pts) || !ends_with(other->link, "/ptmx"))
		return false;
	snprintf(info, sizeof(info), "fdinfo/%d", other->fd);
	proc_read(other->pid, info, text, sizeof(text));
	index = proc_field(text, "tty-index");
	return index && atoi(index) == atoi(name + strlen(pts));
}

static bool is_shared(const struct tree_special *special, const struct elsewhere *other)
{
	switch (special->kind) {
	case TREE_PIPE:
	case TREE_FIFO:
		return !strcmp(special->name, other->link);
	case TREE_TTY:
		return (!strcmp(special->name, other->link) && !ends_with(other->link, "/ptmx")) ||
		       is_master_of(other, special->name);
	default:
		return false;
	}
}

static int on_other_fd(pid_t pid, int fd, const char *link, void *ctx)
{
	const struct elsewhere other = { .pid = pid, .fd = fd, .link = link };
	struct tree_files *f = ctx;

	for (size_t i = 0; i < f->special_count; i++) {
		struct tree_special *special = &f->specials[i];

		if (special->outside || !is_shared(special, &other))
			continue;
		special->outside = pid;
		proc_comm(pid, special->outside_comm, sizeof(special->outside_comm));
	}
	return 0;
}

int tree_files_find_outside(const struct tree *t, struct tree_files *f)
{
	return tree_fds_each_other(t, on_other_fd, f);
}

void tree_files_free(struct tree_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->files[i].path);
	for (size_t i = 0; i < f->special_count; i++)
		free(f->specials[i].name);
	free(f->files);
	free(f->specials);
	*f = (struct tree_files){};
}
