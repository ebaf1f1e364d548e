// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of a flow: how its entry is made, when it goes, what is refused and how, and that
 * what a CPU remembers of it does not outlive it. Ended flows linger for LINGER_MS here, and
 * the table holds FLOWS.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "fixture.h"
#include "gc.h"
#include "kernel.h"
#include "rule_entries.h"

#define LINGER_MS 200
#define FLOWS	  4

static int send_packet(enum who from, enum who to, enum shape shape, struct test_packet *out)
{
	struct tcpmig_endpoint src = endpoint_of(from), dst = endpoint_of(to);
	enum direction direction = from == CLIENT || from == CLIENT2 ? OUT : IN;
	struct test_packet in;

	packet_build(&in, shape, &src, &dst);
	return run_program(direction, &in, out, 0, NULL);
}

static int sends(enum who from, enum who to, enum shape shape)
{
	struct test_packet out;

	return send_packet(from, to, shape, &out);
}

static bool has_flow(enum who client)
{
	struct tcpmig_flow_key key = { .remote = endpoint_of(OLD), .local = endpoint_of(client) };
	struct tcpmig_flow flow;

	return !tables_get_flow(&tables, &key, &flow);
}

static bool has_wire(enum who peer, enum who client)
{
	struct tcpmig_flow_key key = { .remote = endpoint_of(peer), .local = endpoint_of(client) };
	struct tcpmig_wire wire;

	return !tables_get_wire(&tables, &key, &wire);
}

static void sleep_ms(int ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

static bool flow_stays(enum who client)
{
	sleep_ms(2 * LINGER_MS);
	return has_flow(client) && has_wire(NEW, client);
}

/*
 * Its entries go, both of them, and within a second of the time that they should. Without
 * timers they wait for gc.
 */
static bool flow_goes(enum who client)
{
	if (!kernel_has_timers())
		return flow_stays(client);
	for (int ms = 0; ms < LINGER_MS + 1000; ms += 10) {
		if (!has_flow(client))
			return !has_wire(NEW, client);
		sleep_ms(10);
	}
	return false;
}

static __u64 counted(enum tcpmig_reason reason)
{
	__u64 counters[TCPMIG_REASONS_COUNT];

	assert_int_equal(tables_get_counters(&tables, counters), 0);
	return counters[reason];
}

/* As a connection of this host, whose socket the packets here do not have. */
static void redirect_local(bool established_only)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct tcpmig_owner next = { .peer = endpoint_of(NEW) };
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_SOCKETS };
	struct rules_outcome outcome = {};

	assert_int_equal(rules_redirect(&tables, &old, &next, established_only, &flows, &outcome),
			 0);
	assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT);
	assert_int_equal(sends(NEW, CLIENT, TCP_DATA), NEXT);
	assert_true(has_wire(NEW, CLIENT));
}

static void redirect_and_talk(bool established_only)
{
	redirect(NEW, established_only);
	assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT);
	assert_int_equal(sends(NEW, CLIENT, TCP_DATA), NEXT);
	assert_true(has_wire(NEW, CLIENT));
}

static void fin_both_ways_ends_a_flow(void **state)
{
	__u64 over = counted(TCPMIG_R_FLOW_OVER);

	(void)state;
	for (family = 0; family < 2; family++) {
		redirect_and_talk(false);
		assert_int_equal(sends(CLIENT, OLD, TCP_FIN), REDIRECT);
		assert_true(flow_stays(CLIENT)); /* half-closed, for as long as the server talks */
		assert_int_equal(sends(NEW, CLIENT, TCP_FIN), NEXT);
		for (int i = 0; i < 6; i++) { /* the last ACK, and again: it begins the time anew */
			assert_int_equal(sends(CLIENT, OLD, TCP_ACK), REDIRECT);
			sleep_ms(LINGER_MS / 2);
			assert_true(has_flow(CLIENT));
		}
		assert_true(flow_goes(CLIENT));
		clear_rules();
	}
	assert_int_equal(counted(TCPMIG_R_FLOW_OVER), over + 2);
}

