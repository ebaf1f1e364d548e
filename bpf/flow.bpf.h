/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lookup and decision: the only place that decides what happens to a packet.
 * Reads the maps and adds flow entries for local egress; changes no packet.
 */
#ifndef TCPMIG_FLOW_BPF_H
#define TCPMIG_FLOW_BPF_H

#include "count.bpf.h"
#include "parse.bpf.h"

enum action {
	ACTION_PASS,	/* not ours, or right as it is */
	ACTION_REWRITE, /* to decision.to */
	ACTION_SWALLOW, /* consume; the sender believes it has left */
	ACTION_DROP,	/* already counted */
};

/* @to and @ifindex only for ACTION_REWRITE; @ref for counting it. */
struct decision {
	enum action action;
	__u32 ref;
	__u32 ifindex;
	struct tcpmig_endpoint to;
};

static __always_inline bool endpoint_equal(const struct tcpmig_endpoint *a,
					   const struct tcpmig_endpoint *b)
{
	return a->addr32[3] == b->addr32[3] && a->addr32[2] == b->addr32[2] &&
	       a->addr32[1] == b->addr32[1] && a->addr32[0] == b->addr32[0] && a->port == b->port &&
	       a->family == b->family;
}

static __always_inline __u64 rule_word(const struct tcpmig_rule *rule)
{
	return *(const volatile __u64 *)&rule->word;
}

/* The live rule that @ref names, or NULL: its slot may have been freed or given away. */
static __always_inline struct tcpmig_rule *rule_get(__u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);
	struct tcpmig_rule *rule = bpf_map_lookup_elem(&tcpmig_rules, &slot);

	if (!rule || rule->ref != ref || tcpmig_word_state(rule_word(rule)) == TCPMIG_FREE)
		return 0;
	return rule;
}

/*
 * The rule that has @ep as OLD, or NULL. Compared, because an entry of a hash map may
 * be given another key while we look at it.
 */
static __always_inline struct tcpmig_rule *rule_of_old(const struct tcpmig_remote *remote,
						       const struct tcpmig_endpoint *ep)
{
	struct tcpmig_rule *rule = remote->old_ref ? rule_get(remote->old_ref) : 0;

	return rule && endpoint_equal(&rule->old, ep) ? rule : 0;
}

/* State now: a HELD past its deadline is over, even if nobody is there to say so. */
static __always_inline enum tcpmig_state rule_state(const struct tcpmig_rule *rule, __u64 word)
{
	enum tcpmig_state state = tcpmig_word_state(word);

	if (state == TCPMIG_HELD &&
	    bpf_ktime_get_boot_ns() > *(const volatile __u64 *)&rule->deadline_ns) {
		count_reason(TCPMIG_R_HELD_EXPIRED);
		return TCPMIG_ACTIVE;
	}
	return state;
}

static __always_inline const struct tcpmig_owner *rule_owner(const struct tcpmig_rule *rule,
							     __u16 hop)
{
	return &rule->owner[hop & (TCPMIG_HOPS_MAX - 1)];
}

static __always_inline void drop(struct decision *d, enum tcpmig_reason reason)
{
	d->action = ACTION_DROP;
	count_drop(d->ref, reason);
}

/*
 * The flow of a packet that leaves for OLD; a service rule makes one for each new
 * flow, and takes over what a rule that is gone has left.
 */
static __always_inline struct tcpmig_flow *flow_of_egress(const struct tcpmig_flow_key *key,
							  const struct tcpmig_rule *rule)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, key);
	struct tcpmig_flow fresh = { .ref = rule->ref };

	if (flow && flow->ref == rule->ref)
		return flow;
	if (rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY)
		return 0;
	bpf_map_update_elem(&tcpmig_flows, key, &fresh, flow ? BPF_ANY : BPF_NOEXIST);
	return bpf_map_lookup_elem(&tcpmig_flows, key);
}

/*
 * HELD and ARMED. A dropped packet looks like local congestion to TCP: it tries
 * again every 0.5 s without back-off, but a socket with nothing in flight is
 * given up after some 8 s. So the first data segment is consumed (now something
 * is in flight, and the socket lives), the others are dropped.
 */
static __always_inline void decide_held(struct decision *d, const struct packet *pkt,
					const struct tcpmig_rule *rule, __u64 word,
					struct tcpmig_flow *flow)
{
	bool swallow = rule->hold_mode == TCPMIG_HOLD_SWALLOW;

