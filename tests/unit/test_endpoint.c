// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/endpoint.c: what is accepted, what is refused and why, and the way back to text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"

static const struct {
	const char *text;
	const char *canonical;
} good[] = {
	{ "192.0.2.1:80", "192.0.2.1:80" },
	{ "192.0.2.1:1", "192.0.2.1:1" },
	{ "192.0.2.1:65535", "192.0.2.1:65535" },
	{ "192.0.2.1:00080", "192.0.2.1:80" },
	{ "[2001:db8::1]:443", "[2001:db8::1]:443" },
	{ "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443" },
	{ "[::ffff:192.0.2.1]:80", "192.0.2.1:80" },
};

static void accepts_and_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct tcpmig_endpoint ep, again;
		char text[ENDPOINT_STRLEN];

		assert_null(endpoint_parse(good[i].text, &ep));
		assert_string_equal(endpoint_format(&ep, text), good[i].canonical);
		assert_null(endpoint_parse(text, &again));
		assert_true(endpoint_same(&ep, &again));
		assert_memory_equal(&ep, &again, sizeof(ep)); /* a hash key: padding too */
	}
}

static const struct {
	const char *text;
	const char *why;
} bad[] = {
	{ "", "port is missing" },
	{ "1.2.3.4", "port is missing" },
	{ "::1:80", "an IPv6 address must be in brackets" },
	{ "2001:db8::1", "an IPv6 address must be in brackets" },
	{ "1.2.3.4:0", "port is not in 1..65535" },
	{ "1.2.3.4:65536", "port is not in 1..65535" },
	{ "1.2.3.4:99999999999999999999", "port is not in 1..65535" },
	{ "1.2.3.4:", "port is missing or no number" },
	{ "1.2.3.4:-1", "port is missing or no number" },
	{ "1.2.3.4:+80", "port is missing or no number" },
	{ "1.2.3.4: 80", "port is missing or no number" },
	{ "1.2.3.4:80 ", "port is no number" },
	{ "1.2.3.4:0x50", "port is no number" },
	{ "1.2.3.4:http", "port is missing or no number" },
	{ ":80", "address is missing" },
	{ "[]:80", "address is missing" },
	{ "1.2.3:80", "not an IPv4 address" },
	{ "1.2.3.256:80", "not an IPv4 address" },
	{ "01.2.3.4:80", "not an IPv4 address" },
	{ "host:80", "not an IPv4 address" },
	{ "[::1:80", "']' is missing" },
	{ "[::1]", "port is missing" },
	{ "[::1]80", "port is missing" },
	{ "[::1]:", "port is missing or no number" },
	{ "[1.2.3.4]:80", "not an IPv6 address" },
	{ "[fe80::1%eth0]:80", "not an IPv6 address" },
	{ "[2001:db8:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:1]:80", "not an IP address" },
};

static void refuses_with_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tcpmig_endpoint ep, before;
		const char *why;

		memset(&ep, 0xa5, sizeof(ep));
		before = ep;
		why = endpoint_parse(bad[i].text, &ep);
		if (!why)
			fail_msg("'%s' was accepted", bad[i].text);
		assert_string_equal(why, bad[i].why);
		assert_memory_equal(&ep, &before, sizeof(ep));
	}
}

