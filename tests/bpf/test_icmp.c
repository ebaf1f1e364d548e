// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ICMP errors of every type and code, about packets to every owner, in every state (root);
 * and what they can quote. Whether one gets in depends on these three, and on nothing else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "fixture.h"

enum fate { LEFT, FENCED, TRANSLATED };

/* An error about a packet from @client to @dst: what becomes of it. */
struct state_row {
	const char *name;
	enum setup setup;
	enum who client, dst;
	enum fate error, too_big;
};

static const struct state_row state_rows[] = {
	{ "no rule", NO_RULE, CLIENT, OLD, LEFT, LEFT },
	{ "held", HELD, CLIENT, OLD, FENCED, LEFT },
	{ "held: a flow that was not announced", HELD, CLIENT2, OLD, FENCED, LEFT },
	{ "held, swallow", HELD_SWALLOW, CLIENT, OLD, FENCED, LEFT },
	{ "hold over", HELD_OVER, CLIENT, OLD, LEFT, LEFT },
	{ "prepared: OLD", PREPARED, CLIENT, OLD, FENCED, LEFT },
	{ "prepared: NEW", PREPARED, CLIENT, NEW, FENCED, FENCED },
	{ "prepared: a direct client of NEW", PREPARED, CLIENT2, NEW, LEFT, LEFT },
	{ "armed: OLD", ARMED, CLIENT, OLD, FENCED, FENCED },
	{ "armed: NEW", ARMED, CLIENT, NEW, FENCED, TRANSLATED },
	{ "in doubt: OLD", IN_DOUBT, CLIENT, OLD, FENCED, FENCED },
	{ "in doubt: NEW", IN_DOUBT, CLIENT, NEW, FENCED, TRANSLATED },
	{ "active: OLD", ACTIVE, CLIENT, OLD, FENCED, FENCED },
	{ "active: NEW", ACTIVE, CLIENT, NEW, TRANSLATED, TRANSLATED },
	{ "active: a direct client of NEW", ACTIVE, CLIENT2, NEW, LEFT, LEFT },
	{ "active: another port of OLD", ACTIVE, CLIENT, OLD_OTHER_PORT, LEFT, LEFT },
	{ "active: another port of NEW", ACTIVE, CLIENT, NEW_OTHER_PORT, LEFT, LEFT },
	{ "active: a stranger", ACTIVE, CLIENT, STRANGER, LEFT, LEFT },
	{ "established only: OLD", ACTIVE_ESTABLISHED_ONLY, CLIENT, OLD, FENCED, FENCED },
	{ "established only: NEW", ACTIVE_ESTABLISHED_ONLY, CLIENT, NEW, TRANSLATED, TRANSLATED },
	{ "established only: a new flow", ACTIVE_ESTABLISHED_ONLY, CLIENT2, OLD, LEFT, LEFT },
	{ "held at NEW: OLD", ACTIVE_HELD, CLIENT, OLD, FENCED, FENCED },
	{ "held at NEW: NEW", ACTIVE_HELD, CLIENT, NEW, FENCED, TRANSLATED },
	{ "hold at NEW over: NEW", ACTIVE_HELD_OVER, CLIENT, NEW, TRANSLATED, TRANSLATED },
	{ "hold at NEW over: OLD", ACTIVE_HELD_OVER, CLIENT, OLD, FENCED, FENCED },
	{ "armed for THIRD: OLD", ACTIVE_ARMED, CLIENT, OLD, FENCED, FENCED },
	{ "armed for THIRD: NEW", ACTIVE_ARMED, CLIENT, NEW, FENCED, FENCED },
	{ "armed for THIRD: THIRD", ACTIVE_ARMED, CLIENT, THIRD, FENCED, TRANSLATED },
	{ "at THIRD: OLD", MOVED_TWICE, CLIENT, OLD, FENCED, FENCED },
	{ "at THIRD: NEW", MOVED_TWICE, CLIENT, NEW, FENCED, FENCED },
	{ "at THIRD: THIRD", MOVED_TWICE, CLIENT, THIRD, TRANSLATED, TRANSLATED },
	{ "armed for OLD again: OLD", ARMED_BACK, CLIENT, OLD, FENCED, LEFT },
	{ "armed for OLD again: NEW", ARMED_BACK, CLIENT, NEW, FENCED, FENCED },
	{ "given up for NEW: THIRD", OTHER_PREPARED, CLIENT, THIRD, FENCED, FENCED },
	{ "given up for NEW: THIRD afterwards", OTHER_MOVED, CLIENT, THIRD, FENCED, FENCED },
	{ "released: OLD", RELEASED, CLIENT, OLD, LEFT, LEFT },
	{ "released: NEW", RELEASED, CLIENT, NEW, LEFT, LEFT },
};

enum class { NO_ERROR, ERROR, TOO_BIG };

