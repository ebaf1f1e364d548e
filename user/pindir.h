/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The directory in a bpffs that holds our pins, and the lock that commands take on it. */
#ifndef TCPMIG_PINDIR_H
#define TCPMIG_PINDIR_H

#include <stdbool.h>

#define PINDIR_BPFFS   "/sys/fs/bpf"
#define PINDIR_DEFAULT PINDIR_BPFFS "/tcpmig"

/**
 * struct pindir - an open, locked pin directory.
 * @path:    as given; not owned
 * @fd:      the directory; carries the lock
 * @made:    this call made the directory
 * @mounted: this call mounted the bpffs
 */
struct pindir {
	const char *path;
	int fd;
	bool made;
	bool mounted;
};

/**
 * pindir_open() - open and lock; waits up to 10 s for another command.
 * @path:   must be in a bpffs
 * @create: make it if it is not there; mounts a bpffs on /sys/fs/bpf if @path is
 *          below it and none is mounted
 *
 * Return: 0; -ENOENT: not there; -EMEDIUMTYPE: not in a bpffs; -ENOTUNIQ: it is not
 * ours alone to write; -EBUSY: another
 * command holds the lock; another -errno.
 */
int pindir_open(struct pindir *dir, const char *path, bool create);

/** pindir_close() - unlocks. */
void pindir_close(struct pindir *dir);

/** pindir_unlock() - others may lock it; the directory stays open. */
void pindir_unlock(struct pindir *dir);

/**
 * pindir_lock() - lock again what was unlocked.
 * @wait_ms: at most, for another command
 * Return: 0; -EBUSY: another command holds the lock; -ENOENT: the directory has been removed;
 * -errno.
 */
int pindir_lock(struct pindir *dir, int wait_ms);

/**
 * pindir_reopen() - an unlocked descriptor of one's own. After fork() two processes have one
 * lock: that of either is that of both.
 * Return: 0 or -errno, with @dir as it was.
 */
int pindir_reopen(struct pindir *dir);

/** pindir_lock_agent() - be the agent of these pins, as pindir_lock_reader(). */
int pindir_lock_agent(int dir_fd);

/** pindir_unlock_agent() - give that place up, and remove it; @dir is locked by the caller. */
void pindir_unlock_agent(const struct pindir *dir, int lock_fd);

/**
 * pindir_lock_reader() - be the one who reads the events of these pins.
 * @dir_fd: open pin directory; hold its lock, or detach may be about to remove it
 * Return: descriptor, whose closing gives the place up; -EBUSY: somebody else has it; -errno.
 */
int pindir_lock_reader(int dir_fd);

/**
 * pindir_agent_runs() - does an agent serve these pins (pindir_lock_agent())?
 * @dir_fd: open pin directory; hold its lock: an agent that is starting may not be disturbed
 * Return: 1, 0 or -errno.
 */
int pindir_agent_runs(int dir_fd);

/**
 * pindir_remove() - remove the directory if nothing is in it; unmount the bpffs if we
 * mounted it and nobody else has pinned anything there. Closes @dir.
 * Return: 0 or -errno.
 */
int pindir_remove(struct pindir *dir);

#endif
