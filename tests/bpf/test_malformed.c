// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets that are not as they should be (root). Each is made of a good one by edits, and
 * meets four scenes: out and in while active, held, fenced. What is still understood is
 * translated: byte for byte the packet with the other address, edited alike. The rest is
 * left alone. Nothing is ever half-rewritten.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "fixture.h"

enum base { FRAME, L3, L4 };

/* @width bytes at @base + @off become @value; width 0: no edit. */
struct edit {
	enum base base;
	int off;
	int width;
	unsigned int value;
};

enum fate { TRANSLATED, LEFT };
enum { V4 = 1, V6 = 2, BOTH = 3 };

struct malformed {
	const char *name;
	int families;
	enum shape shape;
	enum fate fate;
	struct edit edits[2];
	size_t grow; /* bytes behind the packet */
};

/* clang-format off */
static const struct malformed rows_malformed[] = {
	/* IPv4: lengths */
	{ "tot_len 0", V4, TCP_DATA, TRANSLATED, { { L3, 2, 2, 0 } }, 0 },
	{ "tot_len shorter than the IP header", V4, TCP_DATA, TRANSLATED, { { L3, 2, 2, 12 } }, 0 },
	{ "tot_len ends with the IP header", V4, TCP_DATA, TRANSLATED, { { L3, 2, 2, 20 } }, 0 },
	{ "tot_len ends within the TCP header", V4, TCP_DATA, TRANSLATED, { { L3, 2, 2, 30 } }, 0 },
	{ "tot_len beyond the frame", V4, TCP_DATA, TRANSLATED, { { L3, 2, 2, 0xffff } }, 0 },
	{ "ihl 0", V4, TCP_DATA, LEFT, { { L3, 0, 1, 0x40 } }, 0 },
	{ "ihl 4", V4, TCP_DATA, LEFT, { { L3, 0, 1, 0x44 } }, 0 },
	{ "ihl beyond the packet", V4, TCP_ACK, LEFT, { { L3, 0, 1, 0x4f } }, 0 },
	{ "ihl reaches into the data", V4, TCP_DATA, LEFT, { { L3, 0, 1, 0x4f } }, 0 },
	{ "ihl without the options that are there", V4, TCP_DATA_OPTIONS, LEFT, { { L3, 0, 1, 0x45 } }, 0 },
	/* IPv4: other fields */
	{ "version 0", V4, TCP_DATA, LEFT, { { L3, 0, 1, 0x05 } }, 0 },
	{ "version 6 in a frame of IPv4", V4, TCP_DATA, LEFT, { { L3, 0, 1, 0x65 } }, 0 },
	{ "reserved fragment bit", V4, TCP_DATA, TRANSLATED, { { L3, 6, 2, 0x8000 } }, 0 },
	{ "fragment at the highest offset", V4, TCP_DATA, LEFT, { { L3, 6, 2, 0x1fff } }, 0 },
	{ "fragment at half of that", V4, TCP_DATA, LEFT, { { L3, 6, 2, 0x1000 } }, 0 },
	{ "fragment at offset 8 with more to come", V4, TCP_DATA, LEFT, { { L3, 6, 2, 0x2001 } }, 0 },
	{ "protocol UDP", V4, TCP_DATA, LEFT, { { L3, 9, 1, 17 } }, 0 },
	{ "protocol ICMP, but TCP", V4, TCP_DATA, LEFT, { { L3, 9, 1, 1 } }, 0 },
	{ "protocol 0", V4, TCP_DATA, LEFT, { { L3, 9, 1, 0 } }, 0 },
	{ "TTL 0", V4, TCP_DATA, TRANSLATED, { { L3, 8, 1, 0 } }, 0 },
	/* IPv6: lengths */
	{ "payload_len 0, as in a jumbogram", V6, TCP_DATA, TRANSLATED, { { L3, 4, 2, 0 } }, 0 },
	{ "payload_len too small", V6, TCP_DATA, TRANSLATED, { { L3, 4, 2, 10 } }, 0 },
	{ "payload_len too large", V6, TCP_DATA, TRANSLATED, { { L3, 4, 2, 0xffff } }, 0 },
	{ "jumbo payload option", V6, TCP6_HOPOPTS, TRANSLATED, { { L3, 4, 2, 0 }, { L3, 42, 2, 0xc204 } }, 0 },
	{ "extension header beyond the packet", V6, TCP6_HOPOPTS, LEFT, { { L3, 41, 1, 255 } }, 0 },
	{ "extension header reaches into TCP", V6, TCP6_HOPOPTS, LEFT, { { L3, 41, 1, 1 } }, 0 },
	{ "extension header ends where the frame does", V6, TCP6_HOPOPTS, LEFT, { { L3, 41, 1, 15 } }, 0 },
	{ "fragment header with a length", V6, TCP6_ATOMIC, TRANSLATED, { { L3, 41, 1, 255 } }, 0 },
	/* IPv6: other fields */
	{ "version 4 in a frame of IPv6", V6, TCP_DATA, LEFT, { { L3, 0, 1, 0x45 } }, 0 },
	{ "version 0 in a frame of IPv6", V6, TCP_DATA, LEFT, { { L3, 0, 1, 0x00 } }, 0 },
	{ "next header UDP", V6, TCP_DATA, LEFT, { { L3, 6, 1, 17 } }, 0 },
	{ "no next header", V6, TCP_DATA, LEFT, { { L3, 6, 1, 59 } }, 0 },
	{ "authentication header", V6, TCP6_HOPOPTS, LEFT, { { L3, 6, 1, 51 } }, 0 },
	{ "encapsulated payload", V6, TCP6_HOPOPTS, LEFT, { { L3, 6, 1, 50 } }, 0 },
	{ "mobility header", V6, TCP6_HOPOPTS, LEFT, { { L3, 6, 1, 135 } }, 0 },
	{ "hop-by-hop, but TCP", V6, TCP_DATA, LEFT, { { L3, 6, 1, 0 } }, 0 },
	{ "unknown header behind an extension header", V6, TCP6_HOPOPTS, LEFT, { { L3, 40, 1, 253 } }, 0 },
	{ "fragment header, reserved bits", V6, TCP6_ATOMIC, TRANSLATED, { { L3, 42, 2, 6 } }, 0 },
	{ "fragment header, offset 8", V6, TCP6_ATOMIC, LEFT, { { L3, 42, 2, 8 } }, 0 },
	{ "fragment header, highest offset", V6, TCP6_ATOMIC, LEFT, { { L3, 42, 2, 0xfff8 } }, 0 },
	{ "fragment header, half of that", V6, TCP6_ATOMIC, LEFT, { { L3, 42, 2, 0x8000 } }, 0 },
	{ "hop limit 0", V6, TCP_DATA, TRANSLATED, { { L3, 7, 1, 0 } }, 0 },
	/* TCP */
	{ "doff 0", BOTH, TCP_DATA, LEFT, { { L4, 12, 1, 0x00 } }, 0 },
	{ "doff 4", BOTH, TCP_DATA, LEFT, { { L4, 12, 1, 0x40 } }, 0 },
	{ "doff beyond the packet", BOTH, TCP_ACK, TRANSLATED, { { L4, 12, 1, 0xf0 } }, 0 },
	{ "doff takes the data for options", BOTH, TCP_DATA, TRANSLATED, { { L4, 12, 1, 0xf0 } }, 0 },
	{ "all flags", BOTH, TCP_DATA, TRANSLATED, { { L4, 13, 1, 0xff } }, 0 },
	{ "no flag", BOTH, TCP_DATA, TRANSLATED, { { L4, 13, 1, 0 } }, 0 },
	{ "SYN and RST", BOTH, TCP_DATA, TRANSLATED, { { L4, 13, 1, 6 } }, 0 },
	/* the frame */
	{ "type of the other family", V4, TCP_DATA, LEFT, { { FRAME, 12, 2, 0x86dd } }, 0 },
	{ "type of the other family", V6, TCP_DATA, LEFT, { { FRAME, 12, 2, 0x0800 } }, 0 },
	{ "a length for a type (802.3)", BOTH, TCP_DATA, LEFT, { { FRAME, 12, 2, 100 } }, 0 },
	{ "type 0", BOTH, TCP_DATA, LEFT, { { FRAME, 12, 2, 0 } }, 0 },
	{ "type of a tag, but no tag", BOTH, TCP_DATA, LEFT, { { FRAME, 12, 2, 0x8100 } }, 0 },
	{ "unknown kind of tag", BOTH, TCP_VLAN, LEFT, { { FRAME, 12, 2, 0x9100 } }, 0 },
	{ "unknown type behind a tag", BOTH, TCP_VLAN, LEFT, { { FRAME, 16, 2, 0x8847 } }, 0 },
	{ "priority tag", BOTH, TCP_VLAN, TRANSLATED, { { FRAME, 14, 2, 0xe000 } }, 0 },
	{ "802.1ad alone", BOTH, TCP_VLAN, TRANSLATED, { { FRAME, 12, 2, 0x88a8 } }, 0 },
	{ "802.1Q in 802.1Q", BOTH, TCP_QINQ, TRANSLATED, { { FRAME, 12, 2, 0x8100 } }, 0 },
	{ "the frame is padded by one byte", BOTH, TCP_DATA, TRANSLATED, {}, 1 },
	{ "the frame is padded by 46 bytes", BOTH, TCP_ACK, TRANSLATED, {}, 46 },
};
/* clang-format on */

