/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What belongs to one migration record in the other tables: prefilter, flows, wires.
 * Below rules.c, which alone decides when a record changes its state.
 */
#ifndef TCPMIG_RULE_ENTRIES_H
#define TCPMIG_RULE_ENTRIES_H

#include "rules.h"

/** rule_word_load() - state, hop and epoch as BPF sees them now. */
__u64 rule_word_load(const struct tcpmig_rule *rule);

/**
 * rule_set_state() - the flip. Everything that the new state reads has been written before.
 * Those who watch are told afterwards.
 */
void rule_set_state(const struct tables *t, struct tcpmig_rule *rule, __u16 hop,
		    enum tcpmig_state state);

/** rule_is_live() - is the slot in use? */
bool rule_is_live(const struct tcpmig_rule *rule);

/** rule_flow_seen_now() - the present, as in struct tcpmig_flow.seen. */
__u32 rule_flow_seen_now(void);

/** rule_publish() - let packets to OLD find the rule. Twice is once. Return: 0 or -errno. */
int rule_publish(struct tables *t, const struct tcpmig_rule *rule);

/** rule_flows_add() - make @flows known to the rule, as far as their origin allows. */
int rule_flows_add(struct tables *t, struct tcpmig_rule *rule, const struct rules_flows *flows);

/**
 * rule_wires_add() - the entries by which packets of @peer find the rule's flows.
 * @peer:    NULL: only count
 * @outcome: .flows and .taken are set
 */
int rule_wires_add(struct tables *t, struct tcpmig_rule *rule, const struct tcpmig_endpoint *peer,
		   struct rules_outcome *outcome);

/**
 * rule_flow_remove() - the entry of a flow that has ended, and those by which it is found on
 * the wire; those who watch are told.
 * @flow: as it was read; if it has changed since then, it stays
 * Return: 1: removed; 0: it has changed or is gone; -errno.
 */
int rule_flow_remove(struct tables *t, const struct tcpmig_flow_key *key,
		     const struct tcpmig_flow *flow);

/** rule_entries_delete() - all that carries the ref of @rule, which is free already. */
int rule_entries_delete(struct tables *t, const struct tcpmig_rule *rule);

/** rule_entries_repair() - publish every live rule, remove what belongs to none. */
int rule_entries_repair(struct tables *t);

#endif
