/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rewriting one address and port of a TCP packet, checksums included. Touches no map.
 *
 * What is to be done to the TCP checksum depends on skb->ip_summed. Where the kernel lets
 * us see that (skb_csum.bpf.h), everything is computed here and stored in one piece, since
 * calls into the kernel are what a rewrite costs. Elsewhere bpf_l4_csum_replace() looks and
 * does it, with BPF_F_PSEUDO_HDR for what is part of the pseudo header.
 */
#ifndef TCPMIG_REWRITE_BPF_H
#define TCPMIG_REWRITE_BPF_H

#include "parse.bpf.h"
#include "skb_csum.bpf.h"

enum side {
	SIDE_SRC,
	SIDE_DST,
};

/* One's complement sum of 32-bit words, folded to 16 bits. */
static __always_inline __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* By how much the sum over an address grows when @from becomes @to. */
static __always_inline __u64 addr_diff(const struct tcpmig_endpoint *from,
				       const struct tcpmig_endpoint *to)
{
	__u64 diff = (__u64)to->addr32[3] + (__u32)~from->addr32[3];

	if (from->family == TCPMIG_AF_INET)
		return diff;
	diff += (__u64)to->addr32[0] + (__u32)~from->addr32[0];
	diff += (__u64)to->addr32[1] + (__u32)~from->addr32[1];
	return diff + to->addr32[2] + (__u32)~from->addr32[2];
}

/* A checksum field after what it covers has grown by @diff (RFC 1624). */
static __always_inline __sum16 sum_after(__sum16 sum, __u64 diff)
{
	return ~sum_fold((__u16)~sum + diff);
}

/*
 * IPv6 has no header checksum, so address and TCP checksum cancel out in a
 * CHECKSUM_COMPLETE sum: BPF_F_IPV6 (6.16, back-ported to 6.1) tells the helper
 * so. A kernel that does not know the flag answers EINVAL.
 */
static __always_inline long replace_sum(struct __sk_buff *skb, __u32 check_off,
					const struct tcpmig_endpoint *from,
					const struct tcpmig_endpoint *to, __u64 diff)
{
	__u32 diff32 = sum_fold(diff);
	long err;

	if (from->family == TCPMIG_AF_INET) {
		err = bpf_l4_csum_replace(skb, check_off, 0, diff32, BPF_F_PSEUDO_HDR);
	} else {
		err = bpf_l4_csum_replace(skb, check_off, 0, diff32, BPF_F_PSEUDO_HDR | BPF_F_IPV6);
		if (err == -22 /* EINVAL */)
			err = bpf_l4_csum_replace(skb, check_off, 0, diff32, BPF_F_PSEUDO_HDR);
	}
	if (err || from->port == to->port)
		return err;
	/* The port is no part of the pseudo header: no BPF_F_PSEUDO_HDR. */
	return bpf_l4_csum_replace(skb, check_off, from->port, to->port, sizeof(to->port));
}

/*
 * The checksum field of TCP after the addresses have grown by @diff and the ports by
 * @port_diff. CHECKSUM_PARTIAL: it holds the sum over the pseudo header, not inverted, and
 * the rest is added by whoever sends the packet.
 */
static __always_inline __sum16 tcp_sum_after(enum skb_csum state, __sum16 check, __u64 diff,
					     __u64 port_diff)
{
	if (state == SKB_CSUM_PARTIAL)
		return sum_fold(check + diff);
	return sum_after(check, diff + port_diff);
}

/* What a rewrite changes lies between the IP checksum (IPv6: the addresses) and this. */
struct tcp_start {
	__be16 source;
	__be16 dest;
	__be32 rest[3];
	__sum16 check;
} __attribute__((packed));

struct start4 {
	__sum16 check;
	__be32 saddr;
	__be32 daddr;
	struct tcp_start tcp;
} __attribute__((packed));

struct start6 {
	__be32 saddr[4];
	__be32 daddr[4];
	struct tcp_start tcp;
} __attribute__((packed));

/*
 * Reads it from the linear area, where parse_tcp() has put it. The verifier wants a bound of
 * the offset in the very register that is added.
 */
static __always_inline bool load_tcp_start(struct __sk_buff *skb, const struct packet *pkt,
					   struct tcp_start *start)
{
	void *data = packet_pointer(skb->data), *data_end = packet_pointer(skb->data_end);
	__u64 off = pkt->l4_off;

