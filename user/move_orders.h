/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The orders of one move to the agents of its clients, and whether enough of them have been taken:
 * what criu-hook and migrate share on the side that gives the connections up.
 *
 * Speaks: it is part of the commands.
 */
#ifndef TCPMIG_MOVE_ORDERS_H
#define TCPMIG_MOVE_ORDERS_H

#include "move_agents.h"

/** enum move_need - which of the agents must take part. */
enum move_need { MOVE_NEED_ALL, MOVE_NEED_ANY, MOVE_NEED_NONE };

/** move_need_parse() - "all", "any" or "none". Return: false: none of these. */
bool move_need_parse(const char *text, enum move_need *need);

/**
 * struct move_orders - the move, and who takes part; zero it, then .agents.file = &.file.
 * @agent_port: network byte order
 * @who:        before messages about no particular agent: "criu-hook", "migrate"
 */
struct move_orders {
	__be16 agent_port;
	enum move_need need;
	const char *who;
	struct move_file file;
	struct move_agents agents;
};

/**
 * move_orders_give() - give @type to all that take part, and see whether enough have taken it.
 * Those that have not, and need not, take part no longer; a note says so.
 * @cure: what to say behind what went wrong
 * Return: 0, or 1 after saying what is wrong.
 */
int move_orders_give(struct move_orders *o, enum message_type type, const char *cure);

/** move_orders_give_all() - likewise, but whoever has reserved must get through. */
int move_orders_give_all(struct move_orders *o, enum message_type type, const char *cure);

/** move_orders_judge() - the second half of it, where .err and .why are set already. */
int move_orders_judge(struct move_orders *o, const char *cure);

/**
 * move_orders_reserve() - QUERY and RESERVE: with an epoch of its own for each agent, later than
 * anything that it has seen, and the UUID of its migration in each of @o->file.moves.
 * Connections that are not the agent's, or cannot go to NEXT, are a reason to refuse.
 * Return: 0, or 1 after saying what is wrong; then move_orders_give_up().
 */
int move_orders_reserve(struct move_orders *o, const char *cure);

/** move_orders_reserve_more() - for agents from the @from-th on, and connections that were added to
 * earlier ones since. Return: as move_orders_reserve(). */
int move_orders_reserve_more(struct move_orders *o, size_t from, const char *cure);

/** move_orders_judge_all() - as move_orders_judge(), but all that take part must have taken it. */
int move_orders_judge_all(struct move_orders *o, const char *cure);

/** move_orders_uuid() - a new one (RFC 9562, version 4). Return: 0, or 1 after saying so. */
int move_orders_uuid(const struct move_orders *o, uint8_t uuid[MOVE_FILE_UUID_LEN]);

/** move_orders_to_file() - which agents take part is known: write it into .file.moves,
 * whatever was there before. */
int move_orders_to_file(struct move_orders *o);

/** move_orders_from_file() - those of .file.moves take part. Return: 0, or 1 after saying so. */
int move_orders_from_file(struct move_orders *o);

/**
 * move_orders_give_up() - ABORT to every agent that has been begun with. A reservation or hold that
 * cannot be reached ends by itself.
 */
void move_orders_give_up(struct move_orders *o, const char *reason);

#endif
