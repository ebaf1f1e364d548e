/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A look into a hash table costs more than all else that a redirected packet needs. So each
 * CPU remembers the flows whose last packet was plainly rewritten, with the rule's word: any
 * change of the rule's state or epoch, of its set of flows, or of the policy, voids it. Packets
 * that begin or end a connection never take this way.
 */
#ifndef TCPMIG_CACHE_BPF_H
#define TCPMIG_CACHE_BPF_H

#include "decision.bpf.h"
#include "parse.bpf.h"

/* Off on PREEMPT_RT: there a program may interrupt another on its CPU. Set at attach. */
const volatile bool use_cache = true;

static __always_inline struct tcpmig_cached *cache_slot(const struct tcpmig_flow_key *key)
{
	__u32 mixed = tcpmig_filter_bit(&key->remote) + key->local.addr32[3] * 0x85ebca6b;
	__u32 slot = (mixed ^ key->local.port * 0x9e3779b1u) * 0xc2b2ae35 >> 16;

	slot &= TCPMIG_CACHE_SLOTS - 1;
	return bpf_map_lookup_elem(&tcpmig_cache, &slot);
}

/* Both begin at a multiple of 8. */
static __always_inline bool same_key(const struct tcpmig_flow_key *a,
				     const struct tcpmig_flow_key *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

static __always_inline struct tcpmig_meta *meta_get(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&tcpmig_meta, &key);
}

/* Of the bucket of @local; to be read before the tables are looked into. */
static __always_inline __u32 flows_gone(const struct tcpmig_endpoint *local)
{
	const volatile struct tcpmig_meta *meta = meta_get();

	return meta ? meta->flows_gone[tcpmig_gone_bucket(local) & (TCPMIG_GONE_BUCKETS - 1)] : 0;
}

/* After a flow of @local is removed: what any CPU remembers of it is void. */
static __always_inline void cache_void(const struct tcpmig_endpoint *local)
{
	struct tcpmig_meta *meta = meta_get();
	__u32 bucket = tcpmig_gone_bucket(local) & (TCPMIG_GONE_BUCKETS - 1);

	if (meta)
		__sync_fetch_and_add(&meta->flows_gone[bucket], 1);
}

/* Such a packet is noted in its flow, and so must be the one that follows it. */
static __always_inline bool is_turning_point(const struct packet *pkt)
{
	return pkt->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST);
}

/* A flow that is remembered: @d says what to do with the packet. It has been allowed before. */
static __always_inline bool cache_find(struct decision *d, const struct packet *pkt,
				       enum direction dir)
{
	const struct tcpmig_cached *c;
	const struct tcpmig_rule *rule;

	if (!use_cache || is_turning_point(pkt))
		return false;
	c = cache_slot(&pkt->key);
	if (!c || c->dir != dir || !same_key(&c->key, &pkt->key))
		return false;
	rule = rule_get(c->ref);
	if (!rule || c->flows_gone != d->gone || c->policy != d->policy ||
	    rule_word(rule) != c->word)
		return false;
	d->action = ACTION_REWRITE;
	d->ref = c->ref;
	d->to = c->to;
	d->ifindex = c->ifindex;
	return true;
}

/*
 * @d: a rewrite that the policy allows; if the flow has been removed since @d->gone was read, on
 * whichever CPU, this is void already.
 */
static __always_inline void cache_keep(const struct decision *d, const struct packet *pkt,
				       enum direction dir)
{
	struct tcpmig_cached *c;

	if (!use_cache || is_turning_point(pkt) || tcpmig_word_state(d->word) != TCPMIG_ACTIVE)
		return;
	c = cache_slot(&pkt->key);
	if (!c)
		return;
	c->key = pkt->key;
	c->word = d->word;
	c->ref = d->ref;
	c->flows_gone = d->gone;
	c->policy = d->policy;
	c->dir = dir;
	c->to = d->to;
	c->ifindex = d->ifindex;
}

#endif
