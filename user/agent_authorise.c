// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include "agent_authorise.h"
#include "endpoint.h"
#include "policy.h"

/* Who may give an order, before the owner has given the flows up and after. */
struct right {
	int before_commit;
	int after_commit;
};

#define CUR  AGENT_ROLE_CUR
#define NEXT AGENT_ROLE_NEXT
#define BOTH (AGENT_ROLE_CUR | AGENT_ROLE_NEXT)

static const struct right rights[MESSAGE_TYPES_COUNT] = {
	[MESSAGE_QUERY] = { CUR, CUR },	    [MESSAGE_RESERVE] = { CUR, CUR },
	[MESSAGE_CONSENT] = { NEXT, NEXT }, [MESSAGE_HOLD] = { CUR, BOTH },
	[MESSAGE_ARM] = { CUR, BOTH },	    [MESSAGE_COMMIT] = { CUR, CUR },
	[MESSAGE_GO] = { BOTH, BOTH },	    [MESSAGE_ABORT] = { BOTH, NEXT },
	[MESSAGE_STATUS] = { BOTH, BOTH },  [MESSAGE_CHECK] = { CUR, CUR },
};

bool authorise_peer(const struct agent_conf *conf, const struct agent_peer *peer,
		    const struct tcpmig_endpoint *ep)
{
	if (conf->check_source && !endpoint_same_addr(&peer->from, ep))
		return false;
	return tls_peer_speaks_for(peer->tls, ep);
}

static int roles_of(const struct agent_conf *conf, const struct agent_peer *peer,
		    const struct tcpmig_endpoint *cur, const struct agent_move *move)
{
	int roles = authorise_peer(conf, peer, cur) ? CUR : AGENT_ROLE_NONE;

	if (move && authorise_peer(conf, peer, &move->record.next))
		roles |= NEXT;
	return roles;
}

/* To a stranger nothing is said of what is under way. */
enum message_result authorise_order(const struct agent_conf *conf, const struct agent_peer *peer,
				    enum message_type type, const struct tcpmig_endpoint *cur,
				    const struct agent_move *move, char *why)
{
	bool committed = move && move->record.committed;
	int roles = roles_of(conf, peer, cur, move);
	int needed = committed ? rights[type].after_commit : rights[type].before_commit;
	char from[ENDPOINT_STRLEN], owner[ENDPOINT_STRLEN];

	if (roles & needed)
		return MESSAGE_OK;
	if (committed && roles & rights[type].before_commit) {
		snprintf(why, MESSAGE_TEXT_MAX,
			 "%s: committed already; from here on only the next owner can end it",
			 message_type_name(type));
		return MESSAGE_CONFLICT;
	}
	endpoint_format(&peer->from, from);
	endpoint_format(cur, owner);
	snprintf(
		why, MESSAGE_TEXT_MAX,
		"%s from %s with '%.150s': expected a certificate with the IP address of %s, and a "
		"connection from there",
		message_type_name(type), from, peer->tls->name,
		needed == NEXT ? "whoever it is reserved for" : owner);
	return MESSAGE_DENIED;
}

enum message_result authorise_path(const struct agent_conf *conf, const struct tcpmig_endpoint *old,
				   const struct tcpmig_endpoint *next, char *why)
{
	char from[ENDPOINT_STRLEN], to[ENDPOINT_STRLEN];

	if (policy_allows(conf->policies, conf->policy_count, old, next))
		return MESSAGE_OK;
	snprintf(why, MESSAGE_TEXT_MAX,
		 "%s to %s: outside the policy of this client; expected a [move] section of "
		 "agent.conf that allows it",
		 endpoint_format(old, from), endpoint_format(next, to));
	return MESSAGE_DENIED;
}
