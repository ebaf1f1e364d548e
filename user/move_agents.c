// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "control_frame.h"
#include "endpoint.h"
#include "move_agents.h"

#define THREADS_MAX 32

struct move_agent *move_agents_add(struct move_agents *a, size_t move,
				   const struct tcpmig_endpoint *at)
{
	struct move_agent *grown;

	for (size_t i = 0; i < a->count; i++) {
		if (a->list[i].move == move && endpoint_same(&a->list[i].at, at))
			return &a->list[i];
	}
	grown = array_grow(a->list, a->count, sizeof(*grown));
	if (!grown)
		return NULL;
	a->list = grown;
	a->list[a->count] = (struct move_agent){ .move = move, .at = *at };
	return &a->list[a->count++];
}

struct move_agent *move_agents_find(struct move_agents *a, size_t move,
				    const struct tcpmig_endpoint *client)
{
	for (size_t i = 0; i < a->count; i++) {
		if (a->list[i].move == move && endpoint_same_addr(&a->list[i].at, client))
			return &a->list[i];
	}
	return NULL;
}

bool move_agent_knows(const struct move_agent *agent, const struct tcpmig_endpoint *client)
{
	return endpoint_in(agent->clients, agent->client_count, client) &&
	       !endpoint_in(agent->missing, agent->missing_count, client);
}

