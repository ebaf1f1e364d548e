// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "clocks.h"
#include "fence_record.h"
#include "settle.h"

#define LOCK_WAIT_MS 10000

static __u32 ref_of(const struct fence_tables *t, __u32 slot)
{
	return __atomic_load_n(&t->table->record[slot].ref, __ATOMIC_ACQUIRE);
}

bool fence_record_has_ref(const struct fence_tables *t, __u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);

	return ref && slot < FENCE_RECORDS_MAX && ref_of(t, slot) == ref;
}

size_t fence_record_count(const struct fence_tables *t)
{
	size_t count = 0;

	for (__u32 slot = 0; slot < FENCE_RECORDS_MAX; slot++)
		count += ref_of(t, slot) != 0;
	return count;
}

int fence_record_find(struct fence *f, const uint8_t uuid[16])
{
	for (__u32 slot = 0; slot < FENCE_RECORDS_MAX; slot++) {
		__u32 ref = ref_of(&f->tables, slot);

		if (!ref || memcmp(f->tables.table->record[slot].uuid, uuid, 16))
			continue;
		f->slot = slot;
		f->ref = ref;
		return 0;
	}
	return -ENOENT;
}

/* The one that was used least, so that who still has a removed record open meets no other. */
static int free_slot(const struct fence_tables *t, __u32 *slot)
{
	const struct fence_record *record = t->table->record;
	int best = -1;

	for (__u32 i = 0; i < FENCE_RECORDS_MAX; i++) {
		if (!record[i].ref && (best < 0 || record[i].last < record[best].last))
			best = i;
	}
	if (best < 0)
		return -ENOSPC;
	*slot = best;
	return 0;
}

int fence_record_make(struct fence *f, const uint8_t uuid[16])
{
	struct fence_record *record;
	int err = free_slot(&f->tables, &f->slot);

	if (!err)
		err = fence_tables_zero_stats(&f->tables, f->slot);
	if (err)
		return err;
	record = &f->tables.table->record[f->slot];
	__atomic_store_n(&f->tables.table->state[f->slot], FENCE_OPEN, __ATOMIC_RELEASE);
	memcpy(record->uuid, uuid, sizeof(record->uuid));
	record->made_ns = clock_boot_ns();
	record->last++;
	f->ref = tcpmig_ref(f->slot, record->last);
	__atomic_store_n(&record->ref, f->ref, __ATOMIC_RELEASE);
	return 0;
}

/* Its state first: what is left by a kill does nothing. */
int fence_record_empty(struct fence *f)
{
	__atomic_store_n(&f->tables.table->state[f->slot], FENCE_OPEN, __ATOMIC_RELEASE);
	return fence_tables_forget(&f->tables, f->ref, f->slot);
}

void fence_record_free(struct fence *f)
{
	__atomic_store_n(&f->tables.table->record[f->slot].ref, 0, __ATOMIC_RELEASE);
}

int fence_record_lock(struct fence *f)
{
	int err = f->dir.fd >= 0 ? pindir_lock(&f->dir, LOCK_WAIT_MS) : 0;

	if (err || fence_record_has_ref(&f->tables, f->ref))
		return err;
	fence_record_unlock(f);
	return -ENOENT;
}

void fence_record_unlock(struct fence *f)
{
	if (f->dir.fd >= 0)
		pindir_unlock(&f->dir);
}

int fence_set(struct fence *f, enum fence_state state)
{
	if (!fence_record_has_ref(&f->tables, f->ref))
		return -ENOENT;
	__atomic_store_n(&f->tables.table->state[f->slot], state, __ATOMIC_SEQ_CST);
	if (state != FENCE_OPEN)
		settle_programs();
	return 0;
}

enum fence_state fence_state(const struct fence *f)
{
	if (!fence_record_has_ref(&f->tables, f->ref))
		return FENCE_OPEN;
	return __atomic_load_n(&f->tables.table->state[f->slot], __ATOMIC_ACQUIRE);
}

int fence_stats(const struct fence *f, struct fence_stats *stats)
{
	if (!fence_record_has_ref(&f->tables, f->ref))
		return -ENOENT;
	return fence_tables_get_stats(&f->tables, f->slot, stats);
}
