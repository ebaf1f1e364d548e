// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random packets again, whose headers are not in the linear area of the skb (root). Kernel
 * 6.18's BPF_PROG_TEST_RUN cannot make such; a TAP with IFF_NAPI_FRAGS can. Both programs
 * run on ingress hooks: a program of type tc may, and there an skb is as it has arrived.
 * Environment as for test_random.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"
#include "world.h"

#define PACKETS_DEFAULT	   200000
#define PACKETS_PER_CHANGE 200
#define ETHERNET_LEN	   14
#define WAIT_MS		   1000
#define RST_WAIT_MS	   10

static struct world world;
static struct tap taps[2]; /* by enum model_direction */
static unsigned long seed, packets, runs, seen[3], linear_only_ethernet;
enum { BACK, REWRITTEN, GONE };

static void print_hex(const char *what, const unsigned char *data, size_t len)
{
	printf("# %s[%zu] = {", what, len);
	for (size_t i = 0; i < len; i++)
		printf("%s0x%02x,", i % 16 ? "" : "\n#   ", data[i]);
	printf(" }\n");
}

static unsigned int type_at(const struct gen_packet *p, size_t off)
{
	return p->len >= off + 2 ? p->data[off] << 8 | p->data[off + 1] : 0;
}

static bool is_tag(unsigned int type)
{
	return type == 0x8100 || type == 0x88a8;
}

/*
 * The kernel takes the first tag out of the frame (skb->vlan_tci) before the hook, so that
 * a third is understood, and drops frames that end there. It sends nothing without payload,
 * and routes nothing from a strange source or in a multicast frame. All that is not the
 * programs' doing.
 */
static bool fits(const struct gen_packet *p)
{
	struct model_packet parsed;

	if (p->features & 1UL << GEN_ROUTED || p->len < ETHERNET_LEN + 8 || p->data[0] & 1)
		return false;
	if (is_tag(type_at(p, 12)) && is_tag(type_at(p, 16)) && is_tag(type_at(p, 20)))
		return false;
	model_parse(p->data, p->len, ETHERNET_LEN, &parsed);
	if (parsed.kind == MODEL_OTHER)
		return true;
	return p->data[parsed.l3 + (parsed.v4 ? 12 : 8)] == (parsed.v4 ? 8 : 0xfd);
}

/* The first piece is the linear area: the Ethernet header and few bytes more. */
static size_t cut_in_pieces(struct gen *g, const struct gen_packet *p, size_t pieces[])
{
	size_t left = p->len, count = 0;

	pieces[0] = ETHERNET_LEN + (gen_chance(g, 50) ? 0 : gen_below(g, 80));
	for (; count < TAP_PIECES_MAX - 1 && pieces[count] < left; count++) {
		left -= pieces[count];
		pieces[count + 1] = 1 + gen_below(g, 60);
	}
	pieces[count] = left;
	linear_only_ethernet += count && pieces[0] == ETHERNET_LEN;
	return count + 1;
}

/* Surely. An RST may go to one who is nobody's neighbour. */
static bool comes_back(const struct model_output *expected)
{
	return expected->verdict == MODEL_NEXT ||
	       (expected->verdict == MODEL_REDIRECT && expected->changed && !expected->refused);
}

static const char *compare(enum model_direction direction, const struct model_output *expected,
			   const unsigned char *data, size_t len)
{
	bool routed = expected->verdict == MODEL_REDIRECT;
	/* bpf_redirect_neigh() has written another Ethernet header */
	size_t from = routed ? 12 : 0;

	if (!len)
		return comes_back(expected) ? "it did not pass" : NULL;
	if (expected->verdict == MODEL_DROP || (routed && !expected->changed))
		return "it passed";
	if (len != expected->len)
		return "length";
	if (memcmp(data + from, expected->data + from, len - from))
		return direction == MODEL_EGRESS ? "bytes (egress)" : "bytes (ingress)";
	return NULL;
}

