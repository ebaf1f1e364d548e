/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Are the flows of an order connections of this host? What a host lists and is not here goes
 * through something that neither side controls (a NAT), and its redirect would not work.
 */
#ifndef TCPMIG_AGENT_FLOWS_H
#define TCPMIG_AGENT_FLOWS_H

#include "agent_moves.h"

/**
 * agent_flows_confirm() - compare @listed with the local sockets, and with the flow table.
 * @here:   result: what is to be added to the rule; free() .local
 * @answer: .missing and .missing_count are set
 * @all:    add every local socket that is connected to @old; else only if one of @listed is
 *          not in the table yet
 * Return: 0 or -errno.
 */
int agent_flows_confirm(const struct agent_moves *m, const struct tcpmig_endpoint *old,
			const struct message_flows *listed, bool all, struct rules_flows *here,
			struct message_answer *answer);

/**
 * agent_flows_owner() - @peer with the interface of the route to it.
 * @why: MESSAGE_TEXT_MAX bytes; if it cannot be an owner: why not
 * Return: 0; -EINVAL: an address of this host, no way there, or one that is not attached.
 */
int agent_flows_owner(const struct agent_moves *m, const struct tcpmig_endpoint *peer,
		      struct tcpmig_owner *owner, char *why);

#endif