/* Types, and codes up to @codes - 1. */
static const struct type_row {
	int family;
	int type, codes;
	enum class class;
} type_rows[] = {
	{ 0, 0, 2, NO_ERROR },	/* echo reply */
	{ 0, 1, 1, NO_ERROR },	/* unassigned */
	{ 0, 3, 4, ERROR },	/* net, host, protocol, port unreachable */
	{ 0, 4, 1, NO_ERROR },	/* source quench: deprecated, ignored by everybody */
	{ 0, 5, 4, NO_ERROR },	/* redirect */
	{ 0, 8, 2, NO_ERROR },	/* echo */
	{ 0, 11, 2, ERROR },	/* time exceeded */
	{ 0, 12, 3, ERROR },	/* parameter problem */
	{ 0, 13, 1, NO_ERROR }, /* timestamp */
	{ 0, 255, 1, NO_ERROR }, { 1, 0, 1, NO_ERROR }, /* reserved */
	{ 1, 1, 8, ERROR },				/* destination unreachable */
	{ 1, 2, 2, TOO_BIG },				/* the code does not matter */
	{ 1, 3, 2, ERROR },				/* time exceeded */
	{ 1, 4, 3, ERROR },				/* parameter problem */
	{ 1, 5, 1, NO_ERROR },	 { 1, 127, 1, NO_ERROR },
	{ 1, 128, 1, NO_ERROR }, /* echo request */
	{ 1, 129, 1, NO_ERROR }, /* echo reply */
	{ 1, 135, 1, NO_ERROR }, /* neighbour solicitation */
	{ 1, 137, 1, NO_ERROR }, /* redirect */
	{ 1, 255, 1, NO_ERROR },
};

/* Type 3 of ICMPv4 once more: code 4 is "fragmentation needed", the others are not. */
#define UNREACHABLE_CODES 16

/* What can be quoted, and how; all "too big". */
static const struct quote_row {
	enum shape shape;
	bool understood;
} quote_rows[] = {
	{ ICMP_TOO_BIG, true },	      { ICMP_TOO_BIG_FULL, true }, { ICMP_TOO_BIG_PADDED, true },
	{ ICMP_VLAN, true },	      { ICMP_QINQ, true },	   { ICMP_OPTIONS, true },
	{ ICMP_QUOTE_OPTIONS, true }, { ICMP_QUOTE_EXT, false },   { ICMP_QUOTE_FRAGMENT, false },
	{ ICMP_QUOTE_UDP, false },    { ICMP_ECHO, false },
};

static unsigned long runs;

static bool is_over(enum setup setup)
{
	return setup == HELD_OVER || setup == ACTIVE_HELD_OVER;
}

static void run(const struct state_row *row, enum fate fate, bool asked,
		const struct test_packet *in, const struct test_packet *expected, int flags)
{
	static const int reason[] = {
		[LEFT] = -1, [FENCED] = R(OLD_PATH_ICMP), [TRANSLATED] = R(ICMP_TRANSLATED)
	};
	__u64 before[TCPMIG_REASONS_COUNT];
	struct test_packet out = {};
	int verdict;

	assert_int_equal(tables_get_counters(&tables, before), 0);
	verdict = run_program(IN, in, &out, flags, NULL);
	if (verdict != (fate == FENCED ? DROP : NEXT))
		fail_msg("%s: type %d code %d: verdict %d", row->name, in->data[in->l4],
			 in->data[in->l4 + 1], verdict);
	if (fate != TRANSLATED)
		expected = in;
	if (out.len != in->len || memcmp(out.data, expected->data, out.len))
		fail_msg("%s: type %d code %d: not the bytes expected", row->name, in->data[in->l4],
			 in->data[in->l4 + 1]);
	check_counters(row->name, before, reason[fate],
		       asked && is_over(row->setup) ? 1 << R(HELD_EXPIRED) : 0);
	runs++;
}

static void build(const struct state_row *row, enum shape shape, struct test_packet *in,
		  struct test_packet *expected)
{
	struct tcpmig_endpoint client = endpoint_of(row->client), dst = endpoint_of(row->dst);
	struct tcpmig_endpoint old = endpoint_of(OLD);

	packet_build(in, shape, &client, &dst);
	packet_build(expected, shape, &client, &old);
	/* the router is the same, whatever the quote says */
	assert_int_equal(in->len, expected->len);
}

/* The checksum stays wrong by what type and code have changed, before and after. */
static void run_type(const struct state_row *row, int type, int code, enum class class, int flags)
{
	enum fate fate = class == TOO_BIG ? row->too_big : class == ERROR ? row->error : LEFT;
	struct test_packet in, expected;

	build(row, ICMP_TOO_BIG, &in, &expected);
	in.data[in.l4] = expected.data[in.l4] = type;
	in.data[in.l4 + 1] = expected.data[in.l4 + 1] = code;
	run(row, fate, class != NO_ERROR, &in, &expected, flags);
}

