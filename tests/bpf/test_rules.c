// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What rules do to packets over several steps, and what the tables hold then (root). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "cleanup.h"
#include "fixture.h"

static int send_data(enum who dst, enum shape shape)
{
	struct tcpmig_endpoint src = endpoint_of(CLIENT), to = endpoint_of(dst);
	struct test_packet in, out;

	packet_build(&in, shape, &src, &to);
	return run_program(OUT, &in, &out, 0, NULL);
}

/* Only the first data segment of a hold is consumed; a further hold begins anew. */
static void a_hold_consumes_one_segment(void **state)
{
	(void)state;
	family = 0;
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(send_data(OLD, TCP_ACK), DROP);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	assert_int_equal(send_data(OLD, TCP_DATA), DROP);
	assert_int_equal(send_data(OLD, TCP_DATA), DROP);
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	assert_int_equal(send_data(OLD, TCP_DATA), DROP);
	clear_rules();
}

/* redirect_neigh() brings the packet to the hook again: it must not be looked at. */
static void a_routed_packet_passes(void **state)
{
	struct tcpmig_endpoint src, dst;
	struct __sk_buff ctx = { .cb = { 0x7c6d6967, 0x2d627066 } };
	struct test_packet in, out;

	(void)state;
	family = 0;
	hold(TCPMIG_HOLD_DROP);
	src = endpoint_of(CLIENT);
	dst = endpoint_of(OLD);
	packet_build(&in, TCP_DATA, &src, &dst);
	assert_int_equal(run_program(OUT, &in, &out, 0, &ctx), NEXT);
	ctx.cb[1] = 0;
	assert_int_equal(run_program(OUT, &in, &out, 0, &ctx), REDIRECT);
	clear_rules();
}

static int send_from(enum who who, enum shape shape)
{
	struct tcpmig_endpoint src = endpoint_of(who), old = endpoint_of(OLD);
	struct test_packet in, out;

	packet_build(&in, shape, &src, &old);
	return run_program(OUT, &in, &out, 0, NULL);
}

/*
 * Talk after a SYN is noted, though BPF remembers the flow from the SYN, or from the
 * connection before it: else, for established flows only, the next SYN would be taken for
 * the same one sent again.
 */
static void talk_is_noted_whatever_is_remembered(void **state)
{
	static const enum shape before[] = { TCP_SYN, TCP_DATA, TCP_DATA, TCP_SYN, TCP_DATA };

	(void)state;
	family = 0;
	for (size_t count = 2; count <= ARRAY_SIZE(before); count += 3) {
		redirect(NEW, false);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(send_from(CLIENT2, before[i]), REDIRECT);
		redirect(NEW, true);
		assert_int_equal(send_from(CLIENT2, TCP_SYN), NEXT);
		clear_rules();
	}
}

/* Two servers that move to one address: two flows would share one wire tuple. */
static void two_flows_never_share_a_wire_tuple(void **state)
{
	struct tcpmig_endpoint client, stranger;
	struct tcpmig_owner next;
	struct rules_outcome outcome = {};
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct test_packet in, out;

	(void)state;
	family = 0;
	client = endpoint_of(CLIENT);
	stranger = endpoint_of(STRANGER);
	next = (struct tcpmig_owner){ .peer = endpoint_of(NEW) };
	redirect(NEW, false);
	assert_int_equal(rules_redirect(&tables, &stranger, &next, false, &flows, &outcome), 0);
	assert_int_equal(outcome.taken, 1);
	packet_build(&in, TCP_DATA, &client, &stranger);
	assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT); /* an RST, back */
	assert_int_equal(out.len, in.l4 + 20);
	packet_build(&in, TCP_FIRST_FRAGMENT, &client, &stranger);
	assert_int_equal(run_program(OUT, &in, &out, 0, NULL), DROP); /* no RST in a fragment */
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	assert_int_equal(rules_release(&tables, &stranger), 0);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	clear_rules();
}

/* A flow that was never announced finds its way back after its first packet. */
static void a_new_flow_is_known_both_ways(void **state)
{
	struct tcpmig_endpoint client2, old, new;
	struct test_packet in, out;

	(void)state;
	for (family = 0; family < 2; family++) {
		client2 = endpoint_of(CLIENT2);
		old = endpoint_of(OLD);
		new = endpoint_of(NEW);
		redirect(NEW, false);
		packet_build(&in, TCP_SYN, &client2, &old);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT);
		packet_build(&in, TCP_DATA, &new, &client2);
		assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
		assert_null(packet_compare(&in, &out, &old, &client2));
		clear_rules();
	}
}