	if (pkt->has_data && flow->swallowed_epoch != tcpmig_word_epoch(word)) {
		flow->swallowed_epoch = tcpmig_word_epoch(word);
		swallow = true;
	}
	if (!swallow)
		return drop(d, TCPMIG_R_HELD_DROPPED);
	d->action = ACTION_SWALLOW;
	count_drop(d->ref, TCPMIG_R_HELD_SWALLOWED);
}

/* Is a local socket connected to @remote itself, from @local? Not one that listens or is over. */
static __always_inline bool socket_exists(struct __sk_buff *skb, const struct tcpmig_flow_key *key)
{
	bool v4 = key->remote.family == TCPMIG_AF_INET;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	bool connected;

	if (v4) {
		tuple.ipv4.saddr = key->remote.addr32[3];
		tuple.ipv4.daddr = key->local.addr32[3];
		tuple.ipv4.sport = key->remote.port;
		tuple.ipv4.dport = key->local.port;
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, key->remote.addr, 16);
		__builtin_memcpy(tuple.ipv6.daddr, key->local.addr, 16);
		tuple.ipv6.sport = key->remote.port;
		tuple.ipv6.dport = key->local.port;
	}
	sk = bpf_skc_lookup_tcp(skb, &tuple, v4 ? sizeof(tuple.ipv4) : sizeof(tuple.ipv6),
				BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	connected = sk->state != BPF_TCP_LISTEN && sk->state != BPF_TCP_TIME_WAIT;
	bpf_sk_release(sk);
	return connected;
}

/*
 * May the flow of @wire use these addresses on the wire? A direct connection of the
 * same client may have been there first. Asked once; user space cannot know.
 */
static __always_inline bool wire_is_ours(struct __sk_buff *skb, const struct tcpmig_flow_key *key,
					 struct tcpmig_wire *wire)
{
	if (wire->checked)
		return true;
	if (socket_exists(skb, key))
		return false;
	wire->checked = 1;
	return true;
}

/* Makes the entry by which the replies of @peer find this flow. False: it is taken. */
static __always_inline bool flow_wire(struct __sk_buff *skb, const struct tcpmig_flow_key *key,
				      struct tcpmig_flow *flow, const struct tcpmig_endpoint *peer,
				      __u16 hop)
{
	struct tcpmig_flow_key wire_key = { .remote = *peer, .local = key->local };
	struct tcpmig_wire wire = { .old = key->remote, .ref = flow->ref };
	struct tcpmig_wire *there = bpf_map_lookup_elem(&tcpmig_wires, &wire_key);

	/* What a dead rule left may be taken over; what a living flow has may not. */
	if (there && (there->ref != flow->ref || !endpoint_equal(&there->old, &key->remote)) &&
	    rule_get(there->ref))
		return false;
	if (!wire_is_ours(skb, &wire_key, &wire))
		return false;
	if (bpf_map_update_elem(&tcpmig_wires, &wire_key, &wire, there ? BPF_ANY : BPF_NOEXIST))
		return false;
	flow->hop = hop;
	return true;
}

/* A packet to OLD: the client's view of a migrated service. */
static __always_inline void decide_to_old(struct decision *d, struct __sk_buff *skb,
					  const struct packet *pkt,
					  const struct tcpmig_flow_key *key,
					  const struct tcpmig_rule *rule)
{
	struct tcpmig_flow *flow = flow_of_egress(key, rule);
	const struct tcpmig_owner *owner;
	enum tcpmig_state state;
	__u64 word;
	__u16 hop;

	if (!flow) {
		if (!(rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY))
			drop(d, TCPMIG_R_TABLE_FULL);
		return;
	}
	word = rule_word(rule);
	hop = tcpmig_word_hop(word);
	state = rule_state(rule, word);
	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return decide_held(d, pkt, rule, word, flow);
	owner = rule_owner(rule, hop);
	if (state != TCPMIG_ACTIVE || endpoint_equal(&owner->peer, &key->remote))
		return;
	if (flow->hop != hop && !flow_wire(skb, key, flow, &owner->peer, hop))
		return drop(d, TCPMIG_R_WIRE_TAKEN);
	d->action = ACTION_REWRITE;
	d->to = owner->peer;
	d->ifindex = owner->ifindex;
}

