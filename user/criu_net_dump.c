// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The side that gives the process up. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "criu_net.h"
#include "endpoint.h"
#include "log.h"
#include "netlink_socks.h"

#define NOTHING_DONE                                                                            \
	"nothing is frozen, all goes on as it was (TCPMIG_REQUIRE_AGENTS=any: without clients " \
	"that have no agent)"

/* Where its clients are, agents are expected: one an address. */
static int add_agents(struct criu_net *n, size_t i)
{
	const struct move_record *move = &n->file.moves[i];
	struct rules_flows clients;
	struct tcpmig_endpoint at;
	struct move_agent *agent;
	char cur[ENDPOINT_STRLEN];
	int err = netlink_clients_of(&move->cur, false, &clients);

	for (size_t k = 0; !err && k < clients.count; k++) {
		at = clients.local[k];
		at.port = n->agent_port;
		agent = move_agents_add(&n->agents, i, &at);
		err = agent ? move_agents_add_client(agent, &clients.local[k]) : -ENOMEM;
	}
	free(clients.local);
	return err ? log_errno(err, "'%s': cannot list its connections",
			       endpoint_format(&move->cur, cur))
		   : 0;
}

/*
 * Later than anything that the agent has seen. Each has its own: what one of them says, whoever it
 * is, must not make the others refuse.
 */
static int set_epochs(struct criu_net *n)
{
	char at[ENDPOINT_STRLEN];

	for (size_t i = 0; i < n->agents.count; i++) {
		struct move_agent *agent = &n->agents.list[i];

		agent->epoch = agent->answer.has_move ? agent->answer.move.epoch : 0;
		if (!agent->skipped && agent->epoch >= INT64_MAX) {
			agent->err = -ERANGE;
			snprintf(agent->why, sizeof(agent->why),
				 "%s: the epoch that it knows is too high",
				 endpoint_format(&agent->at, at));
		}
		agent->epoch++;
	}
	return criu_net_judge(n, NOTHING_DONE);
}

static int set_uuids(struct criu_net *n)
{
	for (size_t i = 0; i < n->file.count; i++) {
		struct move_record *move = &n->file.moves[i];

		if (getrandom(move->uuid, sizeof(move->uuid), 0) != sizeof(move->uuid))
			return log_errno(errno, "criu-hook: no random numbers");
		move->uuid[6] = (move->uuid[6] & 0x0f) | 0x40; /* RFC 9562: version 4 */
		move->uuid[8] = (move->uuid[8] & 0x3f) | 0x80;
	}
	return 0;
}

static bool is_in(const struct rules_flows *list, const struct tcpmig_endpoint *ep)
{
	for (size_t i = 0; i < list->count; i++) {
		if (endpoint_same(&list->local[i], ep))
			return true;
	}
	return false;
}

/*
 * A connection that the client's host does not have: it has closed it while this one has not yet
 * heard so, or somebody between them changes addresses.
 */
