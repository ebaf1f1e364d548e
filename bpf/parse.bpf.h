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
	PACKET_ICMP_ERROR,   /* about a TCP packet of its receiver, which it quotes */
};

enum direction {
	OUT, /* leaves this host, or is forwarded towards a server */
	IN,
};

/**
 * struct packet - what the programs need to know of a packet.
 * @key:       the server's side and the client's; of the quoted TCP packet in an ICMP error
 * @l3_off:    offset of the IP header in the skb, bytes
 * @l4_off:    offset of the TCP or ICMP header, bytes
 * @end:       where the packet ends by its IP header: padding of the frame may follow
 * @quote_l4_off: of TCP in the packet that an ICMP error quotes: see quote_off()
 * @ip_check:  checksum of the IPv4 header
 * @tcp_flags: TCP_FLAG_*
 * @tagged:    has a VLAN tag, in the frame or beside it
 * @has_data:  TCP payload, SYN or FIN: what the sender will send again
 * @too_big:   ICMP error that says "packet too big"
 * @kind:      enum packet_kind
 */
struct packet {
	struct tcpmig_flow_key key;
	__u32 l3_off;
	__u32 l4_off;
	__u32 end;
	__u32 quote_l4_off;
	__sum16 ip_check;
	__u8 tcp_flags;
	bool tagged;
	bool has_data;
	bool too_big;
	__u8 kind;
};

/* Of the IP header that an ICMP error quotes: behind its own, of either version. */
static __always_inline __u32 quote_off(const struct packet *pkt)
{
	return pkt->l4_off + sizeof(struct icmphdr);
}

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

static __always_inline void set_addrs4(struct packet *pkt, const struct iphdr *ip, bool to_remote)
{
	endpoint_v4(&pkt->key.remote, to_remote ? ip->daddr : ip->saddr, 0);
	endpoint_v4(&pkt->key.local, to_remote ? ip->saddr : ip->daddr, 0);
}

static __always_inline void set_addrs6(struct packet *pkt, const struct ipv6hdr *ip, bool to_remote)
{
	endpoint_v6(&pkt->key.remote, to_remote ? &ip->daddr : &ip->saddr, 0);
	endpoint_v6(&pkt->key.local, to_remote ? &ip->saddr : &ip->daddr, 0);
}

static __always_inline void set_ports(struct packet *pkt, __be16 source, __be16 dest,
				      bool to_remote)
{
	pkt->key.remote.port = to_remote ? dest : source;
	pkt->key.local.port = to_remote ? source : dest;
}

/*
 * Bytes behind the TCP header at @l4_off with @doff words: without what pads a short frame. A
 * GSO packet may be longer than its IP header can say.
 */
static __always_inline __u32 payload_len(const struct __sk_buff *skb, const struct packet *pkt,
					 __u32 doff)
{
	__u32 start = pkt->l4_off + doff * 4, end = skb->len;

	if (pkt->end >= start && pkt->end < end && !skb->gso_size)
		end = pkt->end;
	return end > start ? end - start : 0;
}

static __always_inline bool parse_tcp(struct __sk_buff *skb, struct packet *pkt, enum direction dir)
{
	struct tcphdr *tcp = header_at(skb, pkt->l4_off, sizeof(*tcp));

	if (!tcp || tcp->doff < 5)
		return false;
	set_ports(pkt, tcp->source, tcp->dest, dir == OUT);
	pkt->tcp_flags = ((__u8 *)tcp)[TCP_FLAGS_OFFSET];
	pkt->has_data = pkt->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN) ||
			payload_len(skb, pkt, tcp->doff);
	return true;
}

/*
 * The quoted packet of an ICMPv4 error; its TCP header may be cut after the ports. It
 * came from whom the error goes to (@receiver), or the error is none of a real packet.
 */
static __always_inline enum packet_kind parse_icmp4(struct __sk_buff *skb, struct packet *pkt,
						    enum direction dir, __be32 receiver)
{
	struct icmphdr *icmp = header_at(skb, pkt->l4_off, sizeof(*icmp) + sizeof(struct iphdr));
	struct iphdr *ip;
	__be16 ports[2];