struct scene {
	enum setup setup;
	enum direction direction;
	enum who src, dst;
	int verdict;
	enum who src_after, dst_after;
	int reason;
};

static const struct scene scenes[] = {
	{ ACTIVE, OUT, CLIENT, OLD, REDIRECT, CLIENT, NEW, R(OUT_REWRITTEN) },
	{ ACTIVE, IN, NEW, CLIENT, NEXT, OLD, CLIENT, R(IN_REWRITTEN) },
	{ HELD_SWALLOW, OUT, CLIENT, OLD, REDIRECT, UNTOUCHED, R(HELD_SWALLOWED) },
	{ ACTIVE, IN, OLD, CLIENT, DROP, UNTOUCHED, R(FENCE_OLD_OWNER) },
};

static unsigned long runs, refused;

static void apply(const struct malformed *row, struct test_packet *p)
{
	const size_t bases[] = { [FRAME] = 0, [L3] = p->l3, [L4] = p->l4 };

	for (size_t i = 0; i < ARRAY_SIZE(row->edits); i++) {
		const struct edit *e = &row->edits[i];
		unsigned char *at = p->data + bases[e->base] + e->off;

		if (e->width == 2)
			*at++ = e->value >> 8;
		if (e->width)
			*at = e->value;
	}
	memset(p->data + p->len, 0xa5, row->grow);
	p->len += row->grow;
}