/*
 * True if a local socket is connected to @remote itself. On another interface's
 * hook, or behind a bridge, an already redirected packet looks the same, but its
 * socket is connected to OLD. A forwarded packet has no socket.
 */
static __always_inline bool sent_directly(struct __sk_buff *skb,
					  const struct tcpmig_endpoint *remote)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	volatile struct bpf_sock *fields = sk; /* the verifier wants plain loads, not merged ones */
	struct tcpmig_endpoint peer;

	if (!sk)
		return false;
	if (remote->family == TCPMIG_AF_INET) {
		endpoint_v4(&peer, fields->dst_ip4, fields->dst_port);
	} else {
		peer = *remote;
		peer.port = fields->dst_port;
		peer.addr32[0] = fields->dst_ip6[0];
		peer.addr32[1] = fields->dst_ip6[1];
		peer.addr32[2] = fields->dst_ip6[2];
		peer.addr32[3] = fields->dst_ip6[3];
	}
	return endpoint_equal(&peer, remote);
}

/* A direct packet to an address that carries redirected flows: must not share their tuple. */
static __always_inline void decide_to_wire(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt,
					   const struct tcpmig_flow_key *key)
{
	struct tcpmig_wire *wire = bpf_map_lookup_elem(&tcpmig_wires, key);
	struct tcpmig_rule *rule = wire ? rule_get(wire->ref) : 0;

	if (!rule || !sent_directly(skb, &key->remote))
		return;
	if (!wire->checked && !pkt->syn)
		return; /* it was there before the redirect: it is the flow that is refused */
	d->ref = wire->ref;
	drop(d, TCPMIG_R_WIRE_TAKEN);
}

static __always_inline void decide_egress(struct decision *d, struct __sk_buff *skb,
					  const struct packet *pkt, enum packet_kind kind)
{
	struct tcpmig_flow_key key = { .remote = pkt->dst, .local = pkt->src };
	struct tcpmig_remote *remote;
	struct tcpmig_rule *rule;

	d->action = ACTION_PASS;
	if (kind != PACKET_TCP && kind != PACKET_TCP_FRAGMENT)
		return;
	remote = bpf_map_lookup_elem(&tcpmig_remotes, &key.remote);
	if (!remote)
		return;
	rule = rule_of_old(remote, &key.remote);
	if (!rule) {
		if (remote->wires)
			decide_to_wire(d, skb, pkt, &key);
		return;
	}
	d->ref = rule->ref;
	decide_to_old(d, skb, pkt, &key, rule);
	if (d->action == ACTION_REWRITE && kind == PACKET_TCP_FRAGMENT)
		drop(d, TCPMIG_R_FRAGMENT);
}

/* From the current owner. While held it still owns the flow, but may not end it. */
static __always_inline void decide_from_cur(struct decision *d, const struct packet *pkt,
					    enum tcpmig_state state,
					    const struct tcpmig_endpoint *old)
{
	if (state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_FENCE_OLD_OWNER);
	if (state == TCPMIG_HELD) {
		if (pkt->rst)
			return drop(d, TCPMIG_R_HELD_RST);
		count_reason(TCPMIG_R_IN_HELD_PASS);
	}
	d->to = *old;
	d->action = endpoint_equal(&pkt->src, old) ? ACTION_PASS : ACTION_REWRITE;
}

/*
 * From an address that owns, owned or shall own the flow. Which of these is decided by
 * the address alone: one that was to be the next and is not any more gets no second chance.
 */
static __always_inline void decide_from_owner(struct decision *d, const struct packet *pkt,
					      const struct tcpmig_rule *rule,
					      const struct tcpmig_endpoint *old)
{
	__u64 word = rule_word(rule);
	__u16 hop = tcpmig_word_hop(word);
	enum tcpmig_state state = rule_state(rule, word);
	bool is_next = endpoint_equal(&pkt->src, &rule_owner(rule, hop + 1)->peer);

	if (state == TCPMIG_ARMED && is_next) {
		d->to = *old;
		d->action = endpoint_equal(&pkt->src, old) ? ACTION_PASS : ACTION_REWRITE;
		return;
	}
	if (endpoint_equal(&pkt->src, &rule_owner(rule, hop)->peer))
		return decide_from_cur(d, pkt, state, old);
	drop(d, state == TCPMIG_HELD && is_next ? TCPMIG_R_FENCE_NEXT_EARLY
						: TCPMIG_R_FENCE_OLD_OWNER);
}

