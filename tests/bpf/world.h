/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs and the model side by side: rules change by user/rules.c, as the commands
 * change them, and the model reads what that wrote into the maps.
 */
#ifndef TCPMIG_TEST_WORLD_H
#define TCPMIG_TEST_WORLD_H

#include <stdio.h>

#include "gen.h"
#include "model.h"
#include "tables.h"

struct bpf_object;

/* Tables that small are full now and then. */
#define WORLD_ENTRIES 40

/**
 * struct world - the loaded programs, their tables, and the model of both.
 * @prog_fds: by enum model_direction
 */
struct world {
	struct bpf_object *obj;
	void *skel;
	bool plain;
	int prog_fds[2];
	struct tables tables;
	struct tables_policy policy;
	struct model model;
	__u64 counters_base[TCPMIG_REASONS_COUNT];
	struct tcpmig_rule_stats stats_base[MODEL_RULES_MAX];
	unsigned int changes;
	unsigned int ifindexes; /* owners are behind interface 0 (the packet's own) .. this - 1 */
};

/**
 * world_open() - load the programs for devices with @l2_len.
 * @plain: those for a kernel that does not show skb->ip_summed; taken where it does not, too
 * Return: 0 or < 0.
 */
int world_open(struct world *w, unsigned int l2_len, bool plain);
void world_close(struct world *w);

/** world_change() - one random order of a user, or time passing; the model follows. */
void world_change(struct world *w, struct gen *g);

/** world_clear() - no rule, no entry. */
void world_clear(struct world *w);

/**
 * world_differs() - what the packets since the last change have counted and entered in the
 * tables, against the model. Prints each difference to @to. Return: their number.
 */
int world_differs(struct world *w, FILE *to);

/** world_print() - rules and entries, as comments. */
void world_print(const struct world *w, FILE *to);

/**
 * world_sockets() - go to a network namespace of one's own where some clients have direct
 * connections, with which flows may collide. Return: 0, or -errno: there are none.
 */
int world_sockets(void);

/** world_socket_exists() - is @key one of these connections? */
bool world_socket_exists(const struct tcpmig_flow_key *key);

#endif
