// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The real hooks, made repeatable: BPF_PROG_TEST_RUN feeds the packet of one round
 * into the next, so a round takes back the mark in cb that says "routed before", and
 * the rules of the benchmark lead A to B and B to A.
 */
#include "../../bpf/tcpmig.bpf.c"

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	skb->cb[0] = 0;
	return VERDICT_NEXT;
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
