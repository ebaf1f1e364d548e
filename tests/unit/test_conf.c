// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/agent_conf.c, prefix.c: what a file means, and the line that says what is wrong with it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_conf.h"
#include "cleanup.h"
#include "endpoint.h"
#include "prefix.h"

static struct agent_conf conf;
static char why[CONF_WHY_LEN];

/* From memory that ends where the text does. */
static int parse(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, text, len);
	err = agent_conf_parse(copy, len, &conf, why);
	free(copy);
	return err;
}

static void parses(const char *text)
{
	if (parse(text, strlen(text)))
		fail_msg("%s", why);
}

static void assert_endpoint(const struct tcpmig_endpoint *ep, const char *expected)
{
	char text[ENDPOINT_STRLEN];

	assert_string_equal(endpoint_format(ep, text), expected);
}

static void assert_prefix(const struct tcpmig_prefix *prefix, const char *expected, int min,
			  int max)
{
	char text[PREFIX_STRLEN];

	assert_string_equal(prefix_format(prefix, text), expected);
	assert_int_equal(prefix->port_min, min);
	assert_int_equal(prefix->port_max, max);
	assert_int_equal(prefix->pad[0] | prefix->pad[1], 0);
}

static void assert_defaults(void)
{
	assert_int_equal(conf.listen_count, 2);
	assert_endpoint(&conf.listen[0], "0.0.0.0:7170");
	assert_endpoint(&conf.listen[1], "[::]:7170");
	assert_string_equal(conf.user, "tcpmig");
	assert_string_equal(conf.ca, "/etc/tcpmig/ca.crt");
	assert_string_equal(conf.cert, "/etc/tcpmig/agent.crt");
	assert_string_equal(conf.key, "/etc/tcpmig/agent.key");
	assert_string_equal(conf.state, "/var/lib/tcpmig");
	assert_true(conf.check_source);
	assert_int_equal(conf.limits.flows, 100000);
	assert_int_equal(conf.limits.moves, 16);
	assert_int_equal(conf.limits.moves_a_minute, 60);
	assert_int_equal(conf.limits.hold_s, 30);
	assert_int_equal(conf.limits.held_s_an_hour, 600);
}

static void nothing_said_is_the_default(void **state)
{
	static const char *const texts[] = { "",	"\n",	      "# [move x]\n;\n\n",
					     "[agent]", "[limits]\n", "[agent]\r\n[limits]\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		parses(texts[i]);
		assert_defaults();
		assert_string_equal(conf.crl, "");
		assert_int_equal(conf.policy_count, 0);
	}
}

static void everything_said(void **state)
{
	(void)state;
	parses("[agent]\n"
	       "listen = 192.0.2.1, 192.0.2.1:80 [2001:db8::1]:443\n"
	       "	2001:db8::2 ; and here\n"
	       "user = some_user-1\n"
	       "ca=/a\n"
	       "crl: /b ; ours\n"
	       "cert = /c d\n"
	       "key = /e\n"
	       "state = /f\n"
	       "check-source = no\n"
	       "[limits]\n"
	       "flows = 1048576\n"
	       "moves = 1\n"
	       "moves-a-minute = 60000\n"
	       "hold-s = 3600\n"
	       "held-s-an-hour = 3600\n");
	assert_int_equal(conf.listen_count, 4);
	assert_endpoint(&conf.listen[0], "192.0.2.1:7170");
	assert_endpoint(&conf.listen[1], "192.0.2.1:80");
	assert_endpoint(&conf.listen[2], "[2001:db8::1]:443");
	assert_endpoint(&conf.listen[3], "[2001:db8::2]:7170");
	assert_string_equal(conf.user, "some_user-1");
	assert_string_equal(conf.ca, "/a");
	assert_string_equal(conf.crl, "/b");
	assert_string_equal(conf.cert, "/c d");
	assert_string_equal(conf.key, "/e");
	assert_string_equal(conf.state, "/f");
	assert_false(conf.check_source);
	assert_int_equal(conf.limits.flows, 1048576);
	assert_int_equal(conf.limits.moves, 1);
	assert_int_equal(conf.limits.moves_a_minute, 60000);
	assert_int_equal(conf.limits.hold_s, 3600);
	assert_int_equal(conf.limits.held_s_an_hour, 3600);
	assert_int_equal(conf.policy_count, 0);
}

