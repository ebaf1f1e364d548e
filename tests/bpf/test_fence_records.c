// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Records of the fence beside each other and one after another: what is added, what is refused,
 * what is left, seen by what becomes of packets. How long it takes with many flows, printed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "clocks.h"
#include "fence_fixture.h"

#define MANY 10000

/* Who is bound to just that address has the SYN, whatever becomes of who is bound to any. */
static void exact_listener_goes_first(void **state)
{
	struct fence any = make(1), exact = make(2);

	(void)state;
	for (family = 0; family < 2; family++) {
		add_listener(&any, TO_ANY);
		add_listener(&exact, TO_ADDR);
		assert_int_equal(fence_set(&any, FENCE_NO_SYN), 0);
		assert_int_equal(fence_set(&exact, FENCE_OPEN), 0);
		assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), NEXT);
		assert_int_equal(verdict_of(IN, TCP_SYN, PEER, OTHER_ADDR), DROP);
		assert_int_equal(fence_set(&any, FENCE_OPEN), 0);
		assert_int_equal(fence_set(&exact, FENCE_CLOSED), 0);
		assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), DROP);
		assert_int_equal(verdict_of(IN, TCP_SYN, PEER, OTHER_ADDR), NEXT);
	}
	assert_int_equal(erase(&any), 0);
	assert_int_equal(erase(&exact), 0);
}

/* By the state of those records alone that have a flow with that address; each of them counts. */
static void fragments_of_several_records(void **state)
{
	struct fence open = make(1), closed = make(2);
	struct fence_flow flow, other, shared;

	(void)state;
	family = 0;
	flow = flow_of(SERVER, PEER), other = flow_of(OTHER_ADDR, PEER);
	shared = flow_of(OTHER_ADDR, PEER2);
	assert_int_equal(fence_add_flows(&open, &flow, 1), 0);
	assert_int_equal(fence_add_flows(&closed, &other, 1), 0);
	assert_int_equal(fence_set(&closed, FENCE_CLOSED), 0);
	assert_int_equal(verdict_of(IN, TCP_LATER_FRAGMENT, PEER, SERVER), NEXT);
	assert_int_equal(verdict_of(IN, TCP_LATER_FRAGMENT, PEER, OTHER_ADDR), DROP);
	assert_int_equal(fence_add_flows(&open, &shared, 1), 0);
	assert_int_equal(verdict_of(IN, TCP_LATER_FRAGMENT, PEER, OTHER_ADDR), DROP);
	assert_int_equal(erase(&open), 0);
	assert_int_equal(verdict_of(IN, TCP_LATER_FRAGMENT, PEER, OTHER_ADDR), DROP);
	assert_int_equal(erase(&closed), 0);
}

static struct tcpmig_endpoint wrong_endpoint(int kind)
{
	struct tcpmig_endpoint ep = endpoint_of(SERVER);

	if (kind == 0)
		ep.port = 0;
	if (kind == 1)
		ep.zero = 1;
	if (kind == 2)
		ep.family = family ? TCPMIG_AF_INET
				   : TCPMIG_AF_INET6; /* not the one way to say it */
	if (kind == 3)
		ep.family = 0;
	return ep;
}

static void wrong_endpoints_are_refused(void **state)
{
	struct fence f = make(1);

	(void)state;
	for (family = 0; family < 2; family++) {
		struct fence_flow flow = flow_of(SERVER, PEER);

		for (int kind = 0; kind < 4; kind++) {
			struct tcpmig_endpoint wrong = wrong_endpoint(kind);
			struct fence_flow a = { flow.local, wrong }, b = { wrong, flow.remote };

			assert_int_equal(fence_add_listener(&f, &wrong, false), -EINVAL);
			assert_int_equal(fence_add_flows(&f, &a, 1), -EINVAL);
			assert_int_equal(fence_add_flows(&f, &b, 1), -EINVAL);
		}
		family = !family;
		flow.remote = endpoint_of(PEER);
		family = !family;
		assert_int_equal(fence_add_flows(&f, &flow, 1), -EINVAL); /* two families */
	}
	assert_int_equal(erase(&f), 0);
}

static size_t flows_of(const struct fence *f)
{
	size_t flows[FENCE_RECORDS_MAX];

	assert_int_equal(fence_tables_count_flows(&tables, flows), 0);
	return flows[f->slot];
}

