/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The migrations that the agent knows, one for each OLD. In what state one is, is told by its
 * rule in the maps alone; who it is of, and what was consented to, by its record in the store:
 * so an agent that begins anew goes on where the last one was killed.
 */
#ifndef TCPMIG_AGENT_MOVES_H
#define TCPMIG_AGENT_MOVES_H

#include "agent_conf.h"
#include "agent_limits.h"
#include "agent_store.h"
#include "control_message.h"
#include "pindir.h"
#include "rules.h"

#define AGENT_MOVES_MAX 256

/**
 * struct agent_move - a migration that can still come to something.
 * @flows:      that it has in the table
 * @paid_ns:    until then it may hold: taken from the account of its certificate already
 */
struct agent_move {
	struct store_record record;
	size_t flows;
	uint64_t paid_ns;
};

/**
 * struct agent_moves - all of them, and what they work with; not owned but @store and @limiter.
 * @table_flows: entries in the flow table, as it was seen last
 * @changed:     rules have changed; whoever tells that on sets it to false
 * @gone:        the pins have been removed: nothing can be done any more
 */
struct agent_moves {
	struct tables *tables;
	struct pindir *pins;
	const struct agent_conf *conf;
	struct agent_store *store;
	struct agent_limiter *limiter;
	size_t table_flows;
	bool changed;
	bool gone;
	size_t count;
	struct agent_move open[AGENT_MOVES_MAX];
};

/**
 * agent_moves_open() - read the store, and take up again what is under way in the maps.
 * Return: 0, and agent_moves_close() it; or -errno.
 */
int agent_moves_open(struct agent_moves *m, struct tables *tables, struct pindir *pins,
		     const struct agent_conf *conf, int state_fd);
void agent_moves_close(struct agent_moves *m);

/** agent_moves_tick() - end what has ended by itself; to be called every second or so. */
void agent_moves_tick(struct agent_moves *m);

/** agent_moves_list() - the open ones, at most @max. Return: how many. */
size_t agent_moves_list(const struct agent_moves *m, struct message_move *list, size_t max);

/** agent_moves_lock() - of the pins, for a change. Return: 0; -EBUSY; -ENOENT: they are gone. */
int agent_moves_lock(struct agent_moves *m);
void agent_moves_unlock(struct agent_moves *m);

/** moves_find() - the open one of @old, or NULL. */
struct agent_move *moves_find(struct agent_moves *m, const struct tcpmig_endpoint *old);

/** moves_begin() - a new one. Return: NULL and errno: ENOSPC. Not in the store yet. */
struct agent_move *moves_begin(struct agent_moves *m, const struct store_record *record);

/** moves_end() - it can come to nothing any more; the pointer is void. Time not used is given back.
 */
void moves_end(struct agent_moves *m, struct agent_move *move);

/** moves_save() - its record. @durable: as store_put(). Return: 0 or -errno. */
int moves_save(struct agent_moves *m, const struct agent_move *move, bool durable);

/** moves_state() - of the rule of @old. */
enum message_state moves_state(const struct agent_moves *m, const struct tcpmig_endpoint *old);

/** moves_describe() - as @record and the maps have it. */
void moves_describe(const struct agent_moves *m, const struct store_record *record,
		    struct message_move *out);

/** moves_owner() - who owns the flows of @old now: OLD itself, where there is no rule. */
void moves_owner(const struct agent_moves *m, const struct tcpmig_endpoint *old,
		 struct tcpmig_endpoint *cur);

#endif