static void run_one(struct gen *g, unsigned long number)
{
	static unsigned char data[MODEL_PACKET_MAX];
	static struct model_output expected;
	static struct gen_packet p;
	struct model_input in = { .data = p.data };
	enum model_direction direction;
	size_t pieces[TAP_PIECES_MAX], count;
	const char *wrong;
	int err, len;

	gen_packet(g, &p);
	count = cut_in_pieces(g, &p, pieces);
	direction = p.egress == gen_chance(g, 90) ? MODEL_EGRESS : MODEL_INGRESS;
	if (!fits(&p))
		return;
	in.len = p.len;
	model_run(&world.model, direction, &in, &expected);
	err = tap_send(&taps[direction], p.data, pieces, count);
	len = err ? err
		  : tap_receive(&taps[direction], data, sizeof(data),
				comes_back(&expected) ? WAIT_MS
				: expected.refused    ? RST_WAIT_MS
						      : 0);
	wrong = len < 0 ? strerror(-len) : compare(direction, &expected, data, len);
	runs++;
	seen[!len ? GONE : expected.changed ? REWRITTEN : BACK]++;
	if (!wrong)
		return;
	printf("# TCPMIG_SEED=%lu, packet %lu, %s, %zu pieces, the first %zu: %s\n", seed, number,
	       direction == MODEL_EGRESS ? "egress" : "ingress", count, pieces[0], wrong);
	print_hex("in", p.data, p.len);
	print_hex("out", data, len < 0 ? 0 : len);
	print_hex("expected", expected.data, expected.len);
	world_print(&world, stdout);
	fail_msg("the programs and the model differ: TCPMIG_SEED=%lu", seed);
}

static int run_shell(const char *format, const char *a, const char *b)
{
	char command[200];

	snprintf(command, sizeof(command), format, a, b);
	return system(command);
}

/* Everybody is a neighbour on the device where the program for egress is. */
static int make_neighbours(const char *device)
{
	char rest[100];
	char text[INET6_ADDRSTRLEN];
	int err = 0;

	err |= run_shell("ip route add 8.0.0.0/8 dev %s%s", device, "");
	err |= run_shell("ip -6 route add fd09::/16 dev %s%s", device, "");
	for (int i = 0; i < 2 * (GEN_SERVERS + GEN_CLIENTS); i++) {
		bool v4 = i % 2;
		unsigned int who = i / 2;
		struct tcpmig_endpoint ep = who < GEN_SERVERS ? gen_server(v4, who)
							      : gen_client(v4, who - GEN_SERVERS);

		inet_ntop(v4 ? AF_INET : AF_INET6, ep.addr + (v4 ? 12 : 0), text, sizeof(text));
		snprintf(rest, sizeof(rest), "lladdr 02:00:00:00:00:02 nud permanent dev %s",
			 device);
		err |= run_shell("ip neigh replace %s %s", text, rest);
	}
	return err;
}

static int open_taps(void)
{
	int err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	world.ifindexes = 1;
	err = tap_open(&taps[MODEL_EGRESS], "out", world.prog_fds[MODEL_EGRESS]);
	if (!err)
		err = tap_open(&taps[MODEL_INGRESS], "in", world.prog_fds[MODEL_INGRESS]);
	return err ? err : make_neighbours("out") ? -ENOTSUP : 0;
}

static void random_packets_in_pieces(void **state)
{
	struct gen g = { .state = seed, .l2_len = ETHERNET_LEN };

	(void)state;
	for (unsigned long i = 0; i < packets; i++) {
		if (i % PACKETS_PER_CHANGE == 0) {
			if (world_differs(&world, stdout))
				fail_msg("counters or tables differ before packet %lu: "
					 "TCPMIG_SEED=%lu",
					 i, seed);
			world_change(&world, &g);
		}
		run_one(&g, i);
	}
	assert_int_equal(world_differs(&world, stdout), 0);
	printf("# %lu packets, %lu with nothing but the Ethernet header linear: %lu passed, %lu "
	       "rewritten, %lu gone\n",
	       runs, linear_only_ethernet, seen[BACK], seen[REWRITTEN], seen[GONE]);
	assert_true(seen[BACK] && seen[REWRITTEN] && seen[GONE] && linear_only_ethernet);
	world_close(&world);
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_packets_in_pieces),
	};
	int err;

	setlinebuf(stdout);
	seed = from_environment("TCPMIG_SEED", time(NULL));
	packets = from_environment("TCPMIG_PACKETS", PACKETS_DEFAULT);
	printf("# TCPMIG_SEED=%lu TCPMIG_PACKETS=%lu\n", seed, packets);
	if (world_open(&world, ETHERNET_LEN, false))
		return 1; /* no plan: a failure */
	err = open_taps();
	if (err) {
		/* cmocka would say "not ok" of what it skips */
		printf("1..1\nok 1 # SKIP no TAP with IFF_NAPI_FRAGS: %s\n", strerror(-err));
		return 0;
	}
	return cmocka_run_group_tests_name("packets in pieces", tests, NULL, NULL);
}