/* @len: bytes of the frame that are there. */
static void run_scene(const char *name, const struct scene *scene, enum fate fate, bool tagged,
		      const struct test_packet *in, const struct test_packet *expected, size_t len,
		      int flags)
{
	int verdict = fate == LEFT				    ? NEXT
		      : tagged && scene->reason == R(OUT_REWRITTEN) ? NEXT
								    : scene->verdict;
	__u64 before[TCPMIG_REASONS_COUNT];
	struct test_packet cut = *in, out = {};
	int got;

	cut.len = len;
	if (!kernel_takes(&cut)) {
		refused++;
		return;
	}
	assert_int_equal(tables_get_counters(&tables, before), 0);
	got = run_program(scene->direction, &cut, &out, flags, NULL);
	if (got != verdict)
		fail_msg("%s, %zu bytes: verdict %d, expected %d", name, len, got, verdict);
	if (fate == LEFT || scene->src_after == NOBODY)
		expected = in;
	if (out.len != len || memcmp(out.data, expected->data, len))
		fail_msg("%s, %zu bytes: not the bytes expected", name, len);
	check_counters(name, before, fate == LEFT ? -1 : scene->reason, 1 << R(FLOW_OVER));
	runs++;
}

static void build(const struct scene *scene, enum shape shape, struct test_packet *in,
		  struct test_packet *expected)
{
	struct tcpmig_endpoint src = endpoint_of(scene->src), dst = endpoint_of(scene->dst);
	struct tcpmig_endpoint src_after = endpoint_of(scene->src_after);
	struct tcpmig_endpoint dst_after = endpoint_of(scene->dst_after);

