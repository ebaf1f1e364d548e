// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <time.h>

#include "endpoint.h"
#include "rules.h"

static __u64 boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static __u64 word_load(const struct tcpmig_rule *rule)
{
	return __atomic_load_n(&rule->word, __ATOMIC_ACQUIRE);
}

/* The flip. Everything that the new state reads has been written before. */
static void word_store(struct tcpmig_rule *rule, __u16 hop, enum tcpmig_state state)
{
	__u32 epoch = tcpmig_word_epoch(word_load(rule)) + 1;

	__atomic_store_n(&rule->word, tcpmig_word(epoch, hop, state), __ATOMIC_RELEASE);
}

static struct tcpmig_owner *owner_at(struct tcpmig_rule *rule, __u16 hop)
{
	return &rule->owner[hop % TCPMIG_HOPS_MAX];
}

static void set_deadline(struct tcpmig_rule *rule, __u32 ms)
{
	__atomic_store_n(&rule->deadline_ns, boottime_ns() + (__u64)ms * 1000000, __ATOMIC_RELEASE);
}

static bool rule_is_live(const struct tcpmig_rule *rule)
{
	return tcpmig_word_state(word_load(rule)) != TCPMIG_FREE;
}

static bool ref_is_live(const struct tables *t, __u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);

	return slot < TCPMIG_RULES_MAX && t->rules[slot].ref == ref &&
	       rule_is_live(&t->rules[slot]);
}

/* By the records themselves: a command that was killed may not have published its rule. */
static int slot_of_old(const struct tables *t, const struct tcpmig_endpoint *old)
{
	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		const struct tcpmig_rule *rule = &t->rules[slot];

		if (rule_is_live(rule) && endpoint_same(&rule->old, old))
			return slot;
	}
	return -ENOENT;
}

/*
 * A slot for @old that no packet can reach yet: rule_publish() opens it. The new
 * generation makes entries of the slot's former rule, should one have been made
 * while that was deleted, belong to nobody.
 */
static int rule_alloc(struct tables *t, const struct tcpmig_endpoint *old)
{
	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		struct tcpmig_rule *rule = &t->rules[slot];
		__u16 generation = (rule->ref >> 16) + 1;
		int err;

		if (rule_is_live(rule))
			continue;
		err = tables_zero_stats(t, slot);
		if (err)
			return err;
		memset(rule, 0, sizeof(*rule));
		rule->ref = tcpmig_ref(slot, generation);
		rule->old = *old;
		rule->owner[0].peer = *old;
		return slot;
	}
	return -ENOSPC;
}

static int rule_publish(struct tables *t, const struct tcpmig_rule *rule)
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
	return tables_set_remote(t, ep, &left);
}

static bool ref_is(__u32 ref, void *ctx)
{
	return ref == *(__u32 *)ctx;
}

/* From the outside in: unreachable first, then free, then its entries. */
static int rule_delete(struct tables *t, struct tcpmig_rule *rule)
{
	struct tcpmig_remote remote = {};
	int err = tables_get_remote(t, &rule->old, &remote);

	if (!err && remote.old_ref == rule->ref) {
		remote.old_ref = 0;
		err = tables_set_remote(t, &rule->old, &remote);
	}
	if (err && err != -ENOENT)
		return err;
	word_store(rule, 0, TCPMIG_FREE);
	err = tables_del_of_ref_if(t, ref_is, &rule->ref);
	if (err)
		return err;
	return tables_each_remote(t, remote_repair, t);
}

/* What a rule that was just made, and could not be finished, leaves: nothing. */
static int rule_abandon(struct tables *t, struct tcpmig_rule *rule, int err)
{
	rule_delete(t, rule);
	return err;
}

static int flow_add(struct tables *t, const struct tcpmig_rule *rule,
		    const struct tcpmig_endpoint *local)
{
	struct tcpmig_flow_key key = { .remote = rule->old, .local = *local };
	struct tcpmig_flow flow;
	int err = tables_get_flow(t, &key, &flow);

	if (err && err != -ENOENT)
		return err;
	if (!err && flow.ref == rule->ref)
		return 0;
	flow = (struct tcpmig_flow){ .ref = rule->ref };
	return tables_set_flow(t, &key, &flow);
}

static int flows_add(struct tables *t, const struct tcpmig_rule *rule,
		     const struct rules_flows *flows)
{
	int err = 0;

	for (size_t i = 0; !err && i < flows->count; i++)
		err = flow_add(t, rule, &flows->local[i]);
	return err;
}

struct wiring {
	struct tables *t;
	const struct tcpmig_rule *rule;
	const struct tcpmig_endpoint *peer; /* NULL: only count */
	__u16 hop;
	struct rules_outcome *outcome;
};

