// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A file that is taken, written anew from what was understood, means the same. What is wrong as
 * one of our files may be right as the other, so both are tried.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent_conf.h"
#include "endpoint.h"
#include "fuzz.h"
#include "host_conf.h"
#include "prefix.h"

static char text[CONF_BYTES];
static size_t used;

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	used += vsnprintf(text + used, sizeof(text) - used, fmt, args);
	va_end(args);
	CLAIM(used < sizeof(text));
}

static void say_side(const char *prefix_key, const char *ports_key, const struct tcpmig_prefix *p)
{
	char prefix[PREFIX_STRLEN];

	say("%s = %s\n%s = %u-%u\n", prefix_key, prefix_format(p, prefix), ports_key, p->port_min,
	    p->port_max);
}

static void write_anew(const struct agent_conf *conf)
{
	char ep[ENDPOINT_STRLEN];

	used = 0;
	say("[agent]\nlisten =");
	for (size_t i = 0; i < conf->listen_count; i++)
		say("%s%s\n", i ? " " : "", endpoint_format(&conf->listen[i], ep));
	say("user=%s\nca=%s\ncert=%s\nkey=%s\nstate=%s\n", conf->user, conf->ca, conf->cert,
	    conf->key, conf->state);
	if (*conf->crl)
		say("crl=%s\n", conf->crl);
	say("check-source = %s\n[limits]\n", conf->check_source ? "yes" : "no");
	say("flows = %u\nmoves = %u\nmoves-a-minute = %u\nhold-s = %u\nheld-s-an-hour = %u\n",
	    conf->limits.flows, conf->limits.moves, conf->limits.moves_a_minute,
	    conf->limits.hold_s, conf->limits.held_s_an_hour);
	for (size_t i = 0; i < conf->policy_count; i++) {
		say("[move m%zu]\n", i);
		say_side("old", "ports", &conf->policies[i].old);
		say_side("new", "new-ports", &conf->policies[i].new);
	}
}

static void claim_prefix(const struct tcpmig_prefix *p)
{
	CLAIM(p->family == TCPMIG_AF_INET || p->family == TCPMIG_AF_INET6);
	CLAIM(p->port_min >= 1 && p->port_min <= p->port_max);
	CLAIM(p->bits <= 128);
	for (int bit = p->bits; bit < 128; bit++)
		CLAIM(!(p->addr[bit / 8] & 0x80 >> bit % 8));
}

static void claim_conf(const struct agent_conf *conf)
{
	CLAIM(conf->listen_count >= 1 && conf->listen_count <= AGENT_LISTEN_MAX);
	CLAIM(conf->policy_count <= TCPMIG_POLICIES_MAX);
	CLAIM(conf->limits.hold_s <= conf->limits.held_s_an_hour);
	CLAIM(conf->ca[0] == '/' && conf->cert[0] == '/' && conf->key[0] == '/');
	for (size_t i = 0; i < conf->policy_count; i++) {
		claim_prefix(&conf->policies[i].old);
		claim_prefix(&conf->policies[i].new);
		CLAIM(conf->policies[i].old.family == conf->policies[i].new.family);
	}
}

static void try_agent(const uint8_t *data, size_t size)
{
	static struct agent_conf conf, again;
	char why[CONF_WHY_LEN];
	int err = agent_conf_parse((const char *)data, size, &conf, why);

	CLAIM(err == 0 || err == -EINVAL || err == -E2BIG);
	if (err) {
		claim_phrase(why);
		return;
	}
	claim_conf(&conf);
	write_anew(&conf);
	if (agent_conf_parse(text, used, &again, why))
		fprintf(stderr, "%s\n%.*s", why, (int)used, text), abort();
	CLAIM(!memcmp(&conf, &again, sizeof(conf)));
}

static void say_prefixes(const char *key, const struct host_prefixes *list)
{
	char prefix[PREFIX_STRLEN];

	for (size_t i = 0; i < list->count; i++)
		say("%s = %s\n", key, prefix_format(&list->at[i], prefix));
}

static void write_host_anew(const struct host_conf *conf)
{
	char ep[ENDPOINT_STRLEN];

	used = 0;
	say("[host]\nlisten =");
	for (size_t i = 0; i < conf->listen_count; i++)
		say("%s%s\n", i ? " " : "", endpoint_format(&conf->listen[i], ep));
	say("ca=%s\ncert=%s\nkey=%s\nstate=%s\nimages=%s\npins=%s\n", conf->ca, conf->cert,
	    conf->key, conf->state, conf->images, conf->pins);
	if (*conf->crl)
		say("crl=%s\n", conf->crl);
	if (*conf->criu)
		say("criu=%s\n", conf->criu);
	say("agent-port = %u\nagent-timeout-ms = %u\n", conf->agent_port, conf->agent_timeout_ms);
	for (size_t i = 0; i < conf->accept_count; i++) {
		const struct host_accept *accept = &conf->accepts[i];

		say("[accept %s]\n", accept->name);
		say_prefixes("from", &accept->from);
		say_prefixes("new", &accept->new);
		for (size_t j = 0; j < accept->ports.count; j++)
			say("ports = %u-%u\n", accept->ports.at[j].port_min,
			    accept->ports.at[j].port_max);
	}
}

static void claim_host_conf(const struct host_conf *conf)
{
	CLAIM(conf->listen_count >= 1 && conf->listen_count <= HOST_LISTEN_MAX);
	CLAIM(conf->accept_count <= HOST_ACCEPTS_MAX);
	CLAIM(conf->ca[0] == '/' && conf->images[0] == '/' && conf->pins[0] == '/');
	CLAIM(conf->agent_port >= 1 && conf->agent_port <= 65535);
	for (size_t i = 0; i < conf->accept_count; i++) {
		CLAIM(*conf->accepts[i].name && conf->accepts[i].from.count);
		CLAIM(conf->accepts[i].from.count <= HOST_PREFIXES_MAX);
	}
}

static void try_host(const uint8_t *data, size_t size)
{
	static struct host_conf conf, again;
	char why[CONF_WHY_LEN];
	int err = host_conf_parse((const char *)data, size, &conf, why);

	CLAIM(err == 0 || err == -EINVAL || err == -E2BIG);
	if (err) {
		claim_phrase(why);
		return;
	}
	claim_host_conf(&conf);
	write_host_anew(&conf);
	if (host_conf_parse(text, used, &again, why))
		fprintf(stderr, "%s\n%.*s", why, (int)used, text), abort();
	CLAIM(!memcmp(&conf, &again, sizeof(conf)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_agent(data, size);
	try_host(data, size);
	return 0;
}
