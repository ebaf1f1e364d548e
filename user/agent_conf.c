// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_conf_values.h"
#include "cleanup.h"
#include "endpoint.h"
#include "prefix.h"

/* The families meet; a range of ports without an address says any port. */
static int add_policy(struct agent_conf *conf, const struct tcpmig_prefix *old,
		      const struct tcpmig_prefix *old_ports, const struct tcpmig_prefix *new,
		      const struct tcpmig_prefix *new_ports, char *why)
{
	struct tcpmig_policy *policy;

	if (conf->policy_count == TCPMIG_POLICIES_MAX) {
		snprintf(why, CONF_WHY_LEN,
			 "expected at most %d combinations of old, ports, new and new-ports in all",
			 TCPMIG_POLICIES_MAX);
		return -E2BIG;
	}
	policy = &conf->policies[conf->policy_count++];
	policy->old = *old;
	policy->old.port_min = old_ports->port_min;
	policy->old.port_max = old_ports->port_max;
	policy->new = *new;
	policy->new.port_min = new_ports->port_min;
	policy->new.port_max = new_ports->port_max;
	return 0;
}

static int add_ports(struct conf_target *to, const struct tcpmig_prefix *old,
		     const struct tcpmig_prefix *new, char *why)
{
	const struct conf_move *move = &to->move;
	int err = 0;

	for (size_t i = 0; !err && i < move->old.port_count; i++)
		for (size_t j = 0; !err && j < move->new.port_count; j++)
			err = add_policy(&to->conf, old, &move->old.ports[i], new,
					 &move->new.ports[j], why);
	return err;
}

/* Each prefix of @one side must have one of its family on the @other. */
static int check_families(const struct conf_side *one, const struct conf_side *other,
			  const char *name, char *why)
{
	char text[PREFIX_STRLEN];

	for (size_t i = 0; i < one->prefix_count; i++) {
		size_t j = 0;

		while (j < other->prefix_count &&
		       other->prefixes[j].family != one->prefixes[i].family)
			j++;
		if (j == other->prefix_count) {
			snprintf(why, CONF_WHY_LEN, "expected %s of the family of %s", name,
				 prefix_format(&one->prefixes[i], text));
			return -EINVAL;
		}
	}
	return 0;
}

static void any_port_if_none(struct conf_side *side)
{
	if (side->port_count)
		return;
	side->ports[0] = (struct tcpmig_prefix){ .port_min = 1, .port_max = 65535 };
	side->port_count = 1;
}

/* What a [move] has said becomes policies. */
static int end_move(struct conf_target *to, char *why)
{
	struct conf_move *move = &to->move;
	int err;

	if (!move->old.prefix_count || !move->new.prefix_count) {
		snprintf(why, CONF_WHY_LEN, "expected old = and new =");
		return -EINVAL;
	}
	any_port_if_none(&move->old);
	any_port_if_none(&move->new);
	err = check_families(&move->old, &move->new, "new", why);
	if (!err)
		err = check_families(&move->new, &move->old, "old", why);
	for (size_t i = 0; !err && i < move->old.prefix_count; i++)
		for (size_t j = 0; !err && j < move->new.prefix_count; j++)
			if (move->old.prefixes[i].family == move->new.prefixes[j].family)
				err = add_ports(to, &move->old.prefixes[i], &move->new.prefixes[j],
						why);
	return err;
}

static void begin_section(void *to, unsigned int section, const char *own_name)
{
	struct conf_target *target = to;

	(void)own_name;
	if (section == CONF_MOVE)
		memset(&target->move, 0, sizeof(target->move));
}

static int end_section(void *to, unsigned int section, char *why)
{
	return section == CONF_MOVE ? end_move(to, why) : 0;
}

static void set_defaults(struct agent_conf *conf)
{
	static const __u8 any6[16];

	memset(conf, 0, sizeof(*conf));
	endpoint_set4(&conf->listen[0], 0, htons(AGENT_PORT));
	endpoint_set6(&conf->listen[1], any6, htons(AGENT_PORT));
	conf->listen_count = 2;
	strcpy(conf->user, "tcpmig");
	strcpy(conf->ca, "/etc/tcpmig/ca.crt");
	strcpy(conf->cert, "/etc/tcpmig/agent.crt");
	strcpy(conf->key, "/etc/tcpmig/agent.key");
	strcpy(conf->state, "/var/lib/tcpmig");
	conf->check_source = true;
	conf->limits = (struct agent_limits){ .flows = 100000,
					      .moves = 16,
					      .moves_a_minute = 60,
					      .hold_s = 30,
					      .held_s_an_hour = 600 };
}

static int check_limits(const struct agent_limits *limits, char *why)
{
	if (limits->hold_s <= limits->held_s_an_hour)
		return 0;
	snprintf(why, CONF_WHY_LEN,
		 "hold-s is %u and held-s-an-hour %u: expected one hold to be no longer than all "
		 "of an hour",
		 limits->hold_s, limits->held_s_an_hour);
	return -EINVAL;
}

int agent_conf_parse(const char *text, size_t len, struct agent_conf *conf, char *why)
{
	static const struct conf_section sections[] = {
		[CONF_AGENT] = { "agent", false },
		[CONF_LIMITS] = { "limits", false },
		[CONF_MOVE] = { "move", true },
	};
	const struct conf_format format = {
		.keys = conf_keys,
		.key_count = conf_key_count,
		.sections = sections,
		.section_count = ARRAY_SIZE(sections),
		.named_max = TCPMIG_POLICIES_MAX,
		.named = "[move]",
		.expected = "[agent], [limits] or [move NAME], where NAME",
		.begin = begin_section,
		.end = end_section,
	};
	struct conf_target target;
	int err;

	set_defaults(&target.conf);
	err = conf_read(&format, text, len, &target, why);
	if (!err)
		err = check_limits(&target.conf.limits, why);
	*conf = target.conf;
	return err;
}
