/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may order what: the only place that says yes. Orders about a flow belong to whoever owns
 * it now, and to whoever shall own it as far as that is its own affair.
 */
#ifndef TCPMIG_AGENT_AUTHORISE_H
#define TCPMIG_AGENT_AUTHORISE_H

#include "agent_moves.h"
#include "tls.h"

/**
 * struct agent_peer - who asks.
 * @tls:  its certificate, which is good at this moment
 * @from: address from which it has connected
 */
struct agent_peer {
	const struct tls_peer *tls;
	struct tcpmig_endpoint from;
};

/* What a peer is to a migration; bits. */
enum agent_role {
	AGENT_ROLE_NONE = 0,
	AGENT_ROLE_CUR = 1,  /* owns the flows now */
	AGENT_ROLE_NEXT = 2, /* shall own them */
};

/**
 * authorise_peer() - has @peer, by certificate and by source address, the address of @ep?
 * The source address is left out only where the configuration says so.
 */
bool authorise_peer(const struct agent_conf *conf, const struct agent_peer *peer,
		    const struct tcpmig_endpoint *ep);

/**
 * authorise_order() - may @peer give this order?
 * @cur:  current owner of the flows of the order's OLD
 * @move: the open migration of that OLD, or NULL
 * @why:  MESSAGE_TEXT_MAX bytes; if not: in words
 *
 * RESERVE, QUERY: the owner. CONSENT: the next one. HOLD, ARM: the owner; after COMMIT the
 * next one, too. COMMIT: the owner. GO, STATUS: both. ABORT: the next one at any time, the
 * owner before COMMIT. Return: MESSAGE_OK, or MESSAGE_DENIED, or MESSAGE_CONFLICT where it may
 * no longer.
 */
enum message_result authorise_order(const struct agent_conf *conf, const struct agent_peer *peer,
				    enum message_type type, const struct tcpmig_endpoint *cur,
				    const struct agent_move *move, char *why);

/** authorise_path() - does the policy let flows of @old be sent to @next? As authorise_order(). */
enum message_result authorise_path(const struct agent_conf *conf, const struct tcpmig_endpoint *old,
				   const struct tcpmig_endpoint *next, char *why);

#endif
