/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the orders of hosts share: a request on its way, and checks. For agent_orders.c,
 * agent_reserve.c and agent_check.c. */
#ifndef TCPMIG_AGENT_JOB_H
#define TCPMIG_AGENT_JOB_H

#include "agent_orders.h"

/**
 * struct job - a request, where it stands, and what it is answered.
 * @move:    the open migration of its OLD, or NULL
 * @cur:     the owner of its flows now
 * @outcome: of the change in the maps
 */
struct job {
	struct agent_moves *m;
	const struct agent_peer *peer;
	const struct message_request *req;
	struct message_answer *answer;
	struct agent_move *move;
	struct tcpmig_endpoint cur;
	struct rules_outcome outcome;
};

/** job_lock() - of the pins. Return: false: refused, with the reason in @answer. */
bool job_lock(struct agent_moves *m, struct message_answer *answer);

/** job_names() - is @record that of the migration which the request names? */
bool job_names(const struct job *o, const struct store_record *record);

/** job_is_own() - was @move reserved with the key of the peer? */
bool job_is_own(const struct job *o, const struct agent_move *move);

/** job_refused() - has a check said no already? */
bool job_refused(const struct job *o);

/** job_check_state() - is it one of @allowed, bits by enum message_state? @expected: in words. */
void job_check_state(struct job *o, unsigned int allowed, const char *expected);

/** job_check_path() - by the administrator's policy. */
void job_check_path(struct job *o, const struct tcpmig_endpoint *next);

/** job_check_ms() - the time that the request asks for. */
void job_check_ms(struct job *o, uint64_t limit_ms);

/** job_check_flows() - with so many, is the certificate within its cap? */
void job_check_flows(struct job *o, size_t flows);

/** job_note_outcome() - of a change that has been made: for the answer, and for later. */
void job_note_outcome(struct job *o);

/** job_reserve() - carry out RESERVE. */
void job_reserve(struct job *o);

/** job_check_image() - carry out CHECK. */
void job_check_image(struct job *o);

#endif
