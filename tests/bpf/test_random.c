// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random packets through the real programs and through the model (root): verdict, bytes,
 * counters and table entries must be the same. Environment: TCPMIG_SEED repeats a run,
 * TCPMIG_PACKETS makes it longer. Each packet runs with no checksum state and with
 * CHECKSUM_COMPLETE, where the kernel itself checks skb->csum afterwards.
 *
 * Counters and tables are compared once per change of the rules, because reading them costs
 * more than a packet. If they differ, the run is repeated from its seed and compared after
 * every packet, to name the one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

#define PACKETS_DEFAULT	   1000000
#define PACKETS_PER_CHANGE 400
#define PLAIN_SHARE	   4  /* one in so many, once more, for programs that see no ip_summed */
#define L3_SHARE	   10 /* the same, for devices without an Ethernet header */
#define ETHERNET_LEN	   14
#define CSUM_COMPLETE	   4 /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE, newer than Debian 12's header */

#define ROUTED_MARK_0	   0x7c6d6967
#define ROUTED_MARK_1	   0x2d627066
#define REFUSED_MARK_1	   0x2d727374

enum outcome { PASSED, REWRITTEN, DROPPED, SWALLOWED, REFUSED, OUTCOMES_COUNT };

struct campaign {
	const char *name;
	unsigned long seed;
	unsigned long packets;
	unsigned int l2_len;
	bool plain;
	bool every_packet; /* compare counters and tables after each */
	/* found */
	unsigned long number; /* of the packet */
	unsigned long runs, refused, sums_checked;
	unsigned long seen[GEN_FEATURES_COUNT + 1][OUTCOMES_COUNT];
	unsigned long reasons[TCPMIG_REASONS_COUNT];
	struct world world;
};

static unsigned long seed, packets;

static void print_hex(const char *what, const unsigned char *data, size_t len)
{
	printf("# %s[%zu] = {", what, len);
	for (size_t i = 0; i < len; i++)
		printf("%s0x%02x,", i % 16 ? "" : "\n#   ", data[i]);
	printf(" }\n");
}

/* What the kernel's socket of a test run is connected to: the destination, port 0. */
static const struct tcpmig_endpoint *test_socket_peer(const struct gen_packet *p,
						      struct tcpmig_endpoint *ep)
{
	bool v4 = p->data[12] == 0x08 && p->data[13] == 0x00;
	bool v6 = p->data[12] == 0x86 && p->data[13] == 0xdd;

	if (p->len < 14 + (v4 ? 20 : 40) || (!v4 && !v6))
		return NULL;
	memset(ep, 0, sizeof(*ep));
	if (v4) {
		memset(ep->addr + 10, 0xff, 2);
		memcpy(ep->addr + 12, p->data + 14 + 16, 4);
		ep->family = TCPMIG_AF_INET;
	} else {
		memcpy(ep->addr, p->data + 14 + 24, 16);
		ep->family = TCPMIG_AF_INET6;
	}
	return ep;
}

/* Such frames newer kernels do not take for a test run: EINVAL. */
static bool cut_in_ip_header(const struct gen_packet *p)
{
	if (p->data[12] == 0x08 && p->data[13] == 0x00)
		return p->len < 14 + 20;
	return p->data[12] == 0x86 && p->data[13] == 0xdd && p->len < 14 + 40;
}

static bool wants_feature(const struct gen_packet *p, enum gen_feature feature)
{
	return p->features & 1UL << feature;
}

/* Return: what differs, or NULL. */
static const char *compare(const struct model_output *expected, int err, int verdict,
			   const unsigned char *data, size_t len)
{
	/* Dropped anyway; and what leaves never has a sum in skb->csum, so an RST keeps none. */
	if (err == -EBADMSG && (expected->half_done || expected->refused))
		return NULL;
	if (err == -EBADMSG)
		return "skb->csum is wrong afterwards";
	if (err)
		return "the run itself failed";
	if (verdict != expected->verdict)
		return "verdict";
	if (expected->half_done)
		return NULL;
	if (len != expected->len)
		return "length";
	return memcmp(data, expected->data, len) ? "bytes" : NULL;
}