static void port_may_be_optional(void **state)
{
	static const struct {
		const char *text;
		int family, port;
	} cases[] = {
		{ "192.0.2.1", TCPMIG_AF_INET, 0 },
		{ "192.0.2.1:80", TCPMIG_AF_INET, 80 },
		{ "2001:db8::1", TCPMIG_AF_INET6, 0 },
		{ "[2001:db8::1]", TCPMIG_AF_INET6, 0 },
		{ "[2001:db8::1]:80", TCPMIG_AF_INET6, 80 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tcpmig_endpoint ep;

		assert_null(endpoint_parse_optional_port(cases[i].text, &ep));
		assert_int_equal(ep.family, cases[i].family);
		assert_int_equal(ntohs(ep.port), cases[i].port);
	}
	assert_non_null(endpoint_parse_optional_port("192.0.2.1:", &(struct tcpmig_endpoint){}));
	assert_non_null(endpoint_parse_optional_port("nonsense", &(struct tcpmig_endpoint){}));
}

static void knows_what_no_interface_carries(void **state)
{
	static const char *const unusable[] = {
		"0.0.0.0:80",	"127.0.0.1:80",	      "127.255.0.1:80",
		"224.0.0.1:80", "255.255.255.255:80", "[::]:80",
		"[::1]:80",	"[ff02::1]:80",	      "[fe80::1]:80",
	};
	static const char *const usable[] = { "10.0.0.1:80",  "126.0.0.1:80",
					      "128.0.0.1:80", "223.255.255.255:80",
					      "[fd00::1]:80", "[2001:db8::]:80" };
	struct tcpmig_endpoint ep;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unusable); i++) {
		assert_null(endpoint_parse(unusable[i], &ep));
		if (!endpoint_check_routable(&ep))
			fail_msg("'%s' passed for an address of a host", unusable[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(usable); i++) {
		assert_null(endpoint_parse(usable[i], &ep));
		if (endpoint_check_routable(&ep))
			fail_msg("'%s' was refused", usable[i]);
	}
}

static void tells_families_apart(void **state)
{
	struct tcpmig_endpoint v4, mapped, v6;
	unsigned char compatible[16] = { [12] = 192, [13] = 0, [14] = 2, [15] = 1 };

	(void)state;
	endpoint_set4(&v4, htonl(0xc0000201), htons(80));
	endpoint_parse("[::ffff:192.0.2.1]:80", &mapped);
	endpoint_set6(&v6, compatible, htons(80));
	assert_true(endpoint_same(&v4, &mapped));
	assert_false(endpoint_same(&v4, &v6));
	v6 = v4;
	v6.port = htons(81);
	assert_true(endpoint_same_addr(&v4, &v6));
	assert_false(endpoint_same(&v4, &v6));
}

static void goes_to_a_socket_call_and_back(void **state)
{
	static const char *const texts[] = { "192.0.2.1:80", "[2001:db8::1]:443", "10.9.0.2:1" };
	static const socklen_t lengths[] = { sizeof(struct sockaddr_in),
					     sizeof(struct sockaddr_in6),
					     sizeof(struct sockaddr_in) };
	struct sockaddr_storage addr;
	struct tcpmig_endpoint ep, back;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_null(endpoint_parse(texts[i], &ep));
		assert_int_equal(endpoint_to_sockaddr(&ep, &addr), lengths[i]);
		assert_int_equal(addr.ss_family, ep.family);
		memset(&back, 0xa5, sizeof(back));
		endpoint_of_sockaddr(&back, (struct sockaddr *)&addr);
		assert_memory_equal(&back, &ep, sizeof(ep));
	}
	/* what a socket for both families accepts */
	((struct sockaddr_in6 *)&addr)->sin6_family = AF_INET6;
	assert_int_equal(
		inet_pton(AF_INET6, "::ffff:192.0.2.1", &((struct sockaddr_in6 *)&addr)->sin6_addr),
		1);
	((struct sockaddr_in6 *)&addr)->sin6_port = htons(80);
	endpoint_of_sockaddr(&back, (struct sockaddr *)&addr);
	assert_null(endpoint_parse("192.0.2.1:80", &ep));
	assert_memory_equal(&back, &ep, sizeof(ep));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_and_prints),
		cmocka_unit_test(refuses_with_the_reason),
		cmocka_unit_test(port_may_be_optional),
		cmocka_unit_test(knows_what_no_interface_carries),
		cmocka_unit_test(tells_families_apart),
		cmocka_unit_test(goes_to_a_socket_call_and_back),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
