// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Token buckets, what a certificate may do, who gets through the gate. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent_gate.h"
#include "endpoint.h"

#define SECOND 1000000000ULL

static const struct agent_limits limits = {
	.flows = 1000,
	.moves = 2,
	.moves_a_minute = 6,
	.hold_s = 30,
	.held_s_an_hour = 60,
};
static const uint8_t alice[32] = { 1 }, bob[32] = { 2 };

static void a_bucket_fills_with_time_and_no_further(void **state)
{
	struct bucket b = {};

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(bucket_take(&b, 1, 5, 2, SECOND));
	assert_false(bucket_take(&b, 1, 5, 2, SECOND));
	assert_true(bucket_take(&b, 1, 5, 2, 2 * SECOND));
	assert_true(bucket_take(&b, 1, 5, 2, 2 * SECOND));
	assert_false(bucket_take(&b, 1, 5, 2, 2 * SECOND));
	for (int i = 0; i < 5; i++)
		assert_true(bucket_take(&b, 1, 5, 2, 1000 * SECOND));
	assert_false(bucket_take(&b, 1, 5, 2, 1000 * SECOND));
	/* a clock that went back gives nothing */
	assert_false(bucket_take(&b, 1, 5, 2, 999 * SECOND));
}

static void moves_are_counted_by_certificate(void **state)
{
	struct agent_limiter *l = limiter_new();

	(void)state;
	for (unsigned int i = 0; i < limits.moves_a_minute; i++)
		assert_null(limiter_begin(l, &limits, alice, SECOND));
	assert_non_null(limiter_begin(l, &limits, alice, SECOND));
	assert_null(limiter_begin(l, &limits, bob, SECOND));
	assert_null(limiter_begin(l, &limits, alice, 11 * SECOND));
	assert_non_null(limiter_begin(l, &limits, alice, 11 * SECOND));
	limiter_free(l);
}

static void held_time_is_counted_and_given_back(void **state)
{
	struct agent_limiter *l = limiter_new();

	(void)state;
	assert_null(limiter_hold(l, &limits, alice, 30, SECOND));
	assert_null(limiter_hold(l, &limits, alice, 30, SECOND));
	assert_non_null(limiter_hold(l, &limits, alice, 1, SECOND));
	limiter_unhold(l, &limits, alice, 20);
	assert_null(limiter_hold(l, &limits, alice, 20, SECOND));
	assert_non_null(limiter_hold(l, &limits, alice, 1, SECOND));
	limiter_unhold(l, &limits, bob, 1000); /* nobody's */
	assert_null(limiter_hold(l, &limits, bob, 60, SECOND));
	limiter_free(l);
}

static void more_certificates_than_accounts(void **state)
{
	struct agent_limiter *l = limiter_new();
	uint8_t key[32] = {};

	(void)state;
	assert_null(limiter_hold(l, &limits, bob, 60, 10000 * SECOND));
	for (int i = 0; i < 5000; i++) {
		key[30] = i >> 8;
		key[31] = i;
		key[0] = 9;
		assert_null(limiter_hold(l, &limits, key, 60, (9000 + i / 10) * SECOND));
	}
	/* those that were quiet for longest went, not the one used last */
	assert_non_null(limiter_hold(l, &limits, bob, 60, 10000 * SECOND));
	limiter_free(l);
}

static void the_gate_counts_all_and_each(void **state)
{
	static struct gate gate;
	struct gate_source *of[GATE_MAX], *last;
	struct tcpmig_endpoint ep;
	int inside = 0;

	(void)state;
	assert_null(endpoint_parse("10.9.0.2:1", &ep));
	for (int i = 0; i < GATE_SOURCE_MAX; i++)
		assert_non_null(of[inside++] = gate_enter(&gate, &ep, SECOND));
	assert_null(gate_enter(&gate, &ep, SECOND)); /* whatever its port */
	for (unsigned char host = 3; inside < GATE_MAX; host++) {
		ep.addr[15] = host;
		of[inside] = gate_enter(&gate, &ep, SECOND);
		inside += !!of[inside];
	}
	assert_false(gate_is_full(&gate));
	/* one too many: for the first, not for one that its own source keeps out */
	ep.addr[15] = 2;
	assert_null(gate_enter(&gate, &ep, SECOND));
	assert_false(gate_is_full(&gate));
	ep.addr[15] = 200;
	assert_non_null(last = gate_enter(&gate, &ep, SECOND));
	assert_true(gate_is_full(&gate));
	gate_leave(&gate, of[0]);
	assert_false(gate_is_full(&gate));
	gate_leave(&gate, last);
	for (int i = 1; i < inside; i++)
		gate_leave(&gate, of[i]);
	assert_int_equal(gate.inside, 0);
}

static void a_source_that_comes_too_often_waits(void **state)
{
	static struct gate gate;
	struct tcpmig_endpoint ep;

	(void)state;
	assert_null(endpoint_parse("[fd09::2]:1", &ep));
	for (int i = 0; i < GATE_BURST; i++) {
		struct gate_source *s = gate_enter(&gate, &ep, SECOND);

		ep.addr[15] = i; /* the same /64 */
		assert_non_null(s);
		gate_leave(&gate, s);
	}
	assert_null(gate_enter(&gate, &ep, SECOND));
	assert_non_null(gate_enter(&gate, &ep, 2 * SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_fills_with_time_and_no_further),
		cmocka_unit_test(moves_are_counted_by_certificate),
		cmocka_unit_test(held_time_is_counted_and_given_back),
		cmocka_unit_test(more_certificates_than_accounts),
		cmocka_unit_test(the_gate_counts_all_and_each),
		cmocka_unit_test(a_source_that_comes_too_often_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
