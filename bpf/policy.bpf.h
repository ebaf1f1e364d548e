/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The administrator's policy. Whoever writes rules may write anything into them, so what is
 * asked about here is in memory that only BPF writes: the packet's addresses, and copies.
 */
#ifndef TCPMIG_POLICY_BPF_H
#define TCPMIG_POLICY_BPF_H

#include "rule.bpf.h"

static __always_inline const struct tcpmig_policies *policy_get(void)
{
	__u32 key = 0;
	void *list = bpf_map_lookup_elem(&tcpmig_policy, &key);

	return list ? bpf_map_lookup_elem(list, &key) : 0;
}

/* Which policy there is; 0: none. To be read before it is asked: an answer may be newer. */
static __always_inline __u32 policy_generation(void)
{
	const struct tcpmig_policies *policies = policy_get();

	return policies ? policies->generation : 0;
}

/*
 * May flows of @old be with @peer? Global: so the verifier goes through it once, by itself, and
 * knows nothing of its answer.
 */
__noinline int policy_allows(const struct tcpmig_endpoint *old, const struct tcpmig_endpoint *peer)
{
	const struct tcpmig_policies *policies = policy_get();
	bool same;

	if (!policies || !policies->generation)
		return 1;
	if (!old || !peer)
		return 0;
	same = endpoint_equal(old, peer);
	for (__u32 i = 0; i < TCPMIG_POLICIES_MAX && i < policies->count; i++) {
		/* Nothing is kept on the stack from one to the next: it is short in our callers. */
		asm volatile("" ::: "memory");
		if (tcpmig_policy_allows(&policies->list[i], old, peer, same))
			return 1;
	}
	return 0;
}

#endif
