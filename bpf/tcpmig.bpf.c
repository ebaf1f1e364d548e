// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Entry points. Compiled twice: with TCPMIG_KERNEL_SKB for kernels that let a program see
 * skb->ip_summed, and without, for all others (skb_csum.bpf.h).
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

#include "check.bpf.h"
#include "hooks.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int tcpmig_egress(struct __sk_buff *skb)
{
	return egress(skb);
}

SEC("tc")
int tcpmig_ingress(struct __sk_buff *skb)
{
	return ingress(skb);
}

/* What a command tells those who watch: run by it, with the event as context. */
SEC("syscall")
int tcpmig_announce(struct tcpmig_event *event)
{
	struct tcpmig_event copy = *event;

	event_send(copy.type, copy.ref, copy.word, &copy.key);
	return 0;
}

/* Run by the agent, with questions behind an Ethernet header (check.bpf.h). Return: how many. */
SEC("tc")
int tcpmig_check(struct __sk_buff *skb)
{
	__u32 i = 0;

	while (i < TCPMIG_CHECKS_MAX &&
	       check_one(skb, TCPMIG_CHECKS_OFFSET + i * sizeof(struct tcpmig_check)))
		i++;
	return i;
}
