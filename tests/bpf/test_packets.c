// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packet in, verdict and packet out, through the real programs by BPF_PROG_TEST_RUN
 * (root). Every row of rows.c runs for IPv4 and IPv6, with no checksum state and with
 * CHECKSUM_COMPLETE (then the kernel itself checks skb->csum).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "fixture.h"

static unsigned long runs;

/* Rewrites from a hold, or after it, are counted as such, too; and so is the flow's end. */
static unsigned int also_counted(const struct row *row)
{
	unsigned int also = 0;

	if (row->reason == R(IN_REWRITTEN) || row->setup == ACTIVE_HELD)
		also |= 1 << R(IN_HELD_PASS);
	if (row->setup == ACTIVE_HELD_OVER)
		also |= 1 << R(HELD_EXPIRED);
	if (row->shape == TCP_RST)
		also |= 1 << R(FLOW_OVER);
	return also;
}

/* Translated: byte for byte the error that quotes a packet to @dst. */
static const char *compare_icmp(enum shape shape, const struct tcpmig_endpoint *src,
				const struct tcpmig_endpoint *dst, const struct test_packet *got)
{
	struct test_packet expected;

	packet_build(&expected, shape, src, dst);
	if (got->len != expected.len)
		return "length";
	return memcmp(got->data, expected.data, got->len) ? "not the error about OLD" : NULL;
}

static void run_row(const struct row *row, int flags)
{
	struct tcpmig_endpoint src = endpoint_of(row->src), dst = endpoint_of(row->dst);
	struct tcpmig_endpoint src_after = endpoint_of(row->src_after);
	struct tcpmig_endpoint dst_after = endpoint_of(row->dst_after);
	__u64 before[TCPMIG_REASONS_COUNT];
	struct test_packet in, out = {};
	const char *wrong = NULL;
	int verdict;

	set_up_rule(row->setup);
	packet_build(&in, row->shape, &src, &dst);
	assert_int_equal(tables_get_counters(&tables, before), 0);
	verdict = run_program(row->direction, &in, &out, flags, NULL);
	if (verdict != row->verdict)
		fail_msg("%s: verdict %d, expected %d", row->name, verdict, row->verdict);
	if (row->src_after == NOBODY)
		wrong = in.len == out.len && !memcmp(in.data, out.data, in.len) ? NULL : "touched";
	else if (row->shape >= ICMP_UNREACHABLE)
		wrong = compare_icmp(row->shape, &src_after, &dst_after, &out);
	else
		wrong = packet_compare(&in, &out, &src_after, &dst_after);
	if (wrong)
		fail_msg("%s: %s", row->name, wrong);
	check_counters(row->name, before, row->reason, also_counted(row));
	runs++;
	clear_rules();
}

static void all_rows(int flags)
{
	for (size_t i = 0; i < rows_count; i++) {
		if (packet_exists(rows[i].shape, family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET))
			run_row(&rows[i], flags);
	}
}

static void packets_ipv4(void **state)
{
	(void)state;
	family = 0;
	all_rows(0);
}

static void packets_ipv6(void **state)
{
	(void)state;
	family = 1;
	all_rows(0);
}

static void packets_ipv4_checksum_complete(void **state)
{
	(void)state;
	family = 0;
	all_rows(CSUM_COMPLETE);
}

static void packets_ipv6_checksum_complete(void **state)
{
	(void)state;
	family = 1;
	all_rows(CSUM_COMPLETE);
}

static int unload_and_count(void **state)
{
	printf("# rows: %zu, runs: %lu\n", rows_count, runs);
	return unload(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_ipv4),
		cmocka_unit_test(packets_ipv6),
		cmocka_unit_test(packets_ipv4_checksum_complete),
		cmocka_unit_test(packets_ipv6_checksum_complete),
	};

	return cmocka_run_group_tests_name("packets", tests, load, unload_and_count);
}