/* What leaves for a connection of this host after its FIN, and has no socket, is TIME_WAIT's. */
static void time_wait_ends_a_flow(void **state)
{
	struct tcpmig_endpoint new;
	struct tcpmig_flow_key key;
	struct test_packet in, out;
	struct tcpmig_flow flow;

	(void)state;
	family = 0;
	new = endpoint_of(NEW);
	redirect_local(false);
	key = (struct tcpmig_flow_key){ .remote = endpoint_of(OLD), .local = endpoint_of(CLIENT) };
	assert_int_equal(tables_get_flow(&tables, &key, &flow), 0);
	flow.flags |= TCPMIG_FLOW_FIN_OUT;
	assert_int_equal(tables_del_flow(&tables, &key), 0); /* or it is remembered without */
	assert_int_equal(tables_set_flow(&tables, &key, &flow), 0);
	assert_true(flow_stays(CLIENT));
	assert_int_equal(sends(NEW, CLIENT, TCP_DATA), NEXT); /* that way is remembered */
	assert_int_equal(sends(CLIENT, OLD, TCP_ACK), REDIRECT);
	assert_true(flow_goes(CLIENT));
	packet_build(&in, TCP_DATA, &new, &key.local);
	assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
	assert_memory_equal(in.data, out.data, in.len); /* and forgotten */
	clear_rules();
}

static void a_syn_begins_a_new_life(void **state)
{
	(void)state;
	family = 0;
	redirect_and_talk(false);
	assert_int_equal(sends(CLIENT, OLD, TCP_FIN), REDIRECT);
	assert_int_equal(sends(NEW, CLIENT, TCP_FIN), NEXT);
	assert_int_equal(sends(CLIENT, OLD, TCP_SYN), REDIRECT);
	assert_true(flow_stays(CLIENT));
	clear_rules();
}

/*
 * A packet that we forward may be anybody's. Without the very socket an RST ends nothing, and
 * for a connection of this host neither a FIN nor a SYN says anything.
 */
static void what_has_no_socket_ends_nothing(void **state)
{
	(void)state;
	family = 0;
	redirect_and_talk(false);
	assert_int_equal(sends(CLIENT, OLD, TCP_RST), REDIRECT);
	assert_true(flow_stays(CLIENT));
	clear_rules();
	for (int established_only = 0; established_only < 2; established_only++) {
		redirect_local(established_only);
		assert_int_equal(sends(CLIENT, OLD, TCP_RST), REDIRECT);
		assert_int_equal(sends(CLIENT, OLD, TCP_FIN), REDIRECT);
		assert_int_equal(sends(NEW, CLIENT, TCP_FIN), NEXT);
		assert_int_equal(sends(CLIENT, OLD, TCP_SYN), REDIRECT);
		assert_true(flow_stays(CLIENT));
		clear_rules();
	}
}

/* What this host answers to packets from nowhere: it goes where the flows go, and makes none. */
static void an_rst_makes_no_flow(void **state)
{
	struct tcpmig_endpoint new, client2;
	struct test_packet out;

	(void)state;
	for (family = 0; family < 2; family++) {
		new = endpoint_of(NEW);
		client2 = endpoint_of(CLIENT2);
		hold(TCPMIG_HOLD_DROP);
		assert_int_equal(sends(CLIENT2, OLD, TCP_RST), DROP);
		assert_false(has_flow(CLIENT2));
		redirect(NEW, false);
		assert_int_equal(send_packet(CLIENT2, OLD, TCP_RST, &out), REDIRECT);
		out.l3 = 14;
		out.l4 = family ? 54 : 34;
		assert_null(packet_check(&out, &client2, &new));
		assert_false(has_flow(CLIENT2));
		assert_false(has_wire(NEW, CLIENT2));
		clear_rules();
	}
}

/* Anybody can send one: it counts only where it ends a socket, and there is none here. */
static void an_rst_that_ends_no_socket_is_none(void **state)
{
	(void)state;
	family = 0;
	redirect_and_talk(false);
	assert_int_equal(sends(NEW, CLIENT, TCP_RST), NEXT);
	assert_true(flow_stays(CLIENT));
	clear_rules();
}

