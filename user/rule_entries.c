// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "clocks.h"
#include "endpoint.h"
#include "rule_entries.h"

__u64 rule_word_load(const struct tcpmig_rule *rule)
{
	return __atomic_load_n(&rule->word, __ATOMIC_ACQUIRE);
}

__u32 rule_flow_seen_now(void)
{
	return clock_mono_ns() >> TCPMIG_SEEN_SHIFT;
}

/* To whom the rule leads now: the next owner while it is awaited. */
static const struct tcpmig_endpoint *owner_led_to(const struct tcpmig_rule *rule)
{
	__u64 word = rule_word_load(rule);
	__u16 hop = tcpmig_word_hop(word) + (tcpmig_word_state(word) == TCPMIG_ARMED);

	return &rule->owner[hop % TCPMIG_HOPS_MAX].peer;
}

void rule_set_state(const struct tables *t, struct tcpmig_rule *rule, __u16 hop,
		    enum tcpmig_state state)
{
	__u32 epoch = tcpmig_word_epoch(rule_word_load(rule)) + 1;
	struct tcpmig_event event = { .type = TCPMIG_E_RULE,
				      .ref = rule->ref,
				      .word = tcpmig_word(epoch, hop, state),
				      .key = { .remote = rule->old } };

	rule->changed_ns = clock_boot_ns();
	__atomic_store_n(&rule->word, event.word, __ATOMIC_RELEASE);
	if (state != TCPMIG_FREE)
		event.key.local = *owner_led_to(rule);
	/* Of what is done already nobody but a reader of events can miss this. */
	tables_announce(t, &event);
}

bool rule_is_live(const struct tcpmig_rule *rule)
{
	return tcpmig_word_state(rule_word_load(rule)) != TCPMIG_FREE;
}

static bool ref_is_live(const struct tables *t, __u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);

	return slot < TCPMIG_RULES_MAX && t->rules[slot].ref == ref &&
	       rule_is_live(&t->rules[slot]);
}

int rule_publish(struct tables *t, const struct tcpmig_rule *rule)
{
	struct tcpmig_remote remote = {};
	int err = tables_get_remote(t, &rule->old, &remote);

	if (err && err != -ENOENT)
		return err;
	remote.old_ref = rule->ref;
	return tables_set_remote(t, &rule->old, &remote);
}

static bool owned_by_a_rule(const struct tables *t, const struct tcpmig_endpoint *peer)
{
	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		const struct tcpmig_rule *rule = &t->rules[slot];

		if (!rule_is_live(rule))
			continue;
		for (int hop = 0; hop < TCPMIG_HOPS_MAX; hop++) {
			/* OLD is owner 0 without a wire entry, unless the flow came back to it */
			if (hop == 0 && endpoint_same(&rule->owner[0].peer, &rule->old))
				continue;
			if (endpoint_same(&rule->owner[hop].peer, peer))
				return true;
		}
	}
	return false;
}

static int remote_repair(const struct tcpmig_endpoint *ep, const struct tcpmig_remote *remote,
			 void *ctx)
{
	struct tables *t = ctx;
	struct tcpmig_remote left = *remote;

	if (left.old_ref && !ref_is_live(t, left.old_ref))
		left.old_ref = 0;
	if (left.wires && !owned_by_a_rule(t, ep))
		left.wires = 0;
	if (left.old_ref == remote->old_ref && left.wires == remote->wires)
		return 0;
	return tables_set_remote(t, ep, &left);
}

static bool ref_is(__u32 ref, void *ctx)
{
	return ref == *(__u32 *)ctx;
}

/* Is the connection of @local to the server at @old on the wire one of another rule? */
static bool wired_by_another(const struct tables *t, const struct tcpmig_rule *rule,
			     const struct tcpmig_endpoint *local)
{
	struct tcpmig_flow_key key = { .remote = rule->old, .local = *local };
	struct tcpmig_wire wire;

	return !tables_get_wire(t, &key, &wire) && wire.ref != rule->ref &&
	       ref_is_live(t, wire.ref);
}

/* May a connection that the rule does not know be added to it? */
static bool may_add(const struct tables *t, const struct tcpmig_rule *rule,
		    const struct tcpmig_endpoint *local, enum rules_origin origin)
{
	if (origin == RULES_NAMED)
		return true;
	/* OLD may be another service by now, and this one of its clients. */
	if (rule_is_live(rule) && rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY)
		return false;
	if (origin == RULES_SOCKETS)
		return true;
	/* After a move BPF knows them all; a client beside them is a direct one of CUR. */
	return !tcpmig_word_hop(rule_word_load(rule)) && !wired_by_another(t, rule, local);
}

static int flow_add(struct tables *t, struct tcpmig_rule *rule, const struct tcpmig_endpoint *local,
		    enum rules_origin origin)
{
	struct tcpmig_flow_key key = { .remote = rule->old, .local = *local };
	struct tcpmig_flow flow;
	int err = tables_get_flow(t, &key, &flow);

	if (err && err != -ENOENT)
		return err;
	if ((!err && flow.ref == rule->ref) || !may_add(t, rule, local, origin))
		return 0;
	/* It is known to the server, so a SYN from there on is another connection's. */
	flow = (struct tcpmig_flow){ .ref = rule->ref,
				     .seen = rule_flow_seen_now(),
				     .flags = TCPMIG_FLOW_TALKED };
	if (origin == RULES_SOCKETS)
		flow.flags |= TCPMIG_FLOW_LOCAL;
	rule->wired_at = 0;
	return tables_set_flow(t, &key, &flow);
}

