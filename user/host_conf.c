// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_conf.h"
#include "cleanup.h"
#include "conf_values.h"
#include "endpoint.h"
#include "host_conf.h"
#include "host_message.h"
#include "prefix.h"

enum section { CONF_HOST, CONF_ACCEPT };

/** struct target - where values go to; @accept: the section that is being read. */
struct target {
	struct host_conf conf;
	struct host_accept accept;
};

static void begin_listen(void *to)
{
	struct target *target = to;

	target->conf.listen_count = 0;
}

static int set_listen(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct host_conf *conf = &((struct target *)to)->conf;

	(void)key;
	return conf_add_listen(conf->listen, &conf->listen_count, HOST_LISTEN_MAX, HOST_PORT, value,
			       why);
}

static int set_prefix(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct host_prefixes *list = (struct host_prefixes *)((char *)to + key->offset);

	return conf_add_prefix(list->at, &list->count, HOST_PREFIXES_MAX, value, why);
}

static int set_ports(const struct conf_key *key, const char *value, void *to, char *why)
{
	struct host_prefixes *list = (struct host_prefixes *)((char *)to + key->offset);

	return conf_add_ports(list->at, &list->count, HOST_PREFIXES_MAX, value, why);
}

/* clang-format off */
#define IN_CONF(member)	  offsetof(struct target, conf.member)
#define IN_ACCEPT(member) offsetof(struct target, accept.member)
static const struct conf_key keys[] = {
	{ CONF_HOST, "listen", set_listen, true, 0, 0, 0, begin_listen },
	{ CONF_HOST, "ca", conf_set_path, false, IN_CONF(ca), 0, 0, NULL },
	{ CONF_HOST, "crl", conf_set_path, false, IN_CONF(crl), 0, 0, NULL },
	{ CONF_HOST, "cert", conf_set_path, false, IN_CONF(cert), 0, 0, NULL },
	{ CONF_HOST, "key", conf_set_path, false, IN_CONF(key), 0, 0, NULL },
	{ CONF_HOST, "state", conf_set_path, false, IN_CONF(state), 0, 0, NULL },
	{ CONF_HOST, "images", conf_set_path, false, IN_CONF(images), 0, 0, NULL },
	{ CONF_HOST, "pins", conf_set_path, false, IN_CONF(pins), 0, 0, NULL },
	{ CONF_HOST, "criu", conf_set_path, false, IN_CONF(criu), 0, 0, NULL },
	{ CONF_HOST, "agent-port", conf_set_number, false, IN_CONF(agent_port), 1, 65535, NULL },
	{ CONF_HOST, "agent-timeout-ms", conf_set_number, false, IN_CONF(agent_timeout_ms), 10, 60000, NULL },
	{ CONF_ACCEPT, "from", set_prefix, true, IN_ACCEPT(from), 0, 0, NULL },
	{ CONF_ACCEPT, "new", set_prefix, true, IN_ACCEPT(new), 0, 0, NULL },
	{ CONF_ACCEPT, "ports", set_ports, true, IN_ACCEPT(ports), 0, 0, NULL },
};
/* clang-format on */
_Static_assert(ARRAY_SIZE(keys) <= CONF_KEYS_MAX, "a bit for each");

static void set_defaults(struct host_conf *conf)
{
	static const __u8 any6[16];

	memset(conf, 0, sizeof(*conf));
	endpoint_set4(&conf->listen[0], 0, htons(HOST_PORT));
	endpoint_set6(&conf->listen[1], any6, htons(HOST_PORT));
	conf->listen_count = 2;
	strcpy(conf->ca, "/etc/tcpmig/ca.crt");
	strcpy(conf->cert, "/etc/tcpmig/host.crt");
	strcpy(conf->key, "/etc/tcpmig/host.key");
	strcpy(conf->state, "/var/lib/tcpmig");
	strcpy(conf->images, "/run/tcpmig/images");
	strcpy(conf->pins, "/sys/fs/bpf/tcpmig-host");
	conf->agent_port = AGENT_PORT;
	conf->agent_timeout_ms = 2000;
}

static void begin_section(void *to, unsigned int section, const char *own_name)
{
	struct target *target = to;

	if (section != CONF_ACCEPT)
		return;
	memset(&target->accept, 0, sizeof(target->accept));
	snprintf(target->accept.name, sizeof(target->accept.name), "%s", own_name);
}

/* There are no more of them than the format allows. */
static int end_section(void *to, unsigned int section, char *why)
{
	struct target *target = to;

	if (section != CONF_ACCEPT)
		return 0;
	if (!target->accept.from.count)
		return conf_expected(why, "from =");
	target->conf.accepts[target->conf.accept_count++] = target->accept;
	return 0;
}

int host_conf_parse(const char *text, size_t len, struct host_conf *conf, char *why)
{
	static const struct conf_section sections[] = {
		[CONF_HOST] = { "host", false },
		[CONF_ACCEPT] = { "accept", true },
	};
	const struct conf_format format = {
		.keys = keys,
		.key_count = ARRAY_SIZE(keys),
		.sections = sections,
		.section_count = ARRAY_SIZE(sections),
		.named_max = HOST_ACCEPTS_MAX,
		.named = "[accept]",
		.expected = "[host] or [accept NAME], where NAME",
		.begin = begin_section,
		.end = end_section,
	};
	struct target target = {};
	int err;

	set_defaults(&target.conf);
	err = conf_read(&format, text, len, &target, why);
	*conf = target.conf;
	return err;
}

static bool has_addr(const struct host_prefixes *list, const struct tcpmig_endpoint *ep)
{
	for (size_t i = 0; i < list->count; i++)
		if (prefix_has_addr(&list->at[i], ep))
			return true;
	return false;
}

static bool has_port(const struct host_prefixes *list, const struct tcpmig_endpoint *ep)
{
	unsigned int port = ntohs(ep->port);

	for (size_t i = 0; i < list->count; i++)
		if (port >= list->at[i].port_min && port <= list->at[i].port_max)
			return true;
	return false;
}

bool host_conf_knows(const struct host_conf *conf, const struct tcpmig_endpoint *from)
{
	for (size_t i = 0; i < conf->accept_count; i++)
		if (has_addr(&conf->accepts[i].from, from))
			return true;
	return false;
}

bool host_conf_accepts(const struct host_conf *conf, const struct tcpmig_endpoint *from,
		       const struct tcpmig_endpoint *next)
{
	for (size_t i = 0; i < conf->accept_count; i++) {
		const struct host_accept *accept = &conf->accepts[i];

		if (has_addr(&accept->from, from) &&
		    (!accept->new.count || has_addr(&accept->new, next)) &&
		    (!accept->ports.count || has_port(&accept->ports, next)))
			return true;
	}
	return false;
}
