/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bounds-checked parsing of one packet. Touches no map and changes no byte. */
#ifndef TCPMIG_PARSE_BPF_H
#define TCPMIG_PARSE_BPF_H

#include "kernel_consts.bpf.h"
#include "tcpmig_shared.h"

/* Bytes before the network header: 14 on Ethernet, 0 on tun and WireGuard. Set at attach. */
const volatile __u32 l2_len = sizeof(struct ethhdr);

enum packet_kind {
	PACKET_OTHER, /* not for us, or not understood: leave alone */
	PACKET_TCP,
	PACKET_TCP_FRAGMENT, /* first fragment: has ports, cannot be translated */
	PACKET_ICMP_ERROR,   /* src and dst are those of the quoted TCP packet */
};

/**
 * struct packet - what the programs need to know of a packet.
 * @src, @dst: outer addresses and ports, or the quoted ones of an ICMP error
 * @l3_off:    offset of the IP header in the skb, bytes
 * @l4_off:    offset of the TCP or ICMP header, bytes
 * @syn, @rst: the flags of TCP
 * @has_data:  TCP payload, SYN or FIN: what the sender will send again
 * @too_big:   ICMP error that says "packet too big"
 */
struct packet {
	struct tcpmig_endpoint src;
	struct tcpmig_endpoint dst;
	__u32 l3_off;
	__u32 l4_off;
	bool syn;
	bool rst;
	bool has_data;
	bool too_big;
};

static __always_inline void endpoint_v4(struct tcpmig_endpoint *ep, __be32 addr, __be16 port)
{
	ep->addr32[0] = 0;
	ep->addr32[1] = 0;
	ep->addr32[2] = bpf_htonl(0xffff);
	ep->addr32[3] = addr;
	ep->port = port;
	ep->family = TCPMIG_AF_INET;
	ep->zero = 0;
}

static __always_inline void endpoint_v6(struct tcpmig_endpoint *ep, const struct in6_addr *addr,
					__be16 port)
{
	__builtin_memcpy(ep->addr, addr, sizeof(ep->addr));
	ep->port = port;
	ep->family = TCPMIG_AF_INET6;
	ep->zero = 0;
}

/*
 * The context holds packet pointers in 32-bit fields. Behind the barrier the compiler
 * can no longer see that, and not cut them to 32 bits again, which the verifier refuses.
 */
static __always_inline void *packet_pointer(__u32 field)
{
	void *p = (void *)(long)field;

	asm volatile("" : "+r"(p));
	return p;
}

/*
 * Header of @size bytes at @off, or NULL if the packet is shorter. Pulls it into
 * the linear area if need be: pointers from before the call are void.
 */
static __always_inline void *header_at(struct __sk_buff *skb, __u32 off, __u32 size)
{
	void *data = packet_pointer(skb->data);
	void *data_end = packet_pointer(skb->data_end);

	if (data + off + size <= data_end)
		return data + off;
	if (off + size > skb->len || bpf_skb_pull_data(skb, off + size))
		return 0;
	data = packet_pointer(skb->data);
	data_end = packet_pointer(skb->data_end);
	return data + off + size <= data_end ? data + off : 0;
}

static __always_inline bool parse_tcp(struct __sk_buff *skb, struct packet *pkt)
{
	struct tcphdr *tcp = header_at(skb, pkt->l4_off, sizeof(*tcp));

	if (!tcp || tcp->doff < 5)
		return false;
	pkt->src.port = tcp->source;
	pkt->dst.port = tcp->dest;
	pkt->syn = tcp->syn;
	pkt->rst = tcp->rst;
	pkt->has_data = tcp->syn || tcp->fin || skb->len > pkt->l4_off + tcp->doff * 4;
	return true;
}

