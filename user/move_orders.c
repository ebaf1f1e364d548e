// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "endpoint.h"
#include "log.h"
#include "move_orders.h"
#include "netlink_socks.h"

bool move_need_parse(const char *text, enum move_need *need)
{
	static const char *const names[] = { "all", "any", "none" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*need = i;
			return true;
		}
	}
	return false;
}

int move_orders_judge(struct move_orders *o, const char *cure)
{
	const struct move_agent *first = NULL;
	size_t good = 0, bad = 0;
	char more[40] = "";

	for (size_t i = 0; i < o->agents.count; i++) {
		const struct move_agent *agent = &o->agents.list[i];

		if (!agent->skipped && agent->err && !first)
			first = agent;
		bad += !agent->skipped && agent->err;
		good += !agent->skipped && !agent->err;
	}
	if (!bad)
		return 0;
	if (bad > 1)
		snprintf(more, sizeof(more), " (and %zu more)", bad - 1);
	if (o->need == MOVE_NEED_ALL || (o->need == MOVE_NEED_ANY && !good))
		return log_error("%s%s; %s", first->why, more, cure);
	for (size_t i = 0; i < o->agents.count; i++) {
		struct move_agent *agent = &o->agents.list[i];

		if (agent->skipped || !agent->err)
			continue;
		log_note("note: %s; its connections will be lost", agent->why);
		agent->skipped = true;
	}
	return 0;
}

int move_orders_give(struct move_orders *o, enum message_type type, const char *cure)
{
	return move_agents_order(&o->agents, type) ? move_orders_judge(o, cure) : 0;
}

int move_orders_judge_all(struct move_orders *o, const char *cure)
{
	enum move_need need = o->need;
	int status;

	o->need = MOVE_NEED_ALL;
	status = move_orders_judge(o, cure);
	o->need = need;
	return status;
}

int move_orders_give_all(struct move_orders *o, enum message_type type, const char *cure)
{
	return move_agents_order(&o->agents, type) ? move_orders_judge_all(o, cure) : 0;
}

int move_orders_from_file(struct move_orders *o)
{
	for (size_t i = 0; i < o->file.count; i++) {
		const struct move_record *move = &o->file.moves[i];

		for (size_t k = 0; k < move->agent_count; k++) {
			struct move_agent *agent = move_agents_add(&o->agents, i,
								   &move->agents[k].at);

			if (!agent)
				return log_errno(ENOMEM, "%s", o->who);
			agent->epoch = move->agents[k].epoch;
		}
	}
	return 0;
}

/*
 * Later than anything that the agent has seen. Each has its own: what one of them says, whoever it
 * is, must not make the others refuse.
 */
static int set_epochs(struct move_orders *o, size_t from, const char *cure)
{
	char at[ENDPOINT_STRLEN];

	for (size_t i = from; i < o->agents.count; i++) {
		struct move_agent *agent = &o->agents.list[i];

		agent->epoch = agent->answer.has_move ? agent->answer.move.epoch : 0;
		if (!agent->skipped && agent->epoch >= INT64_MAX) {
			agent->err = -ERANGE;
			snprintf(agent->why, sizeof(agent->why),
				 "%s: the epoch that it knows is too high",
				 endpoint_format(&agent->at, at));
		}
		agent->epoch++;
	}
	return move_orders_judge(o, cure);
}

int move_orders_uuid(const struct move_orders *o, uint8_t uuid[MOVE_FILE_UUID_LEN])
{
	if (getrandom(uuid, MOVE_FILE_UUID_LEN, 0) != MOVE_FILE_UUID_LEN)
		return log_errno(errno, "%s: no random numbers", o->who);
	uuid[6] = (uuid[6] & 0x0f) | 0x40; /* RFC 9562: version 4 */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	return 0;
}

/* After a move not everybody has reached the owner by the same OLD: does another one have it? */
static bool is_elsewhere(const struct move_orders *o, const struct move_agent *agent,
			 const struct tcpmig_endpoint *client)
{
	const struct move_record *moves = o->file.moves;

	for (size_t i = 0; i < o->agents.count; i++) {
		const struct move_agent *other = &o->agents.list[i];

		if (other != agent && !other->skipped && !other->err && !other->unnamed &&
		    endpoint_same(&moves[other->move].cur, &moves[agent->move].cur) &&
		    move_agent_knows(other, client))
			return true;
	}
	return false;
}

/*
 * A connection that the client's host does not have: it has closed it while this one has not yet
 * heard so, or somebody between them changes addresses.
 */
static int check_missing(struct move_orders *o, struct move_agent *agent)
{
	const struct move_record *move = &o->file.moves[agent->move];
	char at[ENDPOINT_STRLEN], client[ENDPOINT_STRLEN];
	const struct tcpmig_endpoint *first = NULL;
	size_t count = agent->unnamed;
	struct rules_flows open;
	int err;

	if (!agent->missing_count && !agent->unnamed)
		return 0;
	err = netlink_clients_of(&move->cur, true, &open);
	for (size_t i = 0; !err && i < agent->missing_count; i++) {
		if (!endpoint_in(open.local, open.count, &agent->missing[i]) ||
		    is_elsewhere(o, agent, &agent->missing[i]))
			continue;
		count++;
		first = first ?: &agent->missing[i];
	}
	free(open.local);
	if (err)
		return log_errno(err, "%s: cannot list the connections", o->who);
	if (!count)
		return 0;
	agent->err = -ENOENT;
	snprintf(agent->why, sizeof(agent->why),
		 "%s: %zu of %zu connections are not that host's, %s for one; is there a NAT "
		 "between?",
		 endpoint_format(&agent->at, at), count, agent->client_count,
		 first ? endpoint_format(first, client) : "?");
	return 0;
}

