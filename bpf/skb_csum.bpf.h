/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * skb->ip_summed: what the TCP checksum field of a packet holds. The context of a tc
 * program does not have it; the sk_buff behind it has, and bpf_cast_to_kern_ctx() leads
 * there (Linux 6.2, with BTF). Without TCPMIG_KERNEL_SKB it is unknown.
 */
#ifndef TCPMIG_SKB_CSUM_BPF_H
#define TCPMIG_SKB_CSUM_BPF_H

/* The kernel's numbers (CHECKSUM_NONE and so on). */
enum skb_csum {
	SKB_CSUM_UNKNOWN = -1,
	SKB_CSUM_NONE = 0,
	SKB_CSUM_UNNECESSARY = 1,
	SKB_CSUM_COMPLETE = 2,
	SKB_CSUM_PARTIAL = 3,
};

#ifdef TCPMIG_KERNEL_SKB
#include <bpf/bpf_core_read.h>

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;

static __always_inline enum skb_csum skb_csum_state(struct __sk_buff *ctx)
{
	struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);

	return BPF_CORE_READ_BITFIELD(skb, ip_summed);
}
#else
static __always_inline enum skb_csum skb_csum_state(struct __sk_buff *ctx)
{
	(void)ctx;
	return SKB_CSUM_UNKNOWN;
}
#endif

#endif
