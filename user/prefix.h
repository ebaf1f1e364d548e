/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Prefixes and ranges of ports as text. Pure: no I/O, no state. */
#ifndef TCPMIG_PREFIX_H
#define TCPMIG_PREFIX_H

#include <stdbool.h>

#include "tcpmig_shared.h"

#define PREFIX_WHY_LEN 128

/**
 * prefix_parse() - parse ADDR/BITS, or ADDR for this one alone.
 * @text:   "10.9.0.0/24", "10.9.0.7", "fd09::/64"; bits behind BITS must be 0
 * @prefix: addr, bits and family are set, ports are not; untouched on error
 * @why:    PREFIX_WHY_LEN bytes; on error: what was expected, as a phrase
 * Return: 0; -EINVAL.
 */
int prefix_parse(const char *text, struct tcpmig_prefix *prefix, char *why);

/**
 * ports_parse() - parse PORT or FROM-TO, both 1..65535.
 * @prefix: its ports are set; untouched on error
 * Return: 0; -EINVAL.
 */
int ports_parse(const char *text, struct tcpmig_prefix *prefix);

/** Room for the longest of prefix_format(). */
#define PREFIX_STRLEN 52

/** prefix_format() - the text that prefix_parse() reads. Return: @buf, of PREFIX_STRLEN bytes. */
const char *prefix_format(const struct tcpmig_prefix *prefix, char *buf);

/** prefix_has_addr() - is the address of @ep, whatever its port, in @prefix? */
bool prefix_has_addr(const struct tcpmig_prefix *prefix, const struct tcpmig_endpoint *ep);

/** prefix_has_prefix() - is all of @inner in @outer? Ports do not matter. */
bool prefix_has_prefix(const struct tcpmig_prefix *outer, const struct tcpmig_prefix *inner);

#endif
