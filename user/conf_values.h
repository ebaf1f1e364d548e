/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values that several of our configuration files have. Pure. For *_conf*.c only. */
#ifndef TCPMIG_CONF_VALUES_H
#define TCPMIG_CONF_VALUES_H

#include "conf_reader.h"
#include "tcpmig_shared.h"

/** conf_expected() - say into @why that @what was expected. Return: -EINVAL. */
int conf_expected(char *why, const char *what);

/**
 * conf_set_path(), conf_set_yes_no(), conf_set_number() - as conf_set, at the offset of the key:
 * char[CONF_PATH_LEN], bool, unsigned int in min..max of the key.
 */
int conf_set_path(const struct conf_key *key, const char *value, void *to, char *why);
int conf_set_yes_no(const struct conf_key *key, const char *value, void *to, char *why);
int conf_set_number(const struct conf_key *key, const char *value, void *to, char *why);

/**
 * conf_add_listen() - another address, or address and port, to listen at.
 * @at, @count, @max: the list
 * @port: host byte order; where none is said
 * Return: 0; -EINVAL and @why.
 */
int conf_add_listen(struct tcpmig_endpoint *at, size_t *count, size_t max, unsigned int port,
		    const char *value, char *why);

/** conf_add_prefix(), conf_add_ports() - another one of a list; too many are -E2BIG. */
int conf_add_prefix(struct tcpmig_prefix *at, size_t *count, size_t max, const char *value,
		    char *why);
int conf_add_ports(struct tcpmig_prefix *at, size_t *count, size_t max, const char *value,
		   char *why);

#endif