/* FINs that were held have not left: the connection goes on after the hold. */
static void a_held_fin_ends_nothing(void **state)
{
	(void)state;
	family = 0;
	redirect_and_talk(false);
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(sends(CLIENT, OLD, TCP_FIN), REDIRECT); /* to nowhere */
	assert_int_equal(release(), 0);
	assert_int_equal(sends(CLIENT, OLD, TCP_ACK), REDIRECT);
	assert_true(flow_stays(CLIENT));
	clear_rules();
}

/* OLD is another service by then: its new client is none of ours, not even what is cached. */
static void established_only_lets_a_reused_tuple_go(void **state)
{
	struct test_packet out;

	(void)state;
	for (family = 0; family < 2; family++) {
		redirect_and_talk(true);
		assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT);
		assert_int_equal(send_packet(CLIENT, OLD, TCP_SYN, &out), NEXT);
		assert_false(has_flow(CLIENT));
		assert_false(has_wire(NEW, CLIENT));
		assert_int_equal(sends(CLIENT, OLD, TCP_DATA), NEXT);
		assert_int_equal(sends(OLD, CLIENT, TCP_DATA), NEXT);
		clear_rules();
	}
}

/* What a CPU remembers of a flow ends with the flow, and with any change of the rule. */
static void the_cache_forgets(void **state)
{
	struct tcpmig_flow_key key;

	(void)state;
	for (family = 0; family < 2; family++) {
		key = (struct tcpmig_flow_key){ .remote = endpoint_of(OLD),
						.local = endpoint_of(CLIENT) };
		redirect_local(true);
		assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT); /* by the cache */
		hold(TCPMIG_HOLD_DROP);
		assert_int_equal(sends(CLIENT, OLD, TCP_ACK), DROP);
		assert_int_equal(sends(NEW, CLIENT, TCP_RST), DROP);
		assert_int_equal(release(), 0);
		assert_int_equal(sends(CLIENT, OLD, TCP_ACK), REDIRECT);
		assert_int_equal(tables_del_flow(&tables, &key), 0);
		assert_int_equal(sends(CLIENT, OLD, TCP_ACK), NEXT);
		redirect(NEW, true);
		assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT);
		redirect_local(true);
		assert_int_equal(release(), 0);
		assert_int_equal(sends(CLIENT, OLD, TCP_DATA), NEXT);
		assert_int_equal(sends(NEW, CLIENT, TCP_DATA), NEXT);
		clear_rules();
	}
}

/* The n-th of many clients. */
static struct tcpmig_endpoint client_number(int n)
{
	struct tcpmig_endpoint ep = endpoint_of(CLIENT);

	ep.port = htons(1000 + n);
	return ep;
}

/* Others that share its place in the cache are not taken for it: there are 1,024 a CPU. */
static void the_cache_takes_nobody_for_another(void **state)
{
	struct tcpmig_endpoint old, client;
	struct test_packet in, out;

	(void)state;
	for (family = 0; family < 2; family++) {
		old = endpoint_of(OLD);
		/* What went before may have made the entry void for other buckets than its own. */
		memset(tables.meta->flows_gone, 0, sizeof(tables.meta->flows_gone));
		redirect_local(true);
		for (int n = 0; n < 8 * TCPMIG_CACHE_SLOTS; n++) {
			client = client_number(n);
			packet_build(&in, TCP_ACK, &client, &old);
			assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
			assert_memory_equal(in.data, out.data, in.len);
		}
		assert_int_equal(sends(CLIENT, OLD, TCP_ACK), REDIRECT);
		clear_rules();
	}
}