/* Translated right is right: what has right sums before must have right sums after. */
static bool sums_broken(struct campaign *c, const struct gen_packet *p,
			const struct model_output *out, size_t added)
{
	struct model_packet before, after;

	model_parse(p->data, p->len, c->l2_len, &before);
	if (!model_sums_right(p->data, p->len, &before))
		return false;
	c->sums_checked++;
	model_parse(out->data + added, out->len - added, c->l2_len, &after);
	return !model_sums_right(out->data + added, out->len - added, &after);
}

static enum outcome outcome_of(const struct model_output *out, enum model_direction direction)
{
	if (out->verdict == MODEL_DROP)
		return DROPPED;
	if (out->refused)
		return REFUSED;
	if (out->changed)
		return REWRITTEN;
	return direction == MODEL_EGRESS && out->verdict == MODEL_REDIRECT ? SWALLOWED : PASSED;
}

static void report(struct campaign *c, const struct gen_packet *p, enum model_direction direction,
		   int flags, const char *wrong)
{
	printf("# TCPMIG_SEED=%lu, %s, packet %lu, %s%s: %s\n", c->seed, c->name, c->number,
	       direction == MODEL_EGRESS ? "egress" : "ingress", flags ? ", CHECKSUM_COMPLETE" : "",
	       wrong);
	print_hex("in", p->data, p->len);
	world_print(&c->world, stdout);
}

/* Return: 0, or 1 with all printed. */
static int run_one(struct campaign *c, const struct gen_packet *p, enum model_direction direction,
		   int flags)
{
	static unsigned char data[MODEL_PACKET_MAX];
	static struct model_output expected;
	bool egress = direction == MODEL_EGRESS, marked = wants_feature(p, GEN_ROUTED);
	struct __sk_buff ctx = { .cb = { ROUTED_MARK_0, egress ? ROUTED_MARK_1 : REFUSED_MARK_1 } };
	struct tcpmig_endpoint peer;
	struct model_input in = { p->data, p->len, marked, true, test_socket_peer(p, &peer) };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = p->data, .data_size_in = p->len,
		    .data_out = data, .data_size_out = sizeof(data), .repeat = 1, .flags = flags,
		    .ctx_in = marked ? &ctx : NULL, .ctx_size_in = marked ? sizeof(ctx) : 0);
	int fd = c->world.prog_fds[direction];
	const char *wrong;
	int err;

	err = bpf_prog_test_run_opts(fd, &run);
	if (err == -EINVAL && cut_in_ip_header(p)) {
		c->refused++;
		return 0;
	}
	model_run(&c->world.model, direction, &in, &expected);
	wrong = compare(&expected, err, run.retval, data, run.data_size_out);
	if (!wrong && expected.changed &&
	    sums_broken(c, p, &expected, expected.len > p->len ? ETHERNET_LEN : 0))
		wrong = "checksums were right and no longer are";
	if (wrong) {
		report(c, p, direction, flags, wrong);
		printf("# err %d, verdict %d, expected %d\n", err, (int)run.retval,
		       expected.verdict);
		print_hex("out", data, err ? 0 : run.data_size_out);
		print_hex("expected", expected.data, expected.len);
		return 1;
	}
	c->runs++;
	for (int i = 0; i < GEN_FEATURES_COUNT; i++)
		c->seen[i][outcome_of(&expected, direction)] += wants_feature(p, i);
	c->seen[GEN_FEATURES_COUNT][outcome_of(&expected, direction)]++;
	return 0;
}

static int run_packet(struct campaign *c, struct gen *g)
{
	static struct gen_packet p;
	enum model_direction direction;
	int wrong;

	gen_packet(g, &p);
	direction = p.egress == gen_chance(g, 90) ? MODEL_EGRESS : MODEL_INGRESS;
	wrong = run_one(c, &p, direction, 0);
	/* Without the header the kernel's own sum would begin in the middle of the packet. */
	if (!wrong && c->l2_len)
		wrong = run_one(c, &p, direction, CSUM_COMPLETE);
	if (!wrong && c->every_packet && world_differs(&c->world, stdout)) {
		report(c, &p, direction, 0, "counters or tables");
		return 1;
	}
	return wrong;
}

static void add_reasons(struct campaign *c)
{
	for (int i = 0; i < TCPMIG_REASONS_COUNT; i++)
		c->reasons[i] += c->world.model.counters[i];
}

