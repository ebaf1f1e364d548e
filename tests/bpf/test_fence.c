// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The fence of a server host: packet in, verdict, counter, through the real programs by
 * BPF_PROG_TEST_RUN (root), with records made by user/fence_*.c. Every row runs for IPv4 and
 * IPv6, on a device with Ethernet headers and on one without.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "endpoint.h"
#include "fence_fixture.h"

struct row {
	const char *name;
	enum fence_state state;
	enum bound bound;
	enum direction direction;
	enum shape shape;
	enum who src, dst;
	int verdict;
	enum what counted;
};

#define O FENCE_OPEN
#define S FENCE_NO_SYN
#define C FENCE_CLOSED

/* clang-format off */
static const struct row rows[] = {
	{ "open: data in", O, TO_ADDR, IN, TCP_DATA, PEER, SERVER, NEXT, NOTHING },
	{ "open: data out", O, TO_ADDR, OUT, TCP_DATA, SERVER, PEER, NEXT, NOTHING },
	{ "open: SYN", O, TO_ADDR, IN, TCP_SYN, PEER2, SERVER, NEXT, NOTHING },

	{ "no SYN: a SYN to the listener", S, TO_ADDR, IN, TCP_SYN, PEER2, SERVER, DROP, SYN },
	{ "no SYN: of the flow's own port", S, TO_ADDR, IN, TCP_SYN, PEER, SERVER, DROP, SYN },
	{ "no SYN: bound to any", S, TO_ANY, IN, TCP_SYN, PEER2, SERVER, DROP, SYN },
	{ "no SYN: bound to any, another address", S, TO_ANY, IN, TCP_SYN, PEER2, OTHER_ADDR, DROP, SYN },
	{ "no SYN: bound to any of both", S, TO_ANY_OF_BOTH, IN, TCP_SYN, PEER2, SERVER, DROP, SYN },
	{ "no SYN: to another port", S, TO_ANY, IN, TCP_SYN, PEER2, OTHER_PORT, NEXT, NOTHING },
	{ "no SYN: to another address", S, TO_ADDR, IN, TCP_SYN, PEER2, OTHER_ADDR, NEXT, NOTHING },
	{ "no SYN: VLAN tag", S, TO_ADDR, IN, TCP_VLAN, PEER2, SERVER, NEXT, NOTHING }, /* data */
	{ "no SYN: our own SYN leaves", S, TO_ADDR, OUT, TCP_SYN, SERVER, PEER2, NEXT, NOTHING },
	{ "no SYN: data of the flow in", S, TO_ADDR, IN, TCP_DATA, PEER, SERVER, NEXT, NOTHING },
	{ "no SYN: data of the flow out", S, TO_ADDR, OUT, TCP_DATA, SERVER, PEER, NEXT, NOTHING },
	{ "no SYN: the end of a handshake", S, TO_ADDR, IN, TCP_ACK, PEER2, SERVER, NEXT, NOTHING },
	{ "no SYN: RST", S, TO_ADDR, IN, TCP_RST, PEER, SERVER, NEXT, NOTHING },
	{ "no SYN: a later fragment", S, TO_ADDR, IN, TCP_LATER_FRAGMENT, PEER, SERVER, NEXT, NOTHING },

	{ "closed: data in", C, TO_ADDR, IN, TCP_DATA, PEER, SERVER, DROP, INGRESS },
	{ "closed: data out", C, TO_ADDR, OUT, TCP_DATA, SERVER, PEER, DROP, EGRESS },
	{ "closed: ACK in", C, TO_ADDR, IN, TCP_ACK, PEER, SERVER, DROP, INGRESS },
	{ "closed: ACK out", C, TO_ADDR, OUT, TCP_ACK, SERVER, PEER, DROP, EGRESS },
	{ "closed: FIN in", C, TO_ADDR, IN, TCP_FIN, PEER, SERVER, DROP, INGRESS },
	{ "closed: FIN out", C, TO_ADDR, OUT, TCP_FIN, SERVER, PEER, DROP, EGRESS },
	{ "closed: RST in", C, TO_ADDR, IN, TCP_RST, PEER, SERVER, DROP, INGRESS },
	{ "closed: RST out", C, TO_ADDR, OUT, TCP_RST, SERVER, PEER, DROP, EGRESS },
	{ "closed: SYN of the flow's port", C, TO_ADDR, IN, TCP_SYN, PEER, SERVER, DROP, INGRESS },
	{ "closed: SYN of another", C, TO_ADDR, IN, TCP_SYN, PEER2, SERVER, DROP, SYN },
	{ "closed: SYN to any", C, TO_ANY, IN, TCP_SYN, STRANGER, OTHER_ADDR, DROP, SYN },
	{ "closed: another flow of the server in", C, TO_ADDR, IN, TCP_DATA, PEER2, SERVER, NEXT, NOTHING },
	{ "closed: another flow of the server out", C, TO_ADDR, OUT, TCP_DATA, SERVER, PEER2, NEXT, NOTHING },
	{ "closed: a stranger in", C, TO_ANY, IN, TCP_DATA, STRANGER, SERVER, NEXT, NOTHING },
	{ "closed: a stranger out", C, TO_ANY, OUT, TCP_RST, SERVER, STRANGER, NEXT, NOTHING },
	{ "closed: another port in", C, TO_ANY, IN, TCP_DATA, PEER, OTHER_PORT, NEXT, NOTHING },
	{ "closed: another address in", C, TO_ANY, IN, TCP_DATA, PEER, OTHER_ADDR, NEXT, NOTHING },
	{ "closed: the other way round in", C, TO_ANY, IN, TCP_DATA, SERVER, PEER, NEXT, NOTHING },
	{ "closed: the other way round out", C, TO_ANY, OUT, TCP_DATA, PEER, SERVER, NEXT, NOTHING },
	{ "closed: UDP", C, TO_ADDR, IN, UDP_DATA, PEER, SERVER, NEXT, NOTHING },
	{ "closed: ARP", C, TO_ADDR, IN, ARP, PEER, SERVER, NEXT, NOTHING },
	{ "closed: ICMP about the flow", C, TO_ADDR, IN, ICMP_TOO_BIG, SERVER, PEER, NEXT, NOTHING },
	{ "closed: echo", C, TO_ADDR, IN, ICMP_ECHO, PEER, SERVER, NEXT, NOTHING },

	/* shapes */
	{ "closed: IP options in", C, TO_ADDR, IN, TCP_DATA_OPTIONS, PEER, SERVER, DROP, INGRESS },
	{ "closed: IP options out", C, TO_ADDR, OUT, TCP_DATA_OPTIONS, SERVER, PEER, DROP, EGRESS },
	{ "closed: VLAN in", C, TO_ADDR, IN, TCP_VLAN, PEER, SERVER, DROP, INGRESS },
	{ "closed: VLAN out", C, TO_ADDR, OUT, TCP_VLAN, SERVER, PEER, DROP, EGRESS },
	{ "closed: two tags in", C, TO_ADDR, IN, TCP_QINQ, PEER, SERVER, DROP, INGRESS },
	{ "closed: two tags out", C, TO_ADDR, OUT, TCP_QINQ, SERVER, PEER, DROP, EGRESS },
	{ "closed: two tags, a stranger", C, TO_ADDR, IN, TCP_QINQ, STRANGER, SERVER, NEXT, NOTHING },
	{ "closed: three tags", C, TO_ADDR, IN, TCP_THREE_TAGS, PEER, SERVER, NEXT, NOTHING },
	{ "closed: hop-by-hop", C, TO_ADDR, IN, TCP6_HOPOPTS, PEER, SERVER, DROP, INGRESS },
	{ "closed: extension headers in", C, TO_ADDR, IN, TCP6_CHAIN, PEER, SERVER, DROP, INGRESS },
	{ "closed: extension headers out", C, TO_ADDR, OUT, TCP6_CHAIN, SERVER, PEER, DROP, EGRESS },
	{ "closed: the most that are walked", C, TO_ADDR, IN, TCP6_MAX_CHAIN, PEER, SERVER, DROP, INGRESS },
	{ "closed: the most, a stranger", C, TO_ADDR, IN, TCP6_MAX_CHAIN, STRANGER, SERVER, NEXT, NOTHING },
	{ "closed: more than are walked", C, TO_ADDR, IN, TCP6_LONG_CHAIN, PEER, SERVER, DROP, INGRESS },
	{ "closed: more, to another address", C, TO_ADDR, IN, TCP6_LONG_CHAIN, PEER, OTHER_ADDR, NEXT, NOTHING },
	{ "closed: on its way elsewhere", C, TO_ADDR, IN, TCP6_ROUTING_LEFT, PEER, SERVER, NEXT, NOTHING },
	{ "closed: a cut chain", C, TO_ADDR, IN, TCP6_CUT_CHAIN, PEER, SERVER, NEXT, NOTHING },
	{ "closed: an atomic fragment", C, TO_ADDR, IN, TCP6_ATOMIC, PEER, SERVER, DROP, INGRESS },
	{ "closed: an atomic fragment, a stranger", C, TO_ADDR, IN, TCP6_ATOMIC, STRANGER, SERVER, NEXT, NOTHING },
	{ "closed: first fragment", C, TO_ADDR, IN, TCP_FIRST_FRAGMENT, PEER, SERVER, DROP, INGRESS },
	{ "closed: first fragment, a stranger", C, TO_ADDR, IN, TCP_FIRST_FRAGMENT, STRANGER, SERVER, NEXT, NOTHING },
	{ "closed: later fragment in", C, TO_ADDR, IN, TCP_LATER_FRAGMENT, PEER, SERVER, DROP, INGRESS },
	{ "closed: later fragment out", C, TO_ADDR, OUT, TCP_LATER_FRAGMENT, SERVER, PEER, DROP, EGRESS },
	{ "closed: later fragment, another address", C, TO_ADDR, IN, TCP_LATER_FRAGMENT, PEER, OTHER_ADDR, NEXT, NOTHING },
	{ "closed: cut in the TCP header", C, TO_ADDR, IN, TCP_CUT, PEER, SERVER, NEXT, NOTHING },
	{ "closed: data offset below 5", C, TO_ADDR, IN, TCP_BAD_DOFF, PEER, SERVER, NEXT, NOTHING },
	{ "closed: IP header length below 5", C, TO_ADDR, IN, IP_BAD_IHL, PEER, SERVER, NEXT, NOTHING },
};
/* clang-format on */