	if (!icmp)
		return PACKET_OTHER;
	if (icmp->type != ICMP_DEST_UNREACH && icmp->type != ICMP_TIME_EXCEEDED &&
	    icmp->type != ICMP_PARAMETERPROB)
		return PACKET_OTHER;
	ip = (void *)(icmp + 1);
	if (ip->protocol != IPPROTO_TCP || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_OFFSET) ||
	    ip->saddr != receiver)
		return PACKET_OTHER;
	pkt->too_big = icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED;
	set_addrs4(pkt, ip, dir == IN);
	pkt->quote_l4_off = quote_off(pkt) + ip->ihl * 4;
	if (pkt->quote_l4_off + sizeof(ports) > pkt->end ||
	    bpf_skb_load_bytes(skb, pkt->quote_l4_off, ports, sizeof(ports)))
		return PACKET_OTHER;
	set_ports(pkt, ports[0], ports[1], dir == IN);
	return PACKET_ICMP_ERROR;
}

static __always_inline bool in6_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return a->in6_u.u6_addr32[3] == b->in6_u.u6_addr32[3] &&
	       a->in6_u.u6_addr32[2] == b->in6_u.u6_addr32[2] &&
	       a->in6_u.u6_addr32[1] == b->in6_u.u6_addr32[1] &&
	       a->in6_u.u6_addr32[0] == b->in6_u.u6_addr32[0];
}

static __always_inline enum packet_kind parse_icmp6(struct __sk_buff *skb, struct packet *pkt,
						    enum direction dir)
{
	struct {
		struct icmphdr icmp; /* same eight bytes as in ICMPv4 */
		struct ipv6hdr ip;
		__be16 ports[2];
	} quote;
	struct in6_addr receiver;

	if (pkt->l4_off + sizeof(quote) > pkt->end ||
	    bpf_skb_load_bytes(skb, pkt->l4_off, &quote, sizeof(quote)) ||
	    bpf_skb_load_bytes(skb, pkt->l3_off + offsetof(struct ipv6hdr, daddr), &receiver,
			       sizeof(receiver)))
		return PACKET_OTHER;
	if (quote.icmp.type < ICMPV6_DEST_UNREACH || quote.icmp.type > ICMPV6_PARAMPROB ||
	    quote.ip.nexthdr != IPPROTO_TCP || !in6_equal(&quote.ip.saddr, &receiver))
		return PACKET_OTHER;
	pkt->quote_l4_off = quote_off(pkt) + sizeof(quote.ip);
	pkt->too_big = quote.icmp.type == ICMPV6_PKT_TOOBIG;
	set_addrs6(pkt, &quote.ip, dir == IN);
	set_ports(pkt, quote.ports[0], quote.ports[1], dir == IN);
	return PACKET_ICMP_ERROR;
}

static __always_inline enum packet_kind parse_ipv4(struct __sk_buff *skb, struct packet *pkt,
						   enum direction dir)
{
	struct iphdr *ip = header_at(skb, pkt->l3_off, sizeof(*ip));
	bool more_fragments;

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_OFFSET))
		return PACKET_OTHER;
	more_fragments = ip->frag_off & bpf_htons(IP_MF);
	pkt->l4_off = pkt->l3_off + ip->ihl * 4;
	pkt->end = pkt->l3_off + bpf_ntohs(ip->tot_len);
	pkt->ip_check = ip->check;
	if (ip->protocol == IPPROTO_ICMP)
		return more_fragments ? PACKET_OTHER : parse_icmp4(skb, pkt, dir, ip->daddr);
	if (ip->protocol != IPPROTO_TCP)
		return PACKET_OTHER;
	set_addrs4(pkt, ip, dir == OUT);
	if (!parse_tcp(skb, pkt, dir))
		return PACKET_OTHER;
	return more_fragments ? PACKET_TCP_FRAGMENT : PACKET_TCP;
}

/* What extension headers begin with. @len is in units of 8 bytes, not counting the first. */
struct ipv6_ext {
	__u8 nexthdr;
	__u8 len;
	union {
		struct {
			__u8 type;
			__u8 segments_left;
		} routing;
		__be16 frag_off; /* and the "more fragments" bit; @len is reserved there */
	};
};

/* RFC 8200 lets each occur once, destination options twice. */
#define IPV6_EXT_MAX 6

static __always_inline bool is_ipv6_ext(int nexthdr)
{
	return nexthdr == NEXTHDR_HOP || nexthdr == NEXTHDR_ROUTING || nexthdr == NEXTHDR_DEST ||
	       nexthdr == NEXTHDR_FRAGMENT;
}