/* OLD and NEW have changed places: the same two ends mean another flow out than in. */
static void the_cache_tells_out_from_in(void **state)
{
	struct rules_flows flows = { .count = 1, .origin = RULES_SOCKETS };
	struct tcpmig_endpoint old, new, client;
	struct tcpmig_owner to_old;
	struct rules_outcome outcome;
	struct test_packet in, out;

	(void)state;
	for (family = 0; family < 2; family++) {
		old = endpoint_of(OLD);
		new = endpoint_of(NEW);
		client = endpoint_of(CLIENT);
		flows.local = &client;
		to_old = (struct tcpmig_owner){ .peer = old };
		redirect_local(false);
		assert_int_equal(rules_redirect(&tables, &new, &to_old, false, &flows, &outcome),
				 0);
		for (int i = 0; i < 3; i++) {
			packet_build(&in, TCP_DATA, &client, &old);
			assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT);
			assert_null(packet_compare(&in, &out, &client, &new));
			packet_build(&in, TCP_DATA, &old, &client);
			assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
			assert_null(packet_compare(&in, &out, &new, &client));
		}
		assert_int_equal(rules_release(&tables, &new), 0);
		clear_rules();
	}
}

/* The RST that OLD would send if it knew nothing of the connection, and nothing else. */
static void check_rst(const struct test_packet *out, enum shape refused)
{
	const struct tcphdr *tcp = (const void *)(out->data + out->l4);
	struct tcpmig_endpoint old = endpoint_of(OLD), client2 = endpoint_of(CLIENT2);

	assert_int_equal(out->len, out->l4 + sizeof(*tcp));
	assert_null(packet_check(out, &old, &client2));
	assert_memory_equal(out->data, "\2\0\0\0\0\2\2\0\0\0\0\1", 12); /* back to the sender */
	assert_true(tcp->rst && !tcp->syn && !tcp->fin && !tcp->psh);
	if (refused == TCP_SYN) { /* 0x01020304 is its number, and it counts for one */
		assert_int_equal(tcp->seq, 0);
		assert_true(tcp->ack);
		assert_int_equal(ntohl(tcp->ack_seq), 0x01020305);
	} else {
		assert_int_equal(ntohl(tcp->seq), 0x05060708);
		assert_false(tcp->ack);
	}
}

static int send_from(const struct tcpmig_endpoint *client, enum shape shape)
{
	struct tcpmig_endpoint old = endpoint_of(OLD);
	struct test_packet in, out;

	packet_build(&in, shape, client, &old);
	return run_program(OUT, &in, &out, 0, NULL);
}

/* A full table refuses what is new and counts it; what is there is left alone. */
static void a_full_table_refuses(void **state)
{
	struct test_packet out = { .l3 = 14, .l4 = 34 };
	__u64 full = counted(TCPMIG_R_TABLE_FULL), rst = counted(TCPMIG_R_REFUSED_RST);

	(void)state;
	family = 0;
	redirect_and_talk(false);
	for (int n = 0; n < FLOWS - 1; n++) {
		struct tcpmig_endpoint client = client_number(n);

		assert_int_equal(send_from(&client, TCP_SYN), REDIRECT);
	}
	assert_int_equal(counted(TCPMIG_R_TABLE_FULL), full);
	assert_int_equal(send_packet(CLIENT2, OLD, TCP_SYN, &out), REDIRECT);
	check_rst(&out, TCP_SYN);
	assert_int_equal(counted(TCPMIG_R_TABLE_FULL), full + 1);
	assert_int_equal(counted(TCPMIG_R_REFUSED_RST), rst + 1);
	/* A connection that lives may find room later: no RST for that. */
	assert_int_equal(sends(CLIENT2, OLD, TCP_DATA), DROP);
	assert_int_equal(counted(TCPMIG_R_TABLE_FULL), full + 2);
	assert_int_equal(counted(TCPMIG_R_REFUSED_RST), rst + 1);
	assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT);
	for (int n = 0; n < FLOWS - 1; n++) {
		struct tcpmig_endpoint client = client_number(n);

		assert_int_equal(send_from(&client, TCP_DATA), REDIRECT);
	}
	clear_rules();
	redirect_and_talk(false);
	assert_int_equal(sends(CLIENT2, OLD, TCP_SYN), REDIRECT); /* room again */
	clear_rules();
}

static int count(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	(void)key, (void)flow;
	++*(int *)ctx;
	return 0;
}

