// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_flows.h"
#include "endpoint.h"
#include "netlink_socks.h"
#include "orders.h"

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tcpmig_endpoint));
}

/* In the table, as a flow of the rule that @old has now? */
static bool in_table(const struct agent_moves *m, const struct tcpmig_endpoint *old,
		     const struct rules_view *rule, const struct tcpmig_endpoint *client)
{
	struct tcpmig_flow_key key = { .remote = *old, .local = *client };
	struct tcpmig_flow flow;

	return rule && !tables_get_flow(m->tables, &key, &flow) && flow.ref == rule->ref;
}

/* Those of @listed that are not known yet. Return: how many; they are moved to the front. */
static size_t sift(const struct agent_moves *m, const struct tcpmig_endpoint *old,
		   struct message_flows *listed)
{
	struct rules_view view;
	bool rule = rules_view_of(m->tables, old, &view);
	size_t unknown = 0;

	for (size_t i = 0; i < listed->count; i++) {
		if (!in_table(m, old, rule ? &view : NULL, &listed->at[i]))
			listed->at[unknown++] = listed->at[i];
	}
	return unknown;
}

static void find_missing(const struct rules_flows *here, const struct message_flows *unknown,
			 struct message_answer *answer)
{
	for (size_t i = 0; i < unknown->count; i++) {
		if (!here->count || !bsearch(&unknown->at[i], here->local, here->count,
					     sizeof(*here->local), compare))
			answer->missing.at[answer->missing.count++] = unknown->at[i];
	}
	answer->missing_count = answer->missing.count;
}

int agent_flows_confirm(const struct agent_moves *m, const struct tcpmig_endpoint *old,
			const struct message_flows *listed, bool all, struct rules_flows *here,
			struct message_answer *answer)
{
	struct message_flows *unknown = &answer->missing;
	struct message_flows asked;
	int err;

	*here = (struct rules_flows){ .origin = RULES_SOCKETS };
	if (listed->count) {
		unknown->at = calloc(listed->count, sizeof(*unknown->at));
		if (!unknown->at)
			return -ENOMEM;
		memcpy(unknown->at, listed->at, listed->count * sizeof(*unknown->at));
		unknown->count = listed->count;
		unknown->count = sift(m, old, unknown);
	}
	if (!all && !unknown->count)
		return 0;
	err = netlink_sockets_to(old, here);
	if (err)
		return err;
	if (unknown->count && here->count)
		qsort(here->local, here->count, sizeof(*here->local), compare);
	asked = *unknown;
	unknown->count = 0; /* those that stay are written over those that were read */
	find_missing(here, &asked, answer);
	return 0;
}

int agent_flows_owner(const struct agent_moves *m, const struct tcpmig_endpoint *peer,
		      struct tcpmig_owner *owner, char *why)
{
	char text[ENDPOINT_STRLEN];
	struct order_way way;

	order_owner(m->tables, true, peer, owner, &way);
	endpoint_format(peer, text);
	if (netlink_is_local(peer) == 1)
		snprintf(why, MESSAGE_TEXT_MAX,
			 "%s: an address of the client itself; its packets never leave it", text);
	else if (way.err)
		snprintf(why, MESSAGE_TEXT_MAX, "%s: the client has no route to it: %s", text,
			 strerror(-way.err));
	else if (!way.attached)
		snprintf(why, MESSAGE_TEXT_MAX,
			 "%s: leaves the client by interface %d, where nothing is attached; "
			 "expected 'tcpmig-bpf attach' of it",
			 text, way.ifindex);
	else
		return 0;
	return -EINVAL;
}
