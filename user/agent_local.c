// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What root orders by the control socket. It may do what it could do itself, but no more than
 * BPF lets pass: the policy stands above both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent_job.h"
#include "endpoint.h"
#include "orders.h"
#include "policy.h"

static void order_of_request(const struct message_request *req, struct order *order)
{
	*order = (struct order){
		.old = req->old,
		.next = req->next,
		.max_ms = req->max_ms,
		.mode = req->hold_mode,
		.established_only = req->established_only,
		.named = { .local = req->flows.at,
			   .count = req->flows.count,
			   .origin = RULES_NAMED },
	};
}

static bool is_allowed(const struct agent_moves *m, const struct message_request *req,
		       struct message_answer *answer)
{
	const struct agent_conf *conf = m->conf;
	char old[ENDPOINT_STRLEN];

	if (req->next.family)
		answer->result = authorise_path(conf, &req->old, &req->next, answer->text);
	else if (!policy_knows_old(conf->policies, conf->policy_count, &req->old))
		agent_refuse(answer, MESSAGE_DENIED,
			     "%s: outside the policy of this client; expected a [move] section of "
			     "agent.conf for it",
			     endpoint_format(&req->old, old));
	return answer->result == MESSAGE_OK;
}

/* A migration of a host that root interferes with is over. */
static int change(struct agent_moves *m, const struct message_request *req,
		  struct message_answer *answer)
{
	struct order_outcome outcome;
	struct order order;
	int err;

	order_of_request(req, &order);
	err = order_carry_out(m->tables, true, req->type, &order, &outcome);
	answer->flows = outcome.rules.flows;
	answer->taken = outcome.rules.taken;
	if (!err)
		m->changed = true;
	return err;
}

static void list_moves(const struct agent_moves *m, struct message_answer *answer)
{
	answer->moves = calloc(MESSAGE_MOVES_MAX, sizeof(*answer->moves));
	if (!answer->moves)
		return agent_refuse(answer, MESSAGE_FAILED, "out of memory");
	answer->move_count = agent_moves_list(m, answer->moves, MESSAGE_MOVES_MAX);
}

static void change_locked(struct agent_moves *m, const struct message_request *req,
			  struct message_answer *answer)
{
	struct agent_move *move;
	int err;

	move = moves_find(m, &req->old);
	if (move && req->type != MESSAGE_LOCAL_RELEASE)
		return agent_refuse(
			answer, MESSAGE_CONFLICT,
			"a migration is under way; expected 'tcpmig-bpf release' first");
	err = change(m, req, answer);
	if (err == -ENOENT)
		agent_refuse(answer, MESSAGE_CONFLICT,
			     "there is no rule for it; 'tcpmig-bpf list' shows them");
	else if (err == -EBUSY)
		agent_refuse(answer, MESSAGE_CONFLICT,
			     "already armed for its next owner; expected 'redirect' or 'release' "
			     "first");
	else if (err)
		agent_refuse_errno(answer, err, message_type_name(req->type));
	else if (move)
		moves_end(m, move);
}

void agent_order_local(struct agent_moves *m, const struct message_request *req,
		       struct message_answer *answer)
{
	if (req->type == MESSAGE_LOCAL_STATUS)
		return list_moves(m, answer);
	if (req->type != MESSAGE_LOCAL_RELEASE && !is_allowed(m, req, answer))
		return;
	if (!job_lock(m, answer))
		return;
	change_locked(m, req, answer);
	agent_moves_unlock(m);
}
