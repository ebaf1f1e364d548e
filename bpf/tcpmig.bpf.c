// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Entry points. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

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
