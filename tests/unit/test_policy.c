// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/policy.c: which pairs of endpoints the administrator's prefixes let through. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "policy.h"

#define ANY_PORT 0, 65535

/* @addr: any address in it; @bits as its family counts them. */
static struct tcpmig_prefix prefix(const char *addr, unsigned int bits, unsigned int from,
				   unsigned int to)
{
	struct tcpmig_prefix p = { .port_min = from, .port_max = to };
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse_optional_port(addr, &ep));
	p.family = ep.family;
	p.bits = bits + (ep.family == TCPMIG_AF_INET ? 96 : 0);
	for (unsigned int bit = 0; bit < p.bits; bit++)
		p.addr[bit / 8] |= ep.addr[bit / 8] & 0x80 >> bit % 8;
	return p;
}

static struct tcpmig_endpoint parse(const char *text)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(text, &ep));
	return ep;
}

static const struct {
	const char *old, *new;
	bool allowed;
} pairs[] = {
	{ "10.1.0.0:5000", "10.2.0.0:6000", true },
	{ "10.1.255.255:5999", "10.2.127.255:1", true },
	{ "10.1.255.255:5999", "10.2.127.255:65535", true },
	{ "10.0.255.255:5000", "10.2.0.0:6000", false }, /* next to the first of OLD */
	{ "10.2.0.0:5000", "10.2.0.0:6000", false },	 /* and behind the last */
	{ "10.1.0.0:4999", "10.2.0.0:6000", false },
	{ "10.1.0.0:6000", "10.2.0.0:6000", false },
	{ "10.1.0.0:5000", "10.1.255.255:6000", false },
	{ "10.1.0.0:5000", "10.2.128.0:6000", false },
	{ "10.1.0.0:5000", "10.3.0.1:6000", false }, /* NEW of another entry */
	{ "10.3.0.7:5000", "10.3.0.1:80", true },
	{ "10.3.0.7:5000", "10.3.0.1:81", false },
	{ "10.3.0.6:5000", "10.3.0.1:80", false },
	{ "10.1.2.3:5000", "[2001:db8::1]:6000", false },
	{ "[2001:db8::1]:5000", "10.2.0.0:6000", false },
	{ "[2001:db8::1]:5000", "[2001:db8:1::1]:6000", true },
	{ "[2001:db8:0:0:ffff:ffff:ffff:ffff]:5000", "[2001:db8:1::]:1", true },
	{ "[2001:db8:0:1::]:5000", "[2001:db8:1::1]:6000", false },
	{ "[2001:db8::1]:5000", "[2001:db8:2::]:6000", false },
	{ "[2001:db8::1]:5000", "[2001:db8:1:0:8000::]:6000", false },
	/* back to where it came from */
	{ "10.1.2.3:5000", "10.1.2.3:5000", true },
	{ "10.1.2.3:4999", "10.1.2.3:4999", false },
	{ "10.1.2.3:5000", "10.1.2.3:5001", false }, /* another service on it is another place */
	{ "10.2.0.0:6000", "10.2.0.0:6000", false }, /* a NEW is no OLD */
	/* ends of words */
	{ "[fd00:0:0:1::9]:1", "[fd00::1:ffff:ffff]:1", true },
	{ "[fd00:0:0:2::9]:1", "[fd00::1:ffff:ffff]:1", false },
	{ "[fd00:0:0:1::9]:1", "[fd00::2:0:0]:1", false },
};

