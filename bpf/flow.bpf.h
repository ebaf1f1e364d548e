/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow and wire entries: how they are found, made and ended. Decides nothing about a
 * packet. Entries are made for what leaves, never for what comes from the network.
 */
#ifndef TCPMIG_FLOW_BPF_H
#define TCPMIG_FLOW_BPF_H

#include "cache.bpf.h"
#include "event.bpf.h"
#include "tuple.bpf.h"

/*
 * How long the entry of a connection that has ended stays: TCP may send its last FIN again
 * for TCP_RTO_MAX (120 s), and each time begins this anew. Knob of tests.
 */
const volatile __u64 linger_ns = 125ULL * 1000000000;

/* PREEMPT_RT refuses programs with timers: there a flow that is over stays until gc. */
const volatile bool use_timer = true;

/* Coarse time, see TCPMIG_SEEN_SHIFT. */
static __always_inline __u32 seen_now(void)
{
	return bpf_ktime_get_coarse_ns() >> TCPMIG_SEEN_SHIFT;
}

static __always_inline bool flow_is_over(__u8 flags)
{
	const __u8 both = TCPMIG_FLOW_FIN_OUT | TCPMIG_FLOW_FIN_IN;

	return flags & TCPMIG_FLOW_RST || (flags & both) == both;
}

/* The flow of @key if it is one of @ref; an entry of a rule that is gone is not. */
static __always_inline struct tcpmig_flow *flow_of_rule(const struct tcpmig_flow_key *key,
							__u32 ref)
{
	struct tcpmig_flow *flow = bpf_map_lookup_elem(&tcpmig_flows, key);

	return flow && flow->ref == ref ? flow : 0;
}

/*
 * A service rule makes an entry for each new flow, and takes over what a rule that is gone
 * has left. NULL: the table is full.
 */
static __always_inline struct tcpmig_flow *flow_make(const struct tcpmig_flow_key *key,
						     const struct tcpmig_rule *rule, __u64 flags)
{
	struct tcpmig_flow fresh = { .ref = rule->ref, .seen = seen_now() };

	if (bpf_map_update_elem(&tcpmig_flows, key, &fresh, flags))
		return 0;
	count_flow_change(rule->ref);
	event_send(TCPMIG_E_FLOW_NEW, rule->ref, rule_word(rule), key);
	return flow_of_rule(key, rule->ref);
}

/* Removes the entries by which packets on the wire find the flow @key of rule @ref. */
static __always_inline void flow_unwire(const struct tcpmig_flow_key *key, __u32 ref)
{
	struct tcpmig_rule *rule = rule_get(ref);
	struct tcpmig_flow_key wire_key = { .local = key->local };
	struct tcpmig_wire *wire;

	for (int hop = 0; rule && hop < TCPMIG_HOPS_MAX; hop++) {
		wire_key.remote = rule->owner[hop].peer;
		wire = bpf_map_lookup_elem(&tcpmig_wires, &wire_key);
		if (wire && wire->ref == ref)
			bpf_map_delete_elem(&tcpmig_wires, &wire_key);
	}
}

static __always_inline void flow_remove(const struct tcpmig_flow_key *key, __u32 ref)
{
	flow_unwire(key, ref);
	event_of_flow(TCPMIG_E_FLOW_GONE, ref, key);
	bpf_map_delete_elem(&tcpmig_flows, key);
	count_flow_change(ref);
	cache_void(&key->local);
}

/* The timer of a flow that was over. Its addresses may be in use again. */
static int flow_expired(void *flows, struct tcpmig_flow_key *key, struct tcpmig_flow *flow)
{
	struct tcpmig_flow_key ended = *key;
	__u32 ref = flow->ref;

	(void)flows;
	if (!flow_is_over(flow->flags))
		return 0;
	flow_remove(&ended, ref);
	return 0;
}

/* From now on @flow has linger_ns to live; called again for whatever it still sends. */
static __always_inline void flow_linger(struct tcpmig_flow *flow)
{
	if (!use_timer)
		return;
	/* EBUSY: it has been initialised before. */
	bpf_timer_init(&flow->timer, &tcpmig_flows, CLOCK_BOOTTIME);
	bpf_timer_set_callback(&flow->timer, flow_expired);
	bpf_timer_start(&flow->timer, linger_ns, 0);
}

