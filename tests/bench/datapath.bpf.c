// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The real hooks, made repeatable: BPF_PROG_TEST_RUN feeds the packet of one round
 * into the next, so a round takes back the mark in cb that says "routed before", and
 * the rules of the benchmark lead A to B and B to A.
 */
#include "../../bpf/tcpmig.bpf.c"
#include "datapath.h"

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	skb->cb[0] = 0;
	return VERDICT_NEXT;
}

/*
 * The same with a packet of another of @spread flows each time, in no order that a cache
 * could guess; and what that change of the client's end costs by itself.
 */
__u32 spread = 1;
static __u32 turn;

static __always_inline long next_client(struct __sk_buff *skb, __u32 addr_off, __u32 port_off)
{
	__u32 i = (turn++ * 0x9e3779b1u >> 4) % spread;
	__be32 addr = bpf_htonl(BENCH_CLIENT_NET + i);
	__be16 port = bpf_htons(BENCH_CLIENT_PORT(i));

	return bpf_skb_store_bytes(skb, addr_off, &addr, sizeof(addr), 0)
		       ?: bpf_skb_store_bytes(skb, port_off, &port, sizeof(port), 0);
}

SEC("tc")
int spread_empty(struct __sk_buff *skb)
{
	skb->cb[0] = 0;
	return next_client(skb, 26, 34) ? VERDICT_DROP : VERDICT_NEXT;
}

SEC("tc")
int spread_egress(struct __sk_buff *skb)
{
	int verdict = next_client(skb, 26, 34) ? VERDICT_DROP : egress(skb);

	skb->cb[0] = 0;
	return verdict;
}

SEC("tc")
int spread_ingress(struct __sk_buff *skb)
{
	int verdict = next_client(skb, 30, 36) ? VERDICT_DROP : ingress(skb);

	skb->cb[0] = 0;
	return verdict;
}

SEC("tc")
int bench_egress(struct __sk_buff *skb)
{
	int verdict = egress(skb);

	skb->cb[0] = 0;
	return verdict;
}

SEC("tc")
int bench_ingress(struct __sk_buff *skb)
{
	int verdict = ingress(skb);

	skb->cb[0] = 0;
	return verdict;
}
