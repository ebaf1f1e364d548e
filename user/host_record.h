/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a host knows of a migration to it, in memory and in a file: DIR/UUID/record, beside the
 * directory of the images, DIR/UUID/images. Whoever has the record has it alone: a lock.
 */
#ifndef TCPMIG_HOST_RECORD_H
#define TCPMIG_HOST_RECORD_H

#include "host_message.h"
#include "host_record.pb-c.h"

/**
 * struct host_record - an open one.
 * @r:         all of it; with memory of malloc(), as protobuf-c makes it
 * @dir_fd:    DIR/UUID; carries the lock
 * @images_fd: DIR/UUID/images; -1: there is none (any more)
 */
struct host_record {
	TcpmigHost__Record *r;
	int dir_fd;
	int images_fd;
};

/** host_record_make_dir() - DIR, with all above it; may be there. Return: 0 or -errno. */
int host_record_make_dir(const char *dir);

/**
 * host_record_make() - a new one; makes DIR, too.
 * Return: 0; -EEXIST: there is one of that UUID; -errno.
 */
int host_record_make(struct host_record *rec, const char *dir, const uint8_t uuid[HOST_UUID_LEN]);

/**
 * host_record_open() - one that is there.
 * Return: 0; -ENOENT; -EBUSY: another process has it; -EBADMSG: damaged; -errno.
 */
int host_record_open(struct host_record *rec, const char *dir, const uint8_t uuid[HOST_UUID_LEN]);

/** host_record_read() - only look: whether or not somebody has it. Free with
 * tcpmig_host__record__free_unpacked(). Return: NULL and errno. */
TcpmigHost__Record *host_record_read(const char *dir, const uint8_t uuid[HOST_UUID_LEN]);

/** host_record_is_known() - is there one, or does somebody work on what is not one yet? */
bool host_record_is_known(const char *dir, const uint8_t uuid[HOST_UUID_LEN]);

/** host_record_save() - replace the file as a whole. Return: 0 or -errno. */
int host_record_save(const struct host_record *rec);

/** host_record_close() - the file stays. */
void host_record_close(struct host_record *rec);

/** host_record_drop_images() - the images are not needed any more. Return: 0 or -errno. */
int host_record_drop_images(struct host_record *rec);

/** host_record_remove() - all of it; closes @rec. Return: 0 or -errno. */
int host_record_remove(struct host_record *rec, const char *dir);

/** host_record_wipe() - whatever is there of a UUID. Return: 0, also where nothing is; -errno. */
int host_record_wipe(const char *dir, const uint8_t uuid[HOST_UUID_LEN]);

/* Copies of what a message says are added to the record. Return: 0; -ENOMEM; -E2BIG. */
int host_record_prepare(struct host_record *rec, const TcpmigHost__Prepare *prepare);
int host_record_add(struct host_record *rec, const TcpmigHost__Connections *connections);
int host_record_add_agents(struct host_record *rec, const TcpmigHost__Agents *agents);

/** host_record_each() - all in @dir: @fn gets UUIDs, in no order. Return: as @fn; 0; -errno. */
int host_record_each(const char *dir, int (*fn)(const uint8_t uuid[HOST_UUID_LEN], void *ctx),
		     void *ctx);

/**
 * host_record_of() - the one whose tree process @pid is the root of: by which OLDs its clients
 * know it. Return: free with tcpmig_host__record__free_unpacked(); NULL: there is none.
 */
TcpmigHost__Record *host_record_of(const char *dir, uint32_t pid, uint64_t start_ticks);

#endif