static int append(struct tcpmig_endpoint **list, size_t *count, const struct tcpmig_endpoint *ep)
{
	struct tcpmig_endpoint *grown = array_grow(*list, *count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[(*count)++] = *ep;
	return 0;
}

int move_agents_add_client(struct move_agent *agent, const struct tcpmig_endpoint *client)
{
	return append(&agent->clients, &agent->client_count, client);
}

int move_agents_add_check(struct move_agent *agent, const struct tcpmig_endpoint *client,
			  const struct message_sequences *seq)
{
	struct move_check *grown = array_grow(agent->checks, agent->check_count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	agent->checks = grown;
	grown[agent->check_count++] = (struct move_check){ *client, *seq };
	return 0;
}

/* The migration of which CUR is @local, or @count. */
static size_t move_of(const struct move_agents *a, const struct tcpmig_endpoint *local)
{
	size_t i = 0;

	while (i < a->file->count && !endpoint_same(&a->file->moves[i].cur, local))
		i++;
	return i;
}

/*
 * Who can tell about a connection: after a move an owner has several names, and an agent knows a
 * connection by one of them.
 */
static struct move_agent *agent_of(struct move_agents *a, const struct tcp_stream *stream)
{
	struct move_agent *found = NULL;

	for (size_t i = 0; i < a->count; i++) {
		struct move_agent *agent = &a->list[i];

		if (agent->skipped || !endpoint_same_addr(&agent->at, &stream->remote) ||
		    !endpoint_same(&a->file->moves[agent->move].cur, &stream->local))
			continue;
		if (!found || move_agent_knows(agent, &stream->remote))
			found = agent;
	}
	return found;
}

int move_agents_add_streams(struct move_agents *a, const struct tcp_streams *streams,
			    size_t *unasked)
{
	int err = 0;

	*unasked = 0;
	for (size_t i = 0; !err && i < streams->count; i++) {
		const struct tcp_stream *stream = &streams->at[i];
		struct move_agent *agent;

		if (move_of(a, &stream->local) == a->file->count)
			continue;
		agent = agent_of(a, stream);
		if (agent)
			err = move_agents_add_check(agent, &stream->remote, &stream->seq);
		else
			++*unasked;
	}
	return err;
}

void move_agents_free(struct move_agents *a)
{
	for (size_t i = 0; i < a->count; i++) {
		message_answer_free(&a->list[i].answer);
		control_link_close(a->list[i].link);
		free(a->list[i].clients);
		free(a->list[i].missing);
		free(a->list[i].checks);
		free(a->list[i].lost);
	}
	free(a->list);
	a->list = NULL;
	a->count = 0;
}

static void request_of(const struct move_agents *a, const struct move_agent *agent,
		       enum message_type type, struct message_request *req)
{
	const struct move_record *move = &a->file->moves[agent->move];

	*req = (struct message_request){
		.type = type,
		.old = move->old,
		.next = move->next,
		.max_ms = a->file->hold_ms,
		.hold_mode = a->hold_mode,
	};
	if (type != MESSAGE_QUERY) {
		memcpy(req->uuid, move->uuid, sizeof(req->uuid));
		req->epoch = agent->epoch;
	}
	if (type == MESSAGE_ABORT)
		snprintf(req->text, sizeof(req->text), "%s", a->reason ?: "");
}

/* Is what was refused the case already, by this very migration? */
static bool has_it(const struct message_request *req, const struct message_answer *answer)
{
	const struct message_move *move = &answer->move;

	if (!answer->has_move || move->epoch != req->epoch ||
	    memcmp(move->uuid, req->uuid, sizeof(req->uuid)))
		return false;
	return (req->type == MESSAGE_COMMIT && move->committed) ||
	       (req->type == MESSAGE_CONSENT && move->consented);
}

/* One request. A connection that has failed is of no further use. */
static int call(const struct move_agents *a, struct move_agent *agent, struct message_request *req)
{
	const struct move_record *move = &a->file->moves[agent->move];
	char name[ENDPOINT_STRLEN];
	int err;

	message_answer_free(&agent->answer);
	agent->answer = (struct message_answer){};
	if (!agent->link)
		agent->link = control_link_tls(a->tls, &agent->at,
					       a->by_next ? &move->next : &move->cur, a->timeout_ms,
					       agent->why);
	if (!agent->link)
		return -EHOSTUNREACH;
	if (req->type == MESSAGE_RESERVE)
		agent->begun = true;
	err = control_call(agent->link, req, &agent->answer, agent->why);
	if (err) {
		control_link_close(agent->link);
		agent->link = NULL;
		return err;
	}
	if (agent->answer.result == MESSAGE_OK || has_it(req, &agent->answer))
		return 0;
	snprintf(agent->why, sizeof(agent->why), "%s: refuses %s: %s",
		 endpoint_format(&agent->at, name), message_type_name(req->type),
		 agent->answer.text);
	return -EACCES;
}

static int keep(const struct message_flows *named, uint32_t counted, struct tcpmig_endpoint **list,
		size_t *count, size_t *unnamed)
{
	int err = 0;

	for (size_t i = 0; !err && i < named->count; i++)
		err = append(list, count, &named->at[i]);
	*unnamed += counted - named->count;
	return err;
}

static int keep_answer(struct move_agent *agent)
{
	const struct message_answer *answer = &agent->answer;
	int err = keep(&answer->missing, answer->missing_count, &agent->missing,
		       &agent->missing_count, &agent->unnamed);

	if (!err)
		err = keep(&answer->lost, answer->lost_count, &agent->lost, &agent->lost_count,
			   &agent->lost_unnamed);
	agent->matching += answer->matching;
	agent->unchecked += answer->unchecked;
	if (err)
		snprintf(agent->why, sizeof(agent->why), "no memory");
	return err;
}

/* The connections that an order names, some at a time; there are @left from @at on. */
static void name_some(const struct move_agent *agent, size_t at, size_t left,
		      struct message_request *req)
{
	size_t count = left < MESSAGE_FLOWS_MAX ? left : MESSAGE_FLOWS_MAX;

	req->flows.count = count;
	if (req->type == MESSAGE_RESERVE && count)
		memcpy(req->flows.at, agent->clients + at, count * sizeof(*req->flows.at));
	for (size_t i = 0; req->type == MESSAGE_CHECK && i < count; i++) {
		req->flows.at[i] = agent->checks[at + i].client;
		req->sequences[i] = agent->checks[at + i].seq;
	}
}

/* However many addresses they have, so many fit into a frame. */
#define ALWAYS_FIT 256

/* Names fewer connections, until the request fits into a frame. */
static void shorten(struct message_request *req)
{
	uint8_t frame[FRAME_BYTES];

	while (req->flows.count > ALWAYS_FIT && message_request_encode(req, frame) == -EMSGSIZE)
		req->flows.count = req->flows.count / 2;
}

/* What went wrong first, of all its requests: an agent that has lost some is asked on. */
struct outcome {
	int err;
	char why[MOVE_WHY_LEN];
};

static void note(struct outcome *o, struct move_agent *agent, int err)
{
	if (!err || o->err)
		return;
	o->err = err;
	memcpy(o->why, agent->why, sizeof(o->why));
}

/* As many frames as the @total connections need. */
static void order_all(const struct move_agents *a, struct move_agent *agent,
		      struct message_request *req, size_t total)
{
	struct outcome outcome = {};
	bool lost = false;
	size_t at = 0;
	int err;

	do {
		name_some(agent, at, total - at, req);
		shorten(req);
		err = call(a, agent, req);
		lost = err == -EACCES && agent->answer.lost_count;
		note(&outcome, agent, err);
		if (!err || lost)
			note(&outcome, agent, keep_answer(agent));
		at += req->flows.count;
	} while (at < total && (!err || lost));
	agent->err = outcome.err;
	memcpy(agent->why, outcome.why, sizeof(agent->why));
}

/* Of an earlier order. */
static void forget(struct move_agent *agent)
{
	agent->missing_count = agent->unnamed = 0;
	agent->lost_count = agent->lost_unnamed = 0;
	agent->matching = agent->unchecked = 0;
}

/* All that belongs to an order. */
static void order_one(const struct move_agents *a, struct move_agent *agent, enum message_type type)
{
	size_t total = type == MESSAGE_RESERVE ? agent->client_count
		       : type == MESSAGE_CHECK ? agent->check_count
					       : 0;
	size_t room = total < MESSAGE_FLOWS_MAX ? total : MESSAGE_FLOWS_MAX;
	struct message_request req;

	if (type == MESSAGE_RESERVE || type == MESSAGE_CHECK)
		forget(agent);
	agent->err = 0;
	if (type == MESSAGE_CHECK && !total)
		return;
	request_of(a, agent, type, &req);
	req.flows.at = calloc(room + 1, sizeof(*req.flows.at));
	req.sequences = calloc(room + 1, sizeof(*req.sequences));
	if (req.flows.at && req.sequences) {
		order_all(a, agent, &req, total);
	} else {
		agent->err = -ENOMEM;
		snprintf(agent->why, sizeof(agent->why), "no memory");
	}
	message_request_free(&req);
}

/* What the threads share: each takes the next agent that nobody has. */
struct work {
	const struct move_agents *a;
	enum message_type type;
	size_t next;
};

static void *work(void *ctx)
{
	struct work *w = ctx;
	size_t i;

	while ((i = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED)) < w->a->count) {
		if (!w->a->list[i].skipped)
			order_one(w->a, &w->a->list[i], w->type);
	}
	return NULL;
}

size_t move_agents_order(struct move_agents *a, enum message_type type)
{
	struct work w = { .a = a, .type = type };
	pthread_t threads[THREADS_MAX];
	size_t started = 0, failed = 0;

	/* This thread works, too; so it is no matter if another cannot be had. */
	while (started < THREADS_MAX && started + 1 < a->count &&
	       !pthread_create(&threads[started], NULL, work, &w))
		started++;
	work(&w);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	for (size_t i = 0; i < a->count; i++)
		failed += !a->list[i].skipped && a->list[i].err;
	return failed;
}