static int check_missing(struct criu_net *n, struct move_agent *agent)
{
	const struct move_record *move = &n->file.moves[agent->move];
	char at[ENDPOINT_STRLEN], client[ENDPOINT_STRLEN];
	const struct tcpmig_endpoint *first = NULL;
	size_t count = agent->unnamed;
	struct rules_flows open;
	int err;

	if (!agent->missing_count && !agent->unnamed)
		return 0;
	err = netlink_clients_of(&move->cur, true, &open);
	for (size_t i = 0; !err && i < agent->missing_count; i++) {
		if (!is_in(&open, &agent->missing[i]))
			continue;
		count++;
		first = first ?: &agent->missing[i];
	}
	free(open.local);
	if (err)
		return log_errno(err, "criu-hook: cannot list the connections");
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

static void check_taken(const struct criu_net *n, struct move_agent *agent)
{
	char at[ENDPOINT_STRLEN], next[ENDPOINT_STRLEN];

	if (agent->err || !agent->answer.taken)
		return;
	agent->err = -EADDRINUSE;
	snprintf(agent->why, sizeof(agent->why),
		 "%s: %u of %u connections cannot go to %s: that client has other ones there; "
		 "expected a free port",
		 endpoint_format(&agent->at, at), agent->answer.taken, agent->answer.flows,
		 endpoint_format(&n->file.moves[agent->move].next, next));
}

static int reserve(struct criu_net *n)
{
	int status = criu_net_order(n, MESSAGE_RESERVE, NOTHING_DONE);

	for (size_t i = 0; !status && i < n->agents.count; i++) {
		if (n->agents.list[i].skipped)
			continue;
		status = check_missing(n, &n->agents.list[i]);
		check_taken(n, &n->agents.list[i]);
	}
	return status ? status : criu_net_judge(n, NOTHING_DONE);
}

/* Which agents take part is known from here on. */
static int write_file(struct criu_net *n)
{
	int err;

	for (size_t i = 0; i < n->agents.count; i++) {
		const struct move_agent *agent = &n->agents.list[i];
		struct move_record *move = &n->file.moves[agent->move];

		if (agent->skipped)
			continue;
		if (!move->agents)
			move->agents = calloc(n->agents.count, sizeof(*move->agents));
		if (!move->agents)
			return log_errno(ENOMEM, "criu-hook");
		move->agents[move->agent_count++] = (struct move_file_agent){ agent->at,
									      agent->epoch };
	}
	err = move_file_write(n->dir_fd, &n->file);
	return err ? log_errno(err, "'" MOVE_FILE "': cannot write it") : 0;
}

/* Somebody may have connected from a host that was not asked, before its way here was held. */
static int check_newcomers(struct criu_net *n)
{
	char client[ENDPOINT_STRLEN];
	struct rules_flows open;
	int status = 0;

	for (size_t i = 0; !status && i < n->file.count; i++) {
		int err = netlink_clients_of(&n->file.moves[i].cur, true, &open);

		if (err)
			status = log_errno(err, "criu-hook: cannot list the connections");
		for (size_t k = 0; !status && !err && k < open.count; k++) {
			if (move_agents_find(&n->agents, i, &open.local[k]))
				continue;
			endpoint_format(&open.local[k], client);
			if (n->need == CRIU_NEED_ALL)
				status = log_error("%s has connected only now; try again", client);
			else
				log_note("note: %s has connected only now; its connection will be "
					 "lost",
					 client);
		}
		free(open.local);
	}
	return status;
}

/* Once it has reserved, an agent that takes part must get through. */
static int order_all(struct criu_net *n, enum message_type type, const char *cure)
{
	enum criu_need need = n->need;
	int status;

	n->need = CRIU_NEED_ALL;
	status = criu_net_order(n, type, cure);
	n->need = need;
	return status;
}

/* Whatever has been begun. A reservation or hold that cannot be reached ends by itself. */
static void give_up(struct criu_net *n, const char *reason)
{
	n->agents.reason = reason;
	for (size_t i = 0; i < n->agents.count; i++)
		n->agents.list[i].skipped = !n->agents.list[i].begun;
	move_agents_order(&n->agents, MESSAGE_ABORT);
	move_file_remove(n->dir_fd);
}

static int process_is_there(void)
{
	const char *text = getenv("CRTOOLS_INIT_PID");
	int pid = text ? atoi(text) : 0;

	return pid > 0 && kill(pid, 0) && errno == ESRCH
		       ? log_error("'%s': there is no such process", text)
		       : 0;
}

static int begin(struct criu_net *n)
{
	int status = write_file(n);

	if (!status)
		status = order_all(n, MESSAGE_HOLD, NOTHING_DONE);
	return status ? status : check_newcomers(n);
}

int criu_net_pre_dump(struct criu_net *n)
{
	int status = criu_net_lists(&n->file);

	if (!status)
		status = process_is_there();
	for (size_t i = 0; !status && i < n->file.count; i++)
		status = add_agents(n, i);
	if (!status)
		status = criu_net_order(n, MESSAGE_QUERY, NOTHING_DONE);
	if (!status)
		status = set_epochs(n);
	if (!status)
		status = set_uuids(n);
	if (status)
		return status;
	status = reserve(n);
	if (!status)
		status = begin(n);
	if (status)
		give_up(n, "the dump was not begun");
	return status;
}

/*
 * The hold anew, so that all of it is left for the transfer. Then what cannot be taken back here,
 * and last the word that lets the images be restored.
 */
static int commit(struct criu_net *n)
{
	static const char cure[] = "the process goes on here, and its connections at the latest "
				   "when they are held no longer";
	int err, status = order_all(n, MESSAGE_HOLD, cure);

	if (!status)
		status = order_all(n, MESSAGE_COMMIT, cure);
	if (status)
		return status;
	n->file.committed = true;
	err = move_file_write(n->dir_fd, &n->file);
	return err ? log_errno(err, "'" MOVE_FILE "': cannot write it; %s", cure) : 0;
}

int criu_net_post_dump(struct criu_net *n)
{
	int status = commit(n);

	for (size_t i = 0; i < n->agents.count; i++)
		n->agents.list[i].begun = true;
	if (status)
		give_up(n, "the dump was given up");
	return status;
}
