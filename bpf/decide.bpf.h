/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The decision: the only place that says what happens to a packet. Changes no packet. */
#ifndef TCPMIG_DECIDE_BPF_H
#define TCPMIG_DECIDE_BPF_H

#include "flow.bpf.h"

enum action {
	ACTION_PASS,	/* not ours, or right as it is */
	ACTION_REWRITE, /* the server's side becomes decision.to */
	ACTION_SWALLOW, /* consume; the sender believes it has left */
	ACTION_DROP,	/* already counted */
	ACTION_REFUSE,	/* the same, and whoever sent it gets an RST */
};

/*
 * @ref: the rule, to count the packet
 * @to, @ifindex: only for ACTION_REWRITE
 * @word: of the rule as it was decided by, if the cache may keep that; else 0
 */
struct decision {
	enum action action;
	__u32 ref;
	__u32 ifindex;
	__u64 word;
	const struct tcpmig_endpoint *to;
};

static __always_inline void drop(struct decision *d, enum tcpmig_reason reason)
{
	d->action = ACTION_DROP;
	count_drop(d->ref, reason);
}

static __always_inline void refuse(struct decision *d, enum tcpmig_reason reason)
{
	drop(d, reason);
	d->action = ACTION_REFUSE;
}

static __always_inline void send_to_owner(struct decision *d, const struct tcpmig_owner *owner)
{
	d->action = ACTION_REWRITE;
	d->to = &owner->peer;
	d->ifindex = owner->ifindex;
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

/* The flow cannot have its addresses on the wire: another connection has them. */
static __always_inline void decide_refused(struct decision *d, struct tcpmig_flow *flow,
					   const struct tcpmig_flow_key *key)
{
	if (!(flow->flags & TCPMIG_FLOW_REFUSED))
		event_of_flow(TCPMIG_E_FLOW_REFUSED, flow->ref, key);
	flow->flags |= TCPMIG_FLOW_REFUSED;
	refuse(d, TCPMIG_R_WIRE_TAKEN);
}

/* A packet of @flow to OLD: the client's view of a migrated service. */
static __always_inline void decide_to_old(struct decision *d, struct __sk_buff *skb,
					  const struct packet *pkt, const struct tcpmig_rule *rule,
					  struct tcpmig_flow *flow)
{
	__u64 word = rule_word(rule);
	__u16 hop = tcpmig_word_hop(word);
	enum tcpmig_state state = rule_state(rule, word);
	const struct tcpmig_owner *owner = rule_owner(rule, hop);

	d->ref = rule->ref;
	flow_see(flow);
	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return decide_held(d, pkt, rule, word, flow);
	flow_note_out(skb, flow, pkt, of_own_socket(skb, &pkt->key));
	if (state != TCPMIG_ACTIVE || endpoint_equal(&owner->peer, &pkt->key.remote))
		return;
	if (flow->hop != hop && !flow_wire(skb, &pkt->key, flow, &owner->peer, hop))
		return decide_refused(d, flow, &pkt->key);
	/* One that is being closed, or has to be seen, is not to be remembered. */
	if ((flow->flags & (TCPMIG_FLOW_FIN_OUT | TCPMIG_FLOW_LOCAL)) == TCPMIG_FLOW_LOCAL)
		d->word = word;
	send_to_owner(d, owner);
}

/*
 * A direct packet to an address that carries redirected flows: must not share their tuple. On
 * another interface's hook an already redirected packet looks the same, but its socket is
 * connected to OLD. Of a forwarded connection we see only how it begins.
 */
static __always_inline void decide_to_wire(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt)
{
	struct tcpmig_wire *wire = bpf_map_lookup_elem(&tcpmig_wires, &pkt->key);
	struct tcpmig_rule *rule = wire ? rule_get(wire->ref) : 0;
	bool begins = pkt->tcp_flags & TCP_FLAG_SYN;
	struct tcpmig_flow_key ends;

	if (!rule)
		return;
	if (skb->sk &&
	    !(sender_ends(skb, &pkt->key, &ends) && endpoint_equal(&ends.remote, &pkt->key.remote)))
		return;
	if (!begins && !(skb->sk && wire->checked))
		return; /* it was there before the redirect: it is the flow that is refused */
	d->ref = rule->ref;
	refuse(d, TCPMIG_R_WIRE_TAKEN);
}

/*
 * An RST of no known flow makes none: often it is what this host answers to a packet from
 * nowhere. It goes where the flows go.
 */
static __always_inline void decide_unknown_rst(struct decision *d, const struct packet *pkt,
					       const struct tcpmig_rule *rule)
{
	__u64 word = rule_word(rule);
	enum tcpmig_state state = rule_state(rule, word);
	const struct tcpmig_owner *owner = rule_owner(rule, tcpmig_word_hop(word));

	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_HELD_DROPPED);
	if (!endpoint_equal(&owner->peer, &pkt->key.remote))
		send_to_owner(d, owner);
}

