// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A server host's own lock on the connections that are moved away from it or to it: drops
 * exactly those, on every interface and both ways, and changes no packet. What it drops on
 * egress TCP is told of, and takes as not sent.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

#include "fence_shared.h"
#include "parse.bpf.h"
#include "tuple.bpf.h"

/* bpf_sock.state: a handshake of a listener, which has no socket of its own yet. */
#define BPF_TCP_NEW_SYN_RECV 12

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Migrations by slot, and the state of each. Written by user space, by mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fence_table);
} tcpmig_f_table SEC(".maps");

/* Connections: here local is this host's side. Value: the record's ref. By user space alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FENCE_FLOWS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpmig_flow_key);
	__type(value, __u32);
} tcpmig_f_flows SEC(".maps");

/* Listeners by what they are bound to, the unspecified address too. Value: the record's ref. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FENCE_LISTENERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpmig_endpoint);
	__type(value, __u32);
} tcpmig_f_listen SEC(".maps");

/* Local addresses of flows, with port 0. Value: a bit for each slot that has such a flow. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FENCE_ADDRS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpmig_endpoint);
	__type(value, __u64);
} tcpmig_f_addrs SEC(".maps");

/* What was attached to which interface. Not read here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FENCE_IFACES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct tcpmig_iface);
} tcpmig_f_ifaces SEC(".maps");

/* Counted here, by slot. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FENCE_RECORDS_MAX);
	__type(key, __u32);
	__type(value, struct fence_stats);
} tcpmig_f_stats SEC(".maps");

enum { NO_SLOT = -1 };

static __always_inline bool any_in_use(const struct fence_table *t)
{
	return t->words[0] | t->words[1] | t->words[2] | t->words[3] | t->words[4] | t->words[5] |
	       t->words[6] | t->words[7];
}
_Static_assert(FENCE_RECORDS_MAX == 64, "all words of them");

/* The slot of @ref if its record is still that one and does at least @state, or NO_SLOT. */
static __always_inline int slot_in(const struct fence_table *t, const __u32 *ref,
				   enum fence_state state)
{
	__u32 slot;

	if (!ref)
		return NO_SLOT;
	slot = tcpmig_ref_slot(*ref);
	if (slot >= FENCE_RECORDS_MAX || t->record[slot].ref != *ref || t->state[slot] < state)
		return NO_SLOT;
	return slot;
}

static __always_inline struct fence_stats *stats_of(int slot)
{
	__u32 key = slot;

	return bpf_map_lookup_elem(&tcpmig_f_stats, &key);
}

static __always_inline int drop(int slot, enum direction dir)
{
	struct fence_stats *stats = stats_of(slot);

	if (stats && dir == IN)
		stats->ingress_dropped++;
	else if (stats)
		stats->egress_dropped++;
	return VERDICT_DROP;
}

static __always_inline int drop_handshake(int slot)
{
	struct fence_stats *stats = stats_of(slot);

	if (stats)
		stats->syn_dropped++;
	return VERDICT_DROP;
}

/* The listener that takes connections to @local, as the kernel chooses: who has the address first.
 */
static __always_inline const __u32 *listener_of(const struct tcpmig_endpoint *local)
{
	const __u32 *ref = bpf_map_lookup_elem(&tcpmig_f_listen, local);
	struct tcpmig_endpoint any = *local;

	if (ref)
		return ref;
	any.addr32[0] = any.addr32[1] = any.addr32[3] = 0;
	any.addr32[2] = local->family == TCPMIG_AF_INET ? bpf_htonl(0xffff) : 0;
	return bpf_map_lookup_elem(&tcpmig_f_listen, &any);
}

/* Would the listener itself have it, or a handshake of it that has not ended? */
static __always_inline bool goes_to_listener(struct __sk_buff *skb, const struct packet *pkt)
{
	struct bpf_sock_tuple tuple;
	struct bpf_sock *sk;
	bool listener;

	tuple_of(&tuple, &pkt->key);
	sk = bpf_skc_lookup_tcp(skb, &tuple, tuple_size(&pkt->key), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	listener = sk->state == BPF_TCP_LISTEN || sk->state == BPF_TCP_NEW_SYN_RECV;
	bpf_sk_release(sk);
	return listener;
}

/*
 * Of no fenced flow. A handshake does not begin; and once closed it does not end either: by the
 * last ACK, or one with a SYN cookie, a connection would come about that nobody knows of.
 */
static __always_inline int judge_handshake(struct __sk_buff *skb, const struct fence_table *t,
					   const struct packet *pkt, enum direction dir)
{
	__u8 flags = pkt->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK);
	bool begins = flags == TCP_FLAG_SYN;
	int slot;

	if (dir == OUT && flags != (TCP_FLAG_SYN | TCP_FLAG_ACK))
		return VERDICT_NEXT;
	slot = slot_in(t, listener_of(&pkt->key.local), begins ? FENCE_NO_SYN : FENCE_CLOSED);
	if (slot == NO_SLOT || (dir == IN && !begins && !goes_to_listener(skb, pkt)))
		return VERDICT_NEXT;
	return drop_handshake(slot);
}

