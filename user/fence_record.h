/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One record among others: for fence*.c and their tests, which also do without pins. */
#ifndef TCPMIG_FENCE_RECORD_H
#define TCPMIG_FENCE_RECORD_H

#include "fence.h"

/** fence_record_find() - the record of @uuid: @f->slot, @f->ref. Return: 0 or -ENOENT. */
int fence_record_find(struct fence *f, const uint8_t uuid[16]);

/** fence_record_make() - a new one; the pins are locked. Return: 0; -ENOSPC; -errno. */
int fence_record_make(struct fence *f, const uint8_t uuid[16]);

/** fence_record_empty() - open it and remove what it has; the slot is still its own. */
int fence_record_empty(struct fence *f);

/** fence_record_free() - give the slot up. */
void fence_record_free(struct fence *f);

/** fence_record_has_ref() - is there a record whose entries have @ref? */
bool fence_record_has_ref(const struct fence_tables *t, __u32 ref);

/** fence_record_count() - how many records there are. */
size_t fence_record_count(const struct fence_tables *t);

/**
 * fence_record_lock() - lock the pins; without any (@f->dir.fd < 0) there is nothing to lock.
 * Return: 0; -ENOENT: the record has been removed; what pindir_lock() returns.
 */
int fence_record_lock(struct fence *f);

void fence_record_unlock(struct fence *f);

#endif
