// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "pindir.h"

#define BPF_FS_MAGIC  0xcafe4a11
#define LOCK_WAIT_MS  10000
#define LOCK_RETRY_MS 5
/* An empty directory in the pin directory that says: this bpffs was mounted by attach. */
#define MOUNTED_MARKER "mounted_by_attach"
/* Another, that whoever reads the events has locked. */
#define READER_LOCK "tcpmig_watch"
/* And one that the agent of these pins has locked. */
#define AGENT_LOCK "tcpmig_agent"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned int)fs.f_type == BPF_FS_MAGIC;
}

/* The part of @path below /sys/fs/bpf, if it is one component; else NULL. */
static const char *name_in_default_bpffs(const char *path)
{
	const char *name = path + strlen(PINDIR_BPFFS "/");

	if (strncmp(path, PINDIR_BPFFS "/", strlen(PINDIR_BPFFS "/")) || !*name ||
	    strchr(name, '/'))
		return NULL;
	return name;
}

/*
 * Mounts a bpffs that already holds the pin directory and the marker, so that a
 * kill at any moment leaves either no mount or one that detach knows as ours.
 */
static int mount_bpffs(const char *name)
{
	_cleanup_close_ int fs = fsopen("bpf", FSOPEN_CLOEXEC);
	_cleanup_close_ int mnt = -1;
	_cleanup_close_ int dir = -1;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC,
		      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mnt < 0 || mkdirat(mnt, name, 0700))
		return -errno;
	dir = openat(mnt, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, MOUNTED_MARKER, 0700))
		return -errno;
	return move_mount(mnt, "", AT_FDCWD, PINDIR_BPFFS, MOVE_MOUNT_F_EMPTY_PATH) ? -errno : 0;
}

static int make_dir(struct pindir *dir)
{
	const char *name = name_in_default_bpffs(dir->path);
	int err;

	if (name && !access(PINDIR_BPFFS, F_OK) && !is_bpffs(PINDIR_BPFFS)) {
		err = mount_bpffs(name);
		if (err)
			return err;
		dir->mounted = dir->made = true;
	}
	if (!mkdir(dir->path, 0700))
		dir->made = true;
	else if (errno != EEXIST)
		return errno == EPERM ? -EMEDIUMTYPE : -errno;
	return 0;
}

static int lock(int fd, int wait_ms)
{
	const struct timespec retry = { .tv_nsec = LOCK_RETRY_MS * 1000000 };

	for (int waited = 0; waited <= wait_ms; waited += LOCK_RETRY_MS) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		nanosleep(&retry, NULL);
	}
	return -EBUSY;
}

int pindir_lock(struct pindir *dir, int wait_ms)
{
	struct stat st;
	int err = lock(dir->fd, wait_ms);

	if (err || (!fstat(dir->fd, &st) && st.st_nlink))
		return err;
	pindir_unlock(dir);
	return -ENOENT;
}

/* Whoever held the lock before us may have removed the directory. */
static bool still_there(const struct pindir *dir)
{
	struct stat ours, named;

	return !fstat(dir->fd, &ours) && !stat(dir->path, &named) && ours.st_ino == named.st_ino &&
	       ours.st_dev == named.st_dev;
}

/* Whoever may write there may redirect every connection of this host. */
static int check_owner(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return st.st_uid == geteuid() && !(st.st_mode & 022) ? 0 : -ENOTUNIQ;
}

int pindir_open(struct pindir *dir, const char *path, bool create)
{
	int err;

	*dir = (struct pindir){ .path = path, .fd = -1 };
	do {
		pindir_close(dir);
		err = create ? make_dir(dir) : 0;
		if (err)
			return err;
		dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir->fd < 0)
			return -errno;
		if (!is_bpffs(path)) {
			pindir_close(dir);
			return -EMEDIUMTYPE;
		}
		err = check_owner(dir->fd);
		if (!err)
			err = lock(dir->fd, LOCK_WAIT_MS);
		if (err) {
			pindir_close(dir);
			return err;
		}
	} while (!still_there(dir));
	return 0;
}

void pindir_close(struct pindir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}

void pindir_unlock(struct pindir *dir)
{
	flock(dir->fd, LOCK_UN);
}

static int lock_place(int dir_fd, const char *name)
{
	int fd, err;

	if (mkdirat(dir_fd, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return err;
}

int pindir_lock_reader(int dir_fd)
{
	return lock_place(dir_fd, READER_LOCK);
}

int pindir_lock_agent(int dir_fd)
{
	return lock_place(dir_fd, AGENT_LOCK);
}

void pindir_unlock_agent(const struct pindir *dir, int lock_fd)
{
	unlinkat(dir->fd, AGENT_LOCK, AT_REMOVEDIR);
	close(lock_fd);
}

int pindir_reopen(struct pindir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(dir->fd);
	dir->fd = fd;
	return 0;
}

int pindir_agent_runs(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, AGENT_LOCK,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!flock(fd, LOCK_SH | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? 1 : -errno;
}

/*
 * Is @name the only pin or directory in @path? Names with a dot cannot be made
 * there; they are the kernel's own (maps.debug, progs.debug).
 */
static bool only_entry(const char *path, const char *name)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	bool only = d;

	while (only && (entry = readdir(d)))
		only = strchr(entry->d_name, '.') || !strcmp(entry->d_name, name);
	if (d)
		closedir(d);
	return only;
}

int pindir_remove(struct pindir *dir)
{
	const char *name = name_in_default_bpffs(dir->path);
	bool ours;

	unlinkat(dir->fd, READER_LOCK, AT_REMOVEDIR); /* what it cannot remove, rmdir() tells of */
	unlinkat(dir->fd, AGENT_LOCK, AT_REMOVEDIR);
	ours = name && !faccessat(dir->fd, MOUNTED_MARKER, F_OK, 0) &&
	       only_entry(dir->path, MOUNTED_MARKER) && only_entry(PINDIR_BPFFS, name);
	if (ours) {
		pindir_close(dir); /* or it is busy */
		if (!umount2(PINDIR_BPFFS, 0))
			return 0;
		dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (unlinkat(dir->fd, MOUNTED_MARKER, AT_REMOVEDIR) && errno != ENOENT)
		return -errno;
	pindir_close(dir);
	/* The root of the bpffs, or one with somebody else's pins, stays. */
	return rmdir(dir->path) && errno != EBUSY && errno != ENOTEMPTY ? -errno : 0;
}
