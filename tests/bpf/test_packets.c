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

#include "fixture.h"

static unsigned long runs;

static void all_rows(int flags)
{
	for (size_t i = 0; i < rows_count; i++) {
		if (!packet_exists(rows[i].shape, family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET))
			continue;
		run_row(&rows[i], flags, 0);
		runs++;
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
