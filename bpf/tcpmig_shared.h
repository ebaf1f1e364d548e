/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between bpf/ and user/: what the pinned maps hold. Fixed-width
 * types, no hidden padding, addresses and ports in network byte order.
 * A change of any layout here needs a new TCPMIG_LAYOUT.
 */
#ifndef TCPMIG_SHARED_H
#define TCPMIG_SHARED_H

#ifndef __VMLINUX_H__
#include <linux/bpf.h>
#include <linux/types.h>
#endif

/** Version of everything below; the pinned tcpmig_meta map records it. */
#ifndef TCPMIG_LAYOUT /* a test builds another */
#define TCPMIG_LAYOUT 3
#endif

#define TCPMIG_RULES_MAX    1024
#define TCPMIG_FLOWS_MAX    (1 << 20)
#define TCPMIG_REMOTES_MAX  16384
#define TCPMIG_IFACES_MAX   64
#define TCPMIG_FILTER_WORDS 1024
#define TCPMIG_EVENTS_BYTES (256 * 1024)
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
	union {
		struct {
			__be16 port;
			__u8 family;
			__u8 zero;
		};
		__u32 rest; /* these three, to compare and to hash */
	};
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
#define TCPMIG_RULE_PREPARED	     2 /* owner[hop + 1] is who is awaited, not a leftover */
#define TCPMIG_RULE_RESERVED	     4 /* ACTIVE, and until its deadline a move is to come */

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
 * @deadline_ns: end of HELD, of the lease of ARMED, or of what is reserved; CLOCK_BOOTTIME
 * @old:         what the clients believe to be talking to
 * @owner:       ring by hop: owner[0] is OLD, owner[hop] is CUR, owner[hop + 1] NEXT
 * @ref:         what the entries of this rule carry: slot and generation, never 0
 * @hold_mode:   enum tcpmig_hold_mode
 * @flags:       TCPMIG_RULE_*
 * @made_ns:     when the rule was made; CLOCK_BOOTTIME
 * @changed_ns:  when its state was changed last; CLOCK_BOOTTIME
 * @wired_at:    1 + tcpmig_rule_stats.flow_changes when its flows were counted last; 0: never, or
 *               user space has changed them since. Not read by BPF, as the next two
 * @wired_flows: how many they were
 * @wired_peer:  all of them had a wire entry for it then; family 0: for none
 */
struct tcpmig_rule {
	__u64 word;
	__u64 deadline_ns;
	struct tcpmig_endpoint old;
	__u32 ref;
	__u8 hold_mode;
	__u8 flags;
	__u8 pad[6];
	__u64 made_ns;
	__u64 changed_ns;
	__u64 wired_at;
	__u32 wired_flows;
	struct tcpmig_endpoint wired_peer;
	struct tcpmig_owner owner[TCPMIG_HOPS_MAX];
};
_Static_assert(sizeof(struct tcpmig_rule) == 96 + TCPMIG_HOPS_MAX * 24, "no hidden padding");

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
 * struct tcpmig_remote - an address and port that concerns us.
 * @old_ref: the rule that has it as OLD, or 0
 * @wires:   not 0: some flow has, had or shall have it as its peer on the wire
 */
struct tcpmig_remote {
	__u32 old_ref;
	__u32 wires;
};

/*
 * The prefilter: a bit for each remote, in TCPMIG_FILTER_WORDS words of 64. A bit that is
 * not set says "none of ours" without a look at any table.
 */
static inline __u32 tcpmig_filter_bit(const struct tcpmig_endpoint *ep)
{
	__u32 mixed = ep->addr32[0] ^ ep->addr32[1] ^ ep->addr32[2] ^ ep->addr32[3];

	mixed = (mixed ^ ep->rest) * 0x9e3779b1; /* 2^32 divided by the golden ratio */
	return mixed >> 16;
}
_Static_assert(TCPMIG_FILTER_WORDS * 64 == 1 << 16, "a bit for each value of the hash");

