/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translating an ICMP error that quotes a redirected packet: the client's kernel knows
 * only OLD. The quoted destination changes, the sums of the quoted headers with it (as
 * far as they are quoted: RFC 792 promises only 8 bytes of TCP), and the ICMP checksum
 * for all of it. The outer addresses stay: they name who speaks. Touches no map.
 */
#ifndef TCPMIG_ICMP_BPF_H
#define TCPMIG_ICMP_BPF_H

#include "parse.bpf.h"

#define QUOTED_TCP_MIN 8 /* ports and sequence number */

/* A checksum field after what it covers changed by @diff (RFC 1624). */
static __always_inline __sum16 sum_after(__sum16 sum, __s64 diff)
{
	__u64 s = (__u16)~sum + (__u32)diff;

	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return ~s;
}

/* The destination of the quoted IP header. Return: the sum's difference for TCP, or < 0. */
static __always_inline __s64 translate_quoted_ip4(struct __sk_buff *skb, const struct packet *pkt,
						  const struct tcpmig_endpoint *to,
						  __s64 *icmp_diff)
{
	struct iphdr before, after;
	__s64 diff;

	if (bpf_skb_load_bytes(skb, pkt->quote_off, &before, sizeof(before)))
		return -1;
	after = before;
	after.daddr = to->addr32[3];
	diff = bpf_csum_diff(&before.daddr, sizeof(before.daddr), &after.daddr, sizeof(after.daddr),
			     0);
	if (diff < 0)
		return diff;
	after.check = sum_after(before.check, diff);
	*icmp_diff = bpf_csum_diff((__be32 *)&before, sizeof(before), (__be32 *)&after,
				   sizeof(after), 0);
	if (*icmp_diff < 0 || bpf_skb_store_bytes(skb, pkt->quote_off, &after, sizeof(after), 0))
		return -1;
	return diff;
}

static __always_inline __s64 translate_quoted_ip6(struct __sk_buff *skb, const struct packet *pkt,
						  const struct tcpmig_endpoint *to,
						  __s64 *icmp_diff)
{
	*icmp_diff = bpf_csum_diff((__be32 *)pkt->dst.addr32, sizeof(to->addr),
				   (__be32 *)to->addr32, sizeof(to->addr), 0);
	if (*icmp_diff < 0 ||
	    bpf_skb_store_bytes(skb, pkt->quote_off + offsetof(struct ipv6hdr, daddr), to->addr,
				sizeof(to->addr), 0))
		return -1;
	return *icmp_diff;
}

/* Port and, if it is quoted, checksum of TCP. Adds to @icmp_diff. Return: 0 or < 0. */
static __always_inline long translate_quoted_tcp(struct __sk_buff *skb, const struct packet *pkt,
						 __be16 port, __s64 addr_diff, __s64 *icmp_diff)
{
	struct tcphdr before = {}, after;
	__be32 ports_before, ports_after;
	__s64 diff;

	/* Padding of the frame is no part of the quote, nor does the ICMP checksum cover it. */
	if (pkt->quote_l4_off + sizeof(before) <= pkt->end &&
	    !bpf_skb_load_bytes(skb, pkt->quote_l4_off, &before, sizeof(before))) {
		after = before;
		after.dest = port;
		__builtin_memcpy(&ports_before, &before, sizeof(ports_before));
		__builtin_memcpy(&ports_after, &after, sizeof(ports_after));
		diff = bpf_csum_diff(&ports_before, sizeof(ports_before), &ports_after,
				     sizeof(ports_after), addr_diff);
		if (diff < 0)
			return diff;
		after.check = sum_after(before.check, diff);
		diff = bpf_csum_diff((__be32 *)&before, sizeof(before), (__be32 *)&after,
				     sizeof(after), *icmp_diff);
		if (diff < 0)
			return diff;
		*icmp_diff = diff;
		return bpf_skb_store_bytes(skb, pkt->quote_l4_off, &after, sizeof(after), 0);
	}
	if (pkt->quote_l4_off + QUOTED_TCP_MIN > pkt->end ||
	    bpf_skb_load_bytes(skb, pkt->quote_l4_off, &before, QUOTED_TCP_MIN))
		return -1;
	after = before;
	after.dest = port;
	diff = bpf_csum_diff((__be32 *)&before, QUOTED_TCP_MIN, (__be32 *)&after, QUOTED_TCP_MIN,
			     *icmp_diff);
	if (diff < 0)
		return diff;
	*icmp_diff = diff;
	return bpf_skb_store_bytes(skb, pkt->quote_l4_off, &after, QUOTED_TCP_MIN, 0);
}

/*
 * The quoted destination of an ICMP error becomes @to.
 * Voids all packet pointers. On error the packet is half-rewritten: drop it.
 */
static __always_inline long translate_icmp_error(struct __sk_buff *skb, const struct packet *pkt,
						 const struct tcpmig_endpoint *to)
{
	__s64 icmp_diff = 0, addr_diff;

	if (to->family == TCPMIG_AF_INET)
		addr_diff = translate_quoted_ip4(skb, pkt, to, &icmp_diff);
	else
		addr_diff = translate_quoted_ip6(skb, pkt, to, &icmp_diff);
	if (addr_diff < 0)
		return addr_diff;
	if (translate_quoted_tcp(skb, pkt, to->port, addr_diff, &icmp_diff))
		return -1;
	/* No pseudo header of ICMPv6 changes, so nothing is to be said of skb->csum. */
	return bpf_l4_csum_replace(skb, pkt->l4_off + offsetof(struct icmphdr, checksum), 0,
				   icmp_diff, 0);
}

#endif