/* From OLD, by no wire entry: the owner of hop 0, unless the flow is none of the rule's. */
static __always_inline void decide_from_old(struct decision *d, const struct packet *pkt,
					    const struct tcpmig_flow_key *key,
					    const struct tcpmig_rule *rule)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, key);

	if (rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY && !(flow && flow->ref == rule->ref))
		return;
	d->ref = rule->ref;
	decide_from_owner(d, pkt, rule, &key->remote);
}

static __always_inline void decide_ingress_tcp(struct decision *d, struct __sk_buff *skb,
					       const struct packet *pkt)
{
	struct tcpmig_flow_key key = { .remote = pkt->src, .local = pkt->dst };
	struct tcpmig_remote *remote;
	struct tcpmig_wire *wire = 0;
	struct tcpmig_rule *rule;

	remote = bpf_map_lookup_elem(&tcpmig_remotes, &key.remote);
	if (!remote)
		return;
	if (remote->wires)
		wire = bpf_map_lookup_elem(&tcpmig_wires, &key);
	rule = wire ? rule_get(wire->ref) : 0;
	if (rule && (endpoint_equal(&wire->old, &key.remote) || wire_is_ours(skb, &key, wire))) {
		d->ref = wire->ref;
		return decide_from_owner(d, pkt, rule, &wire->old);
	}
	rule = rule_of_old(remote, &key.remote);
	if (rule)
		decide_from_old(d, pkt, &key, rule);
}

/*
 * An ICMP error about a packet of ours. While a flow is held nothing may end it, and what
 * an earlier path says is of no interest: but "too big" from a path that is or will be in
 * use must get through, translated.
 */
static __always_inline void decide_icmp_of_wire(struct decision *d, const struct packet *pkt,
						const struct tcpmig_rule *rule,
						const struct tcpmig_endpoint *old)
{
	__u64 word = rule_word(rule);
	__u16 hop = tcpmig_word_hop(word);
	enum tcpmig_state state = rule_state(rule, word);
	const struct tcpmig_owner *speaks = rule_owner(rule, state == TCPMIG_ARMED ? hop + 1 : hop);

	if (!endpoint_equal(&pkt->dst, &speaks->peer) || (state != TCPMIG_ACTIVE && !pkt->too_big))
		return drop(d, TCPMIG_R_OLD_PATH_ICMP);
	d->to = *old;
	d->action = endpoint_equal(&pkt->dst, old) ? ACTION_PASS : ACTION_REWRITE;
}

static __always_inline void decide_ingress_icmp(struct decision *d, struct __sk_buff *skb,
						const struct packet *pkt)
{
	struct tcpmig_remote *remote = bpf_map_lookup_elem(&tcpmig_remotes, &pkt->dst);
	struct tcpmig_flow_key key = { .remote = pkt->dst, .local = pkt->src };
	struct tcpmig_wire *wire = 0;
	struct tcpmig_flow *flow;
	struct tcpmig_rule *rule;

	if (!remote)
		return;
	if (remote->wires)
		wire = bpf_map_lookup_elem(&tcpmig_wires, &key);
	rule = wire ? rule_get(wire->ref) : 0;
	if (rule && (endpoint_equal(&wire->old, &pkt->dst) || wire_is_ours(skb, &key, wire))) {
		d->ref = wire->ref;
		return decide_icmp_of_wire(d, pkt, rule, &wire->old);
	}
	rule = rule_of_old(remote, &pkt->dst);
	if (!rule)
		return;
	flow = bpf_map_lookup_elem(&tcpmig_flows, &key);
	if (rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY && !(flow && flow->ref == rule->ref))
		return;
	d->ref = rule->ref;
	decide_icmp_of_wire(d, pkt, rule, &pkt->dst);
}

static __always_inline void decide_ingress(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt, enum packet_kind kind)
{
	d->action = ACTION_PASS;
	if (kind == PACKET_ICMP_ERROR)
		return decide_ingress_icmp(d, skb, pkt);
	if (kind != PACKET_TCP && kind != PACKET_TCP_FRAGMENT)
		return;
	decide_ingress_tcp(d, skb, pkt);
	if (d->action == ACTION_REWRITE && kind == PACKET_TCP_FRAGMENT)
		drop(d, TCPMIG_R_FRAGMENT);
}

#endif