/* Return: 0; 1: a packet differs, printed; 2: only counters or tables do. */
static int run_campaign(struct campaign *c)
{
	struct gen g = { .state = c->seed, .l2_len = c->l2_len };
	int wrong = 0;

	assert_int_equal(world_open(&c->world, c->l2_len, c->plain), 0);
	for (c->number = 0; !wrong && c->number < c->packets; c->number++) {
		if (c->number % PACKETS_PER_CHANGE == 0) {
			add_reasons(c);
			wrong = world_differs(&c->world, stdout) ? 2 : 0;
			if (wrong)
				break;
			world_change(&c->world, &g);
		}
		wrong = run_packet(c, &g);
	}
	if (!wrong && world_differs(&c->world, stdout))
		wrong = 2;
	add_reasons(c);
	world_close(&c->world);
	return wrong;
}

static const char *const features[] = {
#define X(name, text) [GEN_##name] = text,
	GEN_FEATURES(X)
#undef X
		[GEN_FEATURES_COUNT] = "all",
};

static const char *const reasons[] = {
#define X(name, json, is_drop, text) [TCPMIG_R_##name] = json,
	TCPMIG_REASONS(X)
#undef X
};

/* What never came has not been tested. Return: number of classes that never occurred. */
static int print_coverage(const struct campaign *c)
{
	int missing = 0;

	printf("# %s, %s build: %lu packets, %lu runs, %lu refused by the kernel, sums verified "
	       "%lu times\n",
	       c->name, c->world.plain ? "plain" : "full", c->number, c->runs, c->refused,
	       c->sums_checked);
	printf("# %-34s %9s %9s %9s %9s %9s\n", "class", "passed", "rewritten", "dropped",
	       "swallowed", "refused");
	for (int i = 0; i <= GEN_FEATURES_COUNT; i++) {
		const unsigned long *seen = c->seen[i];
		bool tag = i >= GEN_TAG_1 && i <= GEN_TAG_3;
		unsigned long all = 0;

		printf("# %-34s", features[i]);
		for (int outcome = 0; outcome < OUTCOMES_COUNT; outcome++) {
			printf(" %9lu", seen[outcome]);
			all += seen[outcome];
		}
		printf("\n");
		missing += !all && !(tag && !c->l2_len);
	}
	for (int i = 0; i < TCPMIG_REASONS_COUNT; i++) {
		printf("# counted %-26s %9lu\n", reasons[i], c->reasons[i]);
		missing += !c->reasons[i] && i != TCPMIG_R_REWRITE_FAILED &&
			   i != TCPMIG_R_EVENT_LOST;
	}
	return missing;
}

static void campaign(const char *name, unsigned int l2_len, bool plain, unsigned long count)
{
	struct campaign c = {
		.name = name, .seed = seed, .packets = count, .l2_len = l2_len, .plain = plain
	};
	int wrong = run_campaign(&c);

	if (wrong == 2) {
		printf("# counters or tables differ before packet %lu; once more, packet by "
		       "packet\n",
		       c.number);
		c.every_packet = true;
		c.packets = c.number;
		run_campaign(&c);
	}
	if (wrong)
		fail_msg("the programs and the model differ: TCPMIG_SEED=%lu", seed);
	if (print_coverage(&c) && count >= PACKETS_DEFAULT / L3_SHARE)
		fail_msg("a class of packets or a reason never occurred");
}

static void random_packets_ethernet(void **state)
{
	(void)state;
	campaign("Ethernet", 14, false, packets);
}

static void random_packets_older_kernel(void **state)
{
	(void)state;
	campaign("Ethernet, older kernel", 14, true, packets / PLAIN_SHARE);
}

static void random_packets_no_ethernet_header(void **state)
{
	(void)state;
	campaign("no Ethernet header", 0, false, packets / L3_SHARE);
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

static int set_up(void **state)
{
	(void)state;
	return world_sockets();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_packets_ethernet),
		cmocka_unit_test(random_packets_older_kernel),
		cmocka_unit_test(random_packets_no_ethernet_header),
	};

	setlinebuf(stdout);
	seed = from_environment("TCPMIG_SEED", time(NULL));
	packets = from_environment("TCPMIG_PACKETS", PACKETS_DEFAULT);
	printf("# TCPMIG_SEED=%lu TCPMIG_PACKETS=%lu\n", seed, packets);
	return cmocka_run_group_tests_name("random packets", tests, set_up, NULL);
}
