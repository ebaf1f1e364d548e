/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Deciding: the only place that says what happens to a packet. Changes no packet. */
#ifndef TCPMIG_DECIDE_BPF_H
#define TCPMIG_DECIDE_BPF_H

#include "flow.bpf.h"

/* To @owner, if that is another than who it is for. */
static __always_inline void send_to(struct decision *d, const struct packet *pkt,
				    const struct tcpmig_owner *owner)
{
	endpoint_read(&d->to, &owner->peer);
	d->ifindex = *(const volatile __u32 *)&owner->ifindex;
	if (!endpoint_equal(&d->to, &pkt->key.remote))
		d->action = ACTION_REWRITE;
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
	d->reason = TCPMIG_R_HELD_SWALLOWED;
}

/* The flow cannot have its addresses on the wire: another connection has them. */
static __always_inline void decide_refused(struct decision *d, const struct tcpmig_rule *rule,
					   struct tcpmig_flow *flow,
					   const struct tcpmig_flow_key *key)
{
	if (!(flow->flags & TCPMIG_FLOW_REFUSED))
		event_of_flow(TCPMIG_E_FLOW_REFUSED, flow->ref, key);
	flow->flags |= TCPMIG_FLOW_REFUSED;
	decide_by(d, rule); /* from here on only OLD matters, not where it cannot go */
	refuse(d, TCPMIG_R_WIRE_TAKEN);
}

/*
 * A packet of @flow to OLD: the client's view of a migrated service.
 * @key: becomes that on the wire
 */
static __always_inline void decide_to_old(struct decision *d, struct __sk_buff *skb,
					  const struct packet *pkt, struct tcpmig_flow_key *key,
					  const struct tcpmig_rule *rule, struct tcpmig_flow *flow)
{
	__u64 word = rule_word(rule);
	__u16 hop = tcpmig_word_hop(word);
	enum tcpmig_state state = rule_state(rule, word);

	decide_by(d, rule);
	flow_see(flow);
	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return decide_held(d, pkt, rule, word, flow);
	flow_note_out(skb, flow, pkt, of_own_socket(skb, &pkt->key));
	if (state != TCPMIG_ACTIVE)
		return;
	send_to(d, pkt, rule_owner(rule, hop));
	if (d->action != ACTION_REWRITE)
		return;
	if (flow->hop != hop) {
		if (!is_allowed(d, &pkt->key.remote, &d->to))
			return deny(d);
		key->remote = d->to;
		if (!flow_wire(skb, key, flow, hop))
			return decide_refused(d, rule, flow, &pkt->key);
	}
	/* One that is being closed, or has to be seen, is not to be remembered. */
	if ((flow->flags & (TCPMIG_FLOW_FIN_OUT | TCPMIG_FLOW_LOCAL)) == TCPMIG_FLOW_LOCAL)
		d->word = word;
}

/*
 * A direct packet to an address that carries redirected flows: must not share their tuple. On
 * another interface's hook an already redirected packet looks the same, but its socket is
 * connected to OLD. Of a forwarded connection we see only how it begins.
 */
static __always_inline void decide_to_wire(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt,
					   const struct tcpmig_flow_key *key)
{
	struct tcpmig_wire *wire = bpf_map_lookup_elem(&tcpmig_wires, key);
	struct tcpmig_rule *rule = wire ? rule_get(wire->ref) : 0;
	bool begins = pkt->tcp_flags & TCP_FLAG_SYN;
	struct tcpmig_flow_key ends;

	if (!rule)
		return;
	if (skb->sk &&
	    !(sender_ends(skb, key, &ends) && endpoint_equal(&ends.remote, &key->remote)))
		return;
	if (!begins && !(skb->sk && wire->checked))
		return; /* it was there before the redirect: it is the flow that is refused */
	decide_by(d, rule);
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

	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_HELD_DROPPED);
	send_to(d, pkt, rule_owner(rule, tcpmig_word_hop(word)));
}

/* Is a packet to its OLD one that @rule may do anything to? If not, nothing is made for it. */
static __always_inline bool may_have(const struct decision *d, const struct packet *pkt,
				     const struct tcpmig_rule *rule)
{
	__u64 word = rule_word(rule);
	enum tcpmig_state state = tcpmig_word_state(word);
	struct tcpmig_endpoint cur;

	if (state == TCPMIG_ARMED || (state == TCPMIG_HELD && !hold_is_over(rule)))
		return is_allowed(d, &pkt->key.remote, &pkt->key.remote);
	endpoint_read(&cur, &rule_owner(rule, tcpmig_word_hop(word))->peer);
	return is_allowed(d, &pkt->key.remote, &cur);
}

