/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the host that gives a process up tells the one that gets it, in a file beside the images:
 * which migrations are under way, and which agents take part.
 */
#ifndef TCPMIG_MOVE_FILE_H
#define TCPMIG_MOVE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpmig_shared.h"

#define MOVE_FILE	   "tcpmig-move.json"
#define MOVE_FILE_MOVES	   64
#define MOVE_FILE_UUID_LEN 16

/** struct move_file_agent - one that takes part, and the epoch of the migration there. */
struct move_file_agent {
	struct tcpmig_endpoint at;
	uint64_t epoch;
};

/** struct move_record - one migration; @agents is allocated. */
struct move_record {
	uint8_t uuid[MOVE_FILE_UUID_LEN];
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint cur;
	struct tcpmig_endpoint next;
	struct move_file_agent *agents;
	size_t agent_count;
};

/**
 * struct move_file - all of it.
 * @committed: CUR has given the flows up: only then may the images be restored elsewhere
 * @gone:      NEXT has them
 * @hold_ms:   of each hold and lease
 */
struct move_file {
	bool committed;
	bool gone;
	uint32_t hold_ms;
	size_t count;
	struct move_record moves[MOVE_FILE_MOVES];
};

/** move_file_write() - replace the file in @dir_fd as a whole (fsync, rename). Return: 0; -errno.
 */
int move_file_write(int dir_fd, const struct move_file *file);

/**
 * move_file_read() - from the file in @dir_fd.
 * @file: move_file_free() it, also after an error
 * @why:  on error: what is wrong, as a phrase (static storage)
 * Return: 0; -ENOENT: no such file; -EBADMSG: not as move_file_write() writes; -errno.
 */
int move_file_read(int dir_fd, struct move_file *file, const char **why);

/** move_file_remove() - Return: 0, also where there is none; -errno. */
int move_file_remove(int dir_fd);

void move_file_free(struct move_file *file);

#endif
