// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "agent_store.h"
#include "endpoint.h"

#define MAGIC 0x74636d31 /* "tcm1": another layout gets another */

/* A place in the file: a sector, so that a write is as good as atomic. */
union place {
	struct {
		uint32_t magic;
		uint32_t crc; /* of all that follows */
		uint64_t serial;
		struct store_record record;
	};
	uint8_t bytes[512];
};
_Static_assert(sizeof(union place) == 512, "a sector");
#define CRC_FROM offsetof(union place, serial)

struct slot {
	struct store_record record;
	uint64_t serial;
	int copy; /* which of the two places has it */
};

struct agent_store {
	int fd;
	size_t count;
	struct slot slots[STORE_OLDS_MAX];
};

static off_t place_offset(size_t slot, int copy)
{
	return (off_t)(slot + (size_t)copy * STORE_OLDS_MAX) * sizeof(union place);
}

static uint32_t place_crc(const union place *p)
{
	return crc32(0, p->bytes + CRC_FROM, sizeof(p->bytes) - CRC_FROM);
}

static bool place_is_good(const union place *p)
{
	return p->magic == MAGIC && p->serial && p->crc == place_crc(p);
}

/* Return: 1: there; 0: never written, or damaged; -errno. */
static int read_place(int fd, size_t slot, int copy, union place *p)
{
	ssize_t n = pread(fd, p, sizeof(*p), place_offset(slot, copy));

	if (n < 0)
		return -errno;
	return n == sizeof(*p) && place_is_good(p);
}

/* The newer of the two. Return: as read_place(). */
static int read_slot(int fd, size_t index, struct slot *slot)
{
	union place p;
	int found = 0;

	for (int copy = 0; copy < 2; copy++) {
		int err = read_place(fd, index, copy, &p);

		if (err < 0)
			return err;
		if (!err || (found && p.serial < slot->serial))
			continue;
		*slot = (struct slot){ .record = p.record, .serial = p.serial, .copy = copy };
		found = 1;
	}
	return found;
}

/* A file of something else is not to be written over. */
static int check_file(int fd)
{
	uint32_t magic = 0;
	ssize_t n = pread(fd, &magic, sizeof(magic), 0);

	if (n < 0)
		return -errno;
	return n == 0 || (n == sizeof(magic) && (magic == MAGIC || !magic)) ? 0 : -EBADMSG;
}

/* Slots are used in order, so a gap is a record that is lost: its epochs could come again. */
static int read_all(struct agent_store *store)
{
	int found = check_file(store->fd);
	struct slot slot;

	for (size_t i = 0; found >= 0 && i < STORE_OLDS_MAX; i++) {
		found = read_slot(store->fd, i, &slot);
		if (found > 0 && i > store->count)
			return -EBADMSG;
		if (found > 0)
			store->slots[store->count++] = slot;
	}
	return found < 0 ? found : 0;
}

struct agent_store *store_open(int fd)
{
	struct agent_store *store = calloc(1, sizeof(*store)); /* pages are taken when used */
	int err;

	if (!store)
		return NULL;
	store->fd = fd;
	err = read_all(store);
	if (!err)
		return store;
	free(store);
	errno = -err;
	return NULL;
}

void store_close(struct agent_store *store)
{
	free(store);
}

static struct slot *slot_of(struct agent_store *store, const struct tcpmig_endpoint *old)
{
	for (size_t i = 0; i < store->count; i++) {
		if (endpoint_same(&store->slots[i].record.old, old))
			return &store->slots[i];
	}
	return NULL;
}

const struct store_record *store_find(const struct agent_store *store,
				      const struct tcpmig_endpoint *old)
{
	struct slot *slot = slot_of((struct agent_store *)store, old);

	return slot ? &slot->record : NULL;
}

size_t store_olds_at(const struct agent_store *store, const struct tcpmig_endpoint *old)
{
	size_t count = 0;

	for (size_t i = 0; i < store->count; i++)
		count += endpoint_same_addr(&store->slots[i].record.old, old);
	return count;
}

static int write_place(int fd, size_t index, const struct slot *slot, bool durable)
{
	union place p = {};
	ssize_t n;

	p.magic = MAGIC;
	p.serial = slot->serial;
	p.record = slot->record;
	p.crc = place_crc(&p);
	n = pwrite(fd, &p, sizeof(p), place_offset(index, slot->copy));
	if (n != sizeof(p))
		return n < 0 ? -errno : -ENOSPC;
	return durable && fdatasync(fd) ? -errno : 0;
}

int store_put(struct agent_store *store, const struct store_record *record, bool durable)
{
	struct slot *there = slot_of(store, &record->old);
	size_t index = there ? (size_t)(there - store->slots) : store->count;
	struct slot next = { .serial = 1 };
	int err;

	if (index == STORE_OLDS_MAX)
		return -ENOSPC;
	if (there)
		next = (struct slot){ .serial = there->serial + 1, .copy = !there->copy };
	next.record = *record;
	err = write_place(store->fd, index, &next, durable);
	if (err)
		return err;
	store->slots[index] = next;
	store->count += !there;
	return 0;
}

int store_each(const struct agent_store *store,
	       int (*fn)(const struct store_record *record, void *ctx), void *ctx)
{
	int result = 0;

	for (size_t i = 0; !result && i < store->count; i++)
		result = fn(&store->slots[i].record, ctx);
	return result;
}
