// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent_conf_values.h"
#include "cleanup.h"
#include "endpoint.h"
#include "prefix.h"

#define SECTIONS_MAX (TCPMIG_POLICIES_MAX + 2)
#define SECTION_LEN  48 /* less than what libinih cuts a name to */

/*
 * libinih tells no line number, cuts long lines and names, and says nothing at a header. So
 * its reader does that; libinih reads the lines.
 * @section, @move_line: of the latest header
 * @seen:   bits of the keys that this section has had
 * @names:  of the sections so far
 * @err, @err_line: the first one
 */
struct parser {
	const char *text, *end;
	int line;
	enum conf_section section;
	char name[SECTION_LEN];
	int section_line;
	unsigned int seen;
	char names[SECTIONS_MAX][SECTION_LEN];
	size_t name_count;
	struct conf_move move;
	struct conf_target target;
	char *why;
	int err, err_line;
};

/* Return: @err, which is the first one; @value is what is wrong, @fmt what was expected. */
__attribute__((format(printf, 5, 6))) static int fail(struct parser *p, int err, int line,
						      const char *value, const char *fmt, ...)
{
	char expected[AGENT_CONF_WHY_LEN];
	va_list args;

	if (p->err)
		return p->err;
	va_start(args, fmt);
	vsnprintf(expected, sizeof(expected), fmt, args);
	va_end(args);
	snprintf(p->why, AGENT_CONF_WHY_LEN, "line %d: '%.60s': %.160s", line, value, expected);
	for (char *at = p->why; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	p->err = err;
	p->err_line = line;
	return err;
}

/* The families meet; a range of ports without an address says any port. */
static int add_policy(struct parser *p, const struct tcpmig_prefix *old,
		      const struct tcpmig_prefix *old_ports, const struct tcpmig_prefix *new,
		      const struct tcpmig_prefix *new_ports)
{
	struct agent_conf *conf = p->target.conf;
	struct tcpmig_policy *policy;

	if (conf->policy_count == TCPMIG_POLICIES_MAX)
		return fail(p, -E2BIG, p->section_line, p->name,
			    "expected at most %d combinations of old, ports, new and new-ports in "
			    "all",
			    TCPMIG_POLICIES_MAX);
	policy = &conf->policies[conf->policy_count++];
	policy->old = *old;
	policy->old.port_min = old_ports->port_min;
	policy->old.port_max = old_ports->port_max;
	policy->new = *new;
	policy->new.port_min = new_ports->port_min;
	policy->new.port_max = new_ports->port_max;
	return 0;
}

static int add_ports(struct parser *p, const struct tcpmig_prefix *old,
		     const struct tcpmig_prefix *new)
{
	const struct conf_move *move = &p->move;
	int err = 0;

	for (size_t i = 0; !err && i < move->old.port_count; i++)
		for (size_t j = 0; !err && j < move->new.port_count; j++)
			err = add_policy(p, old, &move->old.ports[i], new, &move->new.ports[j]);
	return err;
}

/* Each prefix of @one side must have one of its family on the @other. */
static int check_families(struct parser *p, const struct conf_side *one,
			  const struct conf_side *other, const char *name)
{
	char text[PREFIX_STRLEN];

	for (size_t i = 0; i < one->prefix_count; i++) {
		size_t j = 0;

		while (j < other->prefix_count &&
		       other->prefixes[j].family != one->prefixes[i].family)
			j++;
		if (j == other->prefix_count)
			return fail(p, -EINVAL, p->section_line, p->name,
				    "expected %s of the family of %s", name,
				    prefix_format(&one->prefixes[i], text));
	}
	return 0;
}

static void any_port_if_none(struct conf_side *side)
{
	if (side->port_count)
		return;
	side->ports[0] = (struct tcpmig_prefix){ .port_min = 1, .port_max = 65535 };
	side->port_count = 1;
}

/* What a [move] has said becomes policies. */
static int end_move(struct parser *p)
{
	struct conf_move *move = &p->move;
	int err;

	if (!move->old.prefix_count || !move->new.prefix_count)
		return fail(p, -EINVAL, p->section_line, p->name, "expected old = and new =");
	any_port_if_none(&move->old);
	any_port_if_none(&move->new);
	err = check_families(p, &move->old, &move->new, "new");
	if (!err)
		err = check_families(p, &move->new, &move->old, "old");
	for (size_t i = 0; !err && i < move->old.prefix_count; i++)
		for (size_t j = 0; !err && j < move->new.prefix_count; j++)
			if (move->old.prefixes[i].family == move->new.prefixes[j].family)
				err = add_ports(p, &move->old.prefixes[i], &move->new.prefixes[j]);
	return err;
}

static enum conf_section section_of(const char *name)
{
	static const char of_name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len;

	if (!strcmp(name, "agent"))
		return CONF_AGENT;
	if (!strcmp(name, "limits"))
		return CONF_LIMITS;
	if (strncmp(name, "move ", 5))
		return CONF_NONE;
	len = strlen(name + 5);
	return len && len <= CONF_NAME_LEN && strspn(name + 5, of_name) == len ? CONF_MOVE
									       : CONF_NONE;
}

static int end_section(struct parser *p)
{
	return p->section == CONF_MOVE ? end_move(p) : 0;
}

/* @line begins with '['; without a ']' libinih finds it wrong. */
static int begin_section(struct parser *p, const char *line)
{
	const char *close = strchr(line, ']');
	size_t len = close ? (size_t)(close - line - 1) : 0;
	char name[SECTION_LEN] = "";

	if (end_section(p))
		return p->err;
	p->section = CONF_NONE;
	p->section_line = p->line;
	p->seen = 0;
	memset(&p->move, 0, sizeof(p->move));
	if (!close)
		return 0;
	if (len < sizeof(name)) {
		memcpy(name, line + 1, len);
		p->section = section_of(name);
	}
	if (p->section == CONF_NONE)
		return fail(p, -EINVAL, p->line, line,
			    "expected [agent], [limits] or [move NAME], where NAME has up to %d "
			    "letters, digits, '.', '_' and '-'",
			    CONF_NAME_LEN);
	for (size_t i = 0; i < p->name_count; i++)
		if (!strcmp(p->names[i], name))
			return fail(p, -EINVAL, p->line, name, "expected each section once");
	if (p->name_count == SECTIONS_MAX)
		return fail(p, -E2BIG, p->line, name, "expected at most %d sections [move]",
			    TCPMIG_POLICIES_MAX);
	strcpy(p->names[p->name_count++], name);
	strcpy(p->name, name);
	return 0;
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
	char why[AGENT_CONF_WHY_LEN];
	int err = key->set(key, value, &p->target, why);

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
	unsigned int bit = 1U << (key - conf_keys);
	bool again = p->seen & bit;

	p->seen |= bit;
	if (key->set == conf_keys[0].set && !again)
		p->target.conf->listen_count = 0; /* in the place of the default */
	if (key->is_list)
		return set_list(p, key, value);
	if (again)
		return fail(p, -EINVAL, p->line, key->name, "expected once in its section");
	return set_one(p, key, value);
}

/* Return: not 0: goes on. */
static int take(void *ctx, const char *section, const char *name, const char *value)
{
	struct parser *p = ctx;
	int key;

	if (p->err)
		return 0;
	if (p->section == CONF_NONE || strcmp(section, p->name))
		return !fail(p, -EINVAL, p->line, name,
			     "expected a section before it, whose '[' begins its line");
	key = conf_key_find(p->section, name);
	if (key < 0)
		return !fail(p, -EINVAL, p->line, name, "expected a key that [%s] has", p->name);
	return !set(p, &conf_keys[key], value);
}

static void set_defaults(struct agent_conf *conf)
{
	static const __u8 any6[16];

	memset(conf, 0, sizeof(*conf));
	endpoint_set4(&conf->listen[0], 0, htons(AGENT_PORT));
	endpoint_set6(&conf->listen[1], any6, htons(AGENT_PORT));
	conf->listen_count = 2;
	strcpy(conf->user, "tcpmig");
	strcpy(conf->ca, "/etc/tcpmig/ca.crt");
	strcpy(conf->cert, "/etc/tcpmig/agent.crt");
	strcpy(conf->key, "/etc/tcpmig/agent.key");
	strcpy(conf->state, "/var/lib/tcpmig");
	conf->check_source = true;
	conf->limits = (struct agent_limits){ .flows = 100000,
					      .moves = 16,
					      .moves_a_minute = 60,
					      .hold_s = 30,
					      .held_s_an_hour = 600 };
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

static int check_limits(struct parser *p)
{
	const struct agent_limits *limits = &p->target.conf->limits;

	if (limits->hold_s <= limits->held_s_an_hour)
		return 0;
	snprintf(p->why, AGENT_CONF_WHY_LEN,
		 "hold-s is %u and held-s-an-hour %u: expected one hold to be no longer than all "
		 "of an hour",
		 limits->hold_s, limits->held_s_an_hour);
	return -EINVAL;
}

int agent_conf_parse(const char *text, size_t len, struct agent_conf *conf, char *why)
{
	struct parser p = { .text = text, .end = text + len, .why = why };
	int bad;

	set_defaults(conf);
	p.target = (struct conf_target){ conf, &p.move };
	if (len > AGENT_CONF_BYTES) {
		snprintf(why, AGENT_CONF_WHY_LEN, "expected at most %d bytes", AGENT_CONF_BYTES);
		return -EINVAL;
	}
	bad = ini_parse_stream(read_line, &p, take, &p);
	if (bad > 0 && (!p.err || bad < p.err_line))
		return bad_line(&p, text, bad);
	if (!p.err && !end_section(&p))
		return check_limits(&p);
	return p.err;
}
