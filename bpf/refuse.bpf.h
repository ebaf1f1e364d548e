/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answering a refused packet: it is turned around and becomes the RST with which a server
 * that knows nothing of the connection would answer (RFC 9293, 3.10.7.1). Touches no map.
 */
#ifndef TCPMIG_REFUSE_BPF_H
#define TCPMIG_REFUSE_BPF_H

#include "rewrite.bpf.h"
#include "route.bpf.h"

/* @tcp: of the refused segment, with @payload bytes behind it. Ports and sum are not set. */
static __always_inline void make_rst(struct tcphdr *rst, const struct tcphdr *tcp, __u32 payload)
{
	if (tcp->ack) {
		rst->seq = tcp->ack_seq;
	} else {
		rst->ack = 1;
		rst->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + payload + tcp->syn + tcp->fin);
	}
	rst->rst = 1;
	rst->doff = sizeof(*rst) / 4;
}

/*
 * Over the pseudo header and @rst; the TCP length fits 16 bits. CHECKSUM_PARTIAL stays so: then
 * only the pseudo header, not inverted, is for us to sum.
 */
static __always_inline __sum16 rst_sum(const struct packet *pkt, const struct tcphdr *rst,
				       enum skb_csum state)
{
	const struct tcpmig_endpoint *ends[] = { &pkt->key.remote, &pkt->key.local };
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*rst));

	for (int i = 0; i < 2; i++) {
		sum += ends[i]->addr32[3];
		if (ends[i]->family == TCPMIG_AF_INET6)
			sum += (__u64)ends[i]->addr32[0] + ends[i]->addr32[1] + ends[i]->addr32[2];
	}
	if (state == SKB_CSUM_PARTIAL)
		return sum_fold(sum);
	for (int i = 0; i < (int)sizeof(*rst) / 4; i++)
		sum += ((const __u32 *)rst)[i];
	return ~sum_fold(sum);
}

static __always_inline long turn_ethernet(struct __sk_buff *skb)
{
	struct ethhdr eth, back;

	if (!l2_len)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return -1;
	back = eth;
	__builtin_memcpy(back.h_dest, eth.h_source, sizeof(back.h_dest));
	__builtin_memcpy(back.h_source, eth.h_dest, sizeof(back.h_source));
	return bpf_skb_store_bytes(skb, 0, &back, sizeof(back), 0);
}

/* The length field, and addresses swapped: which leaves the sum over them as it was. */
static __always_inline long turn_ip4(struct __sk_buff *skb, const struct packet *pkt)
{
	struct iphdr ip;
	__be16 tot_len = bpf_htons(pkt->l4_off - pkt->l3_off + sizeof(struct tcphdr));
	__be32 saddr;

	if (bpf_skb_load_bytes(skb, pkt->l3_off, &ip, sizeof(ip)))
		return -1;
	ip.check = sum_after(ip.check, (__u64)tot_len + (__u16)~ip.tot_len);
	ip.tot_len = tot_len;
	saddr = ip.saddr;
	ip.saddr = ip.daddr;
	ip.daddr = saddr;
	return bpf_skb_store_bytes(skb, pkt->l3_off, &ip, sizeof(ip), 0);
}

static __always_inline long turn_ip6(struct __sk_buff *skb, const struct packet *pkt)
{
	__u32 before_payload = pkt->l3_off + sizeof(struct ipv6hdr);
	struct in6_addr saddr;
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, pkt->l3_off, &ip, sizeof(ip)))
		return -1;
	ip.payload_len = bpf_htons(pkt->l4_off - before_payload + sizeof(struct tcphdr));
	saddr = ip.saddr;
	ip.saddr = ip.daddr;
	ip.daddr = saddr;
	return bpf_skb_store_bytes(skb, pkt->l3_off, &ip, sizeof(ip), 0);
}

/*
 * Turns the packet into the RST that answers it. Return: 0, or not: it is unusable then.
 */
static __always_inline long turn_into_rst(struct __sk_buff *skb, const struct packet *pkt)
{
	struct tcphdr tcp, rst = {};
	__u32 headers = pkt->l4_off + sizeof(tcp);

	if (bpf_skb_load_bytes(skb, pkt->l4_off, &tcp, sizeof(tcp)) || tcp.rst)
		return -1;
	make_rst(&rst, &tcp, payload_len(skb, pkt, tcp.doff));
	rst.source = pkt->key.remote.port;
	rst.dest = pkt->key.local.port;
	rst.check = rst_sum(pkt, &rst, skb_csum_state(skb));
	if (bpf_skb_change_tail(skb, headers, 0) || turn_ethernet(skb))
		return -1;
	if (pkt->key.remote.family == TCPMIG_AF_INET ? turn_ip4(skb, pkt) : turn_ip6(skb, pkt))
		return -1;
	return bpf_skb_store_bytes(skb, pkt->l4_off, &rst, sizeof(rst), 0);
}

/*
 * To the local socket by the ingress of the interface it was about to leave by; to a client
 * that we forward for, back by the interface it came from.
 * Return: verdict.
 */
static __always_inline int refuse_with_rst(struct __sk_buff *skb, const struct packet *pkt)
{
	bool local = skb->sk;

	/* The host's own stack takes any sum of a CHECKSUM_PARTIAL packet, another host does not.
	 */
	if (!local && skb_csum_state(skb) == SKB_CSUM_UNKNOWN)
		return VERDICT_DROP;
	if (pkt->tagged || (!local && !skb->ingress_ifindex) || turn_into_rst(skb, pkt))
		return VERDICT_DROP;
	if (!local)
		return route_back(skb);
	skb->cb[0] = REFUSED_MARK_0;
	skb->cb[1] = REFUSED_MARK_1;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

#endif
