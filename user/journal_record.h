/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records of a journal, as bytes of a file, and what is right among them. Pure. */
#ifndef TCPMIG_JOURNAL_RECORD_H
#define TCPMIG_JOURNAL_RECORD_H

#include "journal.h"

/* Each record begins a page: writing it never touches an earlier one. */
#define JOURNAL_PAGE  4096
#define JOURNAL_DIR   "migrations"
#define JOURNAL_MAGIC 0x316a6d74 /* "tmj1": another layout gets another */

/**
 * struct journal_record - the head of a record, in the byte order of this host; then @length bytes.
 * @crc:      of all that follows it
 * @sequence: 1, 2, ...
 * @boot_id:  of the host as it was up when this was written
 */
struct journal_record {
	uint32_t magic;
	uint32_t crc;
	uint32_t length;
	uint32_t type;
	uint64_t sequence;
	uint64_t boot_ns;
	uint8_t uuid[16];
	uint8_t boot_id[16];
};
_Static_assert(sizeof(struct journal_record) == 64, "no hidden padding");

/** journal_record_space() - how many bytes of the file a record with @length bytes takes. */
static inline size_t journal_record_space(size_t length)
{
	return (sizeof(struct journal_record) + length + JOURNAL_PAGE - 1) / JOURNAL_PAGE *
	       JOURNAL_PAGE;
}

/** journal_record_seal() - give it magic and CRC. @payload follows it there: @record->length. */
void journal_record_seal(struct journal_record *record);

/**
 * struct journal_scan - the end of what is right in a file.
 * @end:      where the next record belongs
 * @sequence: of the last one; 0: none
 */
struct journal_scan {
	size_t end;
	uint64_t sequence;
};

/**
 * journal_scan() - find what is right in @data, a whole file.
 * @boot_id: of this host now
 * @state:   filled, but for @busy; uuid is the one to look for; journal_state_free() it
 *
 * One record is on the disk before the next is begun. So a damaged one behind which there are
 * others was right once, and those others count; the last one, if it is not right, was never
 * finished.
 * Return: 0; -EBADMSG: a right record of a kind that is not known here, or without its meaning;
 * -ENOMEM.
 */
int journal_scan(const uint8_t *data, size_t size, const uint8_t boot_id[16],
		 struct journal_state *state, struct journal_scan *scan);

/* "UUID.journal" */
#define JOURNAL_NAME_LEN (36 + sizeof(".journal"))

/** journal_name() - of the file. @name: JOURNAL_NAME_LEN bytes. */
void journal_name(const uint8_t uuid[16], char *name);

/** journal_may_follow() - may a record of @type be the next? */
bool journal_may_follow(enum journal_type last, bool committed, enum journal_type type);

#endif
