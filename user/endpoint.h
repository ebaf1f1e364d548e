/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ADDR:PORT as text and as struct tcpmig_endpoint. Pure: no I/O, no state. */
#ifndef TCPMIG_ENDPOINT_H
#define TCPMIG_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "tcpmig_shared.h"

/** Room for "[v6]:65535" and its NUL. */
#define ENDPOINT_STRLEN 56

/**
 * endpoint_parse() - parse ADDR:PORT or [V6]:PORT.
 * @text: "192.0.2.1:80", "[2001:db8::1]:80"; port 1..65535, decimal
 * @ep:   result, network byte order; untouched on error
 *
 * A v4-mapped IPv6 address becomes IPv4: that is what is on the wire.
 * Return: NULL, or what is wrong with @text as a phrase (static storage).
 */
const char *endpoint_parse(const char *text, struct tcpmig_endpoint *ep);

/**
 * endpoint_parse_optional_port() - as endpoint_parse(), but ADDR alone is right too.
 * @text: "192.0.2.1", "2001:db8::1", "[2001:db8::1]" or with :PORT; without, port is 0
 */
const char *endpoint_parse_optional_port(const char *text, struct tcpmig_endpoint *ep);

/**
 * endpoint_check_routable() - can a TCP connection over an interface have this end?
 * Return: NULL, or why not: unspecified, loopback, multicast or link-local (static storage).
 */
const char *endpoint_check_routable(const struct tcpmig_endpoint *ep);

/** endpoint_is_any() - is its address 0.0.0.0 or ::, as of a listener that takes all? */
bool endpoint_is_any(const struct tcpmig_endpoint *ep);

/** endpoint_is_loopback() - is its address of 127.0.0.0/8, or ::1? */
bool endpoint_is_loopback(const struct tcpmig_endpoint *ep);

/** endpoint_in() - is @ep, with its port, among these? */
bool endpoint_in(const struct tcpmig_endpoint *list, size_t count,
		 const struct tcpmig_endpoint *ep);

/** endpoint_set4() - from an IPv4 address and a port, both in network byte order. */
void endpoint_set4(struct tcpmig_endpoint *ep, __be32 addr, __be16 port);

/** endpoint_set6() - from 16 bytes and a port in network order; v4-mapped becomes IPv4. */
void endpoint_set6(struct tcpmig_endpoint *ep, const void *addr16, __be16 port);

/** endpoint_of_sockaddr() - @from is AF_INET or AF_INET6; v4-mapped becomes IPv4. */
void endpoint_of_sockaddr(struct tcpmig_endpoint *ep, const struct sockaddr *from);

/** endpoint_to_sockaddr() - as bind() and connect() want it. Return: its length. */
socklen_t endpoint_to_sockaddr(const struct tcpmig_endpoint *ep, struct sockaddr_storage *to);

/** endpoint_same() - same family, address and port? */
bool endpoint_same(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b);

/** endpoint_same_addr() - same family and address, whatever the port? */
bool endpoint_same_addr(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b);

/**
 * endpoint_format() - the text that endpoint_parse() reads.
 * @buf: ENDPOINT_STRLEN bytes
 * Return: @buf
 */
const char *endpoint_format(const struct tcpmig_endpoint *ep, char *buf);

/** endpoint_format_addr() - the address alone, without brackets. @buf and return: the same. */
const char *endpoint_format_addr(const struct tcpmig_endpoint *ep, char *buf);

#endif