/* Bits of tcpmig_flow.flags */
#define TCPMIG_FLOW_LOCAL   1 /* of a socket of this host with just these ends */
#define TCPMIG_FLOW_TALKED  2 /* beyond its SYN: another SYN is another connection */
#define TCPMIG_FLOW_FIN_OUT 4
#define TCPMIG_FLOW_FIN_IN  8
#define TCPMIG_FLOW_RST	    16 /* sent by the local socket, or taken by it */
#define TCPMIG_FLOW_REFUSED 32 /* its addresses on the wire are another connection's */

/* CLOCK_MONOTONIC in units of some 1.07 s: fine enough for what has been idle for minutes. */
#define TCPMIG_SEEN_SHIFT 30

/**
 * struct tcpmig_flow - a connection of a rule; its key is what the client sees.
 * @timer:           removes the entry some time after the connection has ended
 * @ref:             rule
 * @swallowed_epoch: the hold in which its first data segment was consumed
 * @seen:            when it was made; if not LOCAL, when its latest packet wanted to leave
 * @hop:             the latest hop for which its wire entry exists
 * @flags:           TCPMIG_FLOW_*
 */
struct tcpmig_flow {
	struct bpf_timer timer;
	__u32 ref;
	__u32 swallowed_epoch;
	__u32 seen;
	__u16 hop;
	__u8 flags;
	__u8 pad;
};
_Static_assert(sizeof(struct tcpmig_flow) == 32, "no hidden padding");

/**
 * struct tcpmig_wire - the same connection as on the wire; made with BPF_NOEXIST.
 * @ref:     rule, and with it OLD
 * @checked: no local socket is connected to the peer itself from the same address and
 *           port; until BPF has looked, the entry may be that socket's packets' undoing
 */
struct tcpmig_wire {
	__u32 ref;
	__u8 checked;
	__u8 pad[3];
};
_Static_assert(sizeof(struct tcpmig_wire) == 8, "no hidden padding");

#define TCPMIG_CACHE_SLOTS 1024 /* a CPU; a power of two */

/**
 * struct tcpmig_cached - a flow, on one CPU, whose packets need nothing but the rewrite.
 * @key:  as of the table in which it was looked up: flows for OUT, wires for IN
 * @word, @ref: of its rule
 * @flows_gone: of tcpmig_meta, for its bucket, read before the lookup
 * @policy: generation of the policy that has allowed it; if one of the four has changed, the
 *          entry is void
 * @dir:  enum direction of bpf/, so that the two tables do not meet
 * @to, @ifindex: what the rule said: it may have been written to since, and by anybody
 */
struct tcpmig_cached {
	struct tcpmig_flow_key key;
	__u64 word;
	__u32 ref;
	__u32 flows_gone;
	__u32 policy;
	__u32 dir;
	struct tcpmig_endpoint to;
	__u32 ifindex;
};
_Static_assert(sizeof(struct tcpmig_cached) == 88, "no hidden padding");

/**
 * struct tcpmig_rule_stats - per CPU and rule.
 * @flow_changes: flows that BPF has made or removed, counted when that is done
 */
