/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keys of agent.conf and what they take. For agent_conf*.c only. */
#ifndef TCPMIG_AGENT_CONF_VALUES_H
#define TCPMIG_AGENT_CONF_VALUES_H

#include "agent_conf.h"
#include "conf_reader.h"

enum agent_conf_section {
	CONF_AGENT,
	CONF_LIMITS,
	CONF_MOVE,
};

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
	struct agent_conf conf;
	struct conf_move move;
};

extern const struct conf_key conf_keys[];
extern const size_t conf_key_count;

#endif
