// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "prefix.h"

#define V4_OFFSET_BITS 96

static bool same_bits(const __u8 *a, const __u8 *b, unsigned int bits)
{
	unsigned int rest = bits % 8;

	return !memcmp(a, b, bits / 8) && (!rest || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

static bool is_zero_after(const __u8 *addr, unsigned int bits)
{
	for (unsigned int bit = bits; bit < 128; bit++) {
		if (addr[bit / 8] & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

static const char *parse_bits(const char *text, unsigned int max, unsigned int *bits)
{
	*bits = 0;
	if (!*text)
		return "the number of bits is missing";
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return "the number of bits is no number";
		*bits = *bits * 10 + (*text - '0');
		if (*bits > max)
			return max == 32 ? "more than 32 bits" : "more than 128 bits";
	}
	return NULL;
}

const char *prefix_parse(const char *text, struct tcpmig_prefix *prefix)
{
	const char *slash = strchr(text, '/'), *wrong;
	struct tcpmig_endpoint ep;
	char addr[INET6_ADDRSTRLEN];
	unsigned int bits;
	struct in6_addr in6;
	struct in_addr in;

	if (!slash)
		return "the number of bits is missing";
	if ((size_t)(slash - text) >= sizeof(addr))
		return "not an IP address";
	memcpy(addr, text, slash - text);
	addr[slash - text] = 0;
	if (inet_pton(AF_INET, addr, &in) == 1)
		endpoint_set4(&ep, in.s_addr, 0);
	else if (inet_pton(AF_INET6, addr, &in6) == 1)
		endpoint_set6(&ep, &in6, 0);
	else
		return "not an IP address";
	if (ep.family == AF_INET && strchr(addr, ':'))
		return "a v4-mapped address; write it as IPv4";
	wrong = parse_bits(slash + 1, ep.family == AF_INET ? 32 : 128, &bits);
	if (wrong)
		return wrong;
	bits += ep.family == AF_INET ? V4_OFFSET_BITS : 0;
	if (!is_zero_after(ep.addr, bits))
		return "the address has bits set behind the prefix";
	*prefix = (struct tcpmig_prefix){ .bits = bits, .family = ep.family, .port_max = 65535 };
	memcpy(prefix->addr, ep.addr, sizeof(prefix->addr));
	return NULL;
}

const char *prefix_format(const struct tcpmig_prefix *prefix, char *buf)
{
	bool v4 = prefix->family == AF_INET;
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family, v4 ? (const void *)&prefix->addr32[3] : prefix->addr, addr,
		  sizeof(addr));
	snprintf(buf, PREFIX_STRLEN, "%s/%d", addr, prefix->bits - (v4 ? V4_OFFSET_BITS : 0));
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
