/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's table of neighbours (ARP and ND), by libmnl. Of the calling thread's netns. */
#ifndef TCPMIG_NETLINK_NEIGH_H
#define TCPMIG_NETLINK_NEIGH_H

#include <linux/neighbour.h>
#include <stdbool.h>

#include "tcpmig_shared.h"

#define NEIGH_LLADDR_LEN 6

/* The kernel knows where to send packets, though it may want to ask again. */
#define NEIGH_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

/**
 * struct neigh - an entry of an Ethernet device.
 * @addr:     its port is 0
 * @state:    NUD_*; 0: there is no entry
 * @protocol: who made it, as RTPROT_*; 0: nobody says
 * @lladdr:   Ethernet address; zero where the kernel knows none
 */
struct neigh {
	struct tcpmig_endpoint addr;
	int ifindex;
	__u16 state;
	__u8 protocol;
	__u8 lladdr[NEIGH_LLADDR_LEN];
};

/** neigh_get() - fills @n by its @addr and @ifindex; no entry is no error. Return: 0 or -errno. */
int neigh_get(struct neigh *n);

/** neigh_set() - make the entry, or replace what is there. Return: 0 or -errno. */
int neigh_set(const struct neigh *n);

/** neigh_delete() - forget the entry; one that is not there is no error. Return: 0 or -errno. */
int neigh_delete(const struct neigh *n);

/**
 * neigh_each() - call @fn for every entry of both families, stop when it returns not 0.
 * @fn may change the table. Return: what @fn returned last, or -errno.
 */
int neigh_each(int (*fn)(const struct neigh *n, void *ctx), void *ctx);

#endif