/*
 * Walks to the transport header: pkt->l4_off. Return: its protocol; or -1 for a later
 * fragment, a chain that is too long or cut, and a packet still on its way to another
 * address first (a routing header with segments left).
 */
static __always_inline int skip_ipv6_ext(struct __sk_buff *skb, struct packet *pkt, int nexthdr,
					 bool *more_fragments)
{
	for (int i = 0; i < IPV6_EXT_MAX; i++) {
		struct ipv6_ext *ext;

		if (!is_ipv6_ext(nexthdr))
			return nexthdr;
		ext = header_at(skb, pkt->l4_off, 8);
		if (!ext)
			return -1;
		if (nexthdr == NEXTHDR_FRAGMENT) {
			if (ext->frag_off & bpf_htons(0xfff8))
				return -1;
			*more_fragments |= !!(ext->frag_off & bpf_htons(1));
			nexthdr = ext->nexthdr;
			pkt->l4_off += 8;
			continue;
		}
		if (nexthdr == NEXTHDR_ROUTING && ext->routing.segments_left)
			return -1;
		nexthdr = ext->nexthdr;
		pkt->l4_off += (ext->len + 1) * 8;
	}
	return is_ipv6_ext(nexthdr) ? -1 : nexthdr;
}

/*
 * @off unchanged, but to the verifier any offset: else it follows each that the walk over the
 * extension headers can have ended with through all that comes after. Below 2^15: L4_OFF_MAX.
 */
static __always_inline __u32 any_offset(const struct __sk_buff *skb, __u32 off)
{
	__u32 rest = skb->len - off;

	asm volatile("" : "+r"(rest));
	return (skb->len - rest) & 0x7fff;
}

static __always_inline enum packet_kind parse_ipv6(struct __sk_buff *skb, struct packet *pkt,
						   enum direction dir)
{
	struct ipv6hdr *ip = header_at(skb, pkt->l3_off, sizeof(*ip));
	bool more_fragments = false;
	int proto;

	if (!ip || ip->version != 6)
		return PACKET_OTHER;
	pkt->l4_off = pkt->l3_off + sizeof(*ip);
	pkt->end = pkt->l4_off + bpf_ntohs(ip->payload_len);
	set_addrs6(pkt, ip, dir == OUT);
	proto = ip->nexthdr;
	if (proto != IPPROTO_TCP)
		proto = skip_ipv6_ext(skb, pkt, proto, &more_fragments);
	pkt->l4_off = any_offset(skb, pkt->l4_off);
	if (proto == IPPROTO_ICMPV6 && !more_fragments)
		return parse_icmp6(skb, pkt, dir);
	if (proto != IPPROTO_TCP || !parse_tcp(skb, pkt, dir))
		return PACKET_OTHER;
	return more_fragments ? PACKET_TCP_FRAGMENT : PACKET_TCP;
}

/* Ethernet, two tags, IPv6 and six extension headers of the largest size. */
#define L4_OFF_MAX (14 + 2 * 4 + 40 + IPV6_EXT_MAX * 256 * 8)

/* 802.1Q and QinQ. The first tag mostly is beside the frame (skb->vlan_tci), not in it. */
#define VLAN_TAGS_MAX 2

static __always_inline __be16 skip_vlan_tags(struct __sk_buff *skb, struct packet *pkt)
{
	__be16 proto = skb->protocol;

	pkt->tagged = skb->vlan_present;
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		__be16 *tag;

		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = header_at(skb, pkt->l3_off, 4);
		if (!tag)
			return 0;
		proto = tag[1];
		pkt->l3_off += 4;
		pkt->tagged = true;
	}
	return proto;
}

static __always_inline void parse_packet(struct __sk_buff *skb, struct packet *pkt,
					 enum direction dir)
{
	__be16 proto;

	pkt->l3_off = l2_len;
	proto = skip_vlan_tags(skb, pkt);
	if (proto == bpf_htons(ETH_P_IP))
		pkt->kind = parse_ipv4(skb, pkt, dir);
	else if (proto == bpf_htons(ETH_P_IPV6))
		pkt->kind = parse_ipv6(skb, pkt, dir);
	else
		pkt->kind = PACKET_OTHER;
}

#endif