static __always_inline void flow_note(struct tcpmig_flow *flow, const struct tcpmig_flow_key *key,
				      __u8 flags)
{
	bool was_over = flow_is_over(flow->flags);

	flow->flags |= flags;
	if (!flow_is_over(flow->flags))
		return;
	flow_linger(flow);
	if (was_over)
		return;
	count_reason(TCPMIG_R_FLOW_OVER);
	event_of_flow(TCPMIG_E_FLOW_OVER, flow->ref, key);
}

/* The ends of the full socket that sends the packet, in the family of @like. False: none. */
static __always_inline bool sender_ends(struct __sk_buff *skb, const struct tcpmig_flow_key *like,
					struct tcpmig_flow_key *ends)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	/* The verifier wants plain loads: not merged ones, and no choice among addresses. */
	volatile struct bpf_sock *fields = sk;
	__u32 dst4, src4;

	if (!sk)
		return false;
	*ends = *like;
	ends->remote.port = fields->dst_port;
	/* A socket that ends with RST has given its port back already. */
	ends->local.port = fields->src_port ? bpf_htons(fields->src_port) : like->local.port;
	dst4 = fields->dst_ip4;
	src4 = fields->src_ip4;
	ends->remote.addr32[0] = fields->dst_ip6[0];
	ends->remote.addr32[1] = fields->dst_ip6[1];
	ends->remote.addr32[2] = fields->dst_ip6[2];
	ends->remote.addr32[3] = fields->dst_ip6[3];
	ends->local.addr32[0] = fields->src_ip6[0];
	ends->local.addr32[1] = fields->src_ip6[1];
	ends->local.addr32[2] = fields->src_ip6[2];
	ends->local.addr32[3] = fields->src_ip6[3];
	if (like->remote.family == TCPMIG_AF_INET) {
		endpoint_v4(&ends->remote, dst4, ends->remote.port);
		endpoint_v4(&ends->local, src4, ends->local.port);
	}
	return true;
}

/*
 * Is it sent by the socket that has just these ends? Only that can speak for a LOCAL flow: a
 * packet that we forward may be anybody's, and one of a socket behind NAT has other ends.
 */
static __always_inline bool of_own_socket(struct __sk_buff *skb, const struct tcpmig_flow_key *key)
{
	struct tcpmig_flow_key ends;

	return sender_ends(skb, key, &ends) && endpoint_equal(&ends.remote, &key->remote) &&
	       endpoint_equal(&ends.local, &key->local);
}

/* A flow that has no socket which we could ask for lives as long as it is seen. */
static __always_inline void flow_see(struct tcpmig_flow *flow)
{
	__u32 now;

	if (flow->flags & TCPMIG_FLOW_LOCAL)
		return;
	now = seen_now();
	if (flow->seen != now)
		flow->seen = now;
}

/*
 * What leaves for a LOCAL flow and is not its socket's: after our FIN it is the last ACK of
 * TIME_WAIT, which follows the server's FIN. Else it says nothing.
 */
static __always_inline void flow_note_socketless(struct tcpmig_flow *flow, const struct packet *pkt)
{
	if (flow->flags & TCPMIG_FLOW_FIN_OUT && !(pkt->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_RST)))
		flow_note(flow, &pkt->key, TCPMIG_FLOW_FIN_IN);
}

/* A new connection. What is remembered of the one before would hide its talk. */
static __always_inline void flow_begin(struct tcpmig_flow *flow, const struct packet *pkt, bool own)
{
	if (flow->flags & TCPMIG_FLOW_TALKED)
		cache_void(&pkt->key.local);
	flow->flags = own ? TCPMIG_FLOW_LOCAL : 0;
}

/*
 * Has the server said FIN, though it did not fit when it came by (flow_note_in)? A FIN that
 * leaves in LAST_ACK or CLOSING follows one that was taken.
 */
static __always_inline bool answers_fin(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk && (sk->state == BPF_TCP_LAST_ACK || sk->state == BPF_TCP_CLOSING);
}