struct tcpmig_rule_stats {
	__u64 packets_out; /* rewritten towards CUR */
	__u64 packets_in;  /* rewritten back to OLD */
	__u64 dropped;	   /* held, fenced or refused */
	__u64 flow_changes;
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

#define TCPMIG_GONE_BUCKETS 64

/**
 * struct tcpmig_meta - about the tables as a whole; one entry.
 * @layout:     TCPMIG_LAYOUT of whoever made the maps
 * @netns_ino:  the network namespace whose interfaces are attached
 * @flows_gone: by tcpmig_gone_bucket(): counts up after a flow of that bucket has been removed
 *              though its rule lives on, or is no more to be remembered for another reason
 */
struct tcpmig_meta {
	__u32 layout;
	__u32 pad;
	__u64 netns_ino;
	__u32 flows_gone[TCPMIG_GONE_BUCKETS];
};
_Static_assert(sizeof(struct tcpmig_meta) == 16 + 4 * TCPMIG_GONE_BUCKETS, "no hidden padding");

/* By the client's end, which is the same in both tables. */
static inline __u32 tcpmig_gone_bucket(const struct tcpmig_endpoint *local)
{
	__u32 mixed = (local->addr32[3] ^ local->port) * 0x9e3779b1;

	return mixed >> 26;
}
_Static_assert(TCPMIG_GONE_BUCKETS == 1 << 6, "a bucket for each value of the hash");

#define TCPMIG_POLICIES_MAX 64

/**
 * struct tcpmig_prefix - addresses and ports, as one side of a policy.
 * @addr:     as in struct tcpmig_endpoint; bits after @bits are 0
 * @bits:     how many of its 128 count: a v4 prefix /24 is 96 + 24
 * @family:   TCPMIG_AF_INET or TCPMIG_AF_INET6
 * @port_min, @port_max: host byte order, both included
 */
struct tcpmig_prefix {
	union {
		__u8 addr[16];
		__be32 addr32[4];
	};
	__u8 bits;
	__u8 family;
	__u8 pad[2];
	__u16 port_min;
	__u16 port_max;
};
_Static_assert(sizeof(struct tcpmig_prefix) == 24, "no hidden padding");

/** struct tcpmig_policy - flows of an OLD in @old may be sent to a NEW in @new. */
struct tcpmig_policy {
	struct tcpmig_prefix old;
	struct tcpmig_prefix new;
};

/**
 * struct tcpmig_policies - what the administrator allows, written by root only.
 * @generation: 0: there is no policy, everything is allowed; else counts its changes
 * @count:      of @list
 */
struct tcpmig_policies {
	__u32 generation;
	__u32 count;
	struct tcpmig_policy list[TCPMIG_POLICIES_MAX];
};

/* Two words of an address, of whatever byte order, as the number that a prefix begins. */
static inline __u64 tcpmig_words_number(__be32 first, __be32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)__builtin_bswap32(first) << 32 | __builtin_bswap32(second);
#else
	return (__u64)first << 32 | second;
#endif
}

/** tcpmig_prefix_has_addr() - is the address of @ep in @prefix, whatever its port? */
static inline int tcpmig_prefix_has_addr(const struct tcpmig_prefix *prefix,
					 const struct tcpmig_endpoint *ep)
{
	__u64 high = tcpmig_words_number(prefix->addr32[0] ^ ep->addr32[0],
					 prefix->addr32[1] ^ ep->addr32[1]);
	__u64 low = tcpmig_words_number(prefix->addr32[2] ^ ep->addr32[2],
					prefix->addr32[3] ^ ep->addr32[3]);

	if (prefix->family != ep->family || prefix->bits > 128)
		return 0;
	if (prefix->bits > 64)
		return !high && !(low >> (128 - prefix->bits));
	return !prefix->bits || !(high >> (64 - prefix->bits));
}

/** tcpmig_prefix_has() - and its port? */
static inline int tcpmig_prefix_has(const struct tcpmig_prefix *prefix,
				    const struct tcpmig_endpoint *ep)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__u16 port = __builtin_bswap16(ep->port);
#else
	__u16 port = ep->port;
#endif

	return port >= prefix->port_min && port <= prefix->port_max &&
	       tcpmig_prefix_has_addr(prefix, ep);
}

static inline int tcpmig_same_endpoint(const struct tcpmig_endpoint *a,
				       const struct tcpmig_endpoint *b)
{
	return a->addr32[3] == b->addr32[3] && a->rest == b->rest && a->addr32[2] == b->addr32[2] &&
	       a->addr32[1] == b->addr32[1] && a->addr32[0] == b->addr32[0];
}

/**
 * tcpmig_policy_allows() - by this one entry, may flows of @old be with @peer?
 * @same: they are the same endpoint: before a move, and after one back to it; then it is enough
 *        that it is in @policy->old
 */
