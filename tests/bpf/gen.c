// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The pool, the dice, and the damage. */
#include <arpa/inet.h>
#include <string.h>

#include "gen.h"

#define ETHERNET_LEN 14

/* splitmix64 */
static unsigned long next(struct gen *g)
{
	unsigned long z = g->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned int gen_below(struct gen *g, unsigned int limit)
{
	return (next(g) >> 32) % limit;
}

bool gen_chance(struct gen *g, unsigned int percent)
{
	return gen_below(g, 100) < percent;
}

/*
 * BPF_PROG_TEST_RUN takes the protocol from bytes 12 and 13 even for programs that are
 * made for devices without an Ethernet header. So every source address has the number
 * of its protocol where these bytes then are: 0x0800 and 0x86dd.
 */
static struct tcpmig_endpoint endpoint(bool v4, unsigned int host, unsigned int port)
{
	struct tcpmig_endpoint ep = { .port = htons(port) };

	if (v4) {
		memcpy(ep.addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x08\0\0", 15);
		ep.family = TCPMIG_AF_INET;
	} else {
		memcpy(ep.addr, "\xfd\x09\0\0\x86\xdd\0\0\0\0\0\0\0\0\0", 15);
		ep.family = TCPMIG_AF_INET6;
	}
	ep.addr[14] = host >> 8;
	ep.addr[15] = host;
	return ep;
}

struct tcpmig_endpoint gen_server(bool v4, unsigned int which)
{
	static const struct {
		unsigned short host, port;
	} servers[GEN_SERVERS] = {
		{ 2, 5000 },
		{ 2, 5001 }, /* another port of the first */
		{ 3, 5000 }, /* the first port elsewhere: only the address changes */
		{ 4, 6000 },
		{ 0xfffe, 0xfffe },
		/* in one's complement 8 + 4996 words are as good as 2 + 5000 and so on */
		{ 5, 4997 },
		{ 2, 7000 },
		{ 7, 0 }, /* the socket of a test run is connected to port 0 of the destination */
	};
	struct tcpmig_endpoint ep;

	ep = endpoint(v4, servers[which].host, servers[which].port);
	/* In words of 32 bits one more than the first: then a sum of four differences carries. */
	if (!v4 && which == 6)
		ep.addr[12] = 1;
	return ep;
}

unsigned int gen_any_server(struct gen *g)
{
	return gen_below(g, gen_chance(g, 50) ? GEN_OLDS : GEN_SERVERS);
}

struct tcpmig_endpoint gen_client(bool v4, unsigned int which)
{
	return endpoint(v4, 0x100 + which / 2, 40000 + which % 2);
}

static void put16(struct gen_packet *p, size_t off, unsigned int value)
{
	if (off + 2 > p->len)
		return;
	p->data[off] = value >> 8;
	p->data[off + 1] = value;
}

/* Damage tends to where the headers are. */
static size_t somewhere(struct gen *g, const struct gen_packet *p)
{
	size_t headers = p->len < 120 ? p->len : 120;

	return gen_below(g, gen_chance(g, 80) ? headers : p->len);
}

static void flip(struct gen *g, struct gen_packet *p)
{
	gen_mark(p, GEN_FLIPPED);
	for (int i = 1 + gen_below(g, 4); i; i--)
		p->data[somewhere(g, p)] ^= gen_chance(g, 60) ? 1u << gen_below(g, 8)
							      : gen_below(g, 256);
}

/* Lengths, and the nibbles and next-header fields that lengths hang on. */
static void spoil_lengths(struct gen *g, struct gen_packet *p)
{
	static const unsigned int tempting[] = { 0, 1, 7, 8, 19, 20, 21, 39, 40, 0x7fff, 0xffff };
	unsigned int value = gen_chance(g, 50)
				     ? tempting[gen_below(g, sizeof(tempting) / sizeof(*tempting))]
				     : gen_below(g, 1600);

	gen_mark(p, GEN_LENGTHS);
	switch (gen_below(g, 6)) {
	case 0:
		put16(p, p->l3 + 2, value); /* tot_len, or the flow label */
		break;
	case 1:
		put16(p, p->l3 + 4, value); /* payload_len, or the id */
		break;
	case 2:
		if (p->l3 < p->len)
			p->data[p->l3] = (p->data[p->l3] & 0xf0) | gen_below(g, 16);
		break;
	case 3:
		if (p->l4 + 12 < p->len)
			p->data[p->l4 + 12] = gen_below(g, 16) << 4;
		break;
	case 4: /* length of an extension header */
		if (p->l3 + 41 < p->len)
			p->data[p->l3 + 41] = gen_chance(g, 50) ? gen_below(g, 4)
								: gen_below(g, 256);
		break;
	default: /* ihl of a quote */
		if (p->l4 + 8 < p->len)
			p->data[p->l4 + 8] = (p->data[p->l4 + 8] & 0xf0) | gen_below(g, 16);
	}
}

static void truncate_it(struct gen *g, struct gen_packet *p)
{
	size_t most = gen_chance(g, 70) && p->len > 140 ? 140 : p->len;

	gen_mark(p, GEN_CUT);
	p->len = ETHERNET_LEN + gen_below(g, most - ETHERNET_LEN + 1);
}

static void extend(struct gen *g, struct gen_packet *p)
{
	size_t more = 1 + gen_below(g, 60);

	if (p->len + more > GEN_PACKET_MAX)
		return;
	gen_mark(p, GEN_GROWN);
	for (; more; more--)
		p->data[p->len++] = gen_below(g, 256);
}

static void swap_pieces(struct gen *g, struct gen_packet *p)
{
	size_t size = 4 << gen_below(g, 4), a = somewhere(g, p), b = somewhere(g, p);
	unsigned char piece[32];

	if (p->len < 3 * size || a + size > p->len || b + size > p->len)
		return;
	gen_mark(p, GEN_SWAPPED);
	memcpy(piece, p->data + a, size);
	memmove(p->data + a, p->data + b, size);
	memcpy(p->data + b, piece, size);
}

/* The headers of one packet on the tail of another. */
static void splice(struct gen *g, struct gen_packet *p)
{
	static struct gen_packet other;
	size_t at = somewhere(g, p), from;

	gen_valid(g, &other);
	from = somewhere(g, &other);
	gen_mark(p, GEN_SWAPPED);
	p->len = at + other.len - from;
	if (p->len > GEN_PACKET_MAX || p->len < ETHERNET_LEN)
		p->len = ETHERNET_LEN;
	memcpy(p->data + at, other.data + from, p->len > at ? p->len - at : 0);
}

static void spoil_sum(struct gen *g, struct gen_packet *p)
{
	static const unsigned int tempting[] = { 0, 0xffff, 1, 0xfffe };
	unsigned int value = gen_chance(g, 70) ? tempting[gen_below(g, 4)] : gen_below(g, 0x10000);
	bool v4 = p->features & 1UL << GEN_IPV4, icmp = p->features & 1UL << GEN_ICMP_ERROR;

	gen_mark(p, GEN_SUM_WRONG);
	if (v4 && gen_chance(g, 40))
		put16(p, p->l3 + 10, value);
	if (gen_chance(g, 80))
		put16(p, p->l4 + (icmp ? 2 : 16), value);
	if (icmp && gen_chance(g, 60))
		put16(p, p->l4 + 8 + (v4 && gen_chance(g, 50) ? 10 : (v4 ? 20 : 40) + 16), value);
}

static void damage(struct gen *g, struct gen_packet *p)
{
	do {
		switch (gen_below(g, 7)) {
		case 0:
			flip(g, p);
			break;
		case 1:
			spoil_lengths(g, p);
			break;
		case 2:
			truncate_it(g, p);
			break;
		case 3:
			extend(g, p);
			break;
		case 4:
			swap_pieces(g, p);
			break;
		case 5:
			splice(g, p);
			break;
		default:
			spoil_sum(g, p);
		}
	} while (gen_chance(g, 30));
}

/* Noise of any length; mostly it says it were IP. */
static void noise(struct gen *g, struct gen_packet *p)
{
	static const unsigned char types[][2] = {
		{ 0x08, 0 }, { 0x86, 0xdd }, { 0x81, 0 }, { 0x88, 0xa8 }
	};
	size_t l3 = g->l2_len;

	p->len = ETHERNET_LEN + gen_below(g, gen_chance(g, 80) ? 150 : GEN_PACKET_MAX - 100);
	for (size_t i = 0; i < p->len; i++)
		p->data[i] = gen_chance(g, 20) ? 0 : gen_below(g, 256);
	p->egress = gen_chance(g, 50);
	gen_mark(p, GEN_NOISE);
	if (!gen_chance(g, 80))
		return;
	memcpy(p->data + 12, types[gen_below(g, 4)], 2);
	if (p->len > l3 + 40 && gen_chance(g, 70)) {
		p->data[l3] = p->data[12] == 0x08 ? 0x45 : 0x60;
		p->data[l3 + (p->data[12] == 0x08 ? 9 : 6)] = gen_chance(g, 70) ? 6 : 1;
	}
}

void gen_packet(struct gen *g, struct gen_packet *p)
{
	unsigned int kind = gen_below(g, 100);

	p->features = 0;
	if (kind < 8) {
		noise(g, p);
		return;
	}
	gen_valid(g, p);
	if (kind < 35)
		damage(g, p);
	else if (kind < 42)
		spoil_sum(g, p);
	else if (kind < 44)
		gen_mark(p, GEN_ROUTED);
}
