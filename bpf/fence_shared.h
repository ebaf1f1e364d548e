/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between bpf/fence.bpf.c and user/fence*.c: what the pinned maps of a server
 * host's fence hold. Fixed-width types, no hidden padding, addresses and ports in network byte
 * order. A change of any layout here needs a new FENCE_LAYOUT.
 */
#ifndef FENCE_SHARED_H
#define FENCE_SHARED_H

#include "tcpmig_shared.h"

#define FENCE_LAYOUT	    1
#define FENCE_RECORDS_MAX   64
#define FENCE_FLOWS_MAX	    (1 << 20)
#define FENCE_LISTENERS_MAX 16384
#define FENCE_ADDRS_MAX	    4096
#define FENCE_IFACES_MAX    4096

/* The numbers are part of the layout: each does all that the one before does. */
enum fence_state {
	FENCE_OPEN = 0,	  /* nothing is dropped */
	FENCE_NO_SYN = 1, /* no handshake with a listener begins */
	FENCE_CLOSED = 2, /* nor does one end; no segment of a flow is taken or leaves */
};

/**
 * struct fence_record - one migration, as this host sees it.
 * @uuid:    of the migration
 * @ref:     what its entries carry: slot and generation, tcpmig_ref(); 0: the slot is free
 * @last:    generation that the slot had last
 * @made_ns: CLOCK_BOOTTIME
 */
struct fence_record {
	__u8 uuid[16];
	__u32 ref;
	__u32 last;
	__u64 made_ns;
};
_Static_assert(sizeof(struct fence_record) == 32, "no hidden padding");

/**
 * struct fence_table - all records; one entry.
 * @state:     enum fence_state by slot: the one byte whose store flips a record; all of them are
 *             one cache line, the only thing that is read while none is in use
 * @words:     the same
 * @layout:    FENCE_LAYOUT of whoever made the maps
 * @netns_ino: the network namespace whose interfaces have the programs
 */
struct fence_table {
	union {
		__u8 state[FENCE_RECORDS_MAX];
		__u64 words[FENCE_RECORDS_MAX / 8];
	};
	__u32 layout;
	__u32 pad;
	__u64 netns_ino;
	struct fence_record record[FENCE_RECORDS_MAX];
};
_Static_assert(sizeof(struct fence_table) == 80 + FENCE_RECORDS_MAX * 32, "no hidden padding");

/** struct fence_stats - packets that were dropped, by CPU and slot. */
struct fence_stats {
	__u64 ingress_dropped; /* of flows, and fragments without ports */
	__u64 egress_dropped;
	__u64 syn_dropped; /* of handshakes with a listener */
};

#endif /* FENCE_SHARED_H */
