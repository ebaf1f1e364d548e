/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the agent must know after a restart: for each OLD the migration with the highest epoch
 * that was ever reserved. One file of fixed size, open already: no path is needed.
 *
 * Each OLD has two places in the file, far apart, which are written in turn, each with a
 * checksum and a number that grows: a write that was cut off leaves the one before it.
 */
#ifndef TCPMIG_AGENT_STORE_H
#define TCPMIG_AGENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpmig_shared.h"

#define STORE_OLDS_MAX 4096

/**
 * struct store_record - a migration.
 * @epoch:     of it; no other of this OLD has one as high
 * @cur, @next: its owner, and who shall be
 * @next_key:  SHA-256 of NEXT's public key, where @has_next_key
 * @cur_key:   of the public key by which it was reserved
 * @open:      it can still come to something
 */
struct store_record {
	uint8_t uuid[16];
	uint64_t epoch;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint cur;
	struct tcpmig_endpoint next;
	uint8_t next_key[32];
	uint8_t cur_key[32];
	bool has_next_key;
	bool open;
	bool consented;
	bool committed;
};

struct agent_store;

/**
 * store_open() - read the file, or begin a new one if it is empty.
 * @fd: open for reading and writing; stays the caller's
 * Return: store_close() it; NULL and errno: EBADMSG: not such a file.
 */
struct agent_store *store_open(int fd);
void store_close(struct agent_store *store);

/** store_find() - the record of @old, until the next store_put(); NULL. */
const struct store_record *store_find(const struct agent_store *store,
				      const struct tcpmig_endpoint *old);

/** store_olds_at() - how many OLDs with the address of @old are known. */
size_t store_olds_at(const struct agent_store *store, const struct tcpmig_endpoint *old);

/**
 * store_put() - the new record of its OLD.
 * @durable: wait until it is on the disk; else it survives the agent, but not the host, whose
 *           connections end with it
 * Return: 0; -ENOSPC: STORE_OLDS_MAX others are known; -errno. On error the old one counts.
 */
int store_put(struct agent_store *store, const struct store_record *record, bool durable);

/** store_each() - all records; stops when @fn returns not 0, and returns that. @fn may put. */
int store_each(const struct agent_store *store,
	       int (*fn)(const struct store_record *record, void *ctx), void *ctx);

#endif
