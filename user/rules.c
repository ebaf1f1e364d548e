// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "clocks.h"
#include "endpoint.h"
#include "rule_entries.h"
#include "rules.h"

static struct tcpmig_owner *owner_at(struct tcpmig_rule *rule, __u16 hop)
{
	return &rule->owner[hop % TCPMIG_HOPS_MAX];
}

static void set_deadline(struct tcpmig_rule *rule, __u32 ms)
{
	__atomic_store_n(&rule->deadline_ns, clock_boot_ns() + (__u64)ms * 1000000,
			 __ATOMIC_RELEASE);
}

static bool has_old(const struct tcpmig_rule *rule, const struct tcpmig_endpoint *old)
{
	return rule_is_live(rule) && endpoint_same(&rule->old, old);
}

/*
 * By the prefilter's entry, else by the records themselves: a command that was killed may not
 * have published its rule.
 */
static int slot_of_old(const struct tables *t, const struct tcpmig_endpoint *old)
{
	struct tcpmig_remote remote;

	if (!tables_get_remote(t, old, &remote) && remote.old_ref &&
	    tcpmig_ref_slot(remote.old_ref) < TCPMIG_RULES_MAX &&
	    has_old(&t->rules[tcpmig_ref_slot(remote.old_ref)], old))
		return tcpmig_ref_slot(remote.old_ref);
	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		if (has_old(&t->rules[slot], old))
			return slot;
	}
	return -ENOENT;
}

/*
 * A slot for @old that no packet can reach yet: rule_publish() opens it. The new
 * generation makes entries of the slot's former rule, should one have been made
 * while that was deleted, belong to nobody. Generations come again after some time; with the
 * epoch, which goes on, they do not, and BPF remembers flows by both.
 */
static int rule_alloc(struct tables *t, const struct tcpmig_endpoint *old)
{
	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		struct tcpmig_rule *rule = &t->rules[slot];
		__u32 epoch = tcpmig_word_epoch(rule_word_load(rule));
		__u16 generation = (rule->ref >> 16) + 1;
		int err;

		if (rule_is_live(rule))
			continue;
		err = tables_zero_stats(t, slot);
		if (err)
			return err;
		memset(rule, 0, sizeof(*rule));
		rule->word = tcpmig_word(epoch, 0, TCPMIG_FREE);
		rule->ref = tcpmig_ref(slot, generation);
		rule->old = *old;
		rule->owner[0].peer = *old;
		rule->made_ns = clock_boot_ns();
		return slot;
	}
	return -ENOSPC;
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
	rule_set_state(t, rule, 0, TCPMIG_FREE);
	return rule_entries_delete(t, rule);
}

/* What a rule that was just made, and could not be finished, leaves: nothing. */
static int rule_abandon(struct tables *t, struct tcpmig_rule *rule, int err)
{
	rule_delete(t, rule);
	return err;
}

/*
 * Names the owner of @hop. Who does not know the interface of the route to it (criu's
 * hook in another network namespace) leaves what somebody who did has written.
 * Return: it is named otherwise now.
 */
static bool owner_name(struct tcpmig_rule *rule, __u16 hop, const struct tcpmig_owner *next)
{
	struct tcpmig_owner *owner = owner_at(rule, hop);

	if (endpoint_same(&owner->peer, &next->peer) &&
	    (!next->ifindex || next->ifindex == owner->ifindex))
		return false;
	owner->peer = next->peer;
	__atomic_store_n(&owner->ifindex, next->ifindex, __ATOMIC_RELEASE);
	return true;
}

/* Writes the slot that HELD and ACTIVE do not read, and makes the wire entries for it. */
static int next_prepare(struct tables *t, struct tcpmig_rule *rule, const struct tcpmig_owner *next,
			struct rules_outcome *outcome)
{
	__u16 hop = tcpmig_word_hop(rule_word_load(rule)) + 1;
	struct tcpmig_remote remote = {};
	int err;

	err = tables_get_remote(t, &next->peer, &remote);
	if (err && err != -ENOENT)
		return err;
	owner_name(rule, hop, next);
	rule->flags |= TCPMIG_RULE_PREPARED;
	remote.wires = 1;
	err = tables_set_remote(t, &next->peer, &remote);
	if (err)
		return err;
	return rule_wires_add(t, rule, &next->peer, outcome);
}