/* What looks like it without an Ethernet header, and what newer kernels refuse to be given. */
static bool kernel_takes(const struct row *row, bool ethernet, const struct test_packet *p)
{
	size_t header = family ? 40 : 20;

	if (ethernet)
		return true;
	return row->shape != ARP && p->l3 == ETHERNET_LEN && p->len >= ETHERNET_LEN + 14 + header;
}

static void run_row(const struct row *row, bool ethernet)
{
	struct tcpmig_endpoint src = endpoint_of(row->src), dst = endpoint_of(row->dst);
	struct fence_flow flow = flow_of(SERVER, PEER);
	struct test_packet packet;
	struct fence f;
	int verdict;

	packet_build(&packet, row->shape, &src, &dst);
	if (!kernel_takes(row, ethernet, &packet))
		return;
	f = make(1);
	add_listener(&f, row->bound);
	assert_int_equal(fence_add_flows(&f, &flow, 1), 0);
	assert_int_equal(fence_set(&f, row->state), 0);
	verdict = run_packet(ethernet, row->direction, &packet);
	if (verdict != row->verdict)
		fail_msg("%s (IPv%d, %s): verdict %d, expected %d", row->name, family ? 6 : 4,
			 ethernet ? "Ethernet" : "no Ethernet", verdict, row->verdict);
	if (!counts(&f, row->counted))
		fail_msg("%s (IPv%d): counted wrongly", row->name, family ? 6 : 4);
	/* Open again, nothing is dropped. */
	assert_int_equal(fence_set(&f, FENCE_OPEN), 0);
	assert_int_equal(run_packet(ethernet, row->direction, &packet), NEXT);
	assert_int_equal(erase(&f), 0);
}