int rule_flows_add(struct tables *t, struct tcpmig_rule *rule, const struct rules_flows *flows)
{
	int err = 0;

	for (size_t i = 0; !err && i < flows->count; i++)
		err = flow_add(t, rule, &flows->local[i], flows->origin);
	return err;
}

struct wiring {
	struct tables *t;
	const struct tcpmig_rule *rule;
	const struct tcpmig_endpoint *peer; /* NULL: only count */
	struct rules_outcome *outcome;
};

/* The entry by which packets from the owner to be find this flow. */
static int wire_add(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	struct wiring *w = ctx;
	struct tcpmig_flow_key wire_key = { .local = key->local };
	struct tcpmig_wire wire = { .ref = flow->ref };
	struct tcpmig_wire there;
	int err;

	w->outcome->table++;
	if (flow->ref != w->rule->ref)
		return 0;
	w->outcome->flows++;
	if (!w->peer)
		return 0;
	wire_key.remote = *w->peer;
	/* Most are there, from when the move was reserved: a look costs less than a try. */
	if (!tables_get_wire(w->t, &wire_key, &there) && there.ref == wire.ref)
		return 0;
	err = tables_add_wire(w->t, &wire_key, &wire);
	if (err != -EEXIST)
		return err;
	err = tables_get_wire(w->t, &wire_key, &there);
	if (err)
		return err;
	if (there.ref == wire.ref)
		return 0;
	if (!ref_is_live(w->t, there.ref))
		return tables_set_wire(w->t, &wire_key, &wire);
	w->outcome->taken++;
	return 0;
}

/* Nothing has changed since they were counted, and had their entries for @peer? */
static bool is_wired(const struct tcpmig_rule *rule, const struct tcpmig_endpoint *peer,
		     __u64 changes)
{
	return rule->wired_at == changes + 1 && (!peer || endpoint_same(peer, &rule->wired_peer));
}

/*
 * A walk through the whole table takes milliseconds, so what it has found is kept. The number of
 * changes is read before: a flow that comes while we walk makes the next one walk again.
 */
int rule_wires_add(struct tables *t, struct tcpmig_rule *rule, const struct tcpmig_endpoint *peer,
		   struct rules_outcome *outcome)
{
	struct wiring w = { .t = t, .rule = rule, .peer = peer, .outcome = outcome };
	struct tcpmig_rule_stats stats;
	int err = tables_get_stats(t, tcpmig_ref_slot(rule->ref), &stats);

	outcome->flows = rule->wired_flows;
	outcome->taken = 0;
	outcome->table = 0;
	if (err || is_wired(rule, peer, stats.flow_changes))
		return err;
	outcome->flows = 0;
	err = tables_each_flow(t, wire_add, &w);
	if (err)
		return err;
	rule->wired_at = outcome->taken ? 0 : stats.flow_changes + 1;
	rule->wired_flows = outcome->flows;
	rule->wired_peer = peer ? *peer : (struct tcpmig_endpoint){};
	return 0;
}

/* Wherever it has been: every owner of the rule may still be in the table. */
static int flow_unwire(struct tables *t, const struct tcpmig_rule *rule,
		       const struct tcpmig_endpoint *local)
{
	struct tcpmig_flow_key wire_key = { .local = *local };
	struct tcpmig_wire wire;
	int err = 0;

	for (int hop = 0; !err && hop < TCPMIG_HOPS_MAX; hop++) {
		wire_key.remote = rule->owner[hop].peer;
		if (!tables_get_wire(t, &wire_key, &wire) && wire.ref == rule->ref)
			err = tables_del_wire(t, &wire_key);
	}
	return err;
}

int rule_flow_remove(struct tables *t, const struct tcpmig_flow_key *key,
		     const struct tcpmig_flow *flow)
{
	struct tcpmig_rule *rule = &t->rules[tcpmig_ref_slot(flow->ref)];
	struct tcpmig_event event = { .type = TCPMIG_E_FLOW_GONE, .ref = flow->ref, .key = *key };
	struct tcpmig_flow now;
	int err = tables_get_flow(t, key, &now);

	if (err || !ref_is_live(t, flow->ref))
		return err == -ENOENT ? 0 : err;
	if (now.ref != flow->ref || now.flags != flow->flags || now.seen != flow->seen)
		return 0;
	rule->wired_at = 0;
	err = flow_unwire(t, rule, &key->local);
	if (!err)
		err = tables_del_flow(t, key);
	event.word = rule_word_load(rule);
	if (err)
		return err;
	tables_announce(t, &event); /* it is gone, whether or not anybody hears of it */
	return 1;
}

static bool ref_is_dead(__u32 ref, void *ctx)
{
	return !ref_is_live(ctx, ref);
}

int rule_entries_delete(struct tables *t, const struct tcpmig_rule *rule)
{
	__u32 ref = rule->ref;
	int err = tables_del_of_ref_if(t, ref_is, &ref);

	return err ? err : tables_each_remote(t, remote_repair, t);
}

int rule_entries_repair(struct tables *t)
{
	int err = 0;

	for (__u32 slot = 0; !err && slot < TCPMIG_RULES_MAX; slot++) {
		if (rule_is_live(&t->rules[slot]))
			err = rule_publish(t, &t->rules[slot]);
	}
	if (!err)
		err = tables_del_of_ref_if(t, ref_is_dead, t);
	return err ? err : tables_each_remote(t, remote_repair, t);
}
