/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files that a tree has open or mapped or stands in, and whether they are the same elsewhere.
 */
#ifndef TCPMIG_TREE_FILES_H
#define TCPMIG_TREE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host.pb-c.h"

struct tree;

/* Larger ones without a build-id are told by size and time alone. */
#define TREE_FILE_HASHED_BYTES (16u << 20)
#define TREE_FILE_BUILD_ID     64

/**
 * struct tree_file - a regular file or directory (or a FIFO or symbolic link) with a path.
 * @path:     as it is looked up from the root directory of the mount namespace
 * @mode:     st_mode; @dev, @ino: which it is
 * @build_id: of an ELF file, @build_id_len bytes; 0: it has none
 * @sha256:   of what is no ELF file with a build-id and not too large; valid if @hashed
 * @written:  open for writing, or mapped shared and writable
 * @appended: only ever open with O_WRONLY | O_APPEND: CRIU does not mind its size
 */
struct tree_file {
	char *path;
	uint32_t mode;
	uint64_t size;
	int64_t mtime_ns;
	dev_t dev;
	ino_t ino;
	uint32_t build_id_len;
	uint8_t build_id[TREE_FILE_BUILD_ID];
	uint8_t sha256[32];
	bool hashed;
	bool written;
	bool appended;
};

/* What has no path, or one that says nothing about what it is. */
enum tree_special_kind {
	TREE_DELETED, /* regular file or directory without a name: it goes along in the images */
	TREE_MEMFD,
	TREE_SHM,    /* under /dev/shm, or shared anonymous memory: name */
	TREE_DEVICE, /* name is its path */
	TREE_TTY,
	TREE_PIPE,
	TREE_FIFO,
	TREE_ANON,    /* anon_inode; name is "[eventfd]", "[io_uring]" and so on */
	TREE_UNKNOWN, /* name is what /proc/PID/fd says */
};

/**
 * struct tree_special - one of these, once for each inode (each name for TREE_ANON).
 * @pid, @fd: one of those that have it; @fd -1: it is mapped
 * @size:    bytes, where it has a size
 * @dev:     TREE_DEVICE, TREE_TTY: st_rdev
 * @outside: PID of a process outside of the tree that has it (or, of a tty, the other side) too;
 *           0: none. Only of pipes, FIFOs and ttys, and once tree_files_find_outside() looked
 */
struct tree_special {
	enum tree_special_kind kind;
	char *name;
	pid_t pid;
	int fd;
	uint64_t size;
	dev_t dev;
	ino_t ino;
	pid_t outside;
	char outside_comm[32];
};

/** struct tree_files - zero it, tree_files_read(), tree_files_free(). */
struct tree_files {
	struct tree_file *files;
	size_t count;
	struct tree_special *specials;
	size_t special_count;
};

/**
 * tree_files_read() - all that the tasks of @t have open (but sockets: tree_sockets.h), mapped,
 * or as cwd, root and exe; without /proc, /sys and the vdso.
 * @contents: compute build_id and sha256 too
 * Return: 0 or -errno; nothing to free then.
 */
int tree_files_read(const struct tree *t, bool contents, struct tree_files *f);

/**
 * tree_files_find_outside() - look through the descriptors of all other processes for pipes, FIFOs
 * and terminals of the tree. Return: 0 or -errno.
 */
int tree_files_find_outside(const struct tree *t, struct tree_files *f);

void tree_files_free(struct tree_files *f);

/**
 * tree_files_message() - as message for B. tree_files_message_free() it; paths and digests are
 * @f's. Return: NULL if there is no memory.
 */
TcpmigHost__Files *tree_files_message(const struct tree_files *f);
void tree_files_message_free(TcpmigHost__Files *message);

/**
 * struct file_difference - why a file is not the same here.
 * @path: of the message; @what: a phrase, "is not there"; @cure: what to do (static storage)
 */
struct file_difference {
	const char *path;
	char *what;
	const char *cure;
};

/** struct file_differences - zero it, tree_files_compare(), file_differences_free(). */
struct file_differences {
	struct file_difference *list;
	size_t count;
};

/**
 * tree_files_compare() - are the files of A, as it told them, the same here?
 * @root: directory under which their paths are looked up; NULL: /
 *
 * In this order: there, type and mode (CRIU refuses another), size, build-id or sha256, else
 * mtime. A directory needs only to be there with its mode. Of a file that is written the size
 * may have grown since, and of one that is only appended to size and contents do not matter.
 * Return: number of differences, or -errno.
 */
int tree_files_compare(const TcpmigHost__Files *message, const char *root,
		       struct file_differences *d);

void file_differences_free(struct file_differences *d);

#endif
