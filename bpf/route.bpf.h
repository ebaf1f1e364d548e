/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a packet goes after the rewrite. Touches no map. */
#ifndef TCPMIG_ROUTE_BPF_H
#define TCPMIG_ROUTE_BPF_H

#include "parse.bpf.h"

/* In cb[], which nobody between the redirect and the next run of a hook writes. */
#define ROUTED_MARK_0  0x7c6d6967
#define ROUTED_MARK_1  0x2d627066
#define REFUSED_MARK_0 0x7c6d6967
#define REFUSED_MARK_1 0x2d727374

/* True once: the mark does not go further than the hook that it is meant for. */
static __always_inline bool take_mark(struct __sk_buff *skb, __u32 mark0, __u32 mark1)
{
	if (skb->cb[0] != mark0 || skb->cb[1] != mark1)
		return false;
	skb->cb[0] = 0;
	return true;
}

/*
 * bpf_redirect_neigh() sends a packet through the egress hook again. True if this
 * is that second run: the packet is done.
 */
static __always_inline bool routed_before(struct __sk_buff *skb)
{
	return take_mark(skb, ROUTED_MARK_0, ROUTED_MARK_1);
}

/* At ingress: the answer to a local socket that egress has refused. */
static __always_inline bool is_our_rst(struct __sk_buff *skb)
{
	return take_mark(skb, REFUSED_MARK_0, REFUSED_MARK_1);
}

static __always_inline void mark_as_routed(struct __sk_buff *skb)
{
	skb->cb[0] = ROUTED_MARK_0;
	skb->cb[1] = ROUTED_MARK_1;
}

/*
 * Routes the rewritten packet anew: NEW may have another next hop or another
 * interface than OLD. The route lookup is bpf_redirect_neigh()'s own, because
 * bpf_fib_lookup() refuses on hosts that do not forward (FWD_DISABLED).
 * @ifindex: of the route to the new destination; 0: the packet's own. A packet with a
 * VLAN tag keeps its header: attach to the VLAN's own device to have it routed.
 * Return: verdict.
 */
static __always_inline int route_out(struct __sk_buff *skb, const struct packet *pkt, __u32 ifindex)
{
	struct ethhdr eth = { .h_proto = skb->protocol };

	if (pkt->tagged)
		return VERDICT_NEXT; /* a new header would lose the tag: to the next hop of OLD */
	if (!l2_len) {
		if (!ifindex || ifindex == skb->ifindex)
			return VERDICT_NEXT; /* no neighbour to find on this kind of device */
		/* From tun to Ethernet: redirect_neigh() wants room where it writes the header. */
		if (bpf_skb_change_head(skb, sizeof(eth), 0) ||
		    bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
			return VERDICT_DROP;
	}
	mark_as_routed(skb);
	return bpf_redirect_neigh(ifindex ?: skb->ifindex, 0, 0, 0);
}

/* To where the packet came from; it has been turned around. Return: verdict. */
static __always_inline int route_back(struct __sk_buff *skb)
{
	if (!l2_len)
		return VERDICT_DROP; /* no header for redirect_neigh(), and perhaps none to give */
	mark_as_routed(skb);
	return bpf_redirect_neigh(skb->ingress_ifindex, 0, 0, 0);
}

/*
 * Consumes the packet so that TCP counts it as sent: a redirect to an interface
 * that does not exist frees it with NET_XMIT_SUCCESS. (TC_ACT_STOLEN would do
 * under clsact but means "pass" under TCX, and a drop is seen by TCP.)
 */
static __always_inline int route_nowhere(void)
{
	return bpf_redirect(0, 0);
}

#endif
