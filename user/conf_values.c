// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf_values.h"
#include "endpoint.h"
#include "prefix.h"

_Static_assert(PREFIX_WHY_LEN <= CONF_WHY_LEN, "prefix_parse() writes into it");

int conf_expected(char *why, const char *what)
{
	snprintf(why, CONF_WHY_LEN, "expected %s", what);
	return -EINVAL;
}

int conf_set_path(const struct conf_key *key, const char *value, void *to, char *why)
{
	if (value[0] != '/')
		return conf_expected(why, "a path that begins with /");
	if (strlen(value) >= CONF_PATH_LEN)
		return conf_expected(why, "a shorter path");
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return conf_expected(why, "a path without control characters");
	strcpy((char *)to + key->offset, value);
	return 0;
}

int conf_set_yes_no(const struct conf_key *key, const char *value, void *to, char *why)
{
	bool yes = !strcmp(value, "yes");

	if (!yes && strcmp(value, "no"))
		return conf_expected(why, "yes or no");
	*(bool *)((char *)to + key->offset) = yes;
	return 0;
}

int conf_set_number(const struct conf_key *key, const char *value, void *to, char *why)
{
	unsigned long number = 0;
	const char *at = value;

	for (; *at >= '0' && *at <= '9' && number <= key->max; at++)
		number = number * 10 + *at - '0';
	if (at == value || *at || number < key->min || number > key->max) {
		snprintf(why, CONF_WHY_LEN, "expected a number in %u..%u", key->min, key->max);
		return -EINVAL;
	}
	*(unsigned int *)((char *)to + key->offset) = number;
	return 0;
}

/* What can be bound: no group, and nothing that needs the name of a link. */
static bool can_listen(const struct tcpmig_endpoint *ep)
{
	const struct in6_addr *in6 = (const struct in6_addr *)ep->addr;

	if (ep->family == TCPMIG_AF_INET)
		return ntohl(ep->addr32[3]) < 0xe0000000;
	return !IN6_IS_ADDR_MULTICAST(in6) && !IN6_IS_ADDR_LINKLOCAL(in6);
}

int conf_add_listen(struct tcpmig_endpoint *at, size_t *count, size_t max, unsigned int port,
		    const char *value, char *why)
{
	struct tcpmig_endpoint ep;

	if (endpoint_parse_optional_port(value, &ep) || !can_listen(&ep)) {
		snprintf(why, CONF_WHY_LEN,
			 "expected an address of this host like 192.0.2.1, 192.0.2.1:%u or "
			 "[2001:db8::1]:%u",
			 port, port);
		return -EINVAL;
	}
	if (!ep.port)
		ep.port = htons(port);
	for (size_t i = 0; i < *count; i++)
		if (endpoint_same(&at[i], &ep))
			return conf_expected(why, "each address once");
	if (*count == max) {
		snprintf(why, CONF_WHY_LEN, "expected at most %zu addresses", max);
		return -EINVAL;
	}
	at[(*count)++] = ep;
	return 0;
}

static int too_many(size_t max, char *why)
{
	snprintf(why, CONF_WHY_LEN, "expected at most %zu", max);
	return -E2BIG;
}

int conf_add_prefix(struct tcpmig_prefix *at, size_t *count, size_t max, const char *value,
		    char *why)
{
	if (*count == max)
		return too_many(max, why);
	if (prefix_parse(value, &at[*count], why))
		return -EINVAL;
	(*count)++;
	return 0;
}

int conf_add_ports(struct tcpmig_prefix *at, size_t *count, size_t max, const char *value,
		   char *why)
{
	if (*count == max)
		return too_many(max, why);
	if (ports_parse(value, &at[*count]))
		return conf_expected(why, "ports like 5432 or 8000-8999, in 1..65535");
	(*count)++;
	return 0;
}