static void moves_are_every_combination(void **state)
{
	(void)state;
	parses("[move one]\nold = 10.9.0.0/24\nnew = 10.9.1.7\n"
	       "[move two.B_-9]\n"
	       "old = 10.1.0.0/16, fd09::/64\n"
	       "ports = 80 8000-8999\n"
	       "new = fd0a::1\n 0.0.0.0/0\n"
	       "new-ports = 1-65535\n");
	assert_int_equal(conf.policy_count, 5);
	assert_prefix(&conf.policies[0].old, "10.9.0.0/24", 1, 65535);
	assert_prefix(&conf.policies[0].new, "10.9.1.7/32", 1, 65535);
	assert_prefix(&conf.policies[1].old, "10.1.0.0/16", 80, 80);
	assert_prefix(&conf.policies[1].new, "0.0.0.0/0", 1, 65535);
	assert_prefix(&conf.policies[2].old, "10.1.0.0/16", 8000, 8999);
	assert_prefix(&conf.policies[3].old, "fd09::/64", 80, 80);
	assert_prefix(&conf.policies[3].new, "fd0a::1/128", 1, 65535);
	assert_prefix(&conf.policies[4].old, "fd09::/64", 8000, 8999);
	assert_int_equal(conf.policies[0].old.bits, 96 + 24);
	assert_int_equal(conf.policies[0].old.family, TCPMIG_AF_INET);
	assert_int_equal(conf.policies[3].old.bits, 64);
	assert_int_equal(conf.policies[3].old.family, TCPMIG_AF_INET6);
}

static void the_example_is_right(void **state)
{
	static char text[CONF_BYTES];
	FILE *f = fopen("docs/agent.conf.example", "r");
	size_t len, out = 0;

	(void)state;
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (parse(text, len))
		fail_msg("%s", why);
	assert_defaults();
	assert_string_equal(conf.crl, "/etc/tcpmig/ca.crl");
	assert_int_equal(conf.policy_count, 6);
	/* What it shows as defaults are those. */
	for (size_t i = 0; i < len; i++)
		if (!(text[i] == '#' && (i == 0 || text[i - 1] == '\n') && text[i + 1] != ' '))
			text[out++] = text[i];
	assert_int_not_equal(out, len);
	if (parse(text, out))
		fail_msg("%s", why);
	assert_defaults();
}

#define MOVE "[move x]\nold = 10.9.0.0/24\nnew = 10.9.1.0/24\n"
#define A50  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ADDRESS \
	"expected an address of this host like 192.0.2.1, 192.0.2.1:7170 or [2001:db8::1]:7170"
#define SECTION                                                                                \
	"expected [agent], [limits] or [move NAME], where NAME has up to 32 letters, digits, " \
	"'.', "                                                                                \
	"'_' and '-'"
#define LONG                                                                                  \
	"expected at most 198 characters in a line; a list may go on in the next one, which " \
	"begins with a space"
#define LIKE	"expected a prefix like 10.9.0.0/24, 10.9.0.7 or fd09::/64"
#define OUTSIDE "expected a section before it, whose '[' begins its line"