/* All or none, twice is once, and nothing in two records. */
static void flows_belong_to_one_record(void **state)
{
	struct fence a = make(1), b = make(2);
	struct fence_flow both[2], again[2];
	struct tcpmig_endpoint local;

	(void)state;
	family = 0;
	both[0] = flow_of(SERVER, PEER), both[1] = flow_of(SERVER, PEER2);
	again[0] = flow_of(SERVER, STRANGER), again[1] = both[0];
	local = endpoint_of(SERVER);
	assert_int_equal(fence_add_flows(&a, both, 2), 0);
	assert_int_equal(fence_add_flows(&a, both, 2), 0);
	assert_int_equal(flows_of(&a), 2);
	assert_int_equal(fence_add_flows(&b, again, 2), -EBUSY);
	assert_int_equal(flows_of(&b), 0);
	assert_int_equal(fence_add_listener(&a, &local, false), 0);
	assert_int_equal(fence_add_listener(&a, &local, false), 0);
	assert_int_equal(fence_add_listener(&b, &local, false), -EBUSY);

	/* The other record is not concerned by this one's state, nor by its end. */
	assert_int_equal(fence_add_flows(&b, again, 1), 0);
	assert_int_equal(fence_set(&a, FENCE_CLOSED), 0);
	assert_int_equal(verdict_of(IN, TCP_DATA, PEER, SERVER), DROP);
	assert_int_equal(verdict_of(IN, TCP_DATA, PEER2, SERVER), DROP);
	assert_int_equal(verdict_of(IN, TCP_DATA, STRANGER, SERVER), NEXT);
	assert_int_equal(fence_set(&b, FENCE_CLOSED), 0);
	assert_int_equal(erase(&a), 0);
	assert_int_equal(verdict_of(IN, TCP_DATA, STRANGER, SERVER), DROP);
	assert_int_equal(verdict_of(IN, TCP_DATA, PEER, SERVER), NEXT);
	assert_int_equal(verdict_of(IN, TCP_DATA, PEER2, SERVER), NEXT);

	/* What it had is free now. */
	assert_int_equal(fence_add_flows(&b, again, 2), 0);
	assert_int_equal(verdict_of(IN, TCP_DATA, PEER, SERVER), DROP);
	assert_int_equal(verdict_of(IN, TCP_LATER_FRAGMENT, PEER2, SERVER), DROP);
	assert_int_equal(erase(&b), 0);
	assert_int_equal(verdict_of(IN, TCP_LATER_FRAGMENT, PEER2, SERVER), NEXT);
}

/* More local addresses than there is room for: none of these flows is there afterwards. */
static void what_has_no_room_leaves_nothing(void **state)
{
	_cleanup_free_ struct fence_flow *flows = calloc(MANY, sizeof(*flows));
	struct fence f = make(1);

	(void)state;
	family = 0;
	for (int i = 0; i < MANY; i++) {
		flows[i] = flow_of(SERVER, PEER);
		flows[i].local.addr[14] = i >> 8;
		flows[i].local.addr[15] = i;
	}
	assert_int_equal(fence_add_flows(&f, flows, 1), 0);
	assert_int_equal(fence_add_flows(&f, flows, MANY), -ENOSPC);
	assert_int_equal(flows_of(&f), 1);
	assert_int_equal(erase(&f), 0);
	f = make(1); /* there is room again */
	assert_int_equal(fence_add_flows(&f, flows, FENCE_ADDRS_MAX), 0);
	assert_int_equal(erase(&f), 0);
}

/* What is left of a record that is gone belongs to nobody, whoever has its slot. */
static void dead_refs_do_nothing(void **state)
{
	struct fence first = make(1), second;
	struct fence_flow flow;
	struct tcpmig_flow_key key;
	__u32 slot = first.slot;

	(void)state;
	family = 0;
	flow = flow_of(SERVER, PEER);
	key = (struct tcpmig_flow_key){ .local = flow.local, .remote = flow.remote };
	assert_int_equal(erase(&first), 0);
	for (size_t i = 0; i < 3 * FENCE_RECORDS_MAX; i++) {
		second = make(2);
		assert_true(i || second.slot != first.slot); /* late, as it may still be open */
		assert_int_equal(fence_tables_set_flows(&tables, &key, 1, first.ref), 0);
		assert_int_equal(fence_set(&second, FENCE_CLOSED), 0);
		assert_int_equal(verdict_of(IN, TCP_DATA, PEER, SERVER), NEXT);
		/* Not even busy. */
		assert_int_equal(fence_add_flows(&second, &flow, 1), 0);
		assert_int_equal(verdict_of(IN, TCP_DATA, PEER, SERVER), DROP);
		slot += second.slot == first.slot ? FENCE_RECORDS_MAX : 0;
		assert_int_equal(erase(&second), 0);
		assert_int_equal(fence_set(&first, FENCE_CLOSED), -ENOENT);
		assert_int_equal(fence_add_flows(&first, &flow, 1), -ENOENT);
	}
	assert_true(slot > first.slot); /* it has been in the same slot */
}

