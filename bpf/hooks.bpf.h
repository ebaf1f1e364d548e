/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two hooks: parse, decide, act. Inline, so that the benchmark can wrap them. */
#ifndef TCPMIG_HOOKS_BPF_H
#define TCPMIG_HOOKS_BPF_H

#include "flow.bpf.h"
#include "icmp.bpf.h"
#include "rewrite.bpf.h"
#include "route.bpf.h"

static __always_inline int egress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};
	int verdict;

	if (routed_before(skb))
		return VERDICT_NEXT;
	decide_egress(&d, skb, &pkt, parse_packet(skb, &pkt));
	switch (d.action) {
	case ACTION_PASS:
		return VERDICT_NEXT;
	case ACTION_DROP:
		return VERDICT_DROP;
	case ACTION_SWALLOW:
		return route_nowhere();
	case ACTION_REWRITE:
		break;
	}
	if (rewrite_endpoint(skb, &pkt, REWRITE_DST, &pkt.dst, &d.to)) {
		count_drop(d.ref, TCPMIG_R_REWRITE_FAILED);
		return VERDICT_DROP;
	}
	verdict = route_out(skb, &pkt, d.ifindex);
	if (verdict == VERDICT_DROP)
		count_drop(d.ref, TCPMIG_R_REWRITE_FAILED);
	else
		count_out(d.ref);
	return verdict;
}

static __always_inline int ingress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};
	enum packet_kind kind = parse_packet(skb, &pkt);
	long err;

	decide_ingress(&d, skb, &pkt, kind);
	if (d.action == ACTION_PASS)
		return VERDICT_NEXT;
	if (d.action == ACTION_DROP)
		return VERDICT_DROP;
	if (kind == PACKET_ICMP_ERROR)
		err = translate_icmp_error(skb, &pkt, &d.to);
	else
		err = rewrite_endpoint(skb, &pkt, REWRITE_SRC, &pkt.src, &d.to);
	if (err) {
		count_drop(d.ref, TCPMIG_R_REWRITE_FAILED);
		return VERDICT_DROP;
	}
	if (kind == PACKET_ICMP_ERROR)
		count_reason(TCPMIG_R_ICMP_TRANSLATED);
	else
		count_in(d.ref);
	return VERDICT_NEXT;
}

#endif
