/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Do the packets of a rule find their way? Route and neighbour of OLD, whose packets
 * must reach our hook, route of the owner, rp_filter on the way back, MTU. Changes nothing.
 * Callers hold the lock of the pin directory and are in the netns that it serves.
 */
#ifndef TCPMIG_CHECKS_RULES_H
#define TCPMIG_CHECKS_RULES_H

#include "findings.h"
#include "rules.h"

/**
 * checks_rule() - add what there is to say about @rule to @f.
 * The checks are named rule, old_route, neighbour, new_route, rp_filter and mtu.
 */
void checks_rule(const struct tables *t, const struct rules_view *rule, struct findings *f);

/** checks_rules() - checks_rule() for all rules. */
void checks_rules(const struct tables *t, struct findings *f);

/**
 * checks_policy() - a finding named policy: how much the administrator lets rules do; and one for
 * each rule that may not do what it says. In any network namespace.
 */
void checks_policy(const struct tables *t, int dir_fd, struct findings *f);

#endif