/* The entry by which packets from the owner to be find this flow. */
static int wire_add(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	struct wiring *w = ctx;
	struct tcpmig_flow_key wire_key = { .local = key->local };
	struct tcpmig_wire wire = { .old = key->remote, .ref = flow->ref, .hop = w->hop };
	struct tcpmig_wire there;
	int err;

	if (flow->ref != w->rule->ref)
		return 0;
	w->outcome->flows++;
	if (!w->peer)
		return 0;
	wire_key.remote = *w->peer;
	err = tables_add_wire(w->t, &wire_key, &wire);
	if (err != -EEXIST)
		return err;
	err = tables_get_wire(w->t, &wire_key, &there);
	if (err)
		return err;
	if (!ref_is_live(w->t, there.ref) ||
	    (there.ref == wire.ref && endpoint_same(&there.old, &wire.old)))
		return tables_set_wire(w->t, &wire_key, &wire);
	w->outcome->taken++;
	return 0;
}

static int wires_add(struct tables *t, const struct tcpmig_rule *rule,
		     const struct tcpmig_endpoint *peer, __u16 hop, struct rules_outcome *outcome)
{
	struct wiring w = { .t = t, .rule = rule, .peer = peer, .hop = hop, .outcome = outcome };

	outcome->flows = 0;
	outcome->taken = 0;
	return tables_each_flow(t, wire_add, &w);
}

/* Writes the slot that HELD and ACTIVE do not read, and makes the wire entries for it. */
static int next_prepare(struct tables *t, struct tcpmig_rule *rule, const struct tcpmig_owner *next,
			struct rules_outcome *outcome)
{
	__u16 hop = tcpmig_word_hop(word_load(rule)) + 1;
	struct tcpmig_remote remote = {};
	int err;

	err = tables_get_remote(t, &next->peer, &remote);
	if (err && err != -ENOENT)
		return err;
	*owner_at(rule, hop) = *next;
	remote.wires = 1;
	err = tables_set_remote(t, &next->peer, &remote);
	if (err)
		return err;
	return wires_add(t, rule, &next->peer, hop, outcome);
}

/* State as BPF sees it: a HELD past its deadline is over. */
static enum tcpmig_state state_now(const struct tcpmig_rule *rule)
{
	enum tcpmig_state state = tcpmig_word_state(word_load(rule));

	if (state == TCPMIG_HELD && boottime_ns() > rule->deadline_ns)
		return TCPMIG_ACTIVE;
	return state;
}

/* A hold of OLD itself that is over: BPF lets everything pass, as if it were not there. */
static bool hold_is_over(struct tcpmig_rule *rule)
{
	return state_now(rule) == TCPMIG_ACTIVE &&
	       endpoint_same(&owner_at(rule, tcpmig_word_hop(word_load(rule)))->peer, &rule->old);
}

int rules_sweep(struct tables *t)
{
	int err = 0;

	for (__u32 slot = 0; !err && slot < TCPMIG_RULES_MAX; slot++) {
		if (rule_is_live(&t->rules[slot]) && hold_is_over(&t->rules[slot]))
			err = rule_delete(t, &t->rules[slot]);
	}
	return err;
}

static bool ref_is_dead(__u32 ref, void *ctx)
{
	return !ref_is_live(ctx, ref);
}

int rules_repair(struct tables *t)
{
	int err = rules_sweep(t);

	if (!err)
		err = tables_del_of_ref_if(t, ref_is_dead, t);
	return err ? err : tables_each_remote(t, remote_repair, t);
}

int rules_hold(struct tables *t, const struct tcpmig_endpoint *old, __u32 max_ms,
	       enum tcpmig_hold_mode mode, const struct rules_flows *flows,
	       struct rules_outcome *outcome)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_rule *rule;
	bool fresh = slot == -ENOENT;
	int err;

	if (fresh)
		slot = rule_alloc(t, old);
	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	if (state_now(rule) == TCPMIG_ARMED)
		return -EBUSY;
	rule->hold_mode = mode;
	set_deadline(rule, max_ms);
	word_store(rule, tcpmig_word_hop(word_load(rule)), TCPMIG_HELD);
	outcome->slot = slot;
	err = rule_publish(t, rule);
	if (!err)
		err = flows_add(t, rule, flows);
	if (!err)
		err = wires_add(t, rule, NULL, 0, outcome);
	return err && fresh ? rule_abandon(t, rule, err) : err;
}

/* Is the rule already active, or armed, for @peer? */
static bool leads_to(struct tcpmig_rule *rule, enum tcpmig_state state,
		     const struct tcpmig_endpoint *peer)
{
	__u16 hop = tcpmig_word_hop(word_load(rule));

	return state_now(rule) == state &&
	       endpoint_same(&owner_at(rule, hop + (state == TCPMIG_ARMED))->peer, peer);
}

int rules_prepare(struct tables *t, const struct tcpmig_endpoint *old,
		  const struct tcpmig_owner *next, __u32 max_ms, const struct rules_flows *flows,
		  struct rules_outcome *outcome)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_rule *rule;
	bool fresh = slot == -ENOENT;
	int err;

	if (fresh)
		slot = rule_alloc(t, old);
	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	outcome->slot = slot;
	if (state_now(rule) == TCPMIG_ARMED && !leads_to(rule, TCPMIG_ARMED, &next->peer))
		return -EBUSY;
	err = flows_add(t, rule, flows);
	if (!err && leads_to(rule, TCPMIG_ACTIVE, &next->peer))
		return wires_add(t, rule, &next->peer, tcpmig_word_hop(word_load(rule)), outcome);
	if (!err)
		err = next_prepare(t, rule, next, outcome);
	if (!err && state_now(rule) != TCPMIG_HELD && state_now(rule) != TCPMIG_ARMED) {
		set_deadline(rule, max_ms);
		word_store(rule, tcpmig_word_hop(word_load(rule)), TCPMIG_HELD);
	}
	if (!err)
		err = rule_publish(t, rule);
	return err && fresh ? rule_abandon(t, rule, err) : err;
}

