/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rewriting one address and port of a TCP packet, checksums included, through
 * the kernel's helpers only: they alone keep skb->csum right in all three
 * states (NONE, PARTIAL, COMPLETE). Touches no map.
 */
#ifndef TCPMIG_REWRITE_BPF_H
#define TCPMIG_REWRITE_BPF_H

#include "parse.bpf.h"

enum rewrite_side {
	REWRITE_SRC,
	REWRITE_DST,
};

static __always_inline long rewrite_addr4(struct __sk_buff *skb, const struct packet *pkt,
					  enum rewrite_side side, __be32 from, __be32 to)
{
	__u32 addr_off = side == REWRITE_SRC ? offsetof(struct iphdr, saddr)
					     : offsetof(struct iphdr, daddr);
	__u32 tcp_check = pkt->l4_off + offsetof(struct tcphdr, check);
	long err;

	err = bpf_l4_csum_replace(skb, tcp_check, from, to, BPF_F_PSEUDO_HDR | sizeof(to));
	if (err)
		return err;
	err = bpf_l3_csum_replace(skb, pkt->l3_off + offsetof(struct iphdr, check), from, to,
				  sizeof(to));
	if (err)
		return err;
	return bpf_skb_store_bytes(skb, pkt->l3_off + addr_off, &to, sizeof(to), 0);
}

/*
 * IPv6 has no header checksum, so address and TCP checksum cancel out in a
 * CHECKSUM_COMPLETE sum: BPF_F_IPV6 (6.16, back-ported to 6.1) tells the helper
 * so. A kernel that does not know the flag answers EINVAL.
 */
static __always_inline long rewrite_addr6(struct __sk_buff *skb, const struct packet *pkt,
					  enum rewrite_side side,
					  const struct tcpmig_endpoint *from,
					  const struct tcpmig_endpoint *to)
{
	__u32 addr_off = side == REWRITE_SRC ? offsetof(struct ipv6hdr, saddr)
					     : offsetof(struct ipv6hdr, daddr);
	__u32 tcp_check = pkt->l4_off + offsetof(struct tcphdr, check);
	__s64 diff;
	long err;

	diff = bpf_csum_diff((__be32 *)from->addr32, sizeof(from->addr), (__be32 *)to->addr32,
			     sizeof(to->addr), 0);
	if (diff < 0)
		return diff;
	err = bpf_l4_csum_replace(skb, tcp_check, 0, diff, BPF_F_PSEUDO_HDR | BPF_F_IPV6);
	if (err == -22 /* EINVAL */)
		err = bpf_l4_csum_replace(skb, tcp_check, 0, diff, BPF_F_PSEUDO_HDR);
	if (err)
		return err;
	return bpf_skb_store_bytes(skb, pkt->l3_off + addr_off, to->addr, sizeof(to->addr), 0);
}

static __always_inline long rewrite_port(struct __sk_buff *skb, const struct packet *pkt,
					 enum rewrite_side side, __be16 from, __be16 to)
{
	__u32 port_off = side == REWRITE_SRC ? offsetof(struct tcphdr, source)
					     : offsetof(struct tcphdr, dest);
	long err;

	if (from == to)
		return 0;
	/* The port is no part of the pseudo header: no BPF_F_PSEUDO_HDR. */
	err = bpf_l4_csum_replace(skb, pkt->l4_off + offsetof(struct tcphdr, check), from, to,
				  sizeof(to));
	if (err)
		return err;
	return bpf_skb_store_bytes(skb, pkt->l4_off + port_off, &to, sizeof(to), 0);
}

/*
 * Replaces address and port of @side, which now are @from, by @to (same family).
 * Voids all packet pointers. On error the packet is half-rewritten: drop it.
 */
static __always_inline long rewrite_endpoint(struct __sk_buff *skb, const struct packet *pkt,
					     enum rewrite_side side,
					     const struct tcpmig_endpoint *from,
					     const struct tcpmig_endpoint *to)
{
	long err;

	if (from->family == TCPMIG_AF_INET)
		err = rewrite_addr4(skb, pkt, side, from->addr32[3], to->addr32[3]);
	else
		err = rewrite_addr6(skb, pkt, side, from, to);
	if (err)
		return err;
	return rewrite_port(skb, pkt, side, from->port, to->port);
}

#endif
