/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How our configuration files are read (libinih): sections, keys, lines. Pure. For *_conf.c only.
 */
#ifndef TCPMIG_CONF_READER_H
#define TCPMIG_CONF_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

#define CONF_KEYS_MAX	  32 /* of a format */
#define CONF_SECTIONS_MAX 72 /* of a file, more than any format allows */

struct conf_key;

/**
 * conf_set - take one value, or one of a list.
 * @value: without spaces around it
 * @to:    of conf_read()
 * @why:   CONF_WHY_LEN bytes; on error: what was expected, as a phrase
 * Return: 0; -EINVAL; -E2BIG.
 */
typedef int (*conf_set)(const struct conf_key *key, const char *value, void *to, char *why);

/**
 * struct conf_key - @offset (in what @to of conf_read() is), @min, @max are for @set.
 * @begin: NULL, or called before the first value: it takes the place of the default
 */
struct conf_key {
	unsigned int section;
	const char *name;
	conf_set set;
	bool is_list;
	size_t offset;
	unsigned int min, max;
	void (*begin)(void *to);
};

/** struct conf_section - [NAME], or [NAME ITS-OWN-NAME] where @is_named. By their number, from 0.
 */
struct conf_section {
	const char *name;
	bool is_named;
};

/**
 * struct conf_format - a kind of file.
 * @named_max:  sections with names of their own, @named: "[move]" is what they are called
 * @expected:   all sections, for messages: "[agent] or [move NAME], where NAME"
 * @begin, @end: of a section; @end checks it: as conf_set, what is wrong is put into @why
 */
struct conf_format {
	const struct conf_key *keys;
	size_t key_count;
	const struct conf_section *sections;
	size_t section_count;
	unsigned int named_max;
	const char *named;
	const char *expected;
	void (*begin)(void *to, unsigned int section, const char *own_name);
	int (*end)(void *to, unsigned int section, char *why);
};

/**
 * conf_read() - read the text of a whole file.
 * @text: @len bytes
 * @why:  CONF_WHY_LEN bytes; on error: the line, what it says, what was expected
 *
 * Unknown sections and keys are errors, and so is a section or a value that is there twice.
 * Return: 0; -EINVAL; what @set and @end return.
 */
int conf_read(const struct conf_format *format, const char *text, size_t len, void *to, char *why);

#endif