/* clang-format off */
static const struct {
	const char *text;
	const char *why;
} bad[] = {
	{ "user = x\n", "line 1: 'user': " OUTSIDE },
	{ "\n [agent]\nuser = x\n", "line 3: 'user': " OUTSIDE },
	{ "[agent]\n [limits]\nflows = 1\n", "line 3: 'flows': " OUTSIDE },
	{ "[agnet]\n", "line 1: '[agnet]?': " SECTION },
	{ "[]\n", "line 1: '[]?': " SECTION },
	{ "[move]\n", "line 1: '[move]?': " SECTION },
	{ "[move ]\n", "line 1: '[move ]?': " SECTION },
	{ "[move a b]\n", "line 1: '[move a b]?': " SECTION },
	{ "[move " A50 "]", "line 1: '[move " A50 "]': " SECTION },
	{ "[move a\x1b]", "line 1: '[move a?]': " SECTION },
	{ "[movie_x]\n", "line 1: '[movie_x]?': " SECTION },
	{ "[agent\nuser = x\n", "line 1: '[agent': expected [SECTION], or KEY = VALUE" },
	{ "[agent]\nuser\n", "line 2: 'user': expected [SECTION], or KEY = VALUE" },
	{ "[agent]\nuser\nkey = x\n", "line 2: 'user': expected [SECTION], or KEY = VALUE" },
	{ "[agent]\nkey = x\nuser\n", "line 2: 'x': expected a path that begins with /" },
	{ "[agent]\n[agent]\n", "line 2: 'agent': expected each section once" },
	{ MOVE MOVE, "line 4: 'move x': expected each section once" },
	{ MOVE "[agent]\n" MOVE, "line 5: 'move x': expected each section once" },
	{ "[agent]\nusr = x\n", "line 2: 'usr': expected a key that [agent] has" },
	{ "[limits]\nuser = x\n", "line 2: 'user': expected a key that [limits] has" },
	{ "[move x]\nflows = 1\n", "line 2: 'flows': expected a key that [move x] has" },
	{ "[agent]\nuser = a\nuser = a\n", "line 3: 'user': expected once in its section" },
	{ "[agent]\nuser = a\n  b\n", "line 3: 'user': expected once in its section" },
	{ "[agent]\nca = /" A50 A50 A50 A50 "\n", "line 2: 'ca = /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': " LONG },

	{ "[agent]\nlisten =\n", "line 2: 'listen': expected a value" },
	{ "[agent]\nlisten = ,\n", "line 2: 'listen': expected a value" },
	{ "[agent]\nlisten = ,;x\n", "line 2: 'listen': expected a value" },
	{ "[move x]\nports = ,;80\n", "line 2: 'ports': expected a value" },
	{ "[agent]\nlisten = host\n", "line 2: 'host': " ADDRESS },
	{ "[agent]\nlisten = 1.2.3.4:0\n", "line 2: '1.2.3.4:0': " ADDRESS },
	{ "[agent]\nlisten = 224.0.0.1\n", "line 2: '224.0.0.1': " ADDRESS },
	{ "[agent]\nlisten = ff02::1\n", "line 2: 'ff02::1': " ADDRESS },
	{ "[agent]\nlisten = fe80::1\n", "line 2: 'fe80::1': " ADDRESS },
	{ "[agent]\nlisten = 10.0.0.1\n 10.0.0.1:7170\n", "line 3: '10.0.0.1:7170': expected each address once" },
	{ "[agent]\nlisten=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,1.1.1.9", "line 2: '1.1.1.9': expected at most 8 addresses" },
	{ "[agent]\nuser =\n", "line 2: '': expected the name of a user" },
	{ "[agent]\nuser = 0\n", "line 2: '0': expected the name of a user" },
	{ "[agent]\nuser = a b\n", "line 2: 'a b': expected the name of a user" },
	{ "[agent]\nuser = abcdefghijklmnopqrstuvwxyz012345\n", "line 2: 'abcdefghijklmnopqrstuvwxyz012345': expected the name of a user" },
	{ "[agent]\nuser = root\n", "line 2: 'root': expected a user without rights: the agent needs none" },
	{ "[agent]\nca =\n", "line 2: '': expected a path that begins with /" },
	{ "[agent]\nkey = ./x\n", "line 2: './x': expected a path that begins with /" },
	{ "[agent]\ncert = /a\x01" "b\n", "line 2: '/a?b': expected a path without control characters" },
	{ "[agent]\ncert = /a\x7f\n", "line 2: '/a?': expected a path without control characters" },
	{ "[agent]\nkey = \xc3\xa4\n", "line 2: '?" "?': expected a path that begins with /" },
	{ "[agent]\ncheck-source = true\n", "line 2: 'true': expected yes or no" },

	{ "[limits]\nflows = 0\n", "line 2: '0': expected a number in 1..1048576" },
	{ "[limits]\nflows = 1048577\n", "line 2: '1048577': expected a number in 1..1048576" },
	{ "[limits]\nflows = 99999999999999999999999\n", "line 2: '99999999999999999999999': expected a number in 1..1048576" },
	{ "[limits]\nflows = -1\n", "line 2: '-1': expected a number in 1..1048576" },
	{ "[limits]\nflows = 1k\n", "line 2: '1k': expected a number in 1..1048576" },
	{ "[limits]\nflows =\n", "line 2: '': expected a number in 1..1048576" },
	{ "[limits]\nmoves = 1025\n", "line 2: '1025': expected a number in 1..1024" },
	{ "[limits]\nmoves-a-minute = 60001\n", "line 2: '60001': expected a number in 1..60000" },
	{ "[limits]\nhold-s = 3601\n", "line 2: '3601': expected a number in 1..3600" },
	{ "[limits]\nheld-s-an-hour = 3601\n", "line 2: '3601': expected a number in 1..3600" },
	{ "[limits]\nhold-s = 601\n", "hold-s is 601 and held-s-an-hour 600: expected one hold to be no longer than all of an hour" },

	{ "[move x]\n", "line 1: 'move x': expected old = and new =" },
	{ "[move x]\nold = 10.9.0.0/24\n[agent]\n", "line 1: 'move x': expected old = and new =" },
	{ "\n[move x]\nnew = 10.9.0.0/24\n", "line 2: 'move x': expected old = and new =" },
	{ "[move x]\nold = 10.9.0.0/24\nnew = fd09::1\n", "line 1: 'move x': expected new of the family of 10.9.0.0/24" },
	{ "[move x]\nold = 10.9.0.0/24\nnew = 10.9.1.0/24 fd09::1\n", "line 1: 'move x': expected old of the family of fd09::1/128" },
	{ "[move x]\nold = \n", "line 2: 'old': expected a value" },
	{ "[move x]\nold = 10.9.0.5/24\n", "line 2: '10.9.0.5/24': expected 10.9.0.0/24: bits behind the prefix are set" },
	{ "[move x]\nold = 10.9.0.0/24, 10.9.1.1/31\n", "line 2: '10.9.1.1/31': expected 10.9.1.0/31: bits behind the prefix are set" },
	{ "[move x]\nold = fd09::1/64\n", "line 2: 'fd09::1/64': expected fd09::/64: bits behind the prefix are set" },
	{ "[move x]\nold = fd09::/7\n", "line 2: 'fd09::/7': expected fc00::/7: bits behind the prefix are set" },
	{ "[move x]\nold = 1.2.3.4/0\n", "line 2: '1.2.3.4/0': expected 0.0.0.0/0: bits behind the prefix are set" },
	{ "[move x]\nold = 10.9.0.0/33\n", "line 2: '10.9.0.0/33': expected 0..32 bits behind the '/'" },
	{ "[move x]\nold = 10.9.0.0/\n", "line 2: '10.9.0.0/': expected 0..32 bits behind the '/'" },
	{ "[move x]\nold = 10.9.0.0/-1\n", "line 2: '10.9.0.0/-1': expected 0..32 bits behind the '/'" },
	{ "[move x]\nold = 0.0.0.0/1.\n", "line 2: '0.0.0.0/1.': expected 0..32 bits behind the '/'" },
	{ "[move x]\nold = 10.9.0.0/24/24\n", "line 2: '10.9.0.0/24/24': expected 0..32 bits behind the '/'" },
	{ "[move x]\nold = fd09::/129\n", "line 2: 'fd09::/129': expected 0..128 bits behind the '/'" },
	{ "[move x]\nold = ::ffff:10.9.0.0/120\n", "line 2: '::ffff:10.9.0.0/120': " LIKE },
	{ "[move x]\nold = 10.9/16\n", "line 2: '10.9/16': " LIKE },
	{ "[move x]\nold = any\n", "line 2: 'any': " LIKE },
	{ "[move x]\nold = /24\n", "line 2: '/24': " LIKE },
	{ "[move x]\nold = 10.9.0.1:80\n", "line 2: '10.9.0.1:80': " LIKE },
	{ "[move x]\nold = " A50 "\n", "line 2: '" A50 "': " LIKE },
	{ "[move x]\nold = 10.9.0.0/24\n new = 10.9.1.0/24\n", "line 3: 'new': " LIKE },
	{ "[move x]\nports = 0\n", "line 2: '0': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nports = 65536\n", "line 2: '65536': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nports = 1-65536\n", "line 2: '1-65536': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nports = 9-8\n", "line 2: '9-8': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nports = 1-\n", "line 2: '1-': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nports = -1\n", "line 2: '-1': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nports = 00000808\n", "line 2: '00000808': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[move x]\nnew-ports = http\n", "line 2: 'http': expected ports like 5432 or 8000-8999, in 1..65535" },
};
/* clang-format on */

