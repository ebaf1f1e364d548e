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
	{ "2001:db8:8000::/33", "2001:db8:8000::/33" },
};

static void accepts_and_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct tcpmig_prefix prefix;
		char text[PREFIX_STRLEN];

		assert_null(prefix_parse(good[i].text, &prefix));
		assert_string_equal(prefix_format(&prefix, text), good[i].canonical);
		assert_int_equal(prefix.port_min, 0);
		assert_int_equal(prefix.port_max, 65535);
	}
}

static const struct {
	const char *text;
	const char *why;
} bad[] = {
	{ "", "the number of bits is missing" },
	{ "192.0.2.0", "the number of bits is missing" },
	{ "192.0.2.0/", "the number of bits is missing" },
	{ "/24", "not an IP address" },
	{ "192.0.2/24", "not an IP address" },
	{ "192.0.2.0/33", "more than 32 bits" },
	{ "192.0.2.0/99999999999999999999", "more than 32 bits" },
	{ "192.0.2.0/-1", "the number of bits is no number" },
	{ "192.0.2.0/+24", "the number of bits is no number" },
	{ "192.0.2.0/24 ", "the number of bits is no number" },
	{ "192.0.2.0/255.255.255.0", "more than 32 bits" },
	{ "192.0.2.1/24", "the address has bits set behind the prefix" },
	{ "192.0.2.0/22", "the address has bits set behind the prefix" },
	{ "0.0.0.1/0", "the address has bits set behind the prefix" },
	{ "2001:db8::/129", "more than 128 bits" },
	{ "2001:db8::1/64", "the address has bits set behind the prefix" },
	{ "[2001:db8::]/32", "not an IP address" },
	{ "fe80::%eth0/64", "not an IP address" },
	{ "::ffff:192.0.2.0/120", "a v4-mapped address; write it as IPv4" },
	{ "2001:db8:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0/32", "not an IP address" },
};

static void refuses_with_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tcpmig_prefix prefix, before;
		const char *why;

		memset(&prefix, 0xa5, sizeof(prefix));
		before = prefix;
		why = prefix_parse(bad[i].text, &prefix);
		if (!why)
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
		struct tcpmig_prefix prefix;
		struct tcpmig_endpoint ep;

		assert_null(prefix_parse(cases[i].prefix, &prefix));
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
		struct tcpmig_prefix outer, inner;

		assert_null(prefix_parse(cases[i].outer, &outer));
		assert_null(prefix_parse(cases[i].inner, &inner));
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
