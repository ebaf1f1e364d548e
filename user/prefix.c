// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "prefix.h"

#define V4_BITS 96 /* of a v4-mapped address, before the IPv4 one */

static bool same_bits(const __u8 *a, const __u8 *b, unsigned int bits)
{
	unsigned int rest = bits % 8;

	return !memcmp(a, b, bits / 8) && (!rest || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

/* Return: @text as a decimal number up to @most; -1: it is none. */
static int number(const char *text, int most)
{
	int value = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + *text - '0';
		if (value > most)
			return -1;
	}
	return value;
}

static bool parse_addr(const char *text, struct tcpmig_prefix *prefix)
{
	struct in6_addr *in6 = (struct in6_addr *)prefix->addr;

	if (inet_pton(AF_INET, text, &prefix->addr32[3]) == 1) {
		prefix->addr32[2] = htonl(0xffff);
		prefix->family = TCPMIG_AF_INET;
		return true;
	}
	prefix->family = TCPMIG_AF_INET6;
	return inet_pton(AF_INET6, text, in6) == 1 && !IN6_IS_ADDR_V4MAPPED(in6);
}

/* Return: was any of the bits behind the prefix set? */
static bool clear_host_bits(struct tcpmig_prefix *prefix)
{
	bool was_set = false;

	for (int bit = prefix->bits; bit < 128; bit++) {
		__u8 mask = 0x80 >> bit % 8;

		was_set |= prefix->addr[bit / 8] & mask;
		prefix->addr[bit / 8] &= ~mask;
	}
	return was_set;
}

int prefix_parse(const char *text, struct tcpmig_prefix *prefix, char *why)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct tcpmig_prefix parsed = { .port_min = prefix->port_min,
					.port_max = prefix->port_max };
	char addr[INET6_ADDRSTRLEN], right[PREFIX_STRLEN];
	int first, bits;

	strcpy(why, "expected a prefix like 10.9.0.0/24, 10.9.0.7 or fd09::/64");
	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = 0;
	if (!parse_addr(addr, &parsed))
		return -EINVAL;
	first = parsed.family == TCPMIG_AF_INET ? V4_BITS : 0;
	bits = slash ? number(slash + 1, 128 - first) : 128 - first;
	if (bits < 0) {
		snprintf(why, PREFIX_WHY_LEN, "expected 0..%d bits behind the '/'", 128 - first);
		return -EINVAL;
	}
	parsed.bits = first + bits;
	if (clear_host_bits(&parsed)) {
		snprintf(why, PREFIX_WHY_LEN, "expected %s: bits behind the prefix are set",
			 prefix_format(&parsed, right));
		return -EINVAL;
	}
	*prefix = parsed;
	return 0;
}

int ports_parse(const char *text, struct tcpmig_prefix *prefix)
{
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	char from[8];
	int min, max;

	if (len >= sizeof(from))
		return -EINVAL;
	memcpy(from, text, len);
	from[len] = 0;
	min = number(from, 65535);
	max = dash ? number(dash + 1, 65535) : min;
	if (min < 1 || max < min)
		return -EINVAL;
	prefix->port_min = min;
	prefix->port_max = max;
	return 0;
}

const char *prefix_format(const struct tcpmig_prefix *prefix, char *buf)
{
	bool v4 = prefix->family == TCPMIG_AF_INET;
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &prefix->addr[12] : prefix->addr, addr,
		  sizeof(addr));
	snprintf(buf, PREFIX_STRLEN, "%s/%d", addr, prefix->bits - (v4 ? V4_BITS : 0));
	return buf;
}

bool prefix_has_addr(const struct tcpmig_prefix *prefix, const struct tcpmig_endpoint *ep)
{
	return prefix->family == ep->family && same_bits(prefix->addr, ep->addr, prefix->bits);
}

bool prefix_has_prefix(const struct tcpmig_prefix *outer, const struct tcpmig_prefix *inner)
{
	return outer->family == inner->family && outer->bits <= inner->bits &&
	       same_bits(outer->addr, inner->addr, outer->bits);
}
