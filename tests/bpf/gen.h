/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random packets between a small pool of endpoints: valid ones of every kind, valid ones
 * damaged afterwards, and noise. The same seed gives the same packets.
 */
#ifndef TCPMIG_TEST_GEN_H
#define TCPMIG_TEST_GEN_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpmig_shared.h"

#define GEN_PACKET_MAX 2048

/* Servers are OLD, NEW and what comes after; of the clients some have flows. */
#define GEN_SERVERS 8
#define GEN_CLIENTS 6
#define GEN_OLDS    4

/* clang-format off */
#define GEN_FEATURES(X) \
	X(IPV4, "IPv4") X(IPV6, "IPv6") X(IP_OPTIONS, "IPv4 with options") \
	X(EXT, "IPv6 extension headers") X(EXT_MAX, "as many as are walked") \
	X(EXT_MORE, "more than are walked") X(ROUTING_LEFT, "segments left") \
	X(TAG_1, "one VLAN tag") X(TAG_2, "two VLAN tags") X(TAG_3, "three VLAN tags") \
	X(FIRST_FRAGMENT, "first fragment") X(LATER_FRAGMENT, "later fragment") \
	X(TCP, "TCP") X(SYN, "SYN") X(FIN, "FIN") X(RST, "RST") X(DATA, "data") \
	X(ACK_ONLY, "ACK without data") X(TCP_OPTIONS, "TCP options") \
	X(SUM_TUNED, "checksum next to a zero") X(UDP, "UDP") X(OTHER_L4, "other protocol") \
	X(ICMP_ERROR, "ICMP error") X(TOO_BIG, "too big") X(ICMP_OTHER, "other ICMP") \
	X(QUOTE_TINY, "quote of 4 to 7 bytes of TCP") X(QUOTE_CUT, "quote cut before TCP's end") \
	X(QUOTE_WHOLE, "quote with a TCP header") X(QUOTE_NOT_TCP, "quote of something else") \
	X(QUOTE_FRAGMENT, "quote of a later fragment") X(PADDED, "padding behind the packet") \
	X(SUM_WRONG, "wrong checksum") X(FLIPPED, "bytes flipped") X(LENGTHS, "wrong lengths") \
	X(CUT, "truncated") X(GROWN, "extended") X(SWAPPED, "headers swapped or spliced") \
	X(NOISE, "noise") X(ROUTED, "marked as routed")
/* clang-format on */

enum gen_feature {
#define X(name, text) GEN_##name,
	GEN_FEATURES(X)
#undef X
		GEN_FEATURES_COUNT,
};

struct gen {
	unsigned long state;
	unsigned int l2_len; /* 14 or 0 */
};

/**
 * struct gen_packet - a packet, and how it came about.
 * @features: bits by enum gen_feature
 * @egress:   it is natural for it to be leaving
 */
struct gen_packet {
	unsigned char data[GEN_PACKET_MAX];
	size_t len;
	size_t l3, l4;
	unsigned long features;
	bool egress;
};

/** gen_below() - a random number in 0..@limit - 1. */
unsigned int gen_below(struct gen *g, unsigned int limit);

/** gen_chance() - true in @percent of all cases. */
bool gen_chance(struct gen *g, unsigned int percent);

/** gen_server() - one of GEN_SERVERS; some share an address, some a port, one has port 0. */
struct tcpmig_endpoint gen_server(bool v4, unsigned int which);
/** gen_any_server() - one of them, rather one of the first GEN_OLDS, which have the rules. */
unsigned int gen_any_server(struct gen *g);
struct tcpmig_endpoint gen_client(bool v4, unsigned int which);

/** gen_packet() - the next packet: at least 14 bytes. */
void gen_packet(struct gen *g, struct gen_packet *p);

/* Of gen_build.c: a valid packet. */
void gen_valid(struct gen *g, struct gen_packet *p);

static inline void gen_mark(struct gen_packet *p, enum gen_feature feature)
{
	p->features |= 1UL << feature;
}

#endif