static void run_types(const struct state_row *row, int flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_rows); i++) {
		const struct type_row *type = &type_rows[i];

		for (int code = 0; type->family == family && code < type->codes; code++)
			run_type(row, type->type, code, type->class, flags);
	}
	for (int code = 0; !family && code < UNREACHABLE_CODES; code++)
		run_type(row, 3, code, code == 4 ? TOO_BIG : ERROR, flags);
}

static void run_quotes(const struct state_row *row, int flags)
{
	struct test_packet in, expected;

	for (size_t i = 0; i < ARRAY_SIZE(quote_rows); i++) {
		const struct quote_row *quote = &quote_rows[i];

		if (!packet_exists(quote->shape, family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET))
			continue;
		build(row, quote->shape, &in, &expected);
		run(row, quote->understood ? row->too_big : LEFT, quote->understood, &in, &expected,
		    flags);
	}
}

static void in_all_states(void (*what)(const struct state_row *row, int flags))
{
	for (family = 0; family < 2; family++) {
		for (size_t i = 0; i < ARRAY_SIZE(state_rows); i++) {
			set_up_rule(state_rows[i].setup);
			what(&state_rows[i], 0);
			what(&state_rows[i], CSUM_COMPLETE);
			clear_rules();
		}
	}
}

static void types_and_codes_in_every_state(void **state)
{
	(void)state;
	in_all_states(run_types);
}

static void quotes_in_every_state(void **state)
{
	(void)state;
	in_all_states(run_quotes);
}

/* The length of the IP packet; the frame may go on. */
static void set_ip_length(struct test_packet *p, size_t end)
{
	size_t length = end - p->l3 - (family ? 40 : 0);

	p->data[p->l3 + (family ? 4 : 2)] = length >> 8;
	p->data[p->l3 + (family ? 5 : 3)] = length;
}

/*
 * The quote ends after any number of bytes: with less than the ports it is not ours, and from
 * the TCP checksum on that is translated, too.
 */
static void run_cut_quote(size_t end, bool frame_too, int flags)
{
	const struct state_row row = { "cut quote", ACTIVE, CLIENT, NEW, TRANSLATED, TRANSLATED };
	__u64 before[TCPMIG_REASONS_COUNT];
	struct test_packet in, expected, out = {};
	size_t quoted, address;
	int verdict;

	build(&row, ICMP_TOO_BIG_FULL, &in, &expected);
	set_ip_length(&in, end);
	set_ip_length(&expected, end);
	if (frame_too)
		in.len = expected.len = end;
	if (!kernel_takes(&in))
		return;
	quoted = end < in.quote_l4 ? 0 : end - in.quote_l4;
	address = in.quote + (family ? 24 : 16);
	assert_int_equal(tables_get_counters(&tables, before), 0);
	verdict = run_program(IN, &in, &out, flags, NULL);
	assert_int_equal(verdict, NEXT);
	check_counters(row.name, before, quoted < 4 ? -1 : (int)R(ICMP_TRANSLATED), 0);
	if (quoted < 4)
		assert_memory_equal(out.data, in.data, in.len);
	if (quoted >= 18)
		assert_memory_equal(out.data, expected.data, in.len);
	if (quoted >= 4 && quoted < 18) {
		assert_memory_equal(out.data + address, expected.data + address, family ? 16 : 4);
		assert_memory_equal(out.data + in.quote_l4, expected.data + in.quote_l4, 4);
		assert_memory_equal(out.data + in.quote_l4 + 4, in.data + in.quote_l4 + 4,
				    in.len - in.quote_l4 - 4);
	}
	runs++;
}

static void quotes_cut_at_every_byte(void **state)
{
	struct test_packet p, unused;
	const struct state_row row = { .client = CLIENT, .dst = NEW };

	(void)state;
	for (family = 0; family < 2; family++) {
		set_up_rule(ACTIVE);
		build(&row, ICMP_TOO_BIG_FULL, &p, &unused);
		for (size_t end = p.l4; end <= p.len; end++) {
			run_cut_quote(end, false, 0);
			run_cut_quote(end, true, 0);
			run_cut_quote(end, false, CSUM_COMPLETE);
			run_cut_quote(end, true, CSUM_COMPLETE);
		}
		clear_rules();
	}
}

static int unload_and_count(void **state)
{
	printf("# rows: %zu states, %zu types, %d codes, %zu quotes, runs: %lu\n",
	       ARRAY_SIZE(state_rows), ARRAY_SIZE(type_rows), UNREACHABLE_CODES,
	       ARRAY_SIZE(quote_rows), runs);
	return unload(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_and_codes_in_every_state),
		cmocka_unit_test(quotes_in_every_state),
		cmocka_unit_test(quotes_cut_at_every_byte),
	};

	return cmocka_run_group_tests_name("ICMP errors", tests, load, unload_and_count);
}
