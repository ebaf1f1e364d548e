// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

_Static_assert(TCPMIG_AF_INET == AF_INET && TCPMIG_AF_INET6 == AF_INET6, "Linux numbers");

void endpoint_set4(struct tcpmig_endpoint *ep, __be32 addr, __be16 port)
{
	*ep = (struct tcpmig_endpoint){ .port = port, .family = AF_INET };
	ep->addr32[2] = htonl(0xffff);
	ep->addr32[3] = addr;
}

void endpoint_set6(struct tcpmig_endpoint *ep, const void *addr16, __be16 port)
{
	*ep = (struct tcpmig_endpoint){ .port = port, .family = AF_INET6 };
	memcpy(ep->addr, addr16, sizeof(ep->addr));
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)ep->addr))
		ep->family = AF_INET;
}

void endpoint_of_sockaddr(struct tcpmig_endpoint *ep, const struct sockaddr *from)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	if (from->sa_family == AF_INET)
		endpoint_set4(ep, in->sin_addr.s_addr, in->sin_port);
	else
		endpoint_set6(ep, &in6->sin6_addr, in6->sin6_port);
}

socklen_t endpoint_to_sockaddr(const struct tcpmig_endpoint *ep, struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	to->ss_family = ep->family;
	if (ep->family == AF_INET) {
		in->sin_addr.s_addr = ep->addr32[3];
		in->sin_port = ep->port;
		return sizeof(*in);
	}
	memcpy(&in6->sin6_addr, ep->addr, sizeof(ep->addr));
	in6->sin6_port = ep->port;
	return sizeof(*in6);
}

static const char *parse_port(const char *text, __be16 *port)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return "port is missing or no number";
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end)
		return "port is no number";
	if (errno || value < 1 || value > 65535)
		return "port is not in 1..65535";
	*port = htons(value);
	return NULL;
}

/* @len bytes of @text, which are not NUL-terminated. */
static const char *parse_addr(const char *text, size_t len, int family, __be16 port,
			      struct tcpmig_endpoint *ep)
{
	char addr[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	struct in_addr in;

	if (len == 0)
		return "address is missing";
	if (len >= sizeof(addr))
		return "not an IP address";
	memcpy(addr, text, len);
	addr[len] = 0;
	if (family == AF_INET) {
		if (inet_pton(AF_INET, addr, &in) != 1)
			return "not an IPv4 address";
		endpoint_set4(ep, in.s_addr, port);
		return NULL;
	}
	if (inet_pton(AF_INET6, addr, &in6) != 1)
		return "not an IPv6 address";
	endpoint_set6(ep, &in6, port);
	return NULL;
}

/* "[V6]" or "[V6]:PORT"; @text is behind the bracket. */
static const char *parse_bracketed(const char *text, struct tcpmig_endpoint *ep, bool port_optional)
{
	const char *close = strchr(text, ']');
	const char *wrong;
	__be16 port = 0;

	if (!close)
		return "']' is missing";
	if (close[1] == ':') {
		wrong = parse_port(close + 2, &port);
		if (wrong)
			return wrong;
	} else if (close[1] || !port_optional) {
		return "port is missing";
	}
	return parse_addr(text, close - text, AF_INET6, port, ep);
}

static const char *parse(const char *text, struct tcpmig_endpoint *ep, bool port_optional)
{
	const char *colon = strchr(text, ':');
	const char *wrong;
	__be16 port = 0;

	if (*text == '[')
		return parse_bracketed(text + 1, ep, port_optional);
	if (colon && strchr(colon + 1, ':')) {
		if (port_optional)
			return parse_addr(text, strlen(text), AF_INET6, 0, ep);
		return "an IPv6 address must be in brackets";
	}
	if (!colon && !port_optional)
		return "port is missing";
	if (colon) {
		wrong = parse_port(colon + 1, &port);
		if (wrong)
			return wrong;
	}
	return parse_addr(text, colon ? (size_t)(colon - text) : strlen(text), AF_INET, port, ep);
}

const char *endpoint_parse(const char *text, struct tcpmig_endpoint *ep)
{
	return parse(text, ep, false);
}

const char *endpoint_parse_optional_port(const char *text, struct tcpmig_endpoint *ep)
{
	return parse(text, ep, true);
}

const char *endpoint_check_routable(const struct tcpmig_endpoint *ep)
{
	const struct in6_addr *in6 = (const struct in6_addr *)ep->addr;
	in_addr_t in = ntohl(ep->addr32[3]);

	if (endpoint_is_any(ep))
		return "the unspecified address";
	if (endpoint_is_loopback(ep))
		return "a loopback address, whose packets pass no interface but lo";
	if (ep->family == AF_INET)
		return in >= 0xe0000000 ? "a multicast, reserved or broadcast address" : NULL;
	if (IN6_IS_ADDR_MULTICAST(in6))
		return "a multicast address";
	if (IN6_IS_ADDR_LINKLOCAL(in6))
		return "a link-local address, which means nothing on another link";
	return NULL;
}

bool endpoint_is_any(const struct tcpmig_endpoint *ep)
{
	if (ep->family == AF_INET)
		return !ep->addr32[3];
	return IN6_IS_ADDR_UNSPECIFIED((const struct in6_addr *)ep->addr);
}

bool endpoint_is_loopback(const struct tcpmig_endpoint *ep)
{
	if (ep->family == AF_INET)
		return ntohl(ep->addr32[3]) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)ep->addr);
}

bool endpoint_same_addr(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

bool endpoint_same(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b)
{
	return endpoint_same_addr(a, b) && a->port == b->port;
}

bool endpoint_in(const struct tcpmig_endpoint *list, size_t count, const struct tcpmig_endpoint *ep)
{
	for (size_t i = 0; i < count; i++) {
		if (endpoint_same(&list[i], ep))
			return true;
	}
	return false;
}

const char *endpoint_format_addr(const struct tcpmig_endpoint *ep, char *buf)
{
	const void *addr = ep->family == AF_INET ? (const void *)&ep->addr32[3] : ep->addr;

	return inet_ntop(ep->family, addr, buf, ENDPOINT_STRLEN);
}

const char *endpoint_format(const struct tcpmig_endpoint *ep, char *buf)
{
	char addr[ENDPOINT_STRLEN];

	snprintf(buf, ENDPOINT_STRLEN, ep->family == AF_INET ? "%.45s:%u" : "[%.45s]:%u",
		 endpoint_format_addr(ep, addr), ntohs(ep->port));
	return buf;
}
