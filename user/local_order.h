/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An order that a command gives: carried out by the agent, where one serves these pins, so that
 * it knows; else right here. Speaks: notes, and what went wrong but for what it returns.
 */
#ifndef TCPMIG_LOCAL_ORDER_H
#define TCPMIG_LOCAL_ORDER_H

#include "control_message.h"
#include "orders.h"

/**
 * local_order() - have @order carried out.
 * @type: MESSAGE_LOCAL_HOLD, _REDIRECT or _RELEASE
 * @outcome: whoever did it
 * Return: 0; -errno as orders.h, to be told by the caller; 1: it has been told.
 */
int local_order(const char *pin_dir, enum message_type type, const struct order *order,
		struct order_outcome *outcome);

/** struct agent_status - what an agent says of itself; agent_status_free() it. */
struct agent_status {
	bool running;
	struct message_answer answer;
};

/**
 * agent_status_ask() - which migrations are under way? Do not hold the lock of the pins.
 * @status: with .running as pindir_agent_runs() says; the rest is filled
 * Notes for the user if an agent serves these pins but does not answer: then there are none.
 */
void agent_status_ask(const char *pin_dir, struct agent_status *status);
void agent_status_free(struct agent_status *status);

#endif
