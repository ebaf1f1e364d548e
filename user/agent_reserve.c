// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RESERVE, with which a migration begins: who may begin one, and with how much. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_flows.h"
#include "agent_job.h"
#include "clocks.h"
#include "endpoint.h"

/* Longest time for which room is kept for a move that does not begin. */
#define RESERVE_MAX_MS (10 * 60 * 1000)
/* So far an epoch may leap: agents have seen different numbers of moves. */
#define EPOCH_LEAP (1ULL << 32)
/* OLDs are remembered for ever: one host must not use up the room that all have. */
#define OLDS_OF_ADDR_MAX (STORE_OLDS_MAX / 16)

static size_t moves_of_peer(const struct job *o)
{
	size_t count = 0;

	for (size_t i = 0; i < o->m->count; i++)
		count += job_is_own(o, &o->m->open[i]);
	return count;
}

static void check_epoch(struct job *o)
{
	const struct store_record *last = store_find(o->m->store, &o->req->old);
	uint64_t highest = last ? last->epoch : 0;
	char text[MESSAGE_UUID_STRLEN];

	if (o->req->epoch <= highest)
		return agent_refuse(o->answer, MESSAGE_STALE,
				    "epoch %llu: expected more than %llu, the highest so far",
				    (unsigned long long)o->req->epoch, (unsigned long long)highest);
	if (o->req->epoch - highest > EPOCH_LEAP)
		return agent_refuse(o->answer, MESSAGE_INVALID,
				    "epoch %llu: expected little more than %llu",
				    (unsigned long long)o->req->epoch, (unsigned long long)highest);
	if (o->move)
		agent_refuse(o->answer, MESSAGE_CONFLICT,
			     "migration %s is under way; expected its end, or ABORT of it",
			     message_uuid_text(o->move->record.uuid, text));
}

/* A migration that is not known yet: may it be begun at all? */
static void check_begin(struct job *o)
{
	const struct agent_limits *limits = &o->m->conf->limits;
	enum message_state state = moves_state(o->m, &o->req->old);
	const char *why;

	check_epoch(o);
	if (job_refused(o))
		return;
	if (state == MESSAGE_HELD || state == MESSAGE_ARMED || state == MESSAGE_IN_DOUBT)
		return agent_refuse(o->answer, MESSAGE_CONFLICT,
				    "reserve: %s by a command on the client; expected its end, or "
				    "'tcpmig-bpf release' there",
				    message_state_name(state));
	if (o->m->count == AGENT_MOVES_MAX)
		return agent_refuse(o->answer, MESSAGE_NO_ROOM, "%d migrations are under way",
				    AGENT_MOVES_MAX);
	if (moves_of_peer(o) >= limits->moves)
		return agent_refuse(o->answer, MESSAGE_LIMIT,
				    "%zu migrations of this certificate are under way; expected at "
				    "most %u (moves of agent.conf)",
				    moves_of_peer(o), limits->moves);
	if (!store_find(o->m->store, &o->req->old) &&
	    store_olds_at(o->m->store, &o->req->old) >= OLDS_OF_ADDR_MAX)
		return agent_refuse(o->answer, MESSAGE_LIMIT,
				    "ports of this address have moved before: expected at most %d "
				    "different ones",
				    OLDS_OF_ADDR_MAX);
	why = limiter_begin(o->m->limiter, limits, o->peer->tls->key_sha256, clock_boot_ns());
	if (why)
		agent_refuse(o->answer, MESSAGE_LIMIT, "%s", why);
}

static void check_next(struct job *o)
{
	const struct message_request *req = o->req;

	if (req->next.family != req->old.family || endpoint_same(&req->next, &o->cur))
		return agent_refuse(o->answer, MESSAGE_INVALID,
				    "next: expected another address or port than the owner's, "
				    "of the same family");
	job_check_path(o, &req->next);
}

/* Whom the flows are for does not change under a consent. */
static void check_again(struct job *o)
{
	const struct store_record *record = &o->move->record;
	const struct message_request *req = o->req;

	if (!endpoint_same(&req->next, &record->next))
		return agent_refuse(o->answer, MESSAGE_CONFLICT, "next: another than was reserved");
	if (req->has_next_key != record->has_next_key ||
	    memcmp(req->next_key, record->next_key, sizeof(record->next_key)))
		agent_refuse(o->answer, MESSAGE_CONFLICT, "next's key: another than was reserved");
}

static void new_record(const struct job *o, struct store_record *record)
{
	const struct message_request *req = o->req;

	*record = (struct store_record){
		.epoch = req->epoch,
		.old = req->old,
		.cur = o->cur,
		.next = req->next,
		.has_next_key = req->has_next_key,
		.open = true,
	};
	memcpy(record->uuid, req->uuid, sizeof(record->uuid));
	memcpy(record->next_key, req->next_key, sizeof(record->next_key));
	memcpy(record->cur_key, o->peer->tls->key_sha256, sizeof(record->cur_key));
}

/* The record first: an epoch that is used must never be used again, whatever comes. */
static void reserve_flows(struct job *o, const struct tcpmig_owner *next,
			  const struct rules_flows *flows)
{
	struct store_record record;
	bool fresh = !o->move;
	int err;

	if (fresh) {
		new_record(o, &record);
		err = store_put(o->m->store, &record, true);
		if (err)
			return agent_refuse_errno(o->answer, err, "reserve: state file");
		o->move = moves_begin(o->m, &record);
	}
	err = rules_reserve(o->m->tables, &o->req->old, next, o->req->max_ms, flows, &o->outcome);
	if (!err)
		return job_note_outcome(o);
	agent_refuse_errno(o->answer, err, "reserve");
	if (fresh)
		moves_end(o->m, o->move);
	o->move = NULL;
}

void job_reserve(struct job *o)
{
	bool again = o->move && job_names(o, &o->move->record);
	struct tcpmig_owner next;
	struct rules_flows here;
	int err;

	check_next(o);
	if (!job_refused(o))
		job_check_ms(o, RESERVE_MAX_MS);
	if (!job_refused(o) && agent_flows_owner(o->m, &o->req->next, &next, o->answer->text))
		o->answer->result = MESSAGE_INVALID;
	if (!job_refused(o) && again)
		check_again(o);
	if (job_refused(o))
		return;
	err = agent_flows_confirm(o->m, &o->req->old, &o->req->flows, !again, &here, o->answer);
	if (err)
		return agent_refuse_errno(o->answer, err, "reserve");
	job_check_flows(o, again && here.count < o->move->flows ? o->move->flows : here.count);
	if (!job_refused(o) && !again)
		check_begin(o);
	if (!job_refused(o))
		reserve_flows(o, &next, &here);
	free(here.local);
}