/* State as BPF sees it: a HELD past its deadline is over. */
static enum tcpmig_state state_now(const struct tcpmig_rule *rule)
{
	enum tcpmig_state state = tcpmig_word_state(rule_word_load(rule));

	if (state == TCPMIG_HELD && clock_boot_ns() > rule->deadline_ns)
		return TCPMIG_ACTIVE;
	return state;
}

static bool is_reserved(const struct tcpmig_rule *rule)
{
	return rule->flags & TCPMIG_RULE_RESERVED &&
	       tcpmig_word_state(rule_word_load(rule)) == TCPMIG_ACTIVE &&
	       clock_boot_ns() <= rule->deadline_ns;
}

/*
 * A hold of OLD itself, or what was reserved for one, that is over: BPF lets everything pass,
 * as if it were not there.
 */
static bool hold_is_over(struct tcpmig_rule *rule)
{
	return state_now(rule) == TCPMIG_ACTIVE && !is_reserved(rule) &&
	       endpoint_same(&owner_at(rule, tcpmig_word_hop(rule_word_load(rule)))->peer,
			     &rule->old);
}

int rules_sweep(struct tables *t)
{
	int err = 0;

	for (__u32 slot = 0; !err && slot < TCPMIG_RULES_MAX; slot++) {
		struct tcpmig_rule *rule = &t->rules[slot];
		__u64 word = rule_word_load(rule);

		if (!rule_is_live(rule))
			continue;
		if (hold_is_over(rule))
			err = rule_delete(t, rule);
		else if (state_now(rule) != tcpmig_word_state(word)) /* held for a later move */
			rule_set_state(t, rule, tcpmig_word_hop(word), TCPMIG_ACTIVE);
		else if (state_now(rule) == TCPMIG_ACTIVE && !is_reserved(rule))
			rule->flags &= ~(TCPMIG_RULE_RESERVED | TCPMIG_RULE_PREPARED);
	}
	return err;
}

int rules_repair(struct tables *t)
{
	int err = rules_sweep(t);

	return err ? err : rule_entries_repair(t);
}

/* The rule of @old, or a fresh one, and its slot in @outcome. Return: 0 or -errno. */
static int rule_open(struct tables *t, const struct tcpmig_endpoint *old, struct tcpmig_rule **rule,
		     bool *fresh, struct rules_outcome *outcome)
{
	int slot = slot_of_old(t, old);

	*fresh = slot == -ENOENT;
	if (*fresh)
		slot = rule_alloc(t, old);
	if (slot < 0)
		return slot;
	*rule = &t->rules[slot];
	outcome->slot = slot;
	return 0;
}

int rules_reserve(struct tables *t, const struct tcpmig_endpoint *old,
		  const struct tcpmig_owner *next, __u32 max_ms, const struct rules_flows *flows,
		  struct rules_outcome *outcome)
{
	struct tcpmig_rule *rule;
	bool fresh;
	int err = rule_open(t, old, &rule, &fresh, outcome);

	if (err)
		return err;
	if (!fresh && state_now(rule) != TCPMIG_ACTIVE)
		return -EBUSY;
	err = rule_flows_add(t, rule, flows);
	if (!err)
		err = next_prepare(t, rule, next, outcome);
	if (err)
		return fresh ? rule_abandon(t, rule, err) : err;
	set_deadline(rule, max_ms);
	rule->flags |= TCPMIG_RULE_RESERVED;
	if (fresh)
		rule_set_state(t, rule, 0, TCPMIG_ACTIVE);
	err = rule_publish(t, rule);
	return err && fresh ? rule_abandon(t, rule, err) : err;
}

int rules_unreserve(struct tables *t, const struct tcpmig_endpoint *old)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_rule *rule;

	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	if (!(rule->flags & TCPMIG_RULE_RESERVED))
		return 0;
	rule->flags &= ~(TCPMIG_RULE_RESERVED | TCPMIG_RULE_PREPARED);
	return hold_is_over(rule) ? rule_delete(t, rule) : 0;
}

int rules_hold(struct tables *t, const struct tcpmig_endpoint *old, __u32 max_ms,
	       enum tcpmig_hold_mode mode, const struct rules_flows *flows,
	       struct rules_outcome *outcome)
{
	struct tcpmig_rule *rule;
	bool fresh;
	int err = rule_open(t, old, &rule, &fresh, outcome);

