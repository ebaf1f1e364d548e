// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Somebody else's tc program, for tests of living beside it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int foreign_next(struct __sk_buff *skb)
{
	(void)skb;
	return -1; /* TC_ACT_UNSPEC: the next filter decides */
}

SEC("classifier")
int foreign_ok(struct __sk_buff *skb)
{
	(void)skb;
	return 0; /* TC_ACT_OK: nobody after this one sees the packet */
}
