/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets to OLD pass the kernel's neighbour table before our hook: if OLD is on the
 * client's own link and dead, nothing would ever reach it. So every such OLD gets a
 * permanent entry as long as a rule needs one. The kernel keeps the record of what is
 * ours (NEIGHBOURS_PROTOCOL), so a command that was killed is repaired by the next.
 * Callers are in the netns that the pin directory serves, and hold its lock, or give it here.
 */
#ifndef TCPMIG_NEIGHBOURS_H
#define TCPMIG_NEIGHBOURS_H

#include <stdbool.h>

#include "netlink_neigh.h"
#include "tables.h"

/* "Who made it", as in /etc/iproute2/rt_protos, where it is nobody's. Part of the contract. */
#define NEIGHBOURS_PROTOCOL 124

/** struct neighbours_outcome - what neighbours_sync() did. */
struct neighbours_outcome {
	size_t pinned;	/* entries made with the address that the kernel knew */
	size_t dummies; /* entries made for hosts that do not answer */
	size_t removed; /* entries of ours that no rule needs any more */
};

/**
 * neighbours_sync() - entries of ours for the OLDs of all rules, and no others.
 * @outcome: may be NULL
 *
 * OLD counts if the route to it has no gateway and leaves by an attached Ethernet
 * device with ARP. Waits up to 250 ms for hosts that the kernel does not know, 100 ms
 * for those that did not answer before. While OLD itself is held and does not answer there is
 * none: a hold ends without a command. With rules for established connections only an entry is
 * made only while nobody answers for OLD: new connections go there, to whoever has the address by
 * then. An entry that is permanent (or noarp) and not ours is never touched. One with a real
 * address that is no longer needed becomes an ordinary one. Return: 0 or -errno; then the next call
 * goes on.
 */
int neighbours_sync(const struct tables *t, struct neighbours_outcome *outcome);

/**
 * struct neighbours_caller - one who must not hold the lock of the pin directory for long, and
 * does not believe every rule.
 * @may_touch: may entries for this OLD be made or changed?
 * @lock:      Return: 0 or -errno
 */
struct neighbours_caller {
	bool (*may_touch)(const struct tcpmig_endpoint *old, void *ctx);
	int (*lock)(void *ctx);
	void (*unlock)(void *ctx);
	void *ctx;
};

/**
 * neighbours_sync_for() - as neighbours_sync(), with the lock held only before and after the
 * wait for answers; rules that have gone meanwhile get no entry.
 */
int neighbours_sync_for(const struct tables *t, const struct neighbours_caller *caller,
			struct neighbours_outcome *outcome);

/** neighbours_forget() - remove all that is ours from @ifindex. Return: 0 or -errno. */
int neighbours_forget(int ifindex);

/** neighbours_is_dummy() - is it an address that no host has? */
bool neighbours_is_dummy(const struct neigh *n);

/** neighbours_is_ours() - did neighbours_sync() make it? */
bool neighbours_is_ours(const struct neigh *n);

#endif