/* Nothing that comes from the network makes an entry or removes one. */
static void ingress_makes_and_removes_nothing(void **state)
{
	static const enum shape shapes[] = { TCP_SYN, TCP_DATA, TCP_FIN, TCP_RST, TCP_ACK };
	static const enum who senders[] = { OLD, NEW, THIRD, STRANGER };
	int flows = 0;

	(void)state;
	family = 0;
	redirect_and_talk(false);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (size_t k = 0; k < sizeof(senders) / sizeof(senders[0]); k++) {
			sends(senders[k], CLIENT2, shapes[i]);
			assert_false(has_wire(senders[k], CLIENT2));
		}
	}
	assert_int_equal(tables_each_flow(&tables, count, &flows), 0);
	assert_int_equal(flows, 1);
	assert_true(flow_stays(CLIENT));
	clear_rules();
}

/* A flow whose addresses on the wire are another's gets an RST as if from OLD, once counted. */
static void a_taken_tuple_is_refused_with_rst(void **state)
{
	enum shape shapes[] = { TCP_SYN, TCP_DATA };
	struct tcpmig_endpoint stranger;
	struct tcpmig_owner next;
	struct rules_flows flows = { .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome;
	struct tcpmig_endpoint client2;

	(void)state;
	for (family = 0; family < 2; family++) {
		struct test_packet out = { .l3 = 14, .l4 = family ? 54 : 34 };

		stranger = endpoint_of(STRANGER);
		client2 = endpoint_of(CLIENT2);
		flows.local = &client2;
		next = (struct tcpmig_owner){ .peer = endpoint_of(NEW) };
		assert_int_equal(rules_redirect(&tables, &stranger, &next, true, &flows, &outcome),
				 0);
		redirect(NEW, false);
		for (int i = 0; i < 2; i++) {
			__u64 before = counted(TCPMIG_R_WIRE_TAKEN);

			assert_int_equal(send_packet(CLIENT2, OLD, shapes[i], &out), REDIRECT);
			check_rst(&out, shapes[i]);
			assert_int_equal(counted(TCPMIG_R_WIRE_TAKEN), before + 1);
		}
		assert_int_equal(sends(CLIENT2, OLD, TCP_RST), DROP); /* never an RST for an RST */
		assert_int_equal(sends(CLIENT, OLD, TCP_DATA), REDIRECT);
		assert_int_equal(rules_release(&tables, &stranger), 0);
		clear_rules();
	}
}

/* Errors of our side about a packet of the server reach it where it is. */
static void icmp_errors_that_leave(void **state)
{
	static const enum shape shapes[] = { ICMP_TOO_BIG, ICMP_TOO_BIG_FULL, ICMP_UNREACHABLE };
	struct tcpmig_endpoint old, new, client;
	struct test_packet in, out, expected;

	(void)state;
	for (family = 0; family < 2; family++) {
		old = endpoint_of(OLD);
		new = endpoint_of(NEW);
		client = endpoint_of(CLIENT);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			packet_build(&in, shapes[i], &old, &client);
			packet_build(&expected, shapes[i], &new, &client);
			assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
			redirect(NEW, false);
			assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT);
			assert_int_equal(out.len, expected.len);
			assert_memory_equal(out.data, expected.data, out.len);
			hold(TCPMIG_HOLD_DROP);
			assert_int_equal(run_program(OUT, &in, &out, 0, NULL), DROP);
			clear_rules();
		}
		client = endpoint_of(CLIENT2); /* none of the rule's */
		packet_build(&in, ICMP_TOO_BIG, &old, &client);
		redirect(NEW, true);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
		assert_memory_equal(out.data, in.data, in.len);
		clear_rules();
	}
}

