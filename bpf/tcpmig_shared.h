/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between bpf/ and user/: what the pinned maps hold. Fixed-width
 * types, no hidden padding, addresses and ports in network byte order.
 * A change of any layout here needs a new TCPMIG_LAYOUT.
 */
#ifndef TCPMIG_SHARED_H
#define TCPMIG_SHARED_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/** Version of everything below; the pinned tcpmig_meta map records it. A test sets another. */
#ifndef TCPMIG_LAYOUT
#define TCPMIG_LAYOUT 1
#endif

#define TCPMIG_RULES_MAX   1024
#define TCPMIG_FLOWS_MAX   131072
#define TCPMIG_REMOTES_MAX 16384
#define TCPMIG_IFACES_MAX  64
/* Owners that a rule remembers; a power of two. The one before that is forgotten. */
#define TCPMIG_HOPS_MAX 16

#define TCPMIG_AF_INET	2
#define TCPMIG_AF_INET6 10

/**
 * struct tcpmig_endpoint - one side of a TCP connection.
 * @addr:   IPv6 address, or IPv4 as v4-mapped (::ffff:a.b.c.d), network order
 * @port:   network order
 * @family: TCPMIG_AF_INET or TCPMIG_AF_INET6: tells 10.0.0.1 from ::ffff:10.0.0.1
 * @zero:   always 0: this struct is (part of) a hash key
 */
struct tcpmig_endpoint {
	union {
		__u8 addr[16];
		__be32 addr32[4];
	};
	__be16 port;
	__u8 family;
	__u8 zero;
};
_Static_assert(sizeof(struct tcpmig_endpoint) == 20, "hash key without padding");

/** struct tcpmig_flow_key - a connection: @remote is OLD (flows) or the wire peer (wires). */
struct tcpmig_flow_key {
	struct tcpmig_endpoint remote;
	struct tcpmig_endpoint local;
};
_Static_assert(sizeof(struct tcpmig_flow_key) == 40, "hash key without padding");

/*
 * State of a rule. The numbers are part of the layout. DRAINING is a phase of
 * one flow and IN-DOUBT is ARMED past its deadline, so neither is stored here.
 */
enum tcpmig_state {
	TCPMIG_FREE = 0,   /* slot not in use */
	TCPMIG_HELD = 1,   /* nothing leaves; CUR may still talk, without RST */
	TCPMIG_ARMED = 2,  /* nothing leaves; CUR is fenced; NEXT may talk */
	TCPMIG_ACTIVE = 3, /* everything goes to CUR and comes from CUR */
};

/** What HELD and ARMED do with a packet that wants to leave. */
enum tcpmig_hold_mode {
	TCPMIG_HOLD_DROP = 0,	 /* consume the first data segment, then drop: no back-off */
	TCPMIG_HOLD_SWALLOW = 1, /* consume everything, as a lost packet: TCP backs off */
};

/* Bits of tcpmig_rule.flags */
#define TCPMIG_RULE_ESTABLISHED_ONLY 1 /* only the flows in the table, no new one */

/**
 * struct tcpmig_owner - an address that owns (or owned, or shall own) the flows.
 * @peer:    where packets go to on the wire
 * @ifindex: interface of the route to @peer; 0: the one the packet leaves by
 */
struct tcpmig_owner {
	struct tcpmig_endpoint peer;
	__u32 ifindex;
};

/**
 * struct tcpmig_rule - one migration record, shared by all its flows.
 * @word:        state, hop and epoch, see tcpmig_word(): the one 8-byte store that
 *               moves every flow at once; written last, read first
 * @deadline_ns: end of HELD, or of the lease of ARMED; CLOCK_BOOTTIME
 * @old:         what the clients believe to be talking to
 * @owner:       ring by hop: owner[0] is OLD, owner[hop] is CUR, owner[hop + 1] NEXT
 * @ref:         what the entries of this rule carry: slot and generation, never 0
 * @hold_mode:   enum tcpmig_hold_mode
 * @flags:       TCPMIG_RULE_*
 */
struct tcpmig_rule {
	__u64 word;
	__u64 deadline_ns;
	struct tcpmig_endpoint old;
	__u32 ref;
	__u8 hold_mode;
	__u8 flags;
	__u8 pad[6];
	struct tcpmig_owner owner[TCPMIG_HOPS_MAX];
};
_Static_assert(sizeof(struct tcpmig_rule) == 48 + TCPMIG_HOPS_MAX * 24, "no hidden padding");

/* epoch: counts state changes, 32 bits; hop: counts completed moves, modulo 65536 */
static inline __u64 tcpmig_word(__u32 epoch, __u16 hop, enum tcpmig_state state)
{
	return (__u64)epoch << 32 | (__u64)hop << 16 | (__u64)state;
}

static inline __u32 tcpmig_word_epoch(__u64 word)
{
	return (__u32)(word >> 32);
}

static inline __u16 tcpmig_word_hop(__u64 word)
{
	return (__u16)(word >> 16);
}