/* Many moves, further than the ring of owners reaches, and the last is right. */
static void a_long_chain_of_moves(void **state)
{
	enum who there[] = { NEW, THIRD };
	struct tcpmig_endpoint client, last;
	struct test_packet in, out;

	(void)state;
	family = 0;
	client = endpoint_of(CLIENT);
	for (int i = 0; i < 3 * TCPMIG_HOPS_MAX + 1; i++) {
		redirect(there[i % 2], false);
		last = endpoint_of(there[i % 2]);
		packet_build(&in, TCP_DATA, &client, &(struct tcpmig_endpoint){ 0 });
		assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
		packet_build(&in, TCP_DATA, &last, &client);
		assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
		last = endpoint_of(OLD);
		assert_null(packet_compare(&in, &out, &last, &client));
	}
	clear_rules();
}

/* Back to OLD: the rule ends by itself and nothing is left of it. */
static void a_move_back_ends_the_rule(void **state)
{
	(void)state;
	family = 0;
	redirect(NEW, false);
	redirect(OLD, false);
	assert_int_equal(release(), -ENOENT);
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
	clear_rules();
}

/* What is not allowed from a state, and that it changes nothing. */
static void wrong_orders_change_nothing(void **state)
{
	struct tcpmig_endpoint old, third;
	struct tcpmig_owner next;
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_rule before;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	third = endpoint_of(THIRD);
	next = (struct tcpmig_owner){ .peer = third };
	assert_int_equal(rules_go(&tables, &old, &third), -ENOENT);
	assert_int_equal(release(), -ENOENT);
	lead_to(NEW, rules_arm);
	before = tables.rules[0];
	assert_int_equal(rules_hold(&tables, &old, 1000, TCPMIG_HOLD_DROP, &none, &outcome),
			 -EBUSY);
	assert_int_equal(rules_arm(&tables, &old, &next, 1000, &none, &outcome), -EBUSY);
	assert_int_equal(rules_go(&tables, &old, &third), -EBUSY);
	assert_memory_equal(&before, &tables.rules[0], sizeof(before));
	go(NEW);
	go(NEW); /* twice is once */
	clear_rules();
}

static void add(enum who who, enum rules_origin origin)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(who);
	struct rules_flows flows = { .local = &client, .count = 1, .origin = origin };
	struct rules_outcome outcome;

	assert_int_equal(rules_learn(&tables, &old, &flows, &outcome), 0);
}

static bool known(enum who old, enum who client)
{
	struct tcpmig_flow_key key = { .remote = endpoint_of(old), .local = endpoint_of(client) };
	struct tcpmig_flow flow;

	return !tables_get_flow(&tables, &key, &flow);
}

/* What a list may add depends on where it comes from. */
static void strangers_do_not_become_flows(void **state)
{
	struct tcpmig_endpoint client, new;
	struct tcpmig_owner third;
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_IMAGE };
	struct rules_outcome outcome;

	(void)state;
	family = 0;
	client = endpoint_of(CLIENT);
	new = endpoint_of(NEW);
	third = (struct tcpmig_owner){ .peer = endpoint_of(THIRD) };
	redirect(NEW, true); /* OLD may be another server by now, CLIENT2 its client */
	hold(TCPMIG_HOLD_DROP);
	add(CLIENT2, RULES_SOCKETS);
	assert_false(known(OLD, CLIENT2));
	add(CLIENT2, RULES_NAMED);
	assert_true(known(OLD, CLIENT2));
	clear_rules();

	redirect(NEW, false); /* the server at NEW has direct clients, too */
	add(CLIENT2, RULES_IMAGE);
	assert_false(known(OLD, CLIENT2));
	/* and its own address is moved as well: CLIENT is no client of that */
	assert_int_equal(rules_prepare(&tables, &new, &third, 1000, &flows, &outcome), 0);
	assert_false(known(NEW, CLIENT));
	client = endpoint_of(CLIENT2);
	assert_int_equal(rules_learn(&tables, &new, &flows, &outcome), 0);
	assert_true(known(NEW, CLIENT2));
	assert_int_equal(rules_release(&tables, &new), 0);
	clear_rules();
}