static inline int tcpmig_policy_allows(const struct tcpmig_policy *policy,
				       const struct tcpmig_endpoint *old,
				       const struct tcpmig_endpoint *peer, int same)
{
	/* A rewrite takes from @peer what the packet's family has: never that of another one. */
	return tcpmig_prefix_has(&policy->old, old) && old->family == peer->family &&
	       (same || tcpmig_prefix_has(&policy->new, peer));
}

/* X(NAME, "json_name"): what an event tells. The numbers are part of the layout. */
#define TCPMIG_EVENTS(X)                \
	X(RULE, "rule")                 \
	X(FLOW_NEW, "flow-new")         \
	X(FLOW_OVER, "flow-over")       \
	X(FLOW_GONE, "flow-gone")       \
	X(FLOW_REFUSED, "flow-refused") \
	X(TABLE_FULL, "table-full")

enum tcpmig_event_type {
#define X(name, json) TCPMIG_E_##name,
	TCPMIG_EVENTS(X)
#undef X
		TCPMIG_EVENTS_COUNT,
};

/**
 * struct tcpmig_event - an entry of the ring buffer.
 * @type:    enum tcpmig_event_type: RULE: the state of a rule has changed; FLOW_NEW: BPF has
 *           made one; FLOW_OVER: FIN both ways, or RST; FLOW_GONE: its entry is removed;
 *           FLOW_REFUSED: as TCPMIG_FLOW_REFUSED; TABLE_FULL: it could not be made
 * @ref:     rule
 * @time_ns: CLOCK_BOOTTIME
 * @word:    of the rule, after the change
 * @key:     OLD and the client; of RULE: OLD and the peer to which the rule leads, or zero
 */
struct tcpmig_event {
	__u32 type;
	__u32 ref;
	__u64 time_ns;
	__u64 word;
	struct tcpmig_flow_key key;
};
_Static_assert(sizeof(struct tcpmig_event) == 64, "no hidden padding");

/* What tcpmig_check() says of a connection. */
enum tcpmig_check_socket {
	TCPMIG_CHECK_NONE,   /* no socket here, or none that may be asked about */
	TCPMIG_CHECK_READ,   /* the numbers are those of its socket */
	TCPMIG_CHECK_UNREAD, /* its socket is closed, and this kernel does not tell where it stood
			      */
};

/**
 * struct tcpmig_check - a question to tcpmig_check(), and its answer.
 * @key:    OLD and the client: a flow of a rule
 * @socket: enum tcpmig_check_socket; the numbers are TCP's, host byte order
 */
struct tcpmig_check {
	struct tcpmig_flow_key key;
	__u32 socket;
	__u32 rcv_nxt;
	__u32 snd_una;
	__u32 snd_nxt;
};
_Static_assert(sizeof(struct tcpmig_check) == 56, "no hidden padding");

/* At once, in what BPF_PROG_TEST_RUN takes for a packet, whose Ethernet header is not looked at. */
#define TCPMIG_CHECKS_MAX    32
#define TCPMIG_CHECKS_OFFSET 16

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
	X(ICMP_TRANSLATED, "icmp_translated", 0, "ICMP error from the path of the owner, translated back") \
	X(ICMP_OUT_TRANSLATED, "icmp_out_translated", 0, "ICMP error to the owner, translated") \
	X(REFUSED_RST, "refused_rst", 0, "a refused connection was answered with RST") \
	X(FLOW_OVER, "flow_over", 0, "connection ended: FIN both ways, or RST") \
	X(EVENT_LOST, "event_lost", 0, "no room for an event: nobody watches, or too slowly") \
	X(POLICY_DENIED, "policy_denied", 0, "not within the administrator's policy: left as it is")
/* clang-format on */

/* Room for more in a map that a newer version finds pinned. */
#define TCPMIG_REASONS_MAX 64

enum tcpmig_reason {
#define X(name, json, is_drop, text) TCPMIG_R_##name,
	TCPMIG_REASONS(X)
#undef X
		TCPMIG_REASONS_COUNT,
};
_Static_assert(TCPMIG_REASONS_COUNT <= TCPMIG_REASONS_MAX, "a counter for each");

#endif /* TCPMIG_SHARED_H */
