// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "endpoint.h"
#include "netlink.h"
#include "netlink_socks.h"
#include "orders.h"
#include "redirector.h"

static int local_flows(bool our_netns, const struct tcpmig_endpoint *remote,
		       struct rules_flows *flows)
{
	*flows = (struct rules_flows){ .origin = RULES_SOCKETS };
	return our_netns ? netlink_sockets_to(remote, flows) : 0;
}

/* The connections that were made since local_flows(). */
static int learn(struct tables *t, bool our_netns, const struct tcpmig_endpoint *old,
		 struct rules_outcome *outcome)
{
	struct rules_flows flows;
	int err = local_flows(our_netns, old, &flows);

	if (!err)
		err = rules_learn(t, old, &flows, outcome);
	free(flows.local);
	return err == -ENOENT ? 0 : err; /* a move back to OLD has ended the rule */
}

void order_owner(const struct tables *t, bool our_netns, const struct tcpmig_endpoint *peer,
		 struct tcpmig_owner *owner, struct order_way *way)
{
	struct tcpmig_iface iface;
	int ifindex;

	*owner = (struct tcpmig_owner){ .peer = *peer };
	*way = (struct order_way){};
	if (!our_netns)
		return;
	ifindex = netlink_route(peer, NULL);
	if (ifindex < 0) {
		way->err = ifindex;
		return;
	}
	way->ifindex = ifindex;
	way->attached = !tables_get_iface(t, ifindex, &iface) ||
			redirector_stacked_on_attached(t, ifindex);
	owner->ifindex = ifindex;
}

static int hold_flows(struct tables *t, bool our_netns, const struct order *order,
		      const struct rules_flows *flows, struct order_outcome *outcome)
{
	struct tcpmig_owner next;
	int err = rules_sweep(t);

	if (!err)
		err = rules_hold(t, &order->old, order->max_ms, order->mode, flows,
				 &outcome->rules);
	if (!err)
		err = rules_learn(t, &order->old, &order->named, &outcome->rules);
	if (err || !order->next.family)
		return err;
	order_owner(t, our_netns, &order->next, &next, &outcome->way);
	return rules_prepare(t, &order->old, &next, order->max_ms, flows, &outcome->rules);
}

int order_hold(struct tables *t, bool our_netns, const struct order *order,
	       struct order_outcome *outcome)
{
	struct rules_flows flows;
	int err;

	*outcome = (struct order_outcome){};
	err = local_flows(our_netns, &order->old, &flows);
	if (!err)
		err = hold_flows(t, our_netns, order, &flows, outcome);
	free(flows.local);
	return err ? err : learn(t, our_netns, &order->old, &outcome->rules);
}

/* How many flows of @old are taken because a local socket with these ends is connected to @new. */
static size_t count_direct(const struct tables *t, bool our_netns,
			   const struct tcpmig_endpoint *old, const struct tcpmig_endpoint *new)
{
	struct tcpmig_flow_key key = { .remote = *old };
	struct rules_flows direct;
	struct tcpmig_flow flow;
	size_t count = 0;

	if (local_flows(our_netns, new, &direct))
		return 0;
	for (size_t i = 0; i < direct.count; i++) {
		key.local = direct.local[i];
		count += !tables_get_flow(t, &key, &flow);
	}
	free(direct.local);
	return count;
}

int order_redirect(struct tables *t, bool our_netns, const struct order *order,
		   struct order_outcome *outcome)
{
	bool named = order->named.count;
	struct rules_flows flows = order->named;
	struct tcpmig_owner next;
	int err;

	*outcome = (struct order_outcome){};
	err = named ? 0 : local_flows(our_netns, &order->old, &flows);
	if (err)
		return err;
	order_owner(t, our_netns, &order->next, &next, &outcome->way);
	err = rules_sweep(t);
	if (!err)
		err = rules_redirect(t, &order->old, &next, order->established_only, &flows,
				     &outcome->rules);
	if (!named)
		free(flows.local);
	if (!err && !named && !order->established_only)
		err = learn(t, our_netns, &order->old, &outcome->rules);
	if (!err)
		outcome->rules.taken += count_direct(t, our_netns, &order->old, &order->next);
	return err;
}

int order_carry_out(struct tables *t, bool our_netns, enum message_type type,
		    const struct order *order, struct order_outcome *outcome)
{
	switch (type) {
	case MESSAGE_LOCAL_HOLD:
		return order_hold(t, our_netns, order, outcome);
	case MESSAGE_LOCAL_REDIRECT:
		return order_redirect(t, our_netns, order, outcome);
	default:
		*outcome = (struct order_outcome){};
		return rules_release(t, &order->old);
	}
}

bool order_narrows(const struct tables *t, const struct order *order)
{
	struct rules_view rule;

	return order->established_only && !endpoint_same(&order->next, &order->old) &&
	       rules_view_of(t, &order->old, &rule) && !rule.established_only &&
	       !endpoint_same(&rule.cur, &rule.old);
}
