// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf_reader.h"

#define NO_SECTION  UINT_MAX
#define SECTION_LEN 48 /* less than what libinih cuts a name to */

/*
 * libinih tells no line number, cuts long lines and names, and says nothing at a header. So
 * its reader does that; libinih reads the lines.
 * @section: of the latest header; NO_SECTION: none, or it was wrong
 * @seen:   bits of the keys that this section has had
 * @names:  of the sections so far, @named_count of which have names of their own
 * @to:     where values go
 * @err, @err_line: the first one
 */
struct parser {
	const char *text, *end;
	int line;
	const struct conf_format *format;
	void *to;
	unsigned int section;
	char name[SECTION_LEN];
	int section_line;
	unsigned int seen;
	char names[CONF_SECTIONS_MAX][SECTION_LEN];
	size_t name_count, named_count;
	char *why;
	int err, err_line;
};

/* Return: @err, which is the first one; @value is what is wrong, @fmt what was expected. */
__attribute__((format(printf, 5, 6))) static int fail(struct parser *p, int err, int line,
						      const char *value, const char *fmt, ...)
{
	char expected[CONF_WHY_LEN];
	va_list args;

	if (p->err)
		return p->err;
	va_start(args, fmt);
	vsnprintf(expected, sizeof(expected), fmt, args);
	va_end(args);
	snprintf(p->why, CONF_WHY_LEN, "line %d: '%.60s': %.160s", line, value, expected);
	for (char *at = p->why; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	p->err = err;
	p->err_line = line;
	return err;
}

static bool is_own_name(const char *name)
{
	static const char of_name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(name);

	return len && len <= CONF_NAME_LEN && strspn(name, of_name) == len;
}

/* @name: what is between the brackets; @own: what is behind its first word, or NULL */
static unsigned int section_of(const struct conf_format *format, const char *name, const char **own)
{
	size_t len = strcspn(name, " ");

	*own = name[len] ? name + len + 1 : NULL;
	for (unsigned int i = 0; i < format->section_count; i++) {
		const struct conf_section *section = &format->sections[i];

		if (strlen(section->name) == len && !strncmp(section->name, name, len) &&
		    section->is_named == !!*own && (!*own || is_own_name(*own)))
			return i;
	}
	return NO_SECTION;
}

static int end_section(struct parser *p)
{
	char why[CONF_WHY_LEN];
	int err;

	if (p->section == NO_SECTION || !p->format->end)
		return 0;
	err = p->format->end(p->to, p->section, why);
	return err ? fail(p, err, p->section_line, p->name, "%s", why) : 0;
}

/* Once, and not one too many. */
static int add_section(struct parser *p, const char *name, const char *own)
{
	for (size_t i = 0; i < p->name_count; i++)
		if (!strcmp(p->names[i], name))
			return fail(p, -EINVAL, p->line, name, "expected each section once");
	if (own && p->named_count++ == p->format->named_max)
		return fail(p, -E2BIG, p->line, name, "expected at most %u sections %s",
			    p->format->named_max, p->format->named);
	strcpy(p->names[p->name_count++], name);
	strcpy(p->name, name);
	if (p->format->begin)
		p->format->begin(p->to, p->section, own);
	return 0;
}

/* @line begins with '['; without a ']' libinih finds it wrong. */
static int begin_section(struct parser *p, const char *line)
{
	const char *close = strchr(line, ']'), *own = NULL;
	size_t len = close ? (size_t)(close - line - 1) : 0;
	char name[SECTION_LEN] = "";

	if (end_section(p))
		return p->err;
	p->section = NO_SECTION;
	p->section_line = p->line;
	p->seen = 0;
	if (!close)
		return 0;
	if (len < sizeof(name)) {
		memcpy(name, line + 1, len);
		p->section = section_of(p->format, name, &own);
	}
	if (p->section == NO_SECTION)
		return fail(p, -EINVAL, p->line, line,
			    "expected %s has up to %d letters, digits, '.', '_' and '-'",
			    p->format->expected, CONF_NAME_LEN);
	return add_section(p, name, own);
}

/* As fgets(); NULL ends it all. */
static char *read_line(char *line, int room, void *ctx)
{
	struct parser *p = ctx;
	size_t left = p->end - p->text, len;
	const char *newline = memchr(p->text, '\n', left);

	if (!left || p->err)
		return NULL;
	p->line++;
	len = newline ? (size_t)(newline + 1 - p->text) : left;
	if (len >= (size_t)room) {
		snprintf(line, room, "%.*s", (int)(len < 60 ? len : 60), p->text);
		fail(p, -EINVAL, p->line, line,
		     "expected at most %d characters in a line; a list may go on in the next one, "
		     "which begins with a space",
		     room - 2);
		return NULL;
	}
	memcpy(line, p->text, len);
	line[len] = 0;
	p->text += len;
	if (memchr(line, 0, len)) {
		fail(p, -EINVAL, p->line, line, "expected text without NUL");
		return NULL;
	}
	return line[0] == '[' && begin_section(p, line) ? NULL : line;
}

static int set_one(struct parser *p, const struct conf_key *key, const char *value)
{
	char why[CONF_WHY_LEN];
	int err = key->set(key, value, p->to, why);

	return err ? fail(p, err, p->line, value, "%s", why) : 0;
}

static int set_list(struct parser *p, const struct conf_key *key, const char *value)
{
	static const char separators[] = ", \t";
	char copy[1024], *save, *one;
	int err = 0;

	if (strlen(value) >= sizeof(copy))
		return fail(p, -EINVAL, p->line, value, "expected a shorter line");
	strcpy(copy, value);
	one = strtok_r(copy, separators, &save);
	/* libinih knows no comment behind a line that goes on with a list. */
	if (!one || *one == ';')
		return fail(p, -EINVAL, p->line, key->name, "expected a value");
	for (; one && *one != ';' && !err; one = strtok_r(NULL, separators, &save))
		err = set_one(p, key, one);
	return err;
}

static int set(struct parser *p, const struct conf_key *key, const char *value)
{
	unsigned int bit = 1U << (key - p->format->keys);
	bool again = p->seen & bit;

	p->seen |= bit;
	if (key->begin && !again)
		key->begin(p->to);
	if (key->is_list)
		return set_list(p, key, value);
	if (again)
		return fail(p, -EINVAL, p->line, key->name, "expected once in its section");
	return set_one(p, key, value);
}

static const struct conf_key *find_key(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < p->format->key_count; i++) {
		const struct conf_key *key = &p->format->keys[i];

		if (key->section == p->section && !strcmp(key->name, name))
			return key;
	}
	return NULL;
}

