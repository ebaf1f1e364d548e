/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A server host's own lock on the connections of a process that is moved: on the host that
 * gives it up (fence) and on the one that gets it (gate). Programs of their own on every
 * interface drop exactly these, one store opens and closes them all, and all of it is pinned:
 * it stays as it is when everybody is killed.
 */
#ifndef TCPMIG_FENCE_H
#define TCPMIG_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fence_shared.h"
#include "fence_tables.h"
#include "pindir.h"

#define FENCE_PIN_DIR PINDIR_BPFFS "/tcpmig-host"

/** struct fence - the record of one migration, open. Of one process: not across fork(). */
struct fence {
	struct pindir dir;
	struct fence_tables tables;
	uint32_t slot;
	uint32_t ref;
};

/** struct fence_flow - a connection; IPv4, or IPv6 that is not v4-mapped, after endpoint_set6(). */
struct fence_flow {
	struct tcpmig_endpoint local; /* this host's side */
	struct tcpmig_endpoint remote;
};

/**
 * fence_open() - the record of a migration, made (FENCE_OPEN) if there is none, and the programs on
 * every interface that is up and has none yet: call it again for interfaces that came later.
 * @f:       to fill; fence_close() or fence_remove() it
 * @pin_dir: in a bpffs, made if need be; NULL: FENCE_PIN_DIR. Must outlive @f
 * @uuid:    not all zero
 * @why:     on error: what failed, as a phrase for the message (static storage)
 *
 * lo is left out, and so are kinds of link layers that are not understood: fence_uncovered()
 * tells of these. On error a record that this call made is gone again.
 * Return: 0; -ENOSPC: FENCE_RECORDS_MAX migrations are there; -EPROTO: maps of another version are
 * pinned; -EXDEV: the directory serves another network namespace; -EPERM: not allowed to;
 * -EEXIST: a foreign filter has our handle; what pindir_open() returns; another -errno.
 */
int fence_open(struct fence *f, const char *pin_dir, const uint8_t uuid[16], const char **why);

/** fence_open_as() - as fence_open(), with a choice for what is attached: enum redirector_mode. */
int fence_open_as(struct fence *f, const char *pin_dir, const uint8_t uuid[16], int mode,
		  const char **why);

/**
 * fence_reopen() - the record of a migration that has one; makes and attaches nothing.
 * Return: 0; -ENOENT: there is none; else as fence_open().
 */
int fence_reopen(struct fence *f, const char *pin_dir, const uint8_t uuid[16], const char **why);

/**
 * fence_uncovered() - call @fn for each interface that is up, not lo, and misses a program of ours.
 * Return: what @fn returned last if not 0, at which it ends; 0 or -errno.
 */
int fence_uncovered(const struct fence *f, int (*fn)(int ifindex, const char *name, void *ctx),
		    void *ctx);

/**
 * fence_add_listener() - a socket whose new connections FENCE_NO_SYN keeps off.
 * @local:   what it is bound to; an unspecified address: any of its family, and with "::" also
 *           of IPv4
 * @v6_only: but not where the socket says so (IPV6_V6ONLY); of no meaning for others
 *
 * Twice is once. A listener bound to just the address of a SYN goes before one bound to any.
 * Return: 0; -EBUSY: it is in another record; -EINVAL: no port, or no right endpoint; -ENOSPC:
 * full; -errno.
 */
int fence_add_listener(struct fence *f, const struct tcpmig_endpoint *local, bool v6_only);

/**
 * fence_add_flows() - connections that FENCE_CLOSED drops, both ways; at once if it is the state.
 * All or none; twice is once.
 * Return: as fence_add_listener().
 */
int fence_add_flows(struct fence *f, const struct fence_flow *flows, size_t count);

/**
 * fence_set() - one store, whatever the number of flows. Takes effect with the next packet.
 *
 * When it returns no program is at work any more that saw the state before: what is dumped
 * after fence_set(FENCE_CLOSED) no segment changes, and no further connection to a listener comes
 * about: those that are listed now, and not in the record, are to be added. Waiting for that takes
 * some 0.1 ms; opening waits for nothing.
 * Return: 0; -ENOENT: the record has been removed.
 */
int fence_set(struct fence *f, enum fence_state state);

/** fence_state() - as it is now; FENCE_OPEN where the record has been removed. */
enum fence_state fence_state(const struct fence *f);

/** fence_stats() - what has been dropped for this record. Return: 0; -ENOENT: it is gone; -errno.
 */
int fence_stats(const struct fence *f, struct fence_stats *stats);

/**
 * fence_remove() - open it, and remove the record and all it has; with the last record the
 * programs and the pins. Closes @f, unless it fails.
 *
 * Killed in between it leaves the record, without effect: fence_each() names it.
 * Return: 0 or -errno.
 */
int fence_remove(struct fence *f);

/** fence_close() - leaves everything as it is. Harmless on a zeroed or closed one. */
void fence_close(struct fence *f);

/**
 * fence_each() - call @fn for every record in @pin_dir (NULL: FENCE_PIN_DIR); none if it is not
 * there. @fn may reopen and remove them.
 * Return: what @fn returned last if not 0, at which it ends; 0; -errno as of fence_open().
 */
int fence_each(const char *pin_dir,
	       int (*fn)(const uint8_t uuid[16], enum fence_state state, size_t flows, void *ctx),
	       void *ctx);

#endif