int rules_arm(struct tables *t, const struct tcpmig_endpoint *old, const struct tcpmig_owner *next,
	      __u32 lease_ms, const struct rules_flows *flows, struct rules_outcome *outcome)
{
	struct tcpmig_rule *rule;
	int err = rules_prepare(t, old, next, lease_ms, flows, outcome);

	rule = &t->rules[outcome->slot];
	if (err || leads_to(rule, TCPMIG_ACTIVE, &next->peer))
		return err;
	set_deadline(rule, lease_ms);
	word_store(rule, tcpmig_word_hop(word_load(rule)), TCPMIG_ARMED);
	return 0;
}

int rules_go(struct tables *t, const struct tcpmig_endpoint *old,
	     const struct tcpmig_endpoint *next)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_rule *rule;

	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	if (leads_to(rule, TCPMIG_ACTIVE, next))
		return 0;
	if (!leads_to(rule, TCPMIG_ARMED, next))
		return -EBUSY;
	word_store(rule, tcpmig_word_hop(word_load(rule)) + 1, TCPMIG_ACTIVE);
	return endpoint_same(next, old) ? rule_delete(t, rule) : 0;
}

/* A new rule that is active from the first packet that sees it. */
static int redirect_fresh(struct tables *t, const struct tcpmig_endpoint *old,
			  const struct tcpmig_owner *next, bool established_only,
			  const struct rules_flows *flows, struct rules_outcome *outcome)
{
	int slot = rule_alloc(t, old);
	struct tcpmig_rule *rule;
	int err;

	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	outcome->slot = slot;
	rule->flags = established_only ? TCPMIG_RULE_ESTABLISHED_ONLY : 0;
	err = flows_add(t, rule, flows);
	if (!err)
		err = next_prepare(t, rule, next, outcome);
	if (!err) {
		word_store(rule, 1, TCPMIG_ACTIVE);
		err = rule_publish(t, rule);
	}
	return err ? rule_abandon(t, rule, err) : 0;
}

int rules_redirect(struct tables *t, const struct tcpmig_endpoint *old,
		   const struct tcpmig_owner *next, bool established_only,
		   const struct rules_flows *flows, struct rules_outcome *outcome)
{
	int slot = slot_of_old(t, old);
	int err;

	if (slot == -ENOENT)
		return redirect_fresh(t, old, next, established_only, flows, outcome);
	if (slot < 0)
		return slot;
	t->rules[slot].flags = established_only ? TCPMIG_RULE_ESTABLISHED_ONLY : 0;
	err = rules_arm(t, old, next, RULES_HOLD_DEFAULT_MS, flows, outcome);
	return err ? err : rules_go(t, old, &next->peer);
}

int rules_release(struct tables *t, const struct tcpmig_endpoint *old)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_rule *rule;
	enum tcpmig_state state;
	__u16 hop;

	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	hop = tcpmig_word_hop(word_load(rule));
	state = tcpmig_word_state(word_load(rule));
	if (state == TCPMIG_ACTIVE || hop == 0)
		return rule_delete(t, rule);
	word_store(rule, hop, TCPMIG_ACTIVE);
	return 0;
}

bool rules_view(const struct tables *t, __u32 slot, struct rules_view *view)
{
	struct tcpmig_rule *rule = &t->rules[slot];
	__u64 word = word_load(rule), now = boottime_ns();
	__u16 hop = tcpmig_word_hop(word);

	if (tcpmig_word_state(word) == TCPMIG_FREE || hold_is_over(rule))
		return false;
	memset(view, 0, sizeof(*view));
	view->ref = rule->ref;
	view->slot = slot;
	view->epoch = tcpmig_word_epoch(word);
	view->state = state_now(rule);
	view->in_doubt = view->state == TCPMIG_ARMED && now > rule->deadline_ns;
	view->established_only = rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY;
	view->hold_mode = rule->hold_mode;
	view->old = rule->old;
	view->cur = owner_at(rule, hop)->peer;
	if (view->state == TCPMIG_ARMED)
		view->next = owner_at(rule, hop + 1)->peer;
	if (view->state != TCPMIG_ACTIVE && rule->deadline_ns > now)
		view->deadline_ms = (rule->deadline_ns - now) / 1000000;
	return true;
}

const char *rules_state_name(const struct rules_view *view)
{
	switch (view->state) {
	case TCPMIG_HELD:
		return "held";
	case TCPMIG_ARMED:
		return view->in_doubt ? "in-doubt" : "armed";
	case TCPMIG_ACTIVE:
		return "active";
	case TCPMIG_FREE:
		break;
	}
	return "free";
}