/* A flow that a dead rule left is none of a rule for established flows only. */
static void dead_entries_have_no_effect(void **state)
{
	struct tcpmig_endpoint old, client, client2;
	struct tcpmig_flow_key key, wire_key;
	struct tcpmig_flow flow = { .ref = tcpmig_ref(5, 9) };
	struct tcpmig_wire wire = { .ref = tcpmig_ref(5, 9), .checked = 1 };
	struct test_packet in, out;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	client = endpoint_of(CLIENT);
	client2 = endpoint_of(CLIENT2);
	redirect(NEW, true);
	key = (struct tcpmig_flow_key){ .remote = old, .local = client2 };
	assert_int_equal(tables_set_flow(&tables, &key, &flow), 0);
	packet_build(&in, TCP_DATA, &client2, &old);
	assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
	packet_build(&in, TCP_DATA, &old, &client2);
	assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
	assert_int_equal(rules_repair(&tables), 0);
	clear_rules();

	hold(TCPMIG_HOLD_DROP); /* a wire entry of OLD from a move back must not hide the hold */
	wire_key = (struct tcpmig_flow_key){ .remote = old, .local = client };
	assert_int_equal(tables_set_wire(&tables, &wire_key, &wire), 0);
	lead_to(NEW, rules_prepare);
	packet_build(&in, TCP_RST, &old, &client);
	assert_int_equal(run_program(IN, &in, &out, 0, NULL), DROP);
	assert_int_equal(rules_repair(&tables), 0);
	clear_rules();
}

/* A refused redirect leaves the rule as it was; one that armed can be put back. */
static void a_refused_redirect_changes_nothing(void **state)
{
	struct tcpmig_endpoint old;
	struct tcpmig_owner third;
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_rule before;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	third = (struct tcpmig_owner){ .peer = endpoint_of(THIRD) };
	lead_to(NEW, rules_arm);
	before = tables.rules[0];
	assert_int_equal(rules_redirect(&tables, &old, &third, true, &none, &outcome), -EBUSY);
	assert_memory_equal(&before, &tables.rules[0], sizeof(before));
	assert_int_equal(rules_disarm(&tables, &old, 1000), 0);
	assert_int_equal(send_data(OLD, TCP_ACK), DROP);
	let_time_pass();
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT); /* held, and held no longer */
	clear_rules();
}

/* Killed between the flip and the publication: the next command, or attach, completes it. */
static void an_unpublished_rule_is_completed(void **state)
{
	struct tcpmig_endpoint old;
	struct tcpmig_remote remote = {};

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	for (int by_repair = 0; by_repair < 2; by_repair++) {
		redirect(NEW, false);
		assert_int_equal(tables_set_remote(&tables, &old, &remote), 0);
		assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
		if (by_repair)
			assert_int_equal(rules_repair(&tables), 0);
		else
			redirect(NEW, false);
		assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
		clear_rules();
	}
}

/* A hold at NEW that is over is a redirect again, and released as one. */
static void an_expired_hold_is_released_as_what_it_is(void **state)
{
	(void)state;
	family = 0;
	redirect(NEW, false);
	hold(TCPMIG_HOLD_DROP);
	let_time_pass();
	assert_int_equal(release(), 0);
	assert_int_equal(release(), -ENOENT);
	clear_rules();
}

/* Entries of a command that was killed belong to nobody and are swept. */
static void repair_removes_what_a_kill_left(void **state)
{
	struct tcpmig_endpoint old, new, client;
	struct tcpmig_flow_key key, wire_key;
	struct tcpmig_remote remote = { .old_ref = tcpmig_ref(5, 9), .wires = 1 };
	struct tcpmig_flow flow = { .ref = tcpmig_ref(5, 9) };
	struct tcpmig_wire wire = { .ref = tcpmig_ref(5, 9) };

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	new = endpoint_of(NEW);
	client = endpoint_of(CLIENT);
	key = (struct tcpmig_flow_key){ .remote = old, .local = client };
	wire_key = (struct tcpmig_flow_key){ .remote = new, .local = client };
	assert_int_equal(tables_set_remote(&tables, &old, &remote), 0);
	assert_int_equal(tables_set_remote(&tables, &new, &remote), 0);
	assert_int_equal(tables_set_flow(&tables, &key, &flow), 0);
	assert_int_equal(tables_set_wire(&tables, &wire_key, &wire), 0);
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
	redirect(NEW, false); /* takes the dead entries over */
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	wire_key.local = endpoint_of(CLIENT2);
	assert_int_equal(tables_set_wire(&tables, &wire_key, &wire), 0);
	assert_int_equal(rules_repair(&tables), 0);
	assert_int_equal(tables_get_wire(&tables, &wire_key, &wire), -ENOENT);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	clear_rules();
}

