// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/host_conf.c: what a file means, and the line that says what is wrong with it. What all our
 * files have in common is test_conf.c's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "host_conf.h"
#include "prefix.h"

static struct host_conf conf;
static char why[CONF_WHY_LEN];

/* From memory that ends where the text does. */
static int parse(const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, text, len);
	err = host_conf_parse(copy, len, &conf, why);
	free(copy);
	return err;
}

static void parses(const char *text)
{
	if (parse(text))
		fail_msg("%s", why);
}

static struct tcpmig_endpoint at(const char *text)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(text, &ep));
	return ep;
}

static void assert_endpoint(const struct tcpmig_endpoint *ep, const char *expected)
{
	char text[ENDPOINT_STRLEN];

	assert_string_equal(endpoint_format(ep, text), expected);
}

static void assert_prefix(const struct tcpmig_prefix *prefix, const char *expected)
{
	char text[PREFIX_STRLEN];

	assert_string_equal(prefix_format(prefix, text), expected);
}

static void assert_defaults(void)
{
	assert_int_equal(conf.listen_count, 2);
	assert_endpoint(&conf.listen[0], "0.0.0.0:7171");
	assert_endpoint(&conf.listen[1], "[::]:7171");
	assert_string_equal(conf.ca, "/etc/tcpmig/ca.crt");
	assert_string_equal(conf.cert, "/etc/tcpmig/host.crt");
	assert_string_equal(conf.key, "/etc/tcpmig/host.key");
	assert_string_equal(conf.state, "/var/lib/tcpmig");
	assert_string_equal(conf.images, "/run/tcpmig/images");
	assert_string_equal(conf.pins, "/sys/fs/bpf/tcpmig-host");
	assert_int_equal(conf.agent_port, 7170);
	assert_int_equal(conf.agent_timeout_ms, 2000);
}

static bool accepts(const char *from, const char *next)
{
	const struct tcpmig_endpoint a = at(from), b = at(next);

	return host_conf_accepts(&conf, &a, &b);
}

static bool knows(const char *from)
{
	const struct tcpmig_endpoint a = at(from);

	return host_conf_knows(&conf, &a);
}

static void nothing_said_is_the_default(void **state)
{
	static const char *const texts[] = { "", "[host]", "# [accept x]\n;\n\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		parses(texts[i]);
		assert_defaults();
		assert_string_equal(conf.crl, "");
		assert_string_equal(conf.criu, "");
		assert_int_equal(conf.accept_count, 0);
		assert_false(knows("10.9.0.1:80") || accepts("10.9.0.1:80", "10.9.0.2:80"));
	}
}

static void everything_said(void **state)
{
	(void)state;
	parses("[host]\n"
	       "listen = 192.0.2.1, 192.0.2.1:80\n"
	       "	[2001:db8::1]:443 2001:db8::2 ; and here\n"
	       "ca=/a\ncrl: /b ; ours\ncert = /c d\nkey = /e\nstate = /f\nimages = /g\n"
	       "pins = /h\ncriu = /i\nagent-port = 65535\nagent-timeout-ms = 60000\n");
	assert_int_equal(conf.listen_count, 4);
	assert_endpoint(&conf.listen[0], "192.0.2.1:7171");
	assert_endpoint(&conf.listen[1], "192.0.2.1:80");
	assert_endpoint(&conf.listen[2], "[2001:db8::1]:443");
	assert_endpoint(&conf.listen[3], "[2001:db8::2]:7171");
	assert_string_equal(conf.ca, "/a");
	assert_string_equal(conf.crl, "/b");
	assert_string_equal(conf.cert, "/c d");
	assert_string_equal(conf.key, "/e");
	assert_string_equal(conf.state, "/f");
	assert_string_equal(conf.images, "/g");
	assert_string_equal(conf.pins, "/h");
	assert_string_equal(conf.criu, "/i");
	assert_int_equal(conf.agent_port, 65535);
	assert_int_equal(conf.agent_timeout_ms, 60000);
}

static void who_may_send_what(void **state)
{
	(void)state;
	parses("[accept one.B_-9]\nfrom = 10.9.0.0/24, fd09::/64\nnew = 10.8.0.7\n fd08::/64\n"
	       "ports = 80 8000-8999\n[accept two]\nfrom = 10.7.0.1\n");
	assert_int_equal(conf.accept_count, 2);
	assert_string_equal(conf.accepts[0].name, "one.B_-9");
	assert_int_equal(conf.accepts[0].from.count, 2);
	assert_prefix(&conf.accepts[0].from.at[1], "fd09::/64");
	assert_prefix(&conf.accepts[0].new.at[1], "fd08::/64");
	assert_int_equal(conf.accepts[0].ports.at[1].port_max, 8999);
	assert_int_equal(conf.accepts[1].new.count, 0);

	assert_true(knows("10.9.0.1:1") && knows("10.9.0.255:1") && knows("[fd09::9]:1"));
	assert_true(knows("10.7.0.1:9999"));
	assert_false(knows("10.9.1.1:1") || knows("10.7.0.2:1") || knows("[fd08::1]:1"));
	assert_true(accepts("10.9.0.1:1", "10.8.0.7:80"));
	assert_true(accepts("10.9.0.1:1", "10.8.0.7:8000"));
	assert_true(accepts("10.9.0.1:1", "[fd08::1]:8999"));
	assert_false(accepts("10.9.0.1:1", "10.8.0.7:81"));
	assert_false(accepts("10.9.0.1:1", "10.8.0.7:7999"));
	assert_false(accepts("10.9.0.1:1", "10.8.0.7:9000"));
	assert_false(accepts("10.9.0.1:1", "10.8.0.8:80"));
	assert_false(accepts("10.9.0.1:1", "[fd07::1]:80"));
	/* each section for itself */
	assert_true(accepts("10.7.0.1:1", "10.8.0.8:1"));
	assert_true(accepts("10.7.0.1:1", "[fd07::1]:65535"));
	assert_false(accepts("10.6.0.1:1", "10.8.0.7:80"));
}

