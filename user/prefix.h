/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ADDR/BITS as text and as struct tcpmig_prefix. Pure: no I/O, no state. Ports are any. */
#ifndef TCPMIG_PREFIX_H
#define TCPMIG_PREFIX_H

#include <stdbool.h>

#include "tcpmig_shared.h"

/** Room for "v6/128" and its NUL. */
#define PREFIX_STRLEN 52

/**
 * prefix_parse() - parse "192.0.2.0/24" or "2001:db8::/32".
 * @prefix: result; untouched on error
 * Return: NULL, or what is wrong with @text as a phrase (static storage).
 */
const char *prefix_parse(const char *text, struct tcpmig_prefix *prefix);

/** prefix_format() - the text that prefix_parse() reads. @buf: PREFIX_STRLEN bytes. Return: @buf.
 */
const char *prefix_format(const struct tcpmig_prefix *prefix, char *buf);

/** prefix_has_addr() - is the address of @ep, whatever its port, in @prefix? */
bool prefix_has_addr(const struct tcpmig_prefix *prefix, const struct tcpmig_endpoint *ep);

/** prefix_has_prefix() - is all of @inner in @outer? */
bool prefix_has_prefix(const struct tcpmig_prefix *outer, const struct tcpmig_prefix *inner);

#endif