	packet_build(in, shape, &src, &dst);
	packet_build(expected, shape, &src_after, &dst_after);
}

static void all_malformed(const struct scene *scene, int flags)
{
	struct test_packet in, expected;

	for (size_t i = 0; i < ARRAY_SIZE(rows_malformed); i++) {
		const struct malformed *row = &rows_malformed[i];
		bool tagged = row->shape == TCP_VLAN || row->shape == TCP_QINQ;

		if (!(row->families & (family ? V6 : V4)))
			continue;
		build(scene, row->shape, &in, &expected);
		apply(row, &in);
		apply(row, &expected);
		run_scene(row->name, scene, row->fate, tagged, &in, &expected, in.len, flags);
	}
}

static const struct {
	const char *name;
	enum shape shape;
} cut_shapes[] = {
	{ "cut", TCP_DATA },
	{ "cut, SYN", TCP_SYN },
	{ "cut, IP options", TCP_DATA_OPTIONS },
	{ "cut, tag", TCP_VLAN },
	{ "cut, two tags", TCP_QINQ },
	{ "cut, hop-by-hop", TCP6_HOPOPTS },
	{ "cut, chain", TCP6_CHAIN },
	{ "cut, longest chain", TCP6_MAX_CHAIN },
	{ "cut, atomic fragment", TCP6_ATOMIC },
};

/* At every byte, and so at every boundary: understood from the end of the TCP header on. */
static void all_cuts(const struct scene *scene, int flags)
{
	struct test_packet in, expected;

	for (size_t i = 0; i < ARRAY_SIZE(cut_shapes); i++) {
		enum shape shape = cut_shapes[i].shape;

		if (!packet_exists(shape, family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET))
			continue;
		build(scene, shape, &in, &expected);
		for (size_t len = 14; len <= in.len && len < in.l4 + 24; len++)
			run_scene(cut_shapes[i].name, scene, len < in.l4 + 20 ? LEFT : TRANSLATED,
				  shape == TCP_VLAN || shape == TCP_QINQ, &in, &expected, len,
				  flags);
	}
}

static void all_scenes(void (*what)(const struct scene *scene, int flags))
{
	for (family = 0; family < 2; family++) {
		for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
			set_up_rule(scenes[i].setup);
			what(&scenes[i], 0);
			what(&scenes[i], CSUM_COMPLETE);
			clear_rules();
		}
	}
}

static void malformed_packets(void **state)
{
	(void)state;
	all_scenes(all_malformed);
}

static void packets_cut_at_every_byte(void **state)
{
	(void)state;
	all_scenes(all_cuts);
}

static int unload_and_count(void **state)
{
	printf("# rows: %zu, runs: %lu, refused by the kernel: %lu\n",
	       ARRAY_SIZE(rows_malformed) + ARRAY_SIZE(cut_shapes), runs, refused);
	return unload(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_packets),
		cmocka_unit_test(packets_cut_at_every_byte),
	};

	return cmocka_run_group_tests_name("malformed packets", tests, load, unload_and_count);
}
