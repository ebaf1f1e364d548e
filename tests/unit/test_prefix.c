// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/prefix.c: what is accepted, what is refused and why, what is inside. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "prefix.h"

static const struct {
	const char *text;
	const char *canonical;
} good[] = {
	{ "192.0.2.0/24", "192.0.2.0/24" },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "192.0.2.1/32", "192.0.2.1/32" },
	{ "192.0.2.128/25", "192.0.2.128/25" },
	{ "2001:db8::/32", "2001:db8::/32" },
	{ "2001:DB8:0::1/128", "2001:db8::1/128" },
	{ "::/0", "::/0" },
	{ "192.0.2.7", "192.0.2.7/32" },
	{ "2001:db8::7", "2001:db8::7/128" },
	{ "2001:db8:8000::/33", "2001:db8:8000::/33" },
};

static void accepts_and_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct tcpmig_prefix prefix = { .port_min = 1, .port_max = 65535 };
		char text[PREFIX_STRLEN], why[PREFIX_WHY_LEN];

		assert_int_equal(prefix_parse(good[i].text, &prefix, why), 0);
		assert_string_equal(prefix_format(&prefix, text), good[i].canonical);
		assert_int_equal(prefix.port_min, 1);
		assert_int_equal(prefix.port_max, 65535);
	}
}

#define NO_PREFIX "expected a prefix like 10.9.0.0/24, 10.9.0.7 or fd09::/64"

static const struct {
	const char *text;
	const char *why;
} bad[] = {
	{ "", NO_PREFIX },
	{ "192.0.2.0/", "expected 0..32 bits behind the '/'" },
	{ "/24", NO_PREFIX },
	{ "192.0.2/24", NO_PREFIX },
	{ "192.0.2.0/33", "expected 0..32 bits behind the '/'" },
	{ "192.0.2.0/99999999999999999999", "expected 0..32 bits behind the '/'" },
	{ "192.0.2.0/-1", "expected 0..32 bits behind the '/'" },
	{ "192.0.2.0/+24", "expected 0..32 bits behind the '/'" },
	{ "192.0.2.0/24 ", "expected 0..32 bits behind the '/'" },
	{ "192.0.2.0/255.255.255.0", "expected 0..32 bits behind the '/'" },
	{ "192.0.2.1/24", "expected 192.0.2.0/24: bits behind the prefix are set" },
	{ "192.0.2.0/22", "expected 192.0.0.0/22: bits behind the prefix are set" },
	{ "0.0.0.1/0", "expected 0.0.0.0/0: bits behind the prefix are set" },
	{ "2001:db8::/129", "expected 0..128 bits behind the '/'" },
	{ "2001:db8::1/64", "expected 2001:db8::/64: bits behind the prefix are set" },
	{ "[2001:db8::]/32", NO_PREFIX },
	{ "fe80::%eth0/64", NO_PREFIX },
	{ "::ffff:192.0.2.0/120", NO_PREFIX },
	{ "2001:db8:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0/32", NO_PREFIX },
};

static void refuses_with_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tcpmig_prefix prefix, before;
		char why[PREFIX_WHY_LEN];

		memset(&prefix, 0xa5, sizeof(prefix));
		before = prefix;
		if (!prefix_parse(bad[i].text, &prefix, why))
			fail_msg("'%s' was accepted", bad[i].text);
		assert_string_equal(why, bad[i].why);
		assert_memory_equal(&prefix, &before, sizeof(prefix));
	}
}

static void knows_what_is_inside(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool inside;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "0.0.0.0/0", "198.51.100.1", true },
		{ "192.0.2.1/32", "192.0.2.0", false },
		{ "2001:db8:8000::/33", "2001:db8:8000::1", true },
		{ "2001:db8:8000::/33", "2001:db8:7fff::1", false },
		{ "::/0", "2001:db8::1", true },
		/* not even though its bits are there */
		{ "::/0", "192.0.2.1", false },
		{ "0.0.0.0/0", "2001:db8::1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tcpmig_prefix prefix = {};
		char why[PREFIX_WHY_LEN];
		struct tcpmig_endpoint ep;

		assert_int_equal(prefix_parse(cases[i].prefix, &prefix, why), 0);
		assert_null(endpoint_parse_optional_port(cases[i].addr, &ep));
		if (prefix_has_addr(&prefix, &ep) != cases[i].inside)
			fail_msg("%s in %s: wrong", cases[i].addr, cases[i].prefix);
	}
}

static void knows_what_contains_what(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool inside;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.0/24", true },
		{ "192.0.2.0/24", "192.0.2.128/25", true },
		{ "192.0.2.128/25", "192.0.2.0/24", false },
		{ "192.0.2.0/25", "192.0.2.128/25", false },
		{ "::/0", "192.0.2.0/24", false },
		{ "2001:db8::/32", "2001:db8:1::/48", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tcpmig_prefix outer = {}, inner = {};
		char why[PREFIX_WHY_LEN];

		assert_int_equal(prefix_parse(cases[i].outer, &outer, why), 0);
		assert_int_equal(prefix_parse(cases[i].inner, &inner, why), 0);
		if (prefix_has_prefix(&outer, &inner) != cases[i].inside)
			fail_msg("%s in %s: wrong", cases[i].inner, cases[i].outer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_and_prints),
		cmocka_unit_test(refuses_with_the_reason),
		cmocka_unit_test(knows_what_is_inside),
		cmocka_unit_test(knows_what_contains_what),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
