/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting: per CPU, by numbered reason and by rule. */
#ifndef TCPMIG_COUNT_BPF_H
#define TCPMIG_COUNT_BPF_H

#include "maps.bpf.h"

static __always_inline void count_reason(enum tcpmig_reason reason)
{
	__u32 key = reason;
	__u64 *counter = bpf_map_lookup_elem(&tcpmig_counters, &key);

	if (counter)
		(*counter)++;
}

static __always_inline struct tcpmig_rule_stats *rule_stats(__u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);

	return bpf_map_lookup_elem(&tcpmig_stats, &slot);
}

/* A packet of rule @ref is dropped for @reason. */
static __always_inline void count_drop(__u32 ref, enum tcpmig_reason reason)
{
	struct tcpmig_rule_stats *stats = rule_stats(ref);

	count_reason(reason);
	if (stats)
		stats->dropped++;
}

static __always_inline void count_out(__u32 ref)
{
	struct tcpmig_rule_stats *stats = rule_stats(ref);

	count_reason(TCPMIG_R_OUT_REWRITTEN);
	if (stats)
		stats->packets_out++;
}

static __always_inline void count_in(__u32 ref)
{
	struct tcpmig_rule_stats *stats = rule_stats(ref);

	count_reason(TCPMIG_R_IN_REWRITTEN);
	if (stats)
		stats->packets_in++;
}

/* After the table of flows has changed: who counts them meanwhile will count again. */
static __always_inline void count_flow_change(__u32 ref)
{
	struct tcpmig_rule_stats *stats = rule_stats(ref);

	if (stats)
		__sync_fetch_and_add(&stats->flow_changes, 1);
}

#endif
