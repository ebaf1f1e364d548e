/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What each order does: checked, then done in the maps; or refused, and nothing has changed. */
#ifndef TCPMIG_AGENT_ORDERS_H
#define TCPMIG_AGENT_ORDERS_H

#include "agent_authorise.h"

/**
 * agent_order() - carry out a request of a host.
 * @req:    of any type that is not local, not HELLO
 * @answer: filled; message_answer_free() it
 */
void agent_order(struct agent_moves *m, const struct agent_peer *peer,
		 const struct message_request *req, struct message_answer *answer);

/** agent_order_local() - carry out a request of root on the control socket. As above. */
void agent_order_local(struct agent_moves *m, const struct message_request *req,
		       struct message_answer *answer);

/** agent_refuse() - say no, in words. */
void agent_refuse(struct message_answer *answer, enum message_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** agent_refuse_errno() - what the maps or the kernel said. @what: as "hold". */
void agent_refuse_errno(struct message_answer *answer, int err, const char *what);

#endif
