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
				      enum packet_kind kind, enum direction dir,
				      const struct tcpmig_endpoint *to)
{
	if (kind == PACKET_ICMP_ERROR)
		return translate_icmp_error(skb, pkt, dir, to);
	return rewrite_endpoint(skb, pkt, dir == OUT ? SIDE_DST : SIDE_SRC, to);
}

static __always_inline void count_translated(const struct decision *d, enum packet_kind kind,
					     enum direction dir, int verdict)
{
	if (verdict == VERDICT_DROP)
		count_drop(d->ref, TCPMIG_R_REWRITE_FAILED);
	else if (kind == PACKET_ICMP_ERROR)
		count_reason(dir == OUT ? TCPMIG_R_ICMP_OUT_TRANSLATED : TCPMIG_R_ICMP_TRANSLATED);
	else if (dir == OUT)
		count_out(d->ref);
	else
		count_in(d->ref);
}

static __always_inline int answer_refused(struct __sk_buff *skb, const struct packet *pkt)
{
	int verdict = refuse_with_rst(skb, pkt);

	if (verdict != VERDICT_DROP)
		count_reason(TCPMIG_R_REFUSED_RST);
	return verdict;
}

static __always_inline int egress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};
	enum packet_kind kind;
	int verdict;

	if (routed_before(skb))
		return VERDICT_NEXT;
	kind = parse_packet(skb, &pkt, OUT);
	decide_egress(&d, skb, &pkt, kind);
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
	verdict = translate(skb, &pkt, kind, OUT, d.to) ? VERDICT_DROP
							: route_out(skb, &pkt, d.ifindex);
	count_translated(&d, kind, OUT, verdict);
	return verdict;
}

static __always_inline int ingress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};
	enum packet_kind kind;
	int verdict;

	if (is_our_rst(skb))
		return VERDICT_NEXT;
	kind = parse_packet(skb, &pkt, IN);
	decide_ingress(&d, skb, &pkt, kind);
	if (d.action == ACTION_PASS)
		return VERDICT_NEXT;
	if (d.action == ACTION_DROP)
		return VERDICT_DROP;
	verdict = translate(skb, &pkt, kind, IN, d.to) ? VERDICT_DROP : VERDICT_NEXT;
	count_translated(&d, kind, IN, verdict);
	return verdict;
}

#endif