/* No room for a flow. A new connection learns it at once; an old one may find some later. */
static __always_inline void decide_full(struct decision *d, const struct packet *pkt,
					const struct tcpmig_rule *rule)
{
	if (!(pkt->tcp_flags & TCP_FLAG_SYN))
		return drop(d, TCPMIG_R_TABLE_FULL);
	event_send(TCPMIG_E_TABLE_FULL, rule->ref, rule_word(rule), &pkt->key);
	refuse(d, TCPMIG_R_TABLE_FULL);
}

/*
 * A packet that leaves, of no known flow: a direct one, or of a service rule. Return: the flow
 * that is made of it then, and its @rule; NULL: there is none, and all is decided.
 */
static __always_inline struct tcpmig_flow *decide_unknown_out(struct decision *d,
							      struct __sk_buff *skb,
							      const struct packet *pkt,
							      const struct tcpmig_flow_key *key,
							      bool stale, struct tcpmig_rule **rule)
{
	struct tcpmig_remote *remote = bpf_map_lookup_elem(&tcpmig_remotes, &key->remote);
	struct tcpmig_flow *flow = 0;

	*rule = remote ? rule_of_old(remote, &key->remote) : 0;
	if (!*rule) {
		if (remote && remote->wires)
			decide_to_wire(d, skb, pkt, key);
		return 0;
	}
	if ((*rule)->flags & TCPMIG_RULE_ESTABLISHED_ONLY)
		return 0;
	decide_by(d, *rule);
	if (pkt->tcp_flags & TCP_FLAG_RST) {
		decide_unknown_rst(d, pkt, *rule);
	} else if (!may_have(d, pkt, *rule)) {
		deny(d);
	} else {
		flow = flow_make(key, *rule, stale ? BPF_ANY : BPF_NOEXIST);
		if (!flow)
			decide_full(d, pkt, *rule);
	}
	return flow;
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
					   const struct packet *pkt, struct tcpmig_flow_key *key)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, key);
	struct tcpmig_rule *rule = flow ? rule_get(flow->ref) : 0;

	if (!rule) {
		flow = decide_unknown_out(d, skb, pkt, key, flow, &rule);
	} else if (begins_another(skb, rule, flow, pkt)) {
		flow_remove(key, flow->ref);
		return;
	}
	if (flow)
		decide_to_old(d, skb, pkt, key, rule, flow);
}

/*
 * An ICMP error from our side about a packet of the server, which has come as one of OLD:
 * the server knows only its own address.
 */
static __always_inline void lookup_out_icmp(struct decision *d, const struct packet *pkt,
					    const struct tcpmig_flow_key *key)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, key);
	struct tcpmig_rule *rule = flow ? rule_get(flow->ref) : 0;
	enum tcpmig_state state;
	__u64 word;

	if (!rule)
		return;
	word = rule_word(rule);
	state = rule_state(rule, word);
	decide_by(d, rule);
	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_HELD_DROPPED);
	send_to(d, pkt, rule_owner(rule, tcpmig_word_hop(word)));
}

/*
 * The administrator has the last word on whatever would be done to the packet. Who leaves to be
 * rewritten is for OLD, whatever the rule says; else @d has the rule's OLD.
 */
static __always_inline void obey_policy(struct decision *d, const struct packet *pkt,
					enum direction dir)
{
	const struct tcpmig_endpoint *remote = &pkt->key.remote;
	bool allowed;

	if (d->action == ACTION_PASS || !d->policy)
		return;
	if (dir == OUT && d->action == ACTION_REWRITE)
		allowed = policy_allows(remote, &d->to);
	else
		allowed = policy_allows(&d->to, remote);
	if (!allowed)
		deny(d);
}

/* What is decided, but for what a fragment makes of it, happens: now it counts. */
static __always_inline void conclude(struct decision *d, const struct packet *pkt)
{
	if (pkt->kind == PACKET_TCP_FRAGMENT && d->action == ACTION_REWRITE)
		drop(d, TCPMIG_R_FRAGMENT);
	if (pkt->kind == PACKET_TCP_FRAGMENT && d->action == ACTION_REFUSE)
		d->action = ACTION_DROP; /* an RST made of it would be a fragment, too */
	if (d->action != ACTION_PASS && d->action != ACTION_REWRITE)
		count_drop(d->ref, d->reason);
}

/*
 * Global, as its twin for ingress: so the verifier goes through it once, by itself. Linux 6.1
 * takes no key of a map from a caller's stack, so there is a copy.
 */
__noinline int look_up_egress(struct __sk_buff *skb, const struct packet *pkt, struct decision *d)
{
	struct tcpmig_flow_key key;

	if (!pkt || !d)
		return 0;
	key = pkt->key;
	if (pkt->kind == PACKET_ICMP_ERROR)
		lookup_out_icmp(d, pkt, &key);
	else
		lookup_out_tcp(d, skb, pkt, &key);
	obey_policy(d, pkt, OUT);
	if (d->action == ACTION_REWRITE && pkt->kind != PACKET_ICMP_ERROR)
		cache_keep(d, pkt, OUT);
	return 0;
}