static void the_example_is_right(void **state)
{
	static char text[CONF_BYTES];
	FILE *f = fopen("docs/host.conf.example", "r");
	char *to = text;

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	parses(text);
	assert_defaults();
	assert_string_equal(conf.crl, "/etc/tcpmig/ca.crl");
	assert_string_equal(conf.criu, "/usr/sbin/criu");
	assert_int_equal(conf.accept_count, 2);
	assert_true(accepts("10.9.1.1:1", "10.9.0.5:5433"));
	assert_false(accepts("10.9.1.1:1", "10.9.0.5:5434"));
	assert_true(accepts("10.9.4.7:1", "10.9.4.9:1"));
	/* What it shows as defaults are those. */
	for (const char *from = text; *from; from++)
		if (from[0] != '#' || (from > text && from[-1] != '\n') || from[1] == ' ')
			*to++ = *from;
	assert_true(*to);
	*to = 0;
	parses(text);
	assert_defaults();
}

#define SECTION                                                                            \
	"expected [host] or [accept NAME], where NAME has up to 32 letters, digits, '.', " \
	"'_' and '-'"
#define TIMEOUT "expected a number in 10..60000"

/* clang-format off */
static const struct {
	const char *text, *why;
} bad[] = {
	{ "[agent]\n", "line 1: '[agent]?': " SECTION },
	{ "[accept]\n", "line 1: '[accept]?': " SECTION },
	{ "[host x]\n", "line 1: '[host x]?': " SECTION },
	{ "[accept a/b]\n", "line 1: '[accept a/b]?': " SECTION },
	{ "[host]\n[host]\n", "line 2: 'host': expected each section once" },
	{ "[accept x]\nfrom = 10.9.0.1\n[accept x]\n", "line 3: 'accept x': expected each section once" },
	{ "[accept x]\n", "line 1: 'accept x': expected from =" },
	{ "[accept x]\nnew = 10.9.0.1\n[host]\n", "line 1: 'accept x': expected from =" },
	{ "[accept x]\nfrom = 10.9.0.1/24\n", "line 2: '10.9.0.1/24': expected 10.9.0.0/24: bits behind the prefix are set" },
	{ "[accept x]\nfrom = any\n", "line 2: 'any': expected a prefix like 10.9.0.0/24, 10.9.0.7 or fd09::/64" },
	{ "[accept x]\nports = 0\n", "line 2: '0': expected ports like 5432 or 8000-8999, in 1..65535" },
	{ "[accept x]\nca = /x\n", "line 2: 'ca': expected a key that [accept x] has" },
	{ "[host]\nfrom = 10.9.0.1\n", "line 2: 'from': expected a key that [host] has" },
	{ "[host]\nuser = x\n", "line 2: 'user': expected a key that [host] has" },
	{ "[host]\nlisten = fe80::1\n", "line 2: 'fe80::1': expected an address of this host like 192.0.2.1, 192.0.2.1:7171 or [2001:db8::1]:7171" },
	{ "[host]\nlisten = 10.0.0.1\n 10.0.0.1:7171\n", "line 3: '10.0.0.1:7171': expected each address once" },
	{ "[host]\ncriu = criu\n", "line 2: 'criu': expected a path that begins with /" },
	{ "[host]\nagent-port = 0\n", "line 2: '0': expected a number in 1..65535" },
	{ "[host]\nagent-timeout-ms = 9\n", "line 2: '9': " TIMEOUT },
	{ "[host]\nagent-timeout-ms = 60001\n", "line 2: '60001': " TIMEOUT },
	{ "[host]\nkey = /a\nkey = /a\n", "line 3: 'key': expected once in its section" },
};
/* clang-format on */

static void says_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = parse(bad[i].text);

		if (err != -EINVAL || strcmp(why, bad[i].why))
			fail_msg("%d, '%s'; expected '%s'", err, why, bad[i].why);
	}
}

static int with(const char *key, const char *fmt, int n)
{
	static char text[16384];
	char *at = text + sprintf(text, "%s", key);

	for (int i = 0; i < n; i++)
		at += sprintf(at, fmt, i);
	return parse(text);
}

static void as_many_as_there_may_be(void **state)
{
	(void)state;
	assert_int_equal(with("", "[accept a%d]\nfrom = 10.9.0.1\n", 16), 0);
	assert_int_equal(conf.accept_count, 16);
	assert_int_equal(with("", "[accept a%d]\nfrom = 10.9.0.1\n", 17), -E2BIG);
	assert_string_equal(why, "line 33: 'accept a16': expected at most 16 sections [accept]");
	assert_int_equal(with("[accept x]\n", "from = 10.9.0.%d\n", 32), 0);
	assert_int_equal(with("[accept x]\n", "from = 10.9.0.%d\n", 33), -E2BIG);
	assert_string_equal(why, "line 34: '10.9.0.32': expected at most 32");
	assert_int_equal(with("[accept x]\nfrom = 1.1.1.1\n", "ports = 1%d\n", 32), 0);
	assert_int_equal(with("[accept x]\nfrom = 1.1.1.1\n", "ports = 1%d\n", 33), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(everything_said),
		cmocka_unit_test(who_may_send_what),
		cmocka_unit_test(the_example_is_right),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(as_many_as_there_may_be),
	};

	return cmocka_run_group_tests_name("host_conf", tests, NULL, NULL);
}