	if (err)
		return err;
	if (state_now(rule) == TCPMIG_ARMED)
		return -EBUSY;
	err = rule_flows_add(t, rule, flows);
	if (err)
		return fresh ? rule_abandon(t, rule, err) : err;
	if (state_now(rule) != TCPMIG_HELD && !is_reserved(rule))
		rule->flags &= ~TCPMIG_RULE_PREPARED;
	rule->flags &= ~TCPMIG_RULE_RESERVED;
	rule->hold_mode = mode;
	set_deadline(rule, max_ms);
	rule_set_state(t, rule, tcpmig_word_hop(rule_word_load(rule)), TCPMIG_HELD);
	err = rule_publish(t, rule);
	if (!err)
		err = rule_wires_add(t, rule, NULL, outcome);
	return err && fresh ? rule_abandon(t, rule, err) : err;
}

/* Is the rule already active, or armed, for @peer? */
static bool leads_to(struct tcpmig_rule *rule, enum tcpmig_state state,
		     const struct tcpmig_endpoint *peer)
{
	__u16 hop = tcpmig_word_hop(rule_word_load(rule));

	return state_now(rule) == state &&
	       endpoint_same(&owner_at(rule, hop + (state == TCPMIG_ARMED))->peer, peer);
}

int rules_prepare(struct tables *t, const struct tcpmig_endpoint *old,
		  const struct tcpmig_owner *next, __u32 max_ms, const struct rules_flows *flows,
		  struct rules_outcome *outcome)
{
	struct tcpmig_rule *rule;
	bool fresh;
	int err = rule_open(t, old, &rule, &fresh, outcome);

	if (err)
		return err;
	if (state_now(rule) == TCPMIG_ARMED && !leads_to(rule, TCPMIG_ARMED, &next->peer))
		return -EBUSY;
	err = rule_flows_add(t, rule, flows);
	if (!err && leads_to(rule, TCPMIG_ACTIVE, &next->peer))
		err = rule_wires_add(t, rule, &next->peer, outcome);
	else if (!err)
		err = next_prepare(t, rule, next, outcome);
	if (!err && !leads_to(rule, TCPMIG_ACTIVE, &next->peer) && state_now(rule) != TCPMIG_HELD &&
	    state_now(rule) != TCPMIG_ARMED) {
		rule->flags &= ~TCPMIG_RULE_RESERVED;
		set_deadline(rule, max_ms);
		rule_set_state(t, rule, tcpmig_word_hop(rule_word_load(rule)), TCPMIG_HELD);
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
	if (outcome->taken)
		return -EADDRINUSE;
	set_deadline(rule, lease_ms);
	rule_set_state(t, rule, tcpmig_word_hop(rule_word_load(rule)), TCPMIG_ARMED);
	return 0;
}

int rules_disarm(struct tables *t, const struct tcpmig_endpoint *old, __u32 max_ms)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_rule *rule;

	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	if (state_now(rule) != TCPMIG_ARMED)
		return 0;
	set_deadline(rule, max_ms);
	rule_set_state(t, rule, tcpmig_word_hop(rule_word_load(rule)), TCPMIG_HELD);
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
	if (!leads_to(rule, TCPMIG_ACTIVE, next)) {
		if (!leads_to(rule, TCPMIG_ARMED, next))
			return -EBUSY;
		rule->flags &= ~(TCPMIG_RULE_RESERVED | TCPMIG_RULE_PREPARED);
		rule_set_state(t, rule, tcpmig_word_hop(rule_word_load(rule)) + 1, TCPMIG_ACTIVE);
	}
	return endpoint_same(next, old) ? rule_delete(t, rule) : 0;
}