/* The quoted packet of an ICMPv4 error; its TCP header may be cut after the ports. */
static __always_inline enum packet_kind parse_icmp4(struct __sk_buff *skb, struct packet *pkt)
{
	struct icmphdr *icmp = header_at(skb, pkt->l4_off, sizeof(*icmp) + sizeof(struct iphdr));
	struct iphdr *ip;
	__be16 ports[2];
	__u32 off;

	if (!icmp)
		return PACKET_OTHER;
	if (icmp->type != ICMP_DEST_UNREACH && icmp->type != ICMP_TIME_EXCEEDED &&
	    icmp->type != ICMP_PARAMETERPROB)
		return PACKET_OTHER;
	ip = (void *)(icmp + 1);
	if (ip->protocol != IPPROTO_TCP || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_OFFSET))
		return PACKET_OTHER;
	pkt->too_big = icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED;
	endpoint_v4(&pkt->src, ip->saddr, 0);
	endpoint_v4(&pkt->dst, ip->daddr, 0);
	off = pkt->l4_off + sizeof(*icmp) + ip->ihl * 4;
	if (bpf_skb_load_bytes(skb, off, ports, sizeof(ports)))
		return PACKET_OTHER;
	pkt->src.port = ports[0];
	pkt->dst.port = ports[1];
	return PACKET_ICMP_ERROR;
}

static __always_inline enum packet_kind parse_icmp6(struct __sk_buff *skb, struct packet *pkt)
{
	struct {
		struct icmphdr icmp; /* same eight bytes as in ICMPv4 */
		struct ipv6hdr ip;
		__be16 ports[2];
	} quote;

	if (bpf_skb_load_bytes(skb, pkt->l4_off, &quote, sizeof(quote)))
		return PACKET_OTHER;
	if (quote.icmp.type < ICMPV6_DEST_UNREACH || quote.icmp.type > ICMPV6_PARAMPROB ||
	    quote.ip.nexthdr != IPPROTO_TCP)
		return PACKET_OTHER;
	pkt->too_big = quote.icmp.type == ICMPV6_PKT_TOOBIG;
	endpoint_v6(&pkt->src, &quote.ip.saddr, quote.ports[0]);
	endpoint_v6(&pkt->dst, &quote.ip.daddr, quote.ports[1]);
	return PACKET_ICMP_ERROR;
}

static __always_inline enum packet_kind parse_ipv4(struct __sk_buff *skb, struct packet *pkt)
{
	struct iphdr *ip = header_at(skb, pkt->l3_off, sizeof(*ip));
	bool more_fragments;

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_OFFSET))
		return PACKET_OTHER;
	more_fragments = ip->frag_off & bpf_htons(IP_MF);
	pkt->l4_off = pkt->l3_off + ip->ihl * 4;
	if (ip->protocol == IPPROTO_ICMP)
		return more_fragments ? PACKET_OTHER : parse_icmp4(skb, pkt);
	if (ip->protocol != IPPROTO_TCP)
		return PACKET_OTHER;
	endpoint_v4(&pkt->src, ip->saddr, 0);
	endpoint_v4(&pkt->dst, ip->daddr, 0);
	if (!parse_tcp(skb, pkt))
		return PACKET_OTHER;
	return more_fragments ? PACKET_TCP_FRAGMENT : PACKET_TCP;
}

/* Extension headers are not walked yet: such packets are left alone. */
static __always_inline enum packet_kind parse_ipv6(struct __sk_buff *skb, struct packet *pkt)
{
	struct ipv6hdr *ip = header_at(skb, pkt->l3_off, sizeof(*ip));

	if (!ip || ip->version != 6)
		return PACKET_OTHER;
	pkt->l4_off = pkt->l3_off + sizeof(*ip);
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return parse_icmp6(skb, pkt);
	if (ip->nexthdr != IPPROTO_TCP)
		return PACKET_OTHER;
	endpoint_v6(&pkt->src, &ip->saddr, 0);
	endpoint_v6(&pkt->dst, &ip->daddr, 0);
	return parse_tcp(skb, pkt) ? PACKET_TCP : PACKET_OTHER;
}

/* Fills @pkt and says what it is. VLAN tags inside the frame are not parsed yet. */
static __always_inline enum packet_kind parse_packet(struct __sk_buff *skb, struct packet *pkt)
{
	pkt->l3_off = l2_len;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, pkt);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, pkt);
	return PACKET_OTHER;
}

#endif