static void pairs_within_the_prefixes(void **state)
{
	struct tcpmig_policy policies[] = {
		{ prefix("10.1.0.0", 16, 5000, 5999), prefix("10.2.0.0", 17, ANY_PORT) },
		{ prefix("10.3.0.7", 32, ANY_PORT), prefix("10.3.0.1", 32, 80, 80) },
		{ prefix("2001:db8::", 64, ANY_PORT), prefix("2001:db8:1::", 65, ANY_PORT) },
		{ prefix("10.1.0.0", 16, 5000, 5999), prefix("2001:db8::", 32, ANY_PORT) },
		{ prefix("fd00:0:0:1::", 64, ANY_PORT), prefix("fd00::1:0:0", 96, ANY_PORT) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct tcpmig_endpoint old = parse(pairs[i].old), new = parse(pairs[i].new);

		if (policy_allows(policies, ARRAY_SIZE(policies), &old, &new) != pairs[i].allowed)
			fail_msg("%s to %s: %s", pairs[i].old, pairs[i].new,
				 pairs[i].allowed ? "refused" : "allowed");
		assert_false(policy_allows(policies, 0, &old, &new));
	}
}

/* The smallest and the largest prefix there are, and every one between: by the bits of it. */
static void every_length_of_a_prefix(void **state)
{
	struct tcpmig_endpoint base = parse("[2001:db8:1234:5678:9abc:def0:1357:9bdf]:80"), ep;
	struct tcpmig_policy policy = { .new = prefix("::1", 128, ANY_PORT) };

	(void)state;
	for (unsigned int bits = 0; bits <= 128; bits++) {
		policy.old = prefix("2001:db8:1234:5678:9abc:def0:1357:9bdf", bits, ANY_PORT);
		assert_true(policy_knows_old(&policy, 1, &base));
		for (unsigned int bit = 0; bit < 128; bit++) {
			ep = base;
			ep.addr[bit / 8] ^= 0x80 >> bit % 8;
			if (policy_knows_old(&policy, 1, &ep) != (bit >= bits))
				fail_msg("prefix of %u bits, bit %u changed", bits, bit);
		}
	}
	policy.old.bits = 129; /* there is no such: it has nothing in it */
	assert_false(policy_knows_old(&policy, 1, &base));
}

/* In an entry for both families the last 32 bits of one would pass for an address of the other. */
static void families_never_mix(void **state)
{
	struct tcpmig_policy policy = { prefix("10.1.0.0", 16, ANY_PORT),
					prefix("2001:db8::", 32, ANY_PORT) };
	struct tcpmig_endpoint old = parse("10.1.0.1:80"), new = parse("[2001:db8::1]:80");

	(void)state;
	assert_false(policy_allows(&policy, 1, &old, &new));
	assert_true(policy_knows_old(&policy, 1, &old));
	policy.old = prefix("::", 0, ANY_PORT); /* all of IPv6 is nothing of IPv4 */
	assert_false(policy_knows_old(&policy, 1, &old));
}

static void knows_who_is_meant(void **state)
{
	struct tcpmig_policy policies[] = {
		{ prefix("10.1.0.0", 16, 5000, 5999), prefix("10.2.0.0", 16, 80, 80) },
		{ prefix("2001:db8::", 64, 5000, 5999), prefix("2001:db8:1::", 64, 80, 80) },
	};
	const struct {
		const char *ep;
		bool old, addr;
	} cases[] = {
		{ "10.1.2.3:5000", true, true },      { "10.1.2.3:80", false, true },
		{ "10.2.2.3:80", false, true },	      { "10.2.2.3:9", false, true },
		{ "10.3.0.0:80", false, false },      { "[2001:db8::1]:5000", true, true },
		{ "[2001:db8:1::1]:1", false, true }, { "[2001:db8:2::1]:80", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tcpmig_endpoint ep = parse(cases[i].ep);

		assert_int_equal(policy_knows_old(policies, 2, &ep), cases[i].old);
		assert_int_equal(policy_knows_addr(policies, 2, &ep), cases[i].addr);
		assert_false(policy_knows_old(policies, 0, &ep));
		assert_false(policy_knows_addr(policies, 0, &ep));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_within_the_prefixes),
		cmocka_unit_test(every_length_of_a_prefix),
		cmocka_unit_test(families_never_mix),
		cmocka_unit_test(knows_who_is_meant),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
