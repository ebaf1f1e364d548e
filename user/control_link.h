/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection to an agent, as hosts and commands have it: ask, wait for the answer. Blocking. */
#ifndef TCPMIG_CONTROL_LINK_H
#define TCPMIG_CONTROL_LINK_H

#include "control_message.h"
#include "tls.h"

struct control_link;

#define CONTROL_WHY_LEN 400

/**
 * control_link_tls() - connect to an agent, shake hands, say HELLO.
 * @tls:   TLS_HOST
 * @agent: address and port; its certificate must have that address as IP SAN
 * @from:  address to connect from (its port is ignored); NULL: whatever the route says
 * @timeout_ms: for all of it, and later for each call
 * @why:   CONTROL_WHY_LEN bytes; on error: what is wrong, as a phrase that names the agent
 * Return: to be closed by control_link_close(); NULL.
 */
struct control_link *control_link_tls(struct tls *tls, const struct tcpmig_endpoint *agent,
				      const struct tcpmig_endpoint *from, unsigned int timeout_ms,
				      char *why);

/** control_link_local() - connect to the control socket at @path; as control_link_tls(). */
struct control_link *control_link_local(const char *path, unsigned int timeout_ms, char *why);

/**
 * control_call() - send @req, whose id is set here, and wait for its answer.
 * @answer: message_answer_free() it
 * Return: 0 (whatever the answer says); -errno and @why (CONTROL_WHY_LEN bytes).
 */
int control_call(struct control_link *link, struct message_request *req,
		 struct message_answer *answer, char *why);

/** control_send(), control_receive() - the two halves of it, for many agents at once. */
int control_send(struct control_link *link, struct message_request *req, char *why);
int control_receive(struct control_link *link, struct message_answer *answer, char *why);

/** control_link_close() - after a failure with an RST: what was not sent yet never is. */
void control_link_close(struct control_link *link);

#endif