/* A packet that leaves, of no known flow: a new flow of a service rule, or a direct one. */
static __always_inline void decide_unknown_out(struct decision *d, struct __sk_buff *skb,
					       const struct packet *pkt, bool stale)
{
	struct tcpmig_remote *remote = bpf_map_lookup_elem(&tcpmig_remotes, &pkt->key.remote);
	struct tcpmig_rule *rule = remote ? rule_of_old(remote, &pkt->key.remote) : 0;
	struct tcpmig_flow *flow;

	if (!rule) {
		if (remote && remote->wires)
			decide_to_wire(d, skb, pkt);
		return;
	}
	if (rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY)
		return;
	d->ref = rule->ref;
	if (pkt->tcp_flags & TCP_FLAG_RST)
		return decide_unknown_rst(d, pkt, rule);
	flow = flow_make(&pkt->key, rule, stale ? BPF_ANY : BPF_NOEXIST);
	if (flow)
		return decide_to_old(d, skb, pkt, rule, flow);
	/* A new connection learns it at once; an old one may find room when others have ended. */
	if (!(pkt->tcp_flags & TCP_FLAG_SYN))
		return drop(d, TCPMIG_R_TABLE_FULL);
	event_send(TCPMIG_E_TABLE_FULL, rule->ref, rule_word(rule), &pkt->key);
	refuse(d, TCPMIG_R_TABLE_FULL);
}

/*
 * For established flows only, a SYN on one that has talked is another connection: not ours.
 * Of a forwarded flow it is believed when both sides have said FIN: anybody could send it.
 */
static __always_inline bool begins_another(struct __sk_buff *skb, const struct tcpmig_rule *rule,
					   const struct tcpmig_flow *flow, const struct packet *pkt)
{
	if (!(rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY) || !(pkt->tcp_flags & TCP_FLAG_SYN) ||
	    !(flow->flags & TCPMIG_FLOW_TALKED))
		return false;
	if (flow->flags & TCPMIG_FLOW_LOCAL)
		return of_own_socket(skb, &pkt->key);
	return skb->sk || flow_is_over(flow->flags);
}

static __always_inline void lookup_out_tcp(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, &pkt->key);
	struct tcpmig_rule *rule = flow ? rule_get(flow->ref) : 0;

	if (!rule) {
		decide_unknown_out(d, skb, pkt, flow);
	} else if (begins_another(skb, rule, flow, pkt)) {
		flow_remove(&pkt->key, flow->ref);
	} else {
		decide_to_old(d, skb, pkt, rule, flow);
	}
}

/* A flow that is not LOCAL is always looked up: it lives as long as it is seen. */
static __always_inline void decide_out_tcp(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt, enum packet_kind kind)
{
	__u32 gone = flows_gone(&pkt->key.local);
	__u64 word;
	struct tcpmig_rule *rule = skb->sk ? cache_find(pkt, OUT, gone, &word) : 0;

	if (rule) {
		d->ref = rule->ref;
		send_to_owner(d, rule_owner(rule, tcpmig_word_hop(word)));
	} else {
		lookup_out_tcp(d, skb, pkt);
		if (d->action == ACTION_REWRITE)
			cache_keep(pkt, OUT, d->ref, d->word, gone);
	}
	if (kind != PACKET_TCP_FRAGMENT)
		return;
	if (d->action == ACTION_REWRITE)
		drop(d, TCPMIG_R_FRAGMENT);
	if (d->action == ACTION_REFUSE)
		d->action = ACTION_DROP; /* an RST made of it would be a fragment, too */
}

/*
 * An ICMP error from our side about a packet of the server, which has come as one of OLD:
 * the server knows only its own address.
 */
static __always_inline void decide_out_icmp(struct decision *d, const struct packet *pkt)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, &pkt->key);
	struct tcpmig_rule *rule = flow ? rule_get(flow->ref) : 0;
	const struct tcpmig_owner *owner;
	enum tcpmig_state state;
	__u64 word;

	if (!rule)
		return;
	word = rule_word(rule);
	state = rule_state(rule, word);
	owner = rule_owner(rule, tcpmig_word_hop(word));
	d->ref = rule->ref;
	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_HELD_DROPPED);
	if (endpoint_equal(&owner->peer, &pkt->key.remote))
		return;
	send_to_owner(d, owner);
}

static __always_inline void decide_egress(struct decision *d, struct __sk_buff *skb,
					  const struct packet *pkt, enum packet_kind kind)
{
	d->action = ACTION_PASS;
	if (kind == PACKET_OTHER || !filter_knows(&pkt->key.remote))
		return;
	if (kind == PACKET_ICMP_ERROR)
		return decide_out_icmp(d, pkt);
	decide_out_tcp(d, skb, pkt, kind);
}

/* What comes from @pkt's server is to look as if it came from @old. */
static __always_inline void translate_to(struct decision *d, const struct packet *pkt,
					 const struct tcpmig_endpoint *old)
{
	d->to = old;
	d->action = endpoint_equal(&pkt->key.remote, old) ? ACTION_PASS : ACTION_REWRITE;
}