static void says_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = parse(bad[i].text, strlen(bad[i].text));

		if (err != -EINVAL)
			fail_msg("'%s': %d", bad[i].text, err);
		assert_string_equal(why, bad[i].why);
	}
	assert_int_equal(parse("[agent]\nus\0er = x", 16), -EINVAL);
	assert_string_equal(why, "line 2: 'us': expected text without NUL");
}

/* MOVE with @n ranges of ports, ten a line. */
static int with_ports(int n)
{
	static char text[4096];
	char *at = text + sprintf(text, MOVE "ports = 1");

	for (int i = 1; i < n; i++)
		at += sprintf(at, i % 10 ? ",%d" : "\n %d", i + 1);
	return parse(text, at - text);
}

static int with_prefixes(int n)
{
	static char text[4096];
	char *at = text + sprintf(text, "[move x]\nnew = 10.9.1.0/24\nold =");

	for (int i = 0; i < n; i++)
		at += sprintf(at, "%s 10.9.0.%d", i && i % 10 == 0 ? "\n" : "", i);
	return parse(text, at - text);
}

static int with_moves(const char *before, int n)
{
	static char text[16384];
	char *at = text + sprintf(text, "%s", before);

	for (int i = 0; i < n; i++)
		at += sprintf(at, "[move m%d]\nold = 10.9.0.0/24\nnew = 10.9.1.0/24\n", i);
	return parse(text, at - text);
}

