/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Migration records as packets see them: which rule, in what state, owned by whom. */
#ifndef TCPMIG_RULE_BPF_H
#define TCPMIG_RULE_BPF_H

#include "count.bpf.h"

static __always_inline bool endpoint_equal(const struct tcpmig_endpoint *a,
					   const struct tcpmig_endpoint *b)
{
	return tcpmig_same_endpoint(a, b);
}

/* Reads @from, which user space may be writing, once: @to is what it was. */
static __always_inline void endpoint_read(struct tcpmig_endpoint *to,
					  const volatile struct tcpmig_endpoint *from)
{
	to->addr32[0] = from->addr32[0];
	to->addr32[1] = from->addr32[1];
	to->addr32[2] = from->addr32[2];
	to->addr32[3] = from->addr32[3];
	to->rest = from->rest;
}

/* False: no rule and no wire entry names @ep, for sure. */
static __always_inline bool filter_knows(const struct tcpmig_endpoint *ep)
{
	__u32 bit = tcpmig_filter_bit(ep), word = bit >> 6;
	__u64 *bits = bpf_map_lookup_elem(&tcpmig_filter, &word);

	return bits && *bits >> (bit & 63) & 1;
}

static __always_inline __u64 rule_word(const struct tcpmig_rule *rule)
{
	return *(const volatile __u64 *)&rule->word;
}

/* The live rule that @ref names, or NULL: its slot may have been freed or given away. */
static __always_inline struct tcpmig_rule *rule_get(__u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);
	struct tcpmig_rule *rule = bpf_map_lookup_elem(&tcpmig_rules, &slot);

	if (!rule || rule->ref != ref || tcpmig_word_state(rule_word(rule)) == TCPMIG_FREE)
		return 0;
	return rule;
}

/*
 * The rule that has @ep as OLD, or NULL. Compared, because an entry of a hash map may
 * be given another key while we look at it.
 */
static __always_inline struct tcpmig_rule *rule_of_old(const struct tcpmig_remote *remote,
						       const struct tcpmig_endpoint *ep)
{
	struct tcpmig_rule *rule = remote->old_ref ? rule_get(remote->old_ref) : 0;

	return rule && endpoint_equal(&rule->old, ep) ? rule : 0;
}

static __always_inline bool hold_is_over(const struct tcpmig_rule *rule)
{
	return bpf_ktime_get_boot_ns() > *(const volatile __u64 *)&rule->deadline_ns;
}

/* State now: a HELD past its deadline is over, even if nobody is there to say so. */
static __always_inline enum tcpmig_state rule_state(const struct tcpmig_rule *rule, __u64 word)
{
	enum tcpmig_state state = tcpmig_word_state(word);

	if (state != TCPMIG_HELD || !hold_is_over(rule))
		return state;
	count_reason(TCPMIG_R_HELD_EXPIRED);
	return TCPMIG_ACTIVE;
}

static __always_inline const struct tcpmig_owner *rule_owner(const struct tcpmig_rule *rule,
							     __u16 hop)
{
	return &rule->owner[hop & (TCPMIG_HOPS_MAX - 1)];
}

#endif
