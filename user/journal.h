/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The journal of a migration on the host that gives the process up. It decides: with a COMMIT in
 * it the process is the other host's and never runs here again, without one it is this host's.
 *
 * A file for each migration, STATE/migrations/UUID.journal, of records that are only ever added,
 * each on the disk before the call returns, none in a page of an earlier one, in space that is
 * taken when the file is made: a full disk cannot keep anybody from deciding.
 */
#ifndef TCPMIG_JOURNAL_H
#define TCPMIG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.pb-c.h"

#define JOURNAL_TEXT_MAX     255
#define JOURNAL_PREPARED_MAX (8 << 20) /* bytes */

/* What has been done, in this order. ABORTED comes after any that is before COMMIT, LOST after it.
 */
enum journal_type {
	JOURNAL_NONE = 0,     /* of a file that was never finished: nothing has been done */
	JOURNAL_PREPARED = 1, /* again and again, as more is known: the last one counts */
	JOURNAL_HELD = 2,
	JOURNAL_FROZEN = 3,
	JOURNAL_DUMPED = 4,
	JOURNAL_RESTORED = 5,
	JOURNAL_COMMIT = 6,
	JOURNAL_RUNNING = 7, /* at the other host */
	JOURNAL_RETIRED = 8, /* killed here: the end */
	JOURNAL_ABORTED = 9, /* undone, the process goes on here: the end */
	JOURNAL_LOST = 10,   /* committed, but the other host could not make it run: the end */
};

/**
 * struct journal_state - what a journal says.
 * @type:      the last thing that has been done
 * @committed: JOURNAL_COMMIT is among what has been done
 * @same_boot: this host has not been started anew since then: PIDs, freeze and fence still count
 * @busy:      a writer has it open
 * @torn:      behind the end there is something that is no record: one that was being written
 *             when its writer or the host ended
 * @damaged:   a record before the last is not readable any more; @type and @committed are right
 * @boot_ns:   CLOCK_BOOTTIME of the last record
 * @done_ns:   the same of the first record of each type; 0: none
 * @text:      of the last record that has one
 * @prepared:  NULL where there is none (JOURNAL_NONE, or damaged)
 */
struct journal_state {
	uint8_t uuid[16];
	enum journal_type type;
	bool committed;
	bool same_boot;
	bool busy;
	bool torn;
	bool damaged;
	uint64_t boot_ns;
	uint64_t done_ns[JOURNAL_LOST + 1];
	char text[JOURNAL_TEXT_MAX + 1];
	TcpmigJournal__Prepared *prepared;
};

struct journal;

/**
 * journal_create() - a new file, with @prepared in it, on the disk.
 *
 * @state_dir: is there; the directory in it is made
 * @j:         journal_close() it. While it is open, nobody else writes (a child that was forked
 *             without exec counts as this process)
 * Return: 0; -EEXIST; -ENOSPC; -E2BIG: JOURNAL_PREPARED_MAX; -errno. On error there is no file.
 */
int journal_create(const char *state_dir, const uint8_t uuid[16],
		   const TcpmigJournal__Prepared *prepared, struct journal **j);

/**
 * journal_open() - to go on with one whose writer has ended.
 * @state: what it says; journal_state_free() it, also after an error
 * Return: 0; -ENOENT; -EBUSY: its writer lives; -EBADMSG: not a journal (JOURNAL_NONE is one);
 *         -errno.
 */
int journal_open(const char *state_dir, const uint8_t uuid[16], struct journal **j,
		 struct journal_state *state);

/** journal_open_read() - only look, whether or not somebody writes. Return: as journal_open(). */
int journal_open_read(const char *state_dir, const uint8_t uuid[16], struct journal_state *state);

/**
 * journal_append() - one more record, on the disk when this returns 0.
 * @text: for people; cut at JOURNAL_TEXT_MAX; NULL: none
 *
 * Return: 0; -EINVAL: not in this order: nothing follows an end, ABORTED never follows COMMIT;
 * -EIO and others: it is *not* there, for whoever reads the file while this host is up;
 * -ENOTRECOVERABLE: nobody can tell whether it is there: after a COMMIT nothing may go on anywhere
 * until journal_open_read() has told.
 */
int journal_append(struct journal *j, enum journal_type type, const char *text);

/** journal_prepare() - a newer JOURNAL_PREPARED, only after others. Return: as journal_append(). */
int journal_prepare(struct journal *j, const TcpmigJournal__Prepared *prepared);

/** journal_type() - the last one that was appended. */
enum journal_type journal_type(const struct journal *j);

/** journal_has_ended() - is a migration over, whose last record is of @type? */
bool journal_has_ended(enum journal_type type);

/** journal_close() - others may write it now. NULL is fine. */
void journal_close(struct journal *j);

/** journal_remove() - the file too; closes @j, also on error. Return: 0; -errno. */
int journal_remove(struct journal *j);

/**
 * journal_each() - all of @state_dir, in no order; @fn may open and remove.
 * @fn: @err as of journal_open_read(), of which @state is the result; what is not 0 ends it
 * Return: 0, also where there is no such directory; what @fn returned; -errno.
 */
int journal_each(const char *state_dir,
		 int (*fn)(const struct journal_state *state, int err, void *ctx), void *ctx);

/** journal_type_name() - "prepared" and so on (static storage). */
const char *journal_type_name(enum journal_type type);

void journal_state_free(struct journal_state *state);

#endif