/* A flow with no socket goes; one that was forwarded, only when it has been idle. */
static void gc_removes_what_has_no_socket(void **state)
{
	struct tcpmig_flow_key key;
	struct tcpmig_flow flow;
	size_t removed;

	(void)state;
	family = 0;
	redirect_and_talk(false);
	key = (struct tcpmig_flow_key){ .remote = endpoint_of(OLD), .local = endpoint_of(CLIENT) };
	assert_int_equal(tables_get_flow(&tables, &key, &flow), 0);
	assert_int_equal(gc_flows(&tables, true, 1000, &removed), 0);
	assert_int_equal(removed, 0); /* local, but of an address that is not this host's */
	flow.flags &= ~TCPMIG_FLOW_LOCAL;
	flow.seen = rule_flow_seen_now() - 100;
	assert_int_equal(tables_set_flow(&tables, &key, &flow), 0);
	assert_int_equal(gc_flows(&tables, true, 200, &removed), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(gc_flows(&tables, true, 50, &removed), 0);
	assert_int_equal(removed, 1);
	assert_false(has_flow(CLIENT));
	assert_false(has_wire(NEW, CLIENT));
	clear_rules();
}

struct seen {
	__u32 types[64];
	size_t count;
};

static int note(const struct tcpmig_event *event, void *ctx)
{
	struct seen *seen = ctx;

	if (seen->count < 64)
		seen->types[seen->count++] = event->type;
	return 0;
}

/* Each once, in order; what was before the reader is not seen. */
static void events_tell_the_story(void **state)
{
	__u32 expected[] = { TCPMIG_E_RULE,	TCPMIG_E_RULE,	    TCPMIG_E_RULE,
			     TCPMIG_E_FLOW_NEW, TCPMIG_E_FLOW_OVER, TCPMIG_E_FLOW_GONE,
			     TCPMIG_E_RULE };
	size_t number = sizeof(expected) / sizeof(expected[0]);
	struct seen seen = {};
	struct events *e;
	__u64 lost;

	(void)state;
	family = 0;
	redirect_and_talk(false);
	clear_rules();
	e = events_open(&tables, -1, note, &seen);
	assert_non_null(e);
	hold(TCPMIG_HOLD_DROP);
	lead_to(NEW, rules_arm);
	go(NEW);
	assert_int_equal(sends(CLIENT2, OLD, TCP_SYN), REDIRECT);
	assert_int_equal(sends(CLIENT2, OLD, TCP_DATA), REDIRECT);
	assert_int_equal(sends(CLIENT2, OLD, TCP_FIN), REDIRECT);
	assert_int_equal(sends(NEW, CLIENT2, TCP_FIN), NEXT);
	assert_true(flow_goes(CLIENT2));
	clear_rules();
	assert_true(events_wait(e, 0, &lost) >= 0);
	assert_int_equal(lost, 0);
	if (!kernel_has_timers())
		expected[5] = expected[--number]; /* it is not gone by itself */
	assert_int_equal(seen.count, number);
	assert_memory_equal(seen.types, expected, number * sizeof(*expected));
	for (int i = 0; i < 5000; i++) { /* more than there is room for: told, and no harm */
		assert_int_equal(sends(CLIENT2, STRANGER, TCP_DATA), NEXT);
		hold(TCPMIG_HOLD_DROP);
	}
	assert_true(events_wait(e, 0, &lost) >= 0);
	assert_true(lost > 0);
	events_close(e);
	clear_rules();
}

static int set_up(void **state)
{
	(void)state;
	return load_with(LINGER_MS * 1000000ULL, FLOWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fin_both_ways_ends_a_flow),
		cmocka_unit_test(time_wait_ends_a_flow),
		cmocka_unit_test(a_syn_begins_a_new_life),
		cmocka_unit_test(what_has_no_socket_ends_nothing),
		cmocka_unit_test(an_rst_makes_no_flow),
		cmocka_unit_test(an_rst_that_ends_no_socket_is_none),
		cmocka_unit_test(a_held_fin_ends_nothing),
		cmocka_unit_test(established_only_lets_a_reused_tuple_go),
		cmocka_unit_test(the_cache_forgets),
		cmocka_unit_test(the_cache_takes_nobody_for_another),
		cmocka_unit_test(the_cache_tells_out_from_in),
		cmocka_unit_test(a_full_table_refuses),
		cmocka_unit_test(ingress_makes_and_removes_nothing),
		cmocka_unit_test(a_taken_tuple_is_refused_with_rst),
		cmocka_unit_test(icmp_errors_that_leave),
		cmocka_unit_test(gc_removes_what_has_no_socket),
		cmocka_unit_test(events_tell_the_story),
	};

	return cmocka_run_group_tests_name("flows", tests, set_up, unload);
}
