// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	if (a->count == a->room) {
		grown = reallocarray(a->list, a->room ? a->room * 2 : 16, sizeof(*grown));
		if (!grown)
			return NULL;
		a->room = a->room ? a->room * 2 : 16;
		a->list = grown;
	}
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

static int append(struct tcpmig_endpoint **list, size_t *count, const struct tcpmig_endpoint *ep)
{
	struct tcpmig_endpoint *grown;

	if (!(*count & (*count - 1))) { /* full: it holds a power of two */
		grown = reallocarray(*list, *count ? *count * 2 : 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*list = grown;
	}
	(*list)[(*count)++] = *ep;
	return 0;
}

int move_agents_add_client(struct move_agent *agent, const struct tcpmig_endpoint *client)
{
	return append(&agent->clients, &agent->client_count, client);
}

void move_agents_free(struct move_agents *a)
{
	for (size_t i = 0; i < a->count; i++) {
		message_answer_free(&a->list[i].answer);
		control_link_close(a->list[i].link);
		free(a->list[i].clients);
		free(a->list[i].missing);
	}
	free(a->list);
	a->list = NULL;
	a->count = a->room = 0;
}

static void request_of(const struct move_agents *a, const struct move_agent *agent,
		       enum message_type type, size_t at, struct message_request *req)
{
	const struct move_record *move = &a->file->moves[agent->move];
	size_t left = agent->client_count - at;

	*req = (struct message_request){
		.type = type,
		.old = move->old,
		.next = move->next,
		.max_ms = a->file->hold_ms,
		.hold_mode = TCPMIG_HOLD_DROP,
	};
	if (type != MESSAGE_QUERY) {
		memcpy(req->uuid, move->uuid, sizeof(req->uuid));
		req->epoch = agent->epoch;
	}
	if (type == MESSAGE_ABORT)
		snprintf(req->text, sizeof(req->text), "%s", a->reason ?: "");
	if (type == MESSAGE_RESERVE && left) {
		req->flows.at = agent->clients + at;
		req->flows.count = left < MESSAGE_FLOWS_MAX ? left : MESSAGE_FLOWS_MAX;
	}
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

static int keep_missing(struct move_agent *agent)
{
	const struct message_answer *answer = &agent->answer;
	int err = 0;

	for (size_t i = 0; !err && i < answer->missing.count; i++)
		err = append(&agent->missing, &agent->missing_count, &answer->missing.at[i]);
	agent->unnamed += answer->missing_count - answer->missing.count;
	if (err)
		snprintf(agent->why, sizeof(agent->why), "no memory");
	return err;
}

/* All that belongs to an order: of RESERVE as many frames as the connections need. */
static void order_one(const struct move_agents *a, struct move_agent *agent, enum message_type type)
{
	struct message_request req;
	size_t at = 0;

	do {
		request_of(a, agent, type, at, &req);
		agent->err = call(a, agent, &req);
		if (!agent->err)
			agent->err = keep_missing(agent);
		at += req.flows.count;
	} while (!agent->err && req.flows.count && at < agent->client_count);
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
