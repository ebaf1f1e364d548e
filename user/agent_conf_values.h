/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of agent.conf and what they take. For agent_conf*.c only. */
#ifndef TCPMIG_AGENT_CONF_VALUES_H
#define TCPMIG_AGENT_CONF_VALUES_H

#include "agent_conf.h"

enum conf_section {
	CONF_NONE,
	CONF_AGENT,
	CONF_LIMITS,
	CONF_MOVE,
};

#define CONF_NAME_LEN 32 /* of a [move NAME], at most */

/** struct conf_side - old or new of a [move]; a range of ports is a prefix without address. */
struct conf_side {
	struct tcpmig_prefix prefixes[TCPMIG_POLICIES_MAX];
	size_t prefix_count;
	struct tcpmig_prefix ports[TCPMIG_POLICIES_MAX];
	size_t port_count;
};

/** struct conf_move - the [move] that is being read. */
struct conf_move {
	struct conf_side old;
	struct conf_side new;
};

/** struct conf_target - where values go to. */
struct conf_target {
	struct agent_conf *conf;
	struct conf_move *move;
};

struct conf_key;

/**
 * conf_set - take one value, or one of a list.
 * @value: without spaces around it
 * @why:   AGENT_CONF_WHY_LEN bytes; on error: what was expected, as a phrase
 * Return: 0; -EINVAL; -E2BIG.
 */
typedef int (*conf_set)(const struct conf_key *key, const char *value, struct conf_target *to,
			char *why);

/** struct conf_key - @offset, @min, @max, @size are for @set. */
struct conf_key {
	enum conf_section section;
	const char *name;
	conf_set set;
	bool is_list;
	size_t offset;
	unsigned int min, max;
};

/** conf_key_find() - its index in conf_keys; -1: there is no such key in that section. */
int conf_key_find(enum conf_section section, const char *name);

#define CONF_KEYS_MAX 32
extern const struct conf_key conf_keys[];

#endif