static void all_rows(void **state)
{
	(void)state;
	for (family = 0; family < 2; family++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			if (!packet_exists(rows[i].shape,
					   family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET))
				continue;
			run_row(&rows[i], true);
			run_row(&rows[i], false);
		}
	}
}

/* Packets that no shape is: a later fragment of UDP, and what answers a SYN. */
static void look_alikes_pass(void **state)
{
	struct fence f = make(1);

	(void)state;
	for (family = 0; family < 2; family++) {
		struct tcpmig_endpoint peer = endpoint_of(PEER2), server = endpoint_of(SERVER);
		struct fence_flow flow = flow_of(SERVER, PEER);
		struct test_packet udp, answer;

		assert_int_equal(fence_add_flows(&f, &flow, 1), 0);
		add_listener(&f, TO_ADDR);
		assert_int_equal(fence_set(&f, FENCE_CLOSED), 0);
		packet_build(&udp, TCP_LATER_FRAGMENT, &peer, &server);
		assert_int_equal(run_packet(true, IN, &udp), DROP);
		udp.data[family ? udp.l4 - 8 : udp.l3 + 9] = 17;
		assert_int_equal(run_packet(true, IN, &udp), NEXT);
		packet_build(&answer, TCP_SYN, &peer, &server);
		assert_int_equal(run_packet(true, IN, &answer), DROP);
		answer.data[answer.l4 + 13] |= 0x10;
		assert_int_equal(run_packet(true, IN, &answer), NEXT);
	}
	assert_int_equal(erase(&f), 0);
}

