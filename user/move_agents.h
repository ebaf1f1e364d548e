/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agents that take part in the migrations of one move: each order goes to all of them at the
 * same time, over a connection from the address of the side that gives it. Silent.
 */
#ifndef TCPMIG_MOVE_AGENTS_H
#define TCPMIG_MOVE_AGENTS_H

#include "control_link.h"
#include "move_file.h"
#include "tcp_stream_img.h"

#define MOVE_WHY_LEN (CONTROL_WHY_LEN + MESSAGE_TEXT_MAX)

/** struct move_check - a connection, and where its socket stands in the image. */
struct move_check {
	struct tcpmig_endpoint client;
	struct message_sequences seq;
};

/**
 * struct move_agent - an agent, in one of the migrations.
 * @move:    which of @file
 * @epoch:   of the migration there: agents have seen different numbers of moves
 * @clients: ends of the connections that it shall confirm; owned
 * @skipped: takes no part
 * @begun:   RESERVE has reached it, or may have
 * @missing: of @clients, those that are no connections there, as far as they were named; owned
 * @unnamed: how many more
 * @checks:  what CHECK asks; owned
 * @matching, @unchecked: of the latest CHECK: how many of them fit; of how many it cannot tell
 * @lost:    of the latest CHECK: those whose bytes are not all in the image, as far as they were
 *           named; owned
 * @lost_unnamed: how many more
 * @err, @why: of the latest order that it did not skip: 0; -errno; -EACCES: refused
 * @answer:  to that
 */
struct move_agent {
	size_t move;
	struct tcpmig_endpoint at;
	uint64_t epoch;
	struct tcpmig_endpoint *clients;
	size_t client_count;
	struct tcpmig_endpoint *missing;
	size_t missing_count;
	size_t unnamed;
	struct move_check *checks;
	size_t check_count;
	size_t matching;
	size_t unchecked;
	struct tcpmig_endpoint *lost;
	size_t lost_count;
	size_t lost_unnamed;
	bool skipped;
	bool begun;
	struct control_link *link;
	struct message_answer answer;
	int err;
	char why[MOVE_WHY_LEN];
};

/**
 * struct move_agents - all of them; zero it to begin.
 * @tls, @file: not owned
 * @by_next:    orders come from NEXT, else from CUR
 * @hold_mode:  of HOLD
 * @reason:     what ABORT says
 */
struct move_agents {
	struct tls *tls;
	struct move_file *file;
	unsigned int timeout_ms;
	bool by_next;
	enum tcpmig_hold_mode hold_mode;
	const char *reason;
	struct move_agent *list;
	size_t count;
};

/**
 * move_agents_add() - the agent at @at takes part in migration @move; twice is once.
 * Return: valid until the next one is added; NULL: no memory.
 */
struct move_agent *move_agents_add(struct move_agents *a, size_t move,
				   const struct tcpmig_endpoint *at);

/** move_agents_add_client() - and @agent shall confirm this connection. Return: 0 or -ENOMEM. */
int move_agents_add_client(struct move_agent *agent, const struct tcpmig_endpoint *client);

/** move_agents_add_check() - and CHECK asks @agent about it. Return: 0 or -ENOMEM. */
int move_agents_add_check(struct move_agent *agent, const struct tcpmig_endpoint *client,
			  const struct message_sequences *seq);

/**
 * move_agents_add_streams() - let each agent check those of @streams that are of its migration:
 * from CUR to the address of the agent.
 * @unasked: how many connections from a CUR have no agent that takes part
 * Return: 0 or -ENOMEM.
 */
int move_agents_add_streams(struct move_agents *a, const struct tcp_streams *streams,
			    size_t *unasked);

/** move_agent_knows() - has it said that @client, of its host, has a connection to its OLD? */
bool move_agent_knows(const struct move_agent *agent, const struct tcpmig_endpoint *client);

/** move_agents_find() - the agent at the address of @client, or NULL. */
struct move_agent *move_agents_find(struct move_agents *a, size_t move,
				    const struct tcpmig_endpoint *client);

/**
 * move_agents_order() - give an order to every agent that takes part, and wait for all answers.
 * @type: from MESSAGE_QUERY to MESSAGE_ABORT, or MESSAGE_CHECK
 *
 * RESERVE and CHECK are sent in as many requests as their connections need. CHECK goes on
 * after a request with connections that do not fit; what it finds is in @matching and so on, and
 * connections that are none there are in @missing as always. An agent without @checks is not asked.
 * Connects where there is no connection. What an agent has heard before is no failure: a COMMIT
 * or CONSENT of this migration that it has already. Return: how many have failed.
 */
size_t move_agents_order(struct move_agents *a, enum message_type type);

void move_agents_free(struct move_agents *a);

#endif