static void as_many_records_as_there_is_room(void **state)
{
	struct fence all[FENCE_RECORDS_MAX], more = { .dir.fd = -1, .tables = tables };
	uint8_t uuid[16] = { 200 };

	(void)state;
	family = 1;
	for (size_t i = 0; i < FENCE_RECORDS_MAX; i++)
		all[i] = make(i + 1);
	assert_int_equal(fence_record_make(&more, uuid), -ENOSPC);
	uuid[0] = 7;
	assert_int_equal(fence_record_find(&more, uuid), 0);
	assert_int_equal(more.slot, all[6].slot);
	for (size_t i = 0; i < FENCE_RECORDS_MAX; i++) { /* each state is looked at */
		struct fence_flow flow = flow_of(SERVER, PEER);

		assert_int_equal(fence_add_flows(&all[i], &flow, 1), 0);
		assert_int_equal(fence_set(&all[i], FENCE_CLOSED), 0);
		assert_int_equal(verdict_of(OUT, TCP_DATA, SERVER, PEER), DROP);
		assert_int_equal(verdict_of(OUT, TCP_LATER_FRAGMENT, SERVER, PEER), DROP);
		assert_true(fence_state(&all[i]) == FENCE_CLOSED);
		assert_int_equal(erase(&all[i]), 0);
		assert_true(fence_state(&all[i]) == FENCE_OPEN);
		assert_int_equal(verdict_of(OUT, TCP_LATER_FRAGMENT, SERVER, PEER), NEXT);
	}
	assert_int_equal(fence_record_count(&tables), 0);
}

static double ms_since(uint64_t start)
{
	return (clock_mono_ns() - start) / 1e6;
}

static unsigned int ns_a_packet(void)
{
	struct tcpmig_endpoint from = endpoint_of(STRANGER), to = endpoint_of(SERVER);
	struct test_packet packet;

	packet_build(&packet, TCP_DATA, &from, &to);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet.data, .data_size_in = packet.len,
		    .repeat = 1000000);
	assert_int_equal(bpf_prog_test_run_opts(programs[1].ingress_fd, &run), 0);
	return run.duration;
}

/* Figures for information, and that each of them is dropped. */
static void many_flows(void **state)
{
	_cleanup_free_ struct fence_flow *flows = calloc(MANY, sizeof(*flows));
	struct fence f = make(1);
	double add, flip, open;
	uint64_t start;

	(void)state;
	family = 0;
	for (int i = 0; i < MANY; i++) {
		flows[i] = flow_of(SERVER, PEER);
		flows[i].remote.port = htobe16(10000 + i);
		flows[i].remote.addr[15] = 1 + i % 200;
	}
	start = clock_mono_ns();
	assert_int_equal(fence_add_flows(&f, flows, MANY), 0);
	add = ms_since(start);
	assert_int_equal(flows_of(&f), MANY);
	printf("# a packet not concerned, ns: all open %u", ns_a_packet());
	start = clock_mono_ns();
	assert_int_equal(fence_set(&f, FENCE_CLOSED), 0);
	flip = ms_since(start);
	printf(", closed with %d flows %u\n", MANY, ns_a_packet());
	for (int i = 0; i < MANY; i++) {
		struct test_packet packet;

		packet_build(&packet, TCP_DATA, &flows[i].remote, &flows[i].local);
		assert_int_equal(run_packet(true, IN, &packet), DROP);
	}
	start = clock_mono_ns();
	assert_int_equal(fence_set(&f, FENCE_OPEN), 0);
	open = ms_since(start);
	start = clock_mono_ns();
	assert_int_equal(erase(&f), 0);
	printf("# %d flows: added in %.1f ms, closed in %.3f ms, opened in %.4f ms, removed in "
	       "%.1f "
	       "ms\n",
	       MANY, add, flip, open, ms_since(start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_listener_goes_first),
		cmocka_unit_test(fragments_of_several_records),
		cmocka_unit_test(wrong_endpoints_are_refused),
		cmocka_unit_test(flows_belong_to_one_record),
		cmocka_unit_test(what_has_no_room_leaves_nothing),
		cmocka_unit_test(dead_refs_do_nothing),
		cmocka_unit_test(as_many_records_as_there_is_room),
		cmocka_unit_test(many_flows),
	};

	return cmocka_run_group_tests_name("fence records", tests, load, unload);
}