	asm volatile("" : "+r"(off));
	if (off > L4_OFF_MAX || data + off + sizeof(*start) > data_end)
		return false;
	*start = *(struct tcp_start *)(data + off);
	return true;
}

/* The ends of the connection as the packet is to have them, and how the sums change. */
struct rewriting {
	const struct tcpmig_endpoint *src;
	const struct tcpmig_endpoint *dst;
	__u64 diff;
	__u64 port_diff;
	enum skb_csum state;
};

static __always_inline long store_all4(struct __sk_buff *skb, const struct packet *pkt,
				       const struct rewriting *r)
{
	__u32 off = pkt->l3_off + offsetof(struct iphdr, check);
	struct start4 start;
	long err;

	if (!load_tcp_start(skb, pkt, &start.tcp))
		return -1;
	start.check = sum_after(pkt->ip_check, r->diff);
	start.saddr = r->src->addr32[3];
	start.daddr = r->dst->addr32[3];
	start.tcp.source = r->src->port;
	start.tcp.dest = r->dst->port;
	if (r->state != SKB_CSUM_UNKNOWN)
		start.tcp.check = tcp_sum_after(r->state, start.tcp.check, r->diff, r->port_diff);
	if (pkt->l4_off == pkt->l3_off + sizeof(struct iphdr))
		return bpf_skb_store_bytes(skb, off, &start, sizeof(start), 0);
	err = bpf_skb_store_bytes(skb, off, &start, offsetof(struct start4, tcp), 0);
	return err ?: bpf_skb_store_bytes(skb, pkt->l4_off, &start.tcp, sizeof(start.tcp), 0);
}

static __always_inline long store_all6(struct __sk_buff *skb, const struct packet *pkt,
				       const struct rewriting *r)
{
	__u32 off = pkt->l3_off + offsetof(struct ipv6hdr, saddr);
	struct start6 start;
	long err;

	if (!load_tcp_start(skb, pkt, &start.tcp))
		return -1;
	__builtin_memcpy(start.saddr, r->src->addr, sizeof(start.saddr));
	__builtin_memcpy(start.daddr, r->dst->addr, sizeof(start.daddr));
	start.tcp.source = r->src->port;
	start.tcp.dest = r->dst->port;
	if (r->state != SKB_CSUM_UNKNOWN)
		start.tcp.check = tcp_sum_after(r->state, start.tcp.check, r->diff, r->port_diff);
	if (pkt->l4_off == pkt->l3_off + sizeof(struct ipv6hdr))
		return bpf_skb_store_bytes(skb, off, &start, sizeof(start), 0);
	err = bpf_skb_store_bytes(skb, off, &start, offsetof(struct start6, tcp), 0);
	return err ?: bpf_skb_store_bytes(skb, pkt->l4_off, &start.tcp, sizeof(start.tcp), 0);
}

/*
 * The server's side of the packet, which is @side of it, becomes @to (same family).
 * Voids all packet pointers. On error the packet is half-rewritten: drop it.
 */
static __always_inline long rewrite_endpoint(struct __sk_buff *skb, const struct packet *pkt,
					     enum side side, const struct tcpmig_endpoint *to)
{
	const struct tcpmig_endpoint *from = &pkt->key.remote, *local = &pkt->key.local;
	struct rewriting r = {
		.src = side == SIDE_SRC ? to : local,
		.dst = side == SIDE_SRC ? local : to,
		.diff = addr_diff(from, to),
		.port_diff = (__u64)to->port + (__u16)~from->port,
		.state = skb_csum_state(skb),
	};
	long err = 0;

	if (r.state == SKB_CSUM_UNKNOWN)
		err = replace_sum(skb, pkt->l4_off + offsetof(struct tcphdr, check), from, to,
				  r.diff);
	if (err)
		return err;
	if (from->family == TCPMIG_AF_INET6)
		return store_all6(skb, pkt, &r);
	/* Over an IPv4 header with its checksum the sum is always the same; over TCP it shrinks. */
	if (r.state == SKB_CSUM_COMPLETE)
		bpf_csum_update(skb, (__u16)~sum_fold(r.diff));
	return store_all4(skb, pkt, &r);
}

#endif