static void check_taken(const struct move_orders *o, struct move_agent *agent)
{
	char at[ENDPOINT_STRLEN], next[ENDPOINT_STRLEN];

	if (agent->err || !agent->answer.taken)
		return;
	agent->err = -EADDRINUSE;
	snprintf(agent->why, sizeof(agent->why),
		 "%s: %u of %u connections cannot go to %s: that client has other ones there; "
		 "expected a free port",
		 endpoint_format(&agent->at, at), agent->answer.taken, agent->answer.flows,
		 endpoint_format(&o->file.moves[agent->move].next, next));
}

/* Who has no connection now, but a rule of an earlier move: new ones go astray, no more. */
static void leave_out_idle(struct move_orders *o)
{
	for (size_t i = 0; i < o->agents.count; i++) {
		struct move_agent *agent = &o->agents.list[i];

		if (agent->skipped || agent->client_count || !agent->err)
			continue;
		log_note("note: %s; new connections from there may go to where it was before",
			 agent->why);
		agent->skipped = true;
	}
}

/* None of the connections is known there by this OLD: to have a rule for it would be wrong. */
static void give_back_unused(struct move_orders *o)
{
	struct move_agents *a = &o->agents;
	bool *kept = calloc(a->count + 1, sizeof(*kept));

	for (size_t i = 0; kept && i < a->count; i++) {
		struct move_agent *agent = &a->list[i];
		bool unused = !agent->skipped && !agent->err && agent->client_count &&
			      !agent->answer.flows;

		kept[i] = agent->skipped || unused;
		agent->skipped = !unused;
	}
	a->reason = "there are no connections to it";
	if (kept)
		move_agents_order(a, MESSAGE_ABORT);
	for (size_t i = 0; kept && i < a->count; i++)
		a->list[i].skipped = kept[i];
	free(kept);
}

static int query(struct move_orders *o, const char *cure)
{
	move_agents_order(&o->agents, MESSAGE_QUERY);
	leave_out_idle(o);
	return move_orders_judge(o, cure);
}

static int reserve(struct move_orders *o, const char *cure)
{
	int status;

	move_agents_order(&o->agents, MESSAGE_RESERVE);
	leave_out_idle(o);
	status = move_orders_judge(o, cure);
	for (size_t i = 0; !status && i < o->agents.count; i++) {
		if (o->agents.list[i].skipped)
			continue;
		status = check_missing(o, &o->agents.list[i]);
		check_taken(o, &o->agents.list[i]);
	}
	if (!status)
		status = move_orders_judge(o, cure);
	if (!status)
		give_back_unused(o);
	return status;
}

int move_orders_reserve(struct move_orders *o, const char *cure)
{
	int status = query(o, cure);

	if (!status)
		status = set_epochs(o, 0, cure);
	return status ? status : reserve(o, cure);
}

/* The new ones alone are asked how far they are; RESERVE again tells the others of more. */
int move_orders_reserve_more(struct move_orders *o, size_t from, const char *cure)
{
	bool *skipped = calloc(o->agents.count + 1, sizeof(*skipped));
	int status;

	if (!skipped)
		return log_errno(ENOMEM, "%s", o->who);
	for (size_t i = 0; i < o->agents.count; i++) {
		skipped[i] = o->agents.list[i].skipped;
		o->agents.list[i].skipped = skipped[i] || i < from;
	}
	status = query(o, cure);
	if (!status)
		status = set_epochs(o, from, cure);
	for (size_t i = 0; i < from; i++)
		o->agents.list[i].skipped = skipped[i];
	free(skipped);
	return status ? status : reserve(o, cure);
}

int move_orders_to_file(struct move_orders *o)
{
	for (size_t i = 0; i < o->file.count; i++)
		o->file.moves[i].agent_count = 0;
	for (size_t i = 0; i < o->agents.count; i++) {
		const struct move_agent *agent = &o->agents.list[i];
		struct move_record *move = &o->file.moves[agent->move];

		if (agent->skipped)
			continue;
		if (!move->agent_count) {
			free(move->agents);
			move->agents = calloc(o->agents.count, sizeof(*move->agents));
		}
		if (!move->agents)
			return log_errno(ENOMEM, "%s", o->who);
		move->agents[move->agent_count++] = (struct move_file_agent){ agent->at,
									      agent->epoch };
	}
	return 0;
}

void move_orders_give_up(struct move_orders *o, const char *reason)
{
	o->agents.reason = reason;
	for (size_t i = 0; i < o->agents.count; i++)
		o->agents.list[i].skipped = !o->agents.list[i].begun;
	move_agents_order(&o->agents, MESSAGE_ABORT);
}