/* From the current owner. While held it still owns the flow, but may not end it. */
static __always_inline void decide_from_cur(struct decision *d, struct __sk_buff *skb,
					    const struct packet *pkt, enum tcpmig_state state,
					    const struct tcpmig_rule *rule, __u64 word)
{
	if (state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_FENCE_OLD_OWNER);
	if (state == TCPMIG_HELD) {
		if (pkt->tcp_flags & TCP_FLAG_RST)
			return drop(d, TCPMIG_R_HELD_RST);
		count_reason(TCPMIG_R_IN_HELD_PASS);
	}
	flow_note_in(skb, pkt, &rule->old, rule->ref);
	translate_to(d, pkt, &rule->old);
	d->word = word;
}

/*
 * From an address that owns, owned or shall own the flow. Which of these is decided by
 * the address alone: one that was to be the next and is not any more gets no second chance.
 */
static __always_inline void decide_from_owner(struct decision *d, struct __sk_buff *skb,
					      const struct packet *pkt,
					      const struct tcpmig_rule *rule)
{
	__u64 word = rule_word(rule);
	__u16 hop = tcpmig_word_hop(word);
	enum tcpmig_state state = rule_state(rule, word);
	const struct tcpmig_endpoint *next = &rule_owner(rule, hop + 1)->peer;

	d->ref = rule->ref;
	if (state == TCPMIG_ARMED && endpoint_equal(&pkt->key.remote, next)) {
		flow_note_in(skb, pkt, &rule->old, rule->ref);
		return translate_to(d, pkt, &rule->old);
	}
	if (endpoint_equal(&pkt->key.remote, &rule_owner(rule, hop)->peer))
		return decide_from_cur(d, skb, pkt, state, rule, word);
	if (state == TCPMIG_HELD && endpoint_equal(&pkt->key.remote, next))
		return drop(d, TCPMIG_R_FENCE_NEXT_EARLY);
	drop(d, TCPMIG_R_FENCE_OLD_OWNER);
}

/*
 * The rule whose flow a packet from the server's side belongs to, or NULL: by its wire
 * entry; else by OLD itself, the owner of hop 0, unless the flow is none of the rule's.
 */
static __always_inline struct tcpmig_rule *rule_of_ingress(struct __sk_buff *skb,
							   const struct packet *pkt)
{
	struct tcpmig_wire *wire = bpf_map_lookup_elem(&tcpmig_wires, &pkt->key);
	struct tcpmig_rule *rule = wire ? rule_get(wire->ref) : 0;
	struct tcpmig_remote *remote;

	if (rule &&
	    (endpoint_equal(&rule->old, &pkt->key.remote) || wire_is_ours(skb, &pkt->key, wire)))
		return rule;
	remote = bpf_map_lookup_elem(&tcpmig_remotes, &pkt->key.remote);
	rule = remote ? rule_of_old(remote, &pkt->key.remote) : 0;
	if (rule && rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY &&
	    !flow_of_rule(&pkt->key, rule->ref))
		return 0;
	return rule;
}

/*
 * An ICMP error about a packet of ours. While a flow is held nothing may end it, and what
 * an earlier path says is of no interest: but "too big" from a path that is or will be in
 * use must get through, translated.
 */
static __always_inline void decide_in_icmp(struct decision *d, const struct packet *pkt,
					   const struct tcpmig_rule *rule)
{
	__u64 word = rule_word(rule);
	__u16 hop = tcpmig_word_hop(word);
	enum tcpmig_state state = rule_state(rule, word);
	const struct tcpmig_owner *speaks = rule_owner(rule, state == TCPMIG_ARMED ? hop + 1 : hop);

	d->ref = rule->ref;
	if (!endpoint_equal(&pkt->key.remote, &speaks->peer) ||
	    (state != TCPMIG_ACTIVE && !pkt->too_big))
		return drop(d, TCPMIG_R_OLD_PATH_ICMP);
	translate_to(d, pkt, &rule->old);
}

static __always_inline void lookup_in(struct decision *d, struct __sk_buff *skb,
				      const struct packet *pkt, enum packet_kind kind)
{
	struct tcpmig_rule *rule = rule_of_ingress(skb, pkt);

	if (!rule)
		return;
	if (kind == PACKET_ICMP_ERROR)
		return decide_in_icmp(d, pkt, rule);
	decide_from_owner(d, skb, pkt, rule);
}

static __always_inline void decide_ingress(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt, enum packet_kind kind)
{
	struct tcpmig_rule *rule;
	__u32 gone;
	__u64 word;

	d->action = ACTION_PASS;
	if (kind == PACKET_OTHER || !filter_knows(&pkt->key.remote))
		return;
	gone = flows_gone(&pkt->key.local);
	rule = kind == PACKET_ICMP_ERROR ? 0 : cache_find(pkt, IN, gone, &word);
	if (rule) {
		d->ref = rule->ref;
		d->to = &rule->old;
		d->action = ACTION_REWRITE;
	} else {
		lookup_in(d, skb, pkt, kind);
		if (d->action == ACTION_REWRITE && kind != PACKET_ICMP_ERROR)
			cache_keep(pkt, IN, d->ref, d->word, gone);
	}
	if (d->action == ACTION_REWRITE && kind == PACKET_TCP_FRAGMENT)
		drop(d, TCPMIG_R_FRAGMENT);
}

#endif