/* What a packet that leaves tells of its flow's life. @own: of_own_socket() */
static __always_inline void flow_note_out(struct __sk_buff *skb, struct tcpmig_flow *flow,
					  const struct packet *pkt, bool own)
{
	__u8 flags = TCPMIG_FLOW_TALKED | (own ? TCPMIG_FLOW_LOCAL : 0);

	if (flow->flags & TCPMIG_FLOW_LOCAL && !own)
		return flow_note_socketless(flow, pkt);
	if (pkt->tcp_flags & TCP_FLAG_SYN)
		return flow_begin(flow, pkt, own);
	if (pkt->tcp_flags & TCP_FLAG_FIN)
		flags |= TCPMIG_FLOW_FIN_OUT;
	if (pkt->tcp_flags & TCP_FLAG_FIN && own && answers_fin(skb))
		flags |= TCPMIG_FLOW_FIN_IN;
	if (pkt->tcp_flags & TCP_FLAG_RST && own)
		flags |= TCPMIG_FLOW_RST;
	if (flags & ~flow->flags & TCPMIG_FLOW_FIN_OUT)
		cache_void(&pkt->key.local); /* from here on every packet is looked at */
	if ((flow->flags & flags) != flags || flow_is_over(flow->flags))
		flow_note(flow, &pkt->key, flags);
}

enum fit {
	FIT_NO_SOCKET, /* none of this host's: forwarded, bridged, or gone */
	FIT_NEXT,      /* it is the very segment that the client's socket expects next */
	FIT_OTHER,
};

/* How a segment with this sequence number fits the client's socket (RFC 5961, 3.2). */
static __always_inline enum fit socket_fit(struct __sk_buff *skb, const struct tcpmig_flow_key *key,
					   __u32 seq)
{
	struct bpf_sock_tuple tuple;
	struct bpf_tcp_sock *tcp;
	struct bpf_sock *sk;
	enum fit fit;

	tuple_of(&tuple, key);
	sk = bpf_skc_lookup_tcp(skb, &tuple, tuple_size(key), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return FIT_NO_SOCKET;
	tcp = bpf_tcp_sock(sk);
	fit = tcp && tcp->rcv_nxt == seq ? FIT_NEXT : FIT_OTHER;
	bpf_sk_release(sk);
	return fit;
}

/*
 * What a packet of the owner tells of its flow's life. @old: what the client believes to be
 * talking to. Anybody can send an RST or a FIN, so they count if the client's socket takes
 * them. Where we see no socket an RST counts for nothing, and a FIN for so much: the flow
 * stays as long as its client says anything.
 */
static __always_inline void flow_note_in(struct __sk_buff *skb, const struct packet *pkt,
					 const struct tcpmig_endpoint *old, __u32 ref)
{
	struct tcpmig_flow_key key = { .remote = *old, .local = pkt->key.local };
	struct tcpmig_flow *flow;
	struct tcphdr tcp;
	__u8 flags = 0;
	enum fit fit;

	if (!(pkt->tcp_flags & (TCP_FLAG_FIN | TCP_FLAG_RST)))
		return;
	flow = flow_of_rule(&key, ref);
	if (!flow || bpf_skb_load_bytes(skb, pkt->l4_off, &tcp, sizeof(tcp)))
		return;
	fit = socket_fit(skb, &key, bpf_ntohl(tcp.seq));
	if (pkt->tcp_flags & TCP_FLAG_FIN && fit != FIT_OTHER)
		flags |= TCPMIG_FLOW_FIN_IN;
	if (pkt->tcp_flags & TCP_FLAG_RST && fit == FIT_NEXT)
		flags |= TCPMIG_FLOW_RST;
	if (flags)
		flow_note(flow, &key, flags);
}

/* Is a local socket connected to @remote itself, from @local? Not one that listens or is over. */
static __always_inline bool socket_exists(struct __sk_buff *skb, const struct tcpmig_flow_key *key)
{
	struct bpf_sock_tuple tuple;
	struct bpf_sock *sk;
	bool connected;

	tuple_of(&tuple, key);
	sk = bpf_skc_lookup_tcp(skb, &tuple, tuple_size(key), BPF_F_CURRENT_NETNS, 0);
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

/* Makes the entry @key by which replies of its peer find this flow. False: it is taken. */
static __always_inline bool flow_wire(struct __sk_buff *skb, const struct tcpmig_flow_key *key,
				      struct tcpmig_flow *flow, __u16 hop)
{
	struct tcpmig_wire *there = bpf_map_lookup_elem(&tcpmig_wires, key);
	struct tcpmig_wire wire = { .ref = flow->ref };

	/* What a dead rule left may be taken over; what a living flow has may not. */
	if (there && there->ref != flow->ref && rule_get(there->ref))
		return false;
	if (!wire_is_ours(skb, key, &wire))
		return false;
	if (bpf_map_update_elem(&tcpmig_wires, key, &wire, there ? BPF_ANY : BPF_NOEXIST))
		return false;
	flow->hop = hop;
	flow->flags &= ~TCPMIG_FLOW_REFUSED;
	return true;
}

#endif