static int socket_of(const struct tcpmig_endpoint *local)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(local, &addr);
	int fd = socket(local->family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

/* A listener, and a connection to it that is in no record: by real sockets, over lo. */
static void closed_lets_no_handshake_end(void **state)
{
	static const enum shape shapes[] = { TCP_ACK, TCP_DATA, TCP_RST, TCP_FIN };
	struct fence f = make(1);

	(void)state;
	for (family = 0; family < 2; family++) {
		struct tcpmig_endpoint server = endpoint_of(SERVER), peer = endpoint_of(PEER2);
		int listener = socket_of(&server), client = socket_of(&peer);
		struct sockaddr_storage addr;
		socklen_t len = endpoint_to_sockaddr(&server, &addr);
		struct test_packet answer;

		assert_int_equal(listen(listener, 5), 0);
		assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
		add_listener(&f, family ? TO_ANY : TO_ADDR);
		packet_build(&answer, TCP_SYN, &server, &peer);
		answer.data[answer.l4 + 13] |= 0x10;
		for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
			assert_int_equal(fence_set(&f, FENCE_NO_SYN), 0);
			assert_int_equal(verdict_of(IN, shapes[i], STRANGER, SERVER), NEXT);
			assert_int_equal(run_packet(true, OUT, &answer), NEXT);
			assert_int_equal(fence_set(&f, FENCE_CLOSED), 0);
			assert_int_equal(verdict_of(IN, shapes[i], STRANGER, SERVER), DROP);
			assert_int_equal(run_packet(true, OUT, &answer), DROP);
			assert_int_equal(verdict_of(IN, shapes[i], PEER2, SERVER), NEXT);
			assert_int_equal(verdict_of(OUT, shapes[i], SERVER, STRANGER), NEXT);
			assert_int_equal(verdict_of(IN, shapes[i], STRANGER, OTHER_PORT), NEXT);
		}
		close(client);
		close(listener);
	}
	assert_int_equal(erase(&f), 0);
}

/* Headers of different lengths before a later fragment, of UDP and of TCP. */
static void a_fragment_behind_other_headers(void **state)
{
	struct tcpmig_endpoint peer, server;
	struct fence_flow flow;
	struct fence f = make(1);
	struct test_packet packet;
	unsigned char *last;

	(void)state;
	family = 1;
	peer = endpoint_of(PEER), server = endpoint_of(SERVER), flow = flow_of(SERVER, PEER);
	assert_int_equal(fence_add_flows(&f, &flow, 1), 0);
	assert_int_equal(fence_set(&f, FENCE_CLOSED), 0);
	packet_build(&packet, TCP6_CHAIN, &peer, &server);
	last = packet.data + packet.l4 - 8; /* bytes 2 and 3 of which are not 0 */
	last[-24] = 44;			    /* the routing header in front of it says: a fragment */
	assert_int_equal(run_packet(true, IN, &packet), DROP);
	last[0] = 60; /* of options, behind which TCP may be */
	assert_int_equal(run_packet(true, IN, &packet), DROP);
	last[0] = 17;
	assert_int_equal(run_packet(true, IN, &packet), NEXT);
	assert_int_equal(erase(&f), 0);
}

/* "::" takes IPv4, too, where the socket does not say otherwise; "0.0.0.0" no IPv6. */
static void listeners_of_one_family(void **state)
{
	struct tcpmig_endpoint any4, any6;
	struct fence f = make(1);

	(void)state;
	family = 0;
	any4 = any_of(false), any6 = any_of(true);
	assert_int_equal(fence_set(&f, FENCE_NO_SYN), 0);
	assert_int_equal(fence_add_listener(&f, &any6, true), 0);
	assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), NEXT);
	family = 1;
	assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), DROP);
	assert_int_equal(fence_add_listener(&f, &any6, false), 0);
	family = 0;
	assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), DROP);
	assert_int_equal(erase(&f), 0);

	f = make(1);
	assert_int_equal(fence_set(&f, FENCE_NO_SYN), 0);
	assert_int_equal(fence_add_listener(&f, &any4, false), 0);
	assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), DROP);
	family = 1;
	assert_int_equal(verdict_of(IN, TCP_SYN, PEER, SERVER), NEXT);
	assert_int_equal(erase(&f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_rows),
		cmocka_unit_test(look_alikes_pass),
		cmocka_unit_test(closed_lets_no_handshake_end),
		cmocka_unit_test(a_fragment_behind_other_headers),
		cmocka_unit_test(listeners_of_one_family),
	};

	printf("# rows: %zu\n", ARRAY_SIZE(rows));
	return cmocka_run_group_tests_name("fence", tests, load, unload);
}