static enum tcpmig_state state_seen(bool *reserved)
{
	struct tcpmig_endpoint old = endpoint_of(OLD);
	struct rules_view view;

	if (!rules_view_of(&tables, &old, &view))
		return TCPMIG_FREE;
	*reserved = view.reserved;
	return view.state;
}

/* What is reserved for a move becomes a hold by the flip alone, and its flows are armed. */
static void a_reserved_move_goes_on(void **state)
{
	struct tcpmig_endpoint old;
	bool reserved = false;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	lead_to(NEW, rules_reserve);
	assert_int_equal(state_seen(&reserved), TCPMIG_ACTIVE);
	assert_true(reserved);
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(state_seen(&reserved), TCPMIG_HELD);
	assert_false(reserved);
	assert_int_equal(send_data(OLD, TCP_ACK), DROP);
	lead_to(NEW, rules_arm);
	go(NEW);
	assert_int_equal(state_seen(&reserved), TCPMIG_ACTIVE);
	assert_false(reserved);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	/* the next move, given up before it has begun, leaves the first as it is */
	lead_to(THIRD, rules_reserve);
	assert_int_equal(rules_unreserve(&tables, &old), 0);
	assert_int_equal(state_seen(&reserved), TCPMIG_ACTIVE);
	assert_false(reserved);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	clear_rules();
}

static void what_is_reserved_ends_by_itself(void **state)
{
	struct tcpmig_endpoint old;
	bool reserved = false;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	for (int by_time = 0; by_time < 2; by_time++) {
		lead_to(NEW, rules_reserve);
		if (by_time)
			let_time_pass();
		else
			assert_int_equal(rules_unreserve(&tables, &old), 0);
		assert_int_equal(state_seen(&reserved), TCPMIG_FREE);
		assert_int_equal(rules_sweep(&tables), 0);
		assert_int_equal(release(), -ENOENT);
		clear_rules();
	}
	redirect(NEW, false);
	lead_to(THIRD, rules_reserve);
	let_time_pass();
	assert_int_equal(rules_sweep(&tables), 0);
	assert_int_equal(state_seen(&reserved), TCPMIG_ACTIVE);
	assert_false(reserved);
	clear_rules();
}

static bool is_wired_to(enum who local, enum who peer)
{
	struct tcpmig_flow_key key = { .remote = endpoint_of(peer), .local = endpoint_of(local) };
	struct tcpmig_wire wire;

	return !tables_get_wire(&tables, &key, &wire);
}

/*
 * What was found out when the move was reserved is not looked up again, unless BPF has made or
 * removed a flow since, or user space has.
 */
static void flows_since_the_reservation_are_armed(void **state)
{
	struct tcpmig_endpoint old, client2;
	struct rules_flows none = {}, second;
	struct rules_outcome outcome;
	struct tcpmig_owner next;
	struct test_packet in, out;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	client2 = endpoint_of(CLIENT2);
	next = (struct tcpmig_owner){ .peer = endpoint_of(NEW) };
	second = (struct rules_flows){ .local = &client2, .count = 1, .origin = RULES_NAMED };
	for (int by_bpf = 0; by_bpf < 2; by_bpf++) {
		lead_to(NEW, rules_reserve);
		assert_true(is_wired_to(CLIENT, NEW));
		if (by_bpf) {
			packet_build(&in, TCP_DATA, &client2, &old);
			assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
		} else {
			assert_int_equal(rules_learn(&tables, &old, &second, &outcome), 0);
		}
		assert_false(is_wired_to(CLIENT2, NEW));
		assert_int_equal(
			rules_hold(&tables, &old, 60000, TCPMIG_HOLD_DROP, &none, &outcome), 0);
		assert_int_equal(outcome.flows, 2);
		assert_int_equal(rules_arm(&tables, &old, &next, 60000, &none, &outcome), 0);
		assert_int_equal(outcome.flows, 2);
		assert_true(is_wired_to(CLIENT2, NEW));
		clear_rules();
	}
}

