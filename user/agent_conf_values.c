// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "agent_conf_values.h"
#include "cleanup.h"
#include "conf_values.h"

static void begin_listen(void *to)
{
	struct conf_target *target = to;

	target->conf.listen_count = 0;
}

static int set_listen(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct agent_conf *conf = &((struct conf_target *)to)->conf;

	(void)key;
	return conf_add_listen(conf->listen, &conf->listen_count, AGENT_LISTEN_MAX, AGENT_PORT,
			       value, why);
}

static int set_user(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct agent_conf *conf = &((struct conf_target *)to)->conf;
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	static const char more[] = "abcdefghijklmnopqrstuvwxyz_0123456789-";
	size_t len = strlen(value);

	(void)key;
	if (!len || len >= sizeof(conf->user) || !strchr(first, value[0]) ||
	    strspn(value, more) != len)
		return conf_expected(why, "the name of a user");
	if (!strcmp(value, "root"))
		return conf_expected(why, "a user without rights: the agent needs none");
	strcpy(conf->user, value);
	return 0;
}

static int set_prefix(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct conf_side *side = (struct conf_side *)((char *)to + key->offset);

	return conf_add_prefix(side->prefixes, &side->prefix_count, TCPMIG_POLICIES_MAX, value,
			       why);
}

static int set_ports(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct conf_side *side = (struct conf_side *)((char *)to + key->offset);

	return conf_add_ports(side->ports, &side->port_count, TCPMIG_POLICIES_MAX, value, why);
}

/* clang-format off */
#define IN_CONF(member) offsetof(struct conf_target, conf.member)
#define IN_MOVE(member) offsetof(struct conf_target, move.member)
const struct conf_key conf_keys[] = {
	{ CONF_AGENT, "listen", set_listen, true, 0, 0, 0, begin_listen },
	{ CONF_AGENT, "user", set_user, false, 0, 0, 0, NULL },
	{ CONF_AGENT, "ca", conf_set_path, false, IN_CONF(ca), 0, 0, NULL },
	{ CONF_AGENT, "crl", conf_set_path, false, IN_CONF(crl), 0, 0, NULL },
	{ CONF_AGENT, "cert", conf_set_path, false, IN_CONF(cert), 0, 0, NULL },
	{ CONF_AGENT, "key", conf_set_path, false, IN_CONF(key), 0, 0, NULL },
	{ CONF_AGENT, "state", conf_set_path, false, IN_CONF(state), 0, 0, NULL },
	{ CONF_AGENT, "check-source", conf_set_yes_no, false, IN_CONF(check_source), 0, 0, NULL },
	{ CONF_LIMITS, "flows", conf_set_number, false, IN_CONF(limits.flows), 1, TCPMIG_FLOWS_MAX, NULL },
	{ CONF_LIMITS, "moves", conf_set_number, false, IN_CONF(limits.moves), 1, TCPMIG_RULES_MAX, NULL },
	{ CONF_LIMITS, "moves-a-minute", conf_set_number, false, IN_CONF(limits.moves_a_minute), 1, 60000, NULL },
	{ CONF_LIMITS, "hold-s", conf_set_number, false, IN_CONF(limits.hold_s), 1, 3600, NULL },
	{ CONF_LIMITS, "held-s-an-hour", conf_set_number, false, IN_CONF(limits.held_s_an_hour), 1, 3600, NULL },
	{ CONF_MOVE, "old", set_prefix, true, IN_MOVE(old), 0, 0, NULL },
	{ CONF_MOVE, "new", set_prefix, true, IN_MOVE(new), 0, 0, NULL },
	{ CONF_MOVE, "ports", set_ports, true, IN_MOVE(old), 0, 0, NULL },
	{ CONF_MOVE, "new-ports", set_ports, true, IN_MOVE(new), 0, 0, NULL },
};
/* clang-format on */
const size_t conf_key_count = ARRAY_SIZE(conf_keys);
_Static_assert(ARRAY_SIZE(conf_keys) <= CONF_KEYS_MAX, "a bit for each");