#define FOUR_OF_17                                                                 \
	"[move x]\nold = 10.9.0.1 10.9.0.2 10.9.0.3 10.9.0.4\nnew = 10.9.1.0/24\n" \
	"ports = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"

static void as_many_policies_as_there_may_be(void **state)
{
	(void)state;
	assert_int_equal(with_ports(64), 0);
	assert_int_equal(conf.policy_count, 64);
	assert_int_equal(with_ports(65), -E2BIG);
	assert_string_equal(why, "line 10: '65': expected at most 64");
	assert_int_equal(with_moves("", 64), 0);
	assert_int_equal(conf.policy_count, 64);
	assert_int_equal(with_moves("", 65), -E2BIG);
	assert_string_equal(why, "line 193: 'move m64': expected at most 64 sections [move]");
	assert_int_equal(parse(FOUR_OF_17, strlen(FOUR_OF_17)), -E2BIG);
	assert_string_equal(why, "line 1: 'move x': expected at most 64 combinations of old, "
				 "ports, new and new-ports in all");
	assert_int_equal(with_moves("[agent]\n[limits]\n", 64), 0);
	assert_int_equal(with_moves("[agent]\n[limits]\n", 65), -E2BIG);
	assert_string_equal(why, "line 195: 'move m64': expected at most 64 sections [move]");
	assert_int_equal(with_prefixes(64), 0);
	assert_int_equal(with_prefixes(65), -E2BIG);
	assert_string_equal(why, "line 9: '10.9.0.64': expected at most 64");
}

/* Up to what libinih takes, and one more. */
static void lines_are_never_cut(void **state)
{
	char text[512];

	(void)state;
	for (int len = 150; len < 300; len++) {
		int n = sprintf(text, "[agent]\nca = /%0*d", len - 6, 7);

		assert_int_equal(n - 8, len);
		if (len <= 198) {
			assert_int_equal(parse(text, n), 0);
			assert_string_equal(conf.ca, text + 8 + 5);
		} else if (len > 199) {
			assert_int_equal(parse(text, n), -EINVAL);
		}
		text[n++] = '\n';
		assert_int_equal(parse(text, n), len <= 198 ? 0 : -EINVAL);
		if (len <= 198)
			assert_int_equal(conf.ca[len - 6], '7');
	}
}

static void files_have_a_limit(void **state)
{
	static char text[CONF_BYTES + 1];

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(parse(text, CONF_BYTES), 0);
	assert_int_equal(parse(text, CONF_BYTES + 1), -EINVAL);
	assert_string_equal(why, "expected at most 65536 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(everything_said),
		cmocka_unit_test(moves_are_every_combination),
		cmocka_unit_test(the_example_is_right),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(as_many_policies_as_there_may_be),
		cmocka_unit_test(lines_are_never_cut),
		cmocka_unit_test(files_have_a_limit),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
