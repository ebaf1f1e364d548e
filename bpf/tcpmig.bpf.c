// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Entry points: parse, decide, act. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

#include "flow.bpf.h"
#include "rewrite.bpf.h"
#include "route.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int tcpmig_egress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};

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
	count_out(d.ref);
	return route_out(skb, d.ifindex);
}

SEC("tc")
int tcpmig_ingress(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct decision d = {};

	decide_ingress(&d, skb, &pkt, parse_packet(skb, &pkt));
	if (d.action == ACTION_PASS)
		return VERDICT_NEXT;
	if (d.action == ACTION_DROP)
		return VERDICT_DROP;
	if (rewrite_endpoint(skb, &pkt, REWRITE_SRC, &pkt.src, &d.to)) {
		count_drop(d.ref, TCPMIG_R_REWRITE_FAILED);
		return VERDICT_DROP;
	}
	count_in(d.ref);
	return VERDICT_NEXT;
}