static inline enum tcpmig_state tcpmig_word_state(__u64 word)
{
	return (enum tcpmig_state)(word & 0xff);
}

/* Slots are 0 .. TCPMIG_RULES_MAX - 1; a ref never is 0, so 0 means "no rule". */
static inline __u32 tcpmig_ref(__u32 slot, __u16 generation)
{
	return (__u32)generation << 16 | (slot + 1);
}

static inline __u32 tcpmig_ref_slot(__u32 ref)
{
	return (ref & 0xffff) - 1;
}

/**
 * struct tcpmig_remote - the prefilter: an address and port that concerns us.
 * @old_ref: the rule that has it as OLD, or 0
 * @wires:   not 0: some flow has, had or shall have it as its peer on the wire
 */
struct tcpmig_remote {
	__u32 old_ref;
	__u32 wires;
};

/**
 * struct tcpmig_flow - a connection of a rule; its key is what the client sees.
 * @ref:             rule
 * @swallowed_epoch: the hold in which its first data segment was consumed
 * @hop:             the latest hop for which its wire entry exists
 */
struct tcpmig_flow {
	__u32 ref;
	__u32 swallowed_epoch;
	__u16 hop;
	__u8 pad[6];
};
_Static_assert(sizeof(struct tcpmig_flow) == 16, "no hidden padding");

/**
 * struct tcpmig_wire - the same connection as on the wire; made with BPF_NOEXIST.
 * @checked: no local socket is connected to the peer itself from the same address and
 *           port; until BPF has looked, the entry may be that socket's packets' undoing
 */
struct tcpmig_wire {
	struct tcpmig_endpoint old;
	__u32 ref;
	__u8 checked;
	__u8 pad[3];
};
_Static_assert(sizeof(struct tcpmig_wire) == 28, "no hidden padding");

/** struct tcpmig_rule_stats - per CPU and rule. */
struct tcpmig_rule_stats {
	__u64 packets_out; /* rewritten towards CUR */
	__u64 packets_in;  /* rewritten back to OLD */
	__u64 dropped;	   /* held, fenced or refused */
};

/**
 * struct tcpmig_iface - what attach did to an interface; key: ifindex.
 * @name:        at the time of attach
 * @mode:        enum tcpmig_attach_mode
 * @made_clsact: the clsact qdisc is ours: detach removes it
 */
struct tcpmig_iface {
	char name[16];
	__u8 mode;
	__u8 made_clsact;
	__u8 pad[2];
};

enum tcpmig_attach_mode {
	TCPMIG_ATTACH_TCX = 1,
	TCPMIG_ATTACH_CLSACT = 2,
};

/** struct tcpmig_meta - about the pin directory itself; one entry. */
struct tcpmig_meta {
	__u32 layout; /* TCPMIG_LAYOUT of whoever made the maps */
	__u32 pad;
	__u64 netns_ino; /* the network namespace whose interfaces are attached */
};

/*
 * Counters, one per numbered reason: X(NAME, "json_name", is_drop, "what it says").
 * Append only: the numbers are part of the layout.
 */
/* clang-format off */
#define TCPMIG_REASONS(X) \
	X(OUT_REWRITTEN, "out_rewritten", 0, "sent on to the current owner") \
	X(IN_REWRITTEN, "in_rewritten", 0, "from the owner, translated back") \
	X(IN_HELD_PASS, "in_held_pass", 0, "from the current owner while held, delivered") \
	X(HELD_EXPIRED, "held_expired", 0, "held, but past the deadline: not held any more") \
	X(HELD_SWALLOWED, "held_swallowed", 1, "held: consumed, TCP believes it was sent") \
	X(HELD_DROPPED, "held_dropped", 1, "held: dropped, TCP will send it again") \
	X(HELD_RST, "held_rst", 1, "RST from the current owner while held") \
	X(OLD_PATH_ICMP, "old_path_icmp", 1, "ICMP error from the old path of a held or moved flow") \
	X(FENCE_OLD_OWNER, "fence_old_owner", 1, "from an earlier owner of the flow") \
	X(FENCE_NEXT_EARLY, "fence_next_early", 1, "from the next owner before it was armed") \
	X(FRAGMENT, "fragment", 1, "fragment of a redirected flow") \
	X(TABLE_FULL, "table_full", 1, "no room for another flow") \
	X(WIRE_TAKEN, "wire_taken", 1, "another flow has the same addresses on the wire") \
	X(REWRITE_FAILED, "rewrite_failed", 1, "the kernel refused the rewrite") \
	X(ICMP_TRANSLATED, "icmp_translated", 0, "ICMP error from the path of the owner, translated back")
/* clang-format on */

enum tcpmig_reason {
#define X(name, json, is_drop, text) TCPMIG_R_##name,
	TCPMIG_REASONS(X)
#undef X
		TCPMIG_REASONS_COUNT,
};

#endif /* TCPMIG_SHARED_H */