/* Only the walk through the table knows how many flows there are in all. */
static void nothing_is_looked_up_twice(void **state)
{
	struct tcpmig_endpoint old;
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_owner next;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	next = (struct tcpmig_owner){ .peer = endpoint_of(NEW) };
	lead_to(NEW, rules_reserve);
	assert_int_equal(rules_hold(&tables, &old, 60000, TCPMIG_HOLD_DROP, &none, &outcome), 0);
	assert_int_equal(outcome.table, 0);
	assert_int_equal(rules_arm(&tables, &old, &next, 60000, &none, &outcome), 0);
	assert_int_equal(outcome.table, 0);
	assert_int_equal(outcome.flows, 1);
	clear_rules();
}

/* A move that is under way has no room for another. */
static void a_held_rule_cannot_be_reserved(void **state)
{
	struct tcpmig_owner next = { .peer = endpoint_of(NEW) };
	struct tcpmig_endpoint old = endpoint_of(OLD);
	struct rules_flows none = {};
	struct rules_outcome outcome;

	(void)state;
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(rules_reserve(&tables, &old, &next, 1000, &none, &outcome), -EBUSY);
	lead_to(NEW, rules_arm);
	assert_int_equal(rules_reserve(&tables, &old, &next, 1000, &none, &outcome), -EBUSY);
	clear_rules();
}

static struct tcpmig_rule *the_rule(void)
{
	for (int slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		if (tcpmig_word_state(tables.rules[slot].word))
			return &tables.rules[slot];
	}
	fail_msg("there is no rule");
	return NULL;
}

/* The route has changed, the owner has not: what BPF remembers of the flows is void. */
static void another_route_is_another_epoch(void **state)
{
	struct tcpmig_endpoint old, new;
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_owner next;
	__u64 word;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	new = endpoint_of(NEW);
	redirect(NEW, false);
	word = the_rule()->word;
	for (__u32 ifindex = 1; ifindex < 3; ifindex++) {
		next = (struct tcpmig_owner){ .peer = new, .ifindex = ifindex };
		assert_int_equal(rules_redirect(&tables, &old, &next, false, &none, &outcome), 0);
		assert_int_equal(the_rule()->owner[1].ifindex, ifindex);
		assert_true(the_rule()->word ==
			    tcpmig_word(tcpmig_word_epoch(word) + 1, 1, TCPMIG_ACTIVE));
		word = the_rule()->word;
		assert_int_equal(rules_redirect(&tables, &old, &next, false, &none, &outcome), 0);
		assert_true(the_rule()->word == word); /* once is enough */
	}
	clear_rules();
}

/* A slot is used again: by the epoch alone no rule in it can be taken for an earlier one. */
static void epochs_go_on(void **state)
{
	__u64 first;
	int slot;

	(void)state;
	family = 0;
	redirect(NEW, false);
	first = the_rule()->word;
	slot = the_rule() - tables.rules;
	clear_rules();
	redirect(NEW, false);
	assert_int_equal(the_rule() - tables.rules, slot);
	assert_true(tcpmig_word_epoch(the_rule()->word) > tcpmig_word_epoch(first));
	clear_rules();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reserved_move_goes_on),
		cmocka_unit_test(what_is_reserved_ends_by_itself),
		cmocka_unit_test(a_held_rule_cannot_be_reserved),
		cmocka_unit_test(flows_since_the_reservation_are_armed),
		cmocka_unit_test(nothing_is_looked_up_twice),
		cmocka_unit_test(a_hold_consumes_one_segment),
		cmocka_unit_test(a_routed_packet_passes),
		cmocka_unit_test(talk_is_noted_whatever_is_remembered),
		cmocka_unit_test(two_flows_never_share_a_wire_tuple),
		cmocka_unit_test(a_new_flow_is_known_both_ways),
		cmocka_unit_test(a_long_chain_of_moves),
		cmocka_unit_test(a_move_back_ends_the_rule),
		cmocka_unit_test(wrong_orders_change_nothing),
		cmocka_unit_test(repair_removes_what_a_kill_left),
		cmocka_unit_test(strangers_do_not_become_flows),
		cmocka_unit_test(dead_entries_have_no_effect),
		cmocka_unit_test(a_refused_redirect_changes_nothing),
		cmocka_unit_test(an_unpublished_rule_is_completed),
		cmocka_unit_test(an_expired_hold_is_released_as_what_it_is),
		cmocka_unit_test(another_route_is_another_epoch),
		cmocka_unit_test(epochs_go_on),
	};

	return cmocka_run_group_tests_name("rules", tests, load, unload);
}