/* Return: not 0: goes on. */
static int take(void *ctx, const char *section, const char *name, const char *value)
{
	struct parser *p = ctx;
	const struct conf_key *key;

	if (p->err)
		return 0;
	if (p->section == NO_SECTION || strcmp(section, p->name))
		return !fail(p, -EINVAL, p->line, name,
			     "expected a section before it, whose '[' begins its line");
	key = find_key(p, name);
	if (!key)
		return !fail(p, -EINVAL, p->line, name, "expected a key that [%s] has", p->name);
	return !set(p, key, value);
}

/* What libinih found to be no line of an INI file. */
static int bad_line(struct parser *p, const char *text, int number)
{
	const char *at = text, *newline;
	char line[64];

	for (int i = 1; i < number; i++)
		at = (const char *)memchr(at, '\n', p->end - at) + 1;
	newline = memchr(at, '\n', p->end - at);
	snprintf(line, sizeof(line), "%.*s", (int)((newline ? newline : p->end) - at), at);
	p->err = 0;
	return fail(p, -EINVAL, number, line, "expected [SECTION], or KEY = VALUE");
}

int conf_read(const struct conf_format *format, const char *text, size_t len, void *to, char *why)
{
	struct parser p = { .text = text,
			    .end = text + len,
			    .format = format,
			    .to = to,
			    .section = NO_SECTION,
			    .why = why };
	int bad;

	if (len > CONF_BYTES) {
		snprintf(why, CONF_WHY_LEN, "expected at most %d bytes", CONF_BYTES);
		return -EINVAL;
	}
	bad = ini_parse_stream(read_line, &p, take, &p);
	if (bad > 0 && (!p.err || bad < p.err_line))
		return bad_line(&p, text, bad);
	if (!p.err)
		end_section(&p);
	return p.err;
}
