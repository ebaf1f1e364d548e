/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two hooks: parse, decide, act. Inline, so that the benchmark can wrap them. */
#ifndef TCPMIG_HOOKS_BPF_H
#define TCPMIG_HOOKS_BPF_H

#include "decide.bpf.h"
#include "icmp.bpf.h"
#include "refuse.bpf.h"
#include "rewrite.bpf.h"
#include "route.bpf.h"

/* The server's side becomes @to. Return: 0, or the packet is to be dropped. */
static __always_inline long translate(struct __sk_buff *skb, const struct packet *pkt,
				      enum direction dir, const struct tcpmig_endpoint *to)
{
	if (pkt->kind == PACKET_ICMP_ERROR)
		return translate_icmp_error(skb, pkt, dir, to);
	return rewrite_endpoint(skb, pkt, dir == OUT ? SIDE_DST : SIDE_SRC, to);
}

static __always_inline void count_translated(const struct decision *d, const struct packet *pkt,
					     enum direction dir, int verdict)
{
	if (verdict == VERDICT_DROP)
		count_drop(d->ref, TCPMIG_R_REWRITE_FAILED);
	else if (pkt->kind == PACKET_ICMP_ERROR)
		count_reason(dir == OUT ? TCPMIG_R_ICMP_OUT_TRANSLATED : TCPMIG_R_ICMP_TRANSLATED);
	else if (dir == OUT)
		count_out(d->ref);
	else
		count_in(d->ref);
}

/* Global: as translate_icmp_error(). */
__noinline int answer_refused(struct __sk_buff *skb, const struct packet *pkt)
{
	int verdict = pkt ? refuse_with_rst(skb, pkt) : VERDICT_DROP;

	if (verdict != VERDICT_DROP)
		count_reason(TCPMIG_R_REFUSED_RST);
	return verdict;
}

static __always_inline int egress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};
	int verdict;

	if (routed_before(skb))
		return VERDICT_NEXT;
	parse_packet(skb, &pkt, OUT);
	decide_egress(&d, skb, &pkt);
	switch (d.action) {
	case ACTION_PASS:
		return VERDICT_NEXT;
	case ACTION_DROP:
		return VERDICT_DROP;
	case ACTION_SWALLOW:
		return route_nowhere();
	case ACTION_REFUSE:
		return answer_refused(skb, &pkt);
	case ACTION_REWRITE:
		break;
	}
	verdict = translate(skb, &pkt, OUT, &d.to) ? VERDICT_DROP : route_out(skb, &pkt, d.ifindex);
	count_translated(&d, &pkt, OUT, verdict);
	return verdict;
}

static __always_inline int ingress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};
	int verdict;

	if (is_our_rst(skb))
		return VERDICT_NEXT;
	parse_packet(skb, &pkt, IN);
	decide_ingress(&d, skb, &pkt);
	if (d.action == ACTION_PASS)
		return VERDICT_NEXT;
	if (d.action == ACTION_DROP)
		return VERDICT_DROP;
	verdict = translate(skb, &pkt, IN, &d.to) ? VERDICT_DROP : VERDICT_NEXT;
	count_translated(&d, &pkt, IN, verdict);
	return verdict;
}

#endif
