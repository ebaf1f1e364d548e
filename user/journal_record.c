// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "journal_record.h"

#define CRC_FROM offsetof(struct journal_record, length)

static const char *const names[] = {
	[JOURNAL_NONE] = "none",       [JOURNAL_PREPARED] = "prepared",
	[JOURNAL_HELD] = "held",       [JOURNAL_FROZEN] = "frozen",
	[JOURNAL_DUMPED] = "dumped",   [JOURNAL_RESTORED] = "restored",
	[JOURNAL_COMMIT] = "commit",   [JOURNAL_RUNNING] = "running",
	[JOURNAL_RETIRED] = "retired", [JOURNAL_ABORTED] = "aborted",
	[JOURNAL_LOST] = "lost",
};

const char *journal_type_name(enum journal_type type)
{
	return type <= JOURNAL_LOST ? names[type] : "unknown";
}

static uint32_t record_crc(const struct journal_record *record)
{
	return crc32(0, (const uint8_t *)record + CRC_FROM,
		     sizeof(*record) - CRC_FROM + record->length);
}

void journal_record_seal(struct journal_record *record)
{
	record->magic = JOURNAL_MAGIC;
	record->crc = record_crc(record);
}

/* Return: the record there, if it is right; NULL. Pages are aligned, as the buffer is. */
static const struct journal_record *record_at(const uint8_t *data, size_t size, size_t at,
					      const uint8_t *uuid)
{
	const struct journal_record *record = (const struct journal_record *)(data + at);
	bool good;

	if (at > size || size - at < sizeof(*record))
		return NULL;
	good = record->magic == JOURNAL_MAGIC && record->length <= size - at - sizeof(*record) &&
	       record->crc == record_crc(record) && !memcmp(record->uuid, uuid, 16);
	return good ? record : NULL;
}

/* The next one at or behind @at, that is later than @sequence. */
static const struct journal_record *next_record(const uint8_t *data, size_t size, size_t *at,
						const uint8_t *uuid, uint64_t sequence)
{
	const struct journal_record *record;

	for (; *at < size; *at += JOURNAL_PAGE) {
		record = record_at(data, size, *at, uuid);
		if (record && record->sequence > sequence)
			return record;
	}
	return NULL;
}

static bool all_zero(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i])
			return false;
	}
	return true;
}

static int take_prepared(const struct journal_record *record, struct journal_state *state)
{
	const uint8_t *payload = (const uint8_t *)(record + 1);

	if (state->prepared)
		tcpmig_journal__prepared__free_unpacked(state->prepared, NULL);
	state->prepared = tcpmig_journal__prepared__unpack(NULL, record->length, payload);
	return state->prepared ? 0 : -EBADMSG;
}

static int take(const struct journal_record *record, struct journal_state *state)
{
	if (record->type == JOURNAL_NONE || record->type > JOURNAL_LOST)
		return -EBADMSG;
	state->type = record->type;
	state->committed |= record->type == JOURNAL_COMMIT;
	state->boot_ns = record->boot_ns;
	if (!state->done_ns[record->type])
		state->done_ns[record->type] = record->boot_ns;
	if (record->type == JOURNAL_PREPARED)
		return take_prepared(record, state);
	if (record->length > JOURNAL_TEXT_MAX)
		return -EBADMSG;
	if (record->length) {
		memcpy(state->text, record + 1, record->length);
		state->text[record->length] = 0;
	}
	return 0;
}

int journal_scan(const uint8_t *data, size_t size, const uint8_t boot_id[16],
		 struct journal_state *state, struct journal_scan *scan)
{
	const struct journal_record *record;
	size_t at = 0;
	int err = 0;

	*scan = (struct journal_scan){};
	state->same_boot = true;
	while (!err && (record = next_record(data, size, &at, state->uuid, scan->sequence))) {
		state->damaged |= at != scan->end || record->sequence != scan->sequence + 1;
		state->same_boot &= !memcmp(record->boot_id, boot_id, 16);
		err = take(record, state);
		at += journal_record_space(record->length);
		*scan = (struct journal_scan){ .end = at, .sequence = record->sequence };
	}
	state->torn = scan->end < size && !all_zero(data + scan->end, size - scan->end);
	return err;
}

bool journal_has_ended(enum journal_type type)
{
	return type == JOURNAL_NONE || type >= JOURNAL_RETIRED;
}

bool journal_may_follow(enum journal_type last, bool committed, enum journal_type type)
{
	if (last >= JOURNAL_RETIRED)
		return false;
	switch (type) {
	case JOURNAL_PREPARED:
		return last <= JOURNAL_PREPARED;
	case JOURNAL_HELD:
	case JOURNAL_FROZEN:
	case JOURNAL_DUMPED:
	case JOURNAL_RESTORED:
		return last != JOURNAL_NONE && last < type;
	case JOURNAL_COMMIT: /* a record more in the freeze would be a flush of the disk more */
		return last != JOURNAL_NONE && last < type;
	case JOURNAL_RUNNING:
		return last == JOURNAL_COMMIT;
	case JOURNAL_RETIRED:
	case JOURNAL_LOST:
		return committed;
	case JOURNAL_ABORTED:
		return !committed;
	default:
		return false;
	}
}