/* A flow that is not LOCAL is always looked up: it lives as long as it is seen. */
static __always_inline void decide_egress(struct decision *d, struct __sk_buff *skb,
					  const struct packet *pkt)
{
	if (pkt->kind == PACKET_OTHER || !filter_knows(&pkt->key.remote))
		return;
	d->policy = policy_generation();
	d->gone = flows_gone(&pkt->key.local);
	if (pkt->kind == PACKET_ICMP_ERROR || !skb->sk || !cache_find(d, pkt, OUT))
		look_up_egress(skb, pkt, d);
	conclude(d, pkt);
}

/* What comes from @pkt's server is to look as if it came from OLD. */
static __always_inline void translate_to_old(struct decision *d, const struct packet *pkt)
{
	if (!endpoint_equal(&pkt->key.remote, &d->to))
		d->action = ACTION_REWRITE;
}

/* From the current owner. While held it still owns the flow, but may not end it. */
static __always_inline void decide_from_cur(struct decision *d, struct __sk_buff *skb,
					    const struct packet *pkt, enum tcpmig_state state,
					    __u64 word)
{
	if (state == TCPMIG_ARMED)
		return drop(d, TCPMIG_R_FENCE_OLD_OWNER);
	if (state == TCPMIG_HELD) {
		if (pkt->tcp_flags & TCP_FLAG_RST)
			return drop(d, TCPMIG_R_HELD_RST);
		count_reason(TCPMIG_R_IN_HELD_PASS);
	}
	flow_note_in(skb, pkt, &d->to, d->ref);
	translate_to_old(d, pkt);
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

	decide_by(d, rule);
	if (state == TCPMIG_ARMED && endpoint_equal(&pkt->key.remote, next)) {
		flow_note_in(skb, pkt, &d->to, d->ref);
		return translate_to_old(d, pkt);
	}
	if (endpoint_equal(&pkt->key.remote, &rule_owner(rule, hop)->peer))
		return decide_from_cur(d, skb, pkt, state, word);
	if (state == TCPMIG_HELD && endpoint_equal(&pkt->key.remote, next))
		return drop(d, TCPMIG_R_FENCE_NEXT_EARLY);
	drop(d, TCPMIG_R_FENCE_OLD_OWNER);
}

/*
 * The rule whose flow a packet from the server's side belongs to, or NULL: by its wire
 * entry; else by OLD itself, the owner of hop 0, unless the flow is none of the rule's.
 */
static __always_inline struct tcpmig_rule *rule_of_ingress(struct __sk_buff *skb,
							   const struct tcpmig_flow_key *key)
{
	struct tcpmig_wire *wire = bpf_map_lookup_elem(&tcpmig_wires, key);
	struct tcpmig_rule *rule = wire ? rule_get(wire->ref) : 0;
	struct tcpmig_remote *remote;

	if (rule && (endpoint_equal(&rule->old, &key->remote) || wire_is_ours(skb, key, wire)))
		return rule;
	remote = bpf_map_lookup_elem(&tcpmig_remotes, &key->remote);
	rule = remote ? rule_of_old(remote, &key->remote) : 0;
	if (rule && rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY && !flow_of_rule(key, rule->ref))
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

	decide_by(d, rule);
	if (!endpoint_equal(&pkt->key.remote, &speaks->peer) ||
	    (state != TCPMIG_ACTIVE && !pkt->too_big))
		return drop(d, TCPMIG_R_OLD_PATH_ICMP);
	translate_to_old(d, pkt);
}

__noinline int look_up_ingress(struct __sk_buff *skb, const struct packet *pkt, struct decision *d)
{
	struct tcpmig_flow_key key;
	struct tcpmig_rule *rule;

	if (!pkt || !d)
		return 0;
	key = pkt->key;
	rule = rule_of_ingress(skb, &key);
	if (!rule)
		return 0;
	if (pkt->kind == PACKET_ICMP_ERROR)
		decide_in_icmp(d, pkt, rule);
	else
		decide_from_owner(d, skb, pkt, rule);
	obey_policy(d, pkt, IN);
	if (d->action == ACTION_REWRITE && pkt->kind != PACKET_ICMP_ERROR)
		cache_keep(d, pkt, IN);
	return 0;
}

static __always_inline void decide_ingress(struct decision *d, struct __sk_buff *skb,
					   const struct packet *pkt)
{
	if (pkt->kind == PACKET_OTHER || !filter_knows(&pkt->key.remote))
		return;
	d->policy = policy_generation();
	d->gone = flows_gone(&pkt->key.local);
	if (pkt->kind == PACKET_ICMP_ERROR || !cache_find(d, pkt, IN))
		look_up_ingress(skb, pkt, d);
	conclude(d, pkt);
}

#endif
