// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "agent_conf_values.h"
#include "cleanup.h"
#include "endpoint.h"
#include "prefix.h"

static int expected(char *why, const char *what)
{
	snprintf(why, AGENT_CONF_WHY_LEN, "expected %s", what);
	return -EINVAL;
}

/* What can be bound: no group, and nothing that needs the name of a link. */
static bool can_listen(const struct tcpmig_endpoint *ep)
{
	const struct in6_addr *in6 = (const struct in6_addr *)ep->addr;

	if (ep->family == TCPMIG_AF_INET)
		return ntohl(ep->addr32[3]) < 0xe0000000;
	return !IN6_IS_ADDR_MULTICAST(in6) && !IN6_IS_ADDR_LINKLOCAL(in6);
}

static int set_listen(const struct conf_key *key, const char *value, struct conf_target *to,
		      char *why)
{
	struct agent_conf *conf = to->conf;
	struct tcpmig_endpoint ep;

	(void)key;
	if (endpoint_parse_optional_port(value, &ep) || !can_listen(&ep))
		return expected(why, "an address of this host like 192.0.2.1, 192.0.2.1:7170 or "
				     "[2001:db8::1]:7170");
	if (!ep.port)
		ep.port = htons(AGENT_PORT);
	for (size_t i = 0; i < conf->listen_count; i++)
		if (endpoint_same(&conf->listen[i], &ep))
			return expected(why, "each address once");
	if (conf->listen_count == AGENT_LISTEN_MAX) {
		snprintf(why, AGENT_CONF_WHY_LEN, "expected at most %d addresses",
			 AGENT_LISTEN_MAX);
		return -EINVAL;
	}
	conf->listen[conf->listen_count++] = ep;
	return 0;
}

static int set_user(const struct conf_key *key, const char *value, struct conf_target *to,
		    char *why)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	static const char more[] = "abcdefghijklmnopqrstuvwxyz_0123456789-";
	size_t len = strlen(value);

	(void)key;
	if (!len || len >= sizeof(to->conf->user) || !strchr(first, value[0]) ||
	    strspn(value, more) != len)
		return expected(why, "the name of a user");
	if (!strcmp(value, "root"))
		return expected(why, "a user without rights: the agent needs none");
	strcpy(to->conf->user, value);
	return 0;
}

static int set_path(const struct conf_key *key, const char *value, struct conf_target *to,
		    char *why)
{
	if (value[0] != '/')
		return expected(why, "a path that begins with /");
	if (strlen(value) >= AGENT_PATH_LEN)
		return expected(why, "a shorter path");
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return expected(why, "a path without control characters");
	strcpy((char *)to->conf + key->offset, value);
	return 0;
}

static int set_yes_no(const struct conf_key *key, const char *value, struct conf_target *to,
		      char *why)
{
	bool yes = !strcmp(value, "yes");

	if (!yes && strcmp(value, "no"))
		return expected(why, "yes or no");
	*(bool *)((char *)to->conf + key->offset) = yes;
	return 0;
}

static int set_number(const struct conf_key *key, const char *value, struct conf_target *to,
		      char *why)
{
	unsigned long number = 0;
	const char *at = value;

	for (; *at >= '0' && *at <= '9' && number <= key->max; at++)
		number = number * 10 + *at - '0';
	if (at == value || *at || number < key->min || number > key->max) {
		snprintf(why, AGENT_CONF_WHY_LEN, "expected a number in %u..%u", key->min,
			 key->max);
		return -EINVAL;
	}
	*(unsigned int *)((char *)to->conf + key->offset) = number;
	return 0;
}

static int too_many(char *why)
{
	snprintf(why, AGENT_CONF_WHY_LEN, "expected at most %d", TCPMIG_POLICIES_MAX);
	return -E2BIG;
}

static int set_prefix(const struct conf_key *key, const char *value, struct conf_target *to,
		      char *why)
{
	struct conf_side *side = (struct conf_side *)((char *)to->move + key->offset);

	if (side->prefix_count == TCPMIG_POLICIES_MAX)
		return too_many(why);
	if (prefix_parse(value, &side->prefixes[side->prefix_count], why))
		return -EINVAL;
	side->prefix_count++;
	return 0;
}

static int set_ports(const struct conf_key *key, const char *value, struct conf_target *to,
		     char *why)
{
	struct conf_side *side = (struct conf_side *)((char *)to->move + key->offset);

	if (side->port_count == TCPMIG_POLICIES_MAX)
		return too_many(why);
	if (ports_parse(value, &side->ports[side->port_count]))
		return expected(why, "ports like 5432 or 8000-8999, in 1..65535");
	side->port_count++;
	return 0;
}

_Static_assert(PREFIX_WHY_LEN <= AGENT_CONF_WHY_LEN, "prefix_parse() writes into it");

/* clang-format off */
#define IN_CONF(member) offsetof(struct agent_conf, member)
#define IN_MOVE(member) offsetof(struct conf_move, member)
const struct conf_key conf_keys[] = {
	{ CONF_AGENT, "listen", set_listen, true, 0, 0, 0 },
	{ CONF_AGENT, "user", set_user, false, 0, 0, 0 },
	{ CONF_AGENT, "ca", set_path, false, IN_CONF(ca), 0, 0 },
	{ CONF_AGENT, "crl", set_path, false, IN_CONF(crl), 0, 0 },
	{ CONF_AGENT, "cert", set_path, false, IN_CONF(cert), 0, 0 },
	{ CONF_AGENT, "key", set_path, false, IN_CONF(key), 0, 0 },
	{ CONF_AGENT, "state", set_path, false, IN_CONF(state), 0, 0 },
	{ CONF_AGENT, "check-source", set_yes_no, false, IN_CONF(check_source), 0, 0 },
	{ CONF_LIMITS, "flows", set_number, false, IN_CONF(limits.flows), 1, TCPMIG_FLOWS_MAX },
	{ CONF_LIMITS, "moves", set_number, false, IN_CONF(limits.moves), 1, TCPMIG_RULES_MAX },
	{ CONF_LIMITS, "moves-a-minute", set_number, false, IN_CONF(limits.moves_a_minute), 1, 60000 },
	{ CONF_LIMITS, "hold-s", set_number, false, IN_CONF(limits.hold_s), 1, 3600 },
	{ CONF_LIMITS, "held-s-an-hour", set_number, false, IN_CONF(limits.held_s_an_hour), 1, 3600 },
	{ CONF_MOVE, "old", set_prefix, true, IN_MOVE(old), 0, 0 },
	{ CONF_MOVE, "new", set_prefix, true, IN_MOVE(new), 0, 0 },
	{ CONF_MOVE, "ports", set_ports, true, IN_MOVE(old), 0, 0 },
	{ CONF_MOVE, "new-ports", set_ports, true, IN_MOVE(new), 0, 0 },
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(conf_keys) <= CONF_KEYS_MAX, "a bit for each");

int conf_key_find(enum conf_section section, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(conf_keys); i++)
		if (conf_keys[i].section == section && !strcmp(conf_keys[i].name, name))
			return i;
	return -1;
}
