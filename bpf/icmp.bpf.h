/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translating an ICMP error about a redirected connection. In: it quotes a packet that we
 * sent on, and the client's kernel knows only OLD. Out: it quotes one of the owner, which
 * came as one of OLD, and goes to OLD. The server's side of the quoted packet changes, the
 * sums of the quoted headers with it (as far as they are quoted: RFC 792 promises only 8
 * bytes of TCP), and the ICMP checksum for all of it. Of the outer addresses only that of
 * the server changes; the other names who speaks. Touches no map.
 */
#ifndef TCPMIG_ICMP_BPF_H
#define TCPMIG_ICMP_BPF_H

#include "rewrite.bpf.h"

#define QUOTED_TCP_MIN 8 /* ports and sequence number */

/* The server's address in the quoted IP header. Adds to @icmp_diff. Return: 0 or < 0. */
static __always_inline long translate_quoted_ip4(struct __sk_buff *skb, const struct packet *pkt,
						 enum side side, const struct tcpmig_endpoint *to,
						 __u64 diff, __u64 *icmp_diff)
{
	struct iphdr ip;
	__sum16 check;

	if (bpf_skb_load_bytes(skb, quote_off(pkt), &ip, sizeof(ip)))
		return -1;
	check = sum_after(ip.check, diff);
	*icmp_diff += (__u64)check + (__u16)~ip.check;
	ip.check = check;
	if (side == SIDE_SRC)
		ip.saddr = to->addr32[3];
	else
		ip.daddr = to->addr32[3];
	return bpf_skb_store_bytes(skb, quote_off(pkt), &ip, sizeof(ip), 0);
}

static __always_inline long store_addr6(struct __sk_buff *skb, __u32 ip_off, enum side side,
					const struct tcpmig_endpoint *to)
{
	__u32 off = ip_off + (side == SIDE_SRC ? offsetof(struct ipv6hdr, saddr)
					       : offsetof(struct ipv6hdr, daddr));

	return bpf_skb_store_bytes(skb, off, to->addr, sizeof(to->addr), 0);
}

/* Port and, if it is quoted, checksum of TCP. Adds to @icmp_diff. Return: 0 or < 0. */
static __always_inline long translate_quoted_tcp(struct __sk_buff *skb, const struct packet *pkt,
						 enum side side, __be16 port, __u64 diff,
						 __u64 *icmp_diff)
{
	__u32 check_off = pkt->quote_l4_off + offsetof(struct tcphdr, check);
	__u64 port_diff = (__u64)port + (__u16)~pkt->key.remote.port;
	__u32 port_off = pkt->quote_l4_off + (side == SIDE_SRC ? offsetof(struct tcphdr, source)
							       : offsetof(struct tcphdr, dest));
	__sum16 before, check;

	*icmp_diff += port_diff;
	if (bpf_skb_store_bytes(skb, port_off, &port, sizeof(port), 0))
		return -1;
	/* Padding of the frame is no part of the quote, nor does the ICMP checksum cover it. */
	if (check_off + sizeof(before) > pkt->end ||
	    bpf_skb_load_bytes(skb, check_off, &before, sizeof(before)))
		return 0;
	check = sum_after(before, diff + port_diff);
	*icmp_diff += (__u64)check + (__u16)~before;
	return bpf_skb_store_bytes(skb, check_off, &check, sizeof(check), 0);
}

/* Who the error goes to; only for one that leaves, where skb->csum is of no interest. */
static __always_inline long readdress(struct __sk_buff *skb, const struct packet *pkt,
				      const struct tcpmig_endpoint *to, __u64 diff,
				      __u64 *icmp_diff)
{
	struct iphdr ip;

	if (to->family == TCPMIG_AF_INET6) {
		*icmp_diff += diff; /* the pseudo header of ICMPv6 */
		return store_addr6(skb, pkt->l3_off, SIDE_DST, to);
	}
	if (bpf_skb_load_bytes(skb, pkt->l3_off, &ip, sizeof(ip)))
		return -1;
	ip.check = sum_after(ip.check, diff);
	ip.daddr = to->addr32[3];
	return bpf_skb_store_bytes(skb, pkt->l3_off, &ip, sizeof(ip), 0);
}

/*
 * The server's side in the quoted packet of an ICMP error, and out its receiver, become @to.
 * Voids all packet pointers. On error the packet is half-rewritten: drop it. Global: so the
 * verifier goes through it once, and its stack is not that of all other packets.
 */
__noinline int translate_icmp_error(struct __sk_buff *skb, const struct packet *pkt,
				    enum direction dir, const struct tcpmig_endpoint *to)
{
	enum side side = dir == OUT ? SIDE_SRC : SIDE_DST;
	__u64 diff, icmp_diff;
	long err;

	if (!pkt || !to)
		return -1;
	diff = addr_diff(&pkt->key.remote, to);
	if (to->family == TCPMIG_AF_INET) {
		icmp_diff = diff;
		err = translate_quoted_ip4(skb, pkt, side, to, diff, &icmp_diff);
	} else {
		icmp_diff = diff;
		err = store_addr6(skb, quote_off(pkt), side, to);
	}
	if (!err)
		err = translate_quoted_tcp(skb, pkt, side, to->port, diff, &icmp_diff);
	if (!err && dir == OUT)
		err = readdress(skb, pkt, to, diff, &icmp_diff);
	if (err)
		return err;
	/* In, no pseudo header of ICMPv6 changes, so nothing is to be said of skb->csum. */
	return bpf_l4_csum_replace(skb, pkt->l4_off + offsetof(struct icmphdr, checksum), 0,
				   sum_fold(icmp_diff), 0);
}

#endif
