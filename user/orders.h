/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What hold and redirect do with rules, sockets and routes: for the commands themselves, and for
 * the agent, which takes the same orders from them. Silent; needs open maps and netlink only.
 * Callers hold the lock of the pin directory. (release is rules_release().)
 */
#ifndef TCPMIG_ORDERS_H
#define TCPMIG_ORDERS_H

#include <stdbool.h>

#include "control_message.h"
#include "rules.h"

/**
 * struct order - what a user wants.
 * @next:   of redirect; of hold optional: family 0
 * @max_ms, @mode: of hold
 * @established_only: of redirect: not the connections to come
 * @named:  connections that the user names; of redirect: these and no others. Not owned.
 */
struct order {
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint next;
	__u32 max_ms;
	enum tcpmig_hold_mode mode;
	bool established_only;
	struct rules_flows named;
};

/**
 * struct order_way - how packets to an owner leave.
 * @err:     there is no route: -errno
 * @ifindex: of the route; 0: not looked up, or @err
 * @attached: our programs are there, or packets pass them all the same
 */
struct order_way {
	int err;
	int ifindex;
	bool attached;
};

/**
 * struct order_outcome - what came of it.
 * @way:      that of NEXT, zero if nobody has looked
 * @narrowed: order_narrows() beforehand; of local_order() only
 */
struct order_outcome {
	struct rules_outcome rules;
	struct order_way way;
	bool narrowed;
};

/**
 * order_hold() - rules_hold() with the sockets connected to OLD, those named, and NEXT prepared.
 * @our_netns: the pins serve the network namespace that we are in: look at its sockets and routes
 *
 * Looks again once the rule is there: a connection that began in between would else be unknown
 * until it talks. Return: as rules_hold() and rules_prepare().
 */
int order_hold(struct tables *t, bool our_netns, const struct order *order,
	       struct order_outcome *outcome);

/** order_redirect() - rules_redirect() likewise; taken also counts direct sockets of the same ends.
 */
int order_redirect(struct tables *t, bool our_netns, const struct order *order,
		   struct order_outcome *outcome);

/**
 * order_carry_out() - the order that @type names: MESSAGE_LOCAL_HOLD, _REDIRECT or _RELEASE.
 * Return: as order_hold(), order_redirect() and rules_release().
 */
int order_carry_out(struct tables *t, bool our_netns, enum message_type type,
		    const struct order *order, struct order_outcome *outcome);

/** order_narrows() - does the rule redirect new connections now, and will not after @order? */
bool order_narrows(const struct tables *t, const struct order *order);

/**
 * order_owner() - @peer with the interface of the route to it, for the calls of rules.h.
 * @way: not looked up where that is not @our_netns; then the interface is 0
 */
void order_owner(const struct tables *t, bool our_netns, const struct tcpmig_endpoint *peer,
		 struct tcpmig_owner *owner, struct order_way *way);

#endif