int rules_redirect(struct tables *t, const struct tcpmig_endpoint *old,
		   const struct tcpmig_owner *next, bool established_only,
		   const struct rules_flows *flows, struct rules_outcome *outcome)
{
	struct tcpmig_rule *rule;
	bool fresh, there;
	__u16 hop;
	int err = rule_open(t, old, &rule, &fresh, outcome);

	if (err)
		return err;
	if (state_now(rule) == TCPMIG_ARMED && !leads_to(rule, TCPMIG_ARMED, &next->peer))
		return -EBUSY;
	there = leads_to(rule, TCPMIG_ACTIVE, &next->peer);
	err = rule_flows_add(t, rule, flows);
	if (!err)
		err = there ? rule_wires_add(t, rule, &next->peer, outcome)
			    : next_prepare(t, rule, next, outcome);
	if (err)
		return fresh ? rule_abandon(t, rule, err) : err;
	rule->flags = established_only ? TCPMIG_RULE_ESTABLISHED_ONLY : 0;
	hop = tcpmig_word_hop(rule_word_load(rule));
	if (!there)
		rule_set_state(t, rule, hop + 1, TCPMIG_ACTIVE);
	else if (owner_name(rule, hop, next)) /* by another route: BPF remembers the one before */
		rule_set_state(t, rule, hop, TCPMIG_ACTIVE);
	if (endpoint_same(&next->peer, old))
		return rule_delete(t, rule);
	err = rule_publish(t, rule);
	return err && fresh ? rule_abandon(t, rule, err) : err;
}

int rules_learn(struct tables *t, const struct tcpmig_endpoint *old,
		const struct rules_flows *flows, struct rules_outcome *outcome)
{
	int slot = slot_of_old(t, old);
	struct tcpmig_endpoint *cur, *next;
	struct tcpmig_rule *rule;
	size_t taken;
	__u16 hop;
	int err;

	if (slot < 0)
		return slot;
	rule = &t->rules[slot];
	hop = tcpmig_word_hop(rule_word_load(rule));
	cur = &owner_at(rule, hop)->peer;
	next = &owner_at(rule, hop + 1)->peer;
	err = rule_flows_add(t, rule, flows);
	if (!err)
		err = rule_wires_add(t, rule, endpoint_same(cur, old) ? NULL : cur, outcome);
	if (err || !(rule->flags & TCPMIG_RULE_PREPARED) || state_now(rule) == TCPMIG_ACTIVE)
		return err;
	/* Whoever is awaited may talk to them before anything else makes their entries. */
	taken = outcome->taken;
	err = rule_wires_add(t, rule, next, outcome);
	outcome->taken += taken;
	return err;
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
	hop = tcpmig_word_hop(rule_word_load(rule));
	state = state_now(rule);
	if (state == TCPMIG_ACTIVE || hop == 0)
		return rule_delete(t, rule);
	rule_set_state(t, rule, hop, TCPMIG_ACTIVE);
	return 0;
}

bool rules_view(const struct tables *t, __u32 slot, struct rules_view *view)
{
	struct tcpmig_rule *rule = &t->rules[slot];
	__u64 word = rule_word_load(rule), now = clock_boot_ns();
	__u16 hop = tcpmig_word_hop(word);

	if (tcpmig_word_state(word) == TCPMIG_FREE || hold_is_over(rule))
		return false;
	memset(view, 0, sizeof(*view));
	view->ref = rule->ref;
	view->slot = slot;
	view->epoch = tcpmig_word_epoch(word);
	view->state = state_now(rule);
	view->in_doubt = view->state == TCPMIG_ARMED && now > rule->deadline_ns;
	view->reserved = is_reserved(rule);
	view->established_only = rule->flags & TCPMIG_RULE_ESTABLISHED_ONLY;
	view->old = rule->old;
	view->cur = owner_at(rule, hop)->peer;
	if (view->state == TCPMIG_ARMED)
		view->next = owner_at(rule, hop + 1)->peer;
	if ((view->state != TCPMIG_ACTIVE || view->reserved) && rule->deadline_ns > now)
		view->deadline_ms = (rule->deadline_ns - now) / 1000000;
	view->age_ms = (now - rule->made_ns) / 1000000;
	view->state_ms = (now - rule->changed_ns) / 1000000;
	return true;
}

bool rules_view_of(const struct tables *t, const struct tcpmig_endpoint *old,
		   struct rules_view *view)
{
	int slot = slot_of_old(t, old);

	return slot >= 0 && rules_view(t, slot, view);
}

const char *rules_state_text(enum tcpmig_state state)
{
	switch (state) {
	case TCPMIG_HELD:
		return "held";
	case TCPMIG_ARMED:
		return "armed";
	case TCPMIG_ACTIVE:
		return "active";
	case TCPMIG_FREE:
		break;
	}
	return "free";
}

const char *rules_state_name(const struct rules_view *view)
{
	if (view->reserved && endpoint_same(&view->cur, &view->old))
		return "reserved";
	return view->in_doubt ? "in-doubt" : rules_state_text(view->state);
}
