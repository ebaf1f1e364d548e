/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is to happen to a packet, as long as it is being decided. */
#ifndef TCPMIG_DECISION_BPF_H
#define TCPMIG_DECISION_BPF_H

#include "policy.bpf.h"

enum action {
	ACTION_PASS,	/* not ours, or right as it is */
	ACTION_REWRITE, /* the server's side becomes decision.to */
	ACTION_SWALLOW, /* consume; the sender believes it has left */
	ACTION_DROP,
	ACTION_REFUSE, /* drop, and whoever sent it gets an RST */
};

/*
 * @action: enum action
 * @reason: of SWALLOW, DROP and REFUSE: enum tcpmig_reason
 * @ref: the rule, to count the packet
 * @policy: generation of what it is checked by; 0: nothing
 * @gone: flows_gone() before the flow was looked up
 * @ifindex: only for ACTION_REWRITE
 * @to: what the server's side becomes; if it does not change: OLD of the rule. A copy: rules are
 *      in memory that user space may write at any moment.
 * @word: of the rule as it was decided by, if the cache may keep that; else 0
 */
struct decision {
	__u8 action;
	__u8 reason;
	__u32 ref;
	__u32 policy;
	__u32 gone;
	__u32 ifindex;
	struct tcpmig_endpoint to;
	__u64 word;
};

static __always_inline void drop(struct decision *d, enum tcpmig_reason reason)
{
	d->action = ACTION_DROP;
	d->reason = reason;
}

static __always_inline void refuse(struct decision *d, enum tcpmig_reason reason)
{
	d->action = ACTION_REFUSE;
	d->reason = reason;
}

/* From here on it is a packet of @rule. */
static __always_inline void decide_by(struct decision *d, const struct tcpmig_rule *rule)
{
	d->ref = rule->ref;
	endpoint_read(&d->to, &rule->old);
}

/* Not within the policy: as if there were no rule. */
static __always_inline void deny(struct decision *d)
{
	d->action = ACTION_PASS;
	count_reason(TCPMIG_R_POLICY_DENIED);
}

/* To be asked before anything is made for a packet of OLD @old that would go to @peer. */
static __always_inline bool is_allowed(const struct decision *d, const struct tcpmig_endpoint *old,
				       const struct tcpmig_endpoint *peer)
{
	return !d->policy || policy_allows(old, peer);
}

#endif