static __always_inline int judge_segment(struct __sk_buff *skb, const struct fence_table *t,
					 const struct packet *pkt, enum direction dir)
{
	int slot = slot_in(t, bpf_map_lookup_elem(&tcpmig_f_flows, &pkt->key), FENCE_CLOSED);

	return slot != NO_SLOT ? drop(slot, dir) : judge_handshake(skb, t, pkt, dir);
}

/* A later fragment of a TCP segment: whose it is only the first one says. */
static __always_inline bool hides_ports4(struct __sk_buff *skb, struct packet *pkt,
					 enum direction dir)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, pkt->l3_off, &ip, sizeof(ip)) || ip.version != 4 ||
	    ip.protocol != IPPROTO_TCP || !(ip.frag_off & bpf_htons(IP_OFFSET)))
		return false;
	set_addrs4(pkt, &ip, dir == OUT);
	return true;
}

/* The same, or more extension headers than we walk over: the kernel has no such limit. */
static __always_inline bool hides_ports6(struct __sk_buff *skb, struct packet *pkt,
					 enum direction dir)
{
	__u32 off = pkt->l3_off + sizeof(struct ipv6hdr);
	struct ipv6_ext ext;
	struct ipv6hdr ip;
	__u8 nexthdr;

	if (bpf_skb_load_bytes(skb, pkt->l3_off, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	nexthdr = ip.nexthdr;
	set_addrs6(pkt, &ip, dir == OUT);
	for (int i = 0; i < IPV6_EXT_MAX && is_ipv6_ext(nexthdr); i++) {
		if (bpf_skb_load_bytes(skb, off, &ext, sizeof(ext)))
			return false;
		if (nexthdr == NEXTHDR_FRAGMENT && ext.frag_off & bpf_htons(0xfff8))
			return ext.nexthdr == IPPROTO_TCP || is_ipv6_ext(ext.nexthdr);
		off += nexthdr == NEXTHDR_FRAGMENT ? 8 : (ext.len + 1) * 8;
		nexthdr = ext.nexthdr;
	}
	return is_ipv6_ext(nexthdr);
}

/* By its local address alone. A fragment of somebody else's segment is sent again by its sender. */
static __always_inline int judge_hidden(const struct fence_table *t, const struct packet *pkt,
					enum direction dir)
{
	const __u64 *slots = bpf_map_lookup_elem(&tcpmig_f_addrs, &pkt->key.local);

	for (__u32 slot = 0; slots && slot < FENCE_RECORDS_MAX; slot++) {
		if (*slots >> slot & 1 && t->state[slot] == FENCE_CLOSED)
			return drop(slot, dir);
	}
	return VERDICT_NEXT;
}

static __always_inline int judge(struct __sk_buff *skb, const struct fence_table *t,
				 enum direction dir)
{
	struct packet pkt = { .l3_off = l2_len };
	__be16 proto = skip_vlan_tags(skb, &pkt);
	bool hidden = false;

	if (proto == bpf_htons(ETH_P_IP)) {
		pkt.kind = parse_ipv4(skb, &pkt, dir);
		hidden = pkt.kind == PACKET_OTHER && hides_ports4(skb, &pkt, dir);
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		pkt.kind = parse_ipv6(skb, &pkt, dir);
		hidden = pkt.kind == PACKET_OTHER && hides_ports6(skb, &pkt, dir);
	}
	if (pkt.kind == PACKET_TCP || pkt.kind == PACKET_TCP_FRAGMENT)
		return judge_segment(skb, t, &pkt, dir);
	return hidden ? judge_hidden(t, &pkt, dir) : VERDICT_NEXT;
}

static __always_inline int fence(struct __sk_buff *skb, enum direction dir)
{
	const struct fence_table *t;
	__u32 key = 0;

	t = bpf_map_lookup_elem(&tcpmig_f_table, &key);
	return t && any_in_use(t) ? judge(skb, t, dir) : VERDICT_NEXT;
}

SEC("tc")
int tcpmig_fence_rx(struct __sk_buff *skb)
{
	return fence(skb, IN);
}

SEC("tc")
int tcpmig_fence_tx(struct __sk_buff *skb)
{
	return fence(skb, OUT);
}
