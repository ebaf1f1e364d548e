// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Valid packets of every kind, from the outside in. Lengths and sums are filled in last. */
#include <string.h>

#include "gen.h"
#include "model.h" /* model_sum() */

enum { HOP = 0, ICMP = 1, TCP = 6, UDP = 17, ROUTING = 43, FRAGMENT = 44, ICMP6 = 58, DEST = 60 };

#define EXTENSIONS_WALKED 6

static void put(struct gen_packet *p, const void *bytes, size_t len)
{
	memcpy(p->data + p->len, bytes, len);
	p->len += len;
}

static void put8(struct gen_packet *p, unsigned int value)
{
	p->data[p->len++] = value;
}

static void put16(struct gen_packet *p, unsigned int value)
{
	put8(p, value >> 8);
	put8(p, value);
}

static void set16(struct gen_packet *p, size_t off, unsigned int value)
{
	p->data[off] = value >> 8;
	p->data[off + 1] = value;
}

static void put_random(struct gen *g, struct gen_packet *p, size_t len)
{
	for (; len; len--)
		put8(p, gen_below(g, 256));
}

static void put_ethernet(struct gen *g, struct gen_packet *p, bool v4)
{
	int tags = gen_chance(g, 80) ? 0 : 1 + gen_below(g, 3);

	if (!g->l2_len)
		return;
	put(p, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	if (tags)
		gen_mark(p, GEN_TAG_1 + tags - 1);
	for (; tags; tags--) {
		put16(p, gen_chance(g, 50) ? 0x8100 : 0x88a8);
		put16(p, gen_below(g, 0x10000));
	}
	put16(p, v4 ? 0x0800 : 0x86dd);
}

/* What put_ip() leaves to finish_ip(). */
struct ip_header {
	bool v4;
	size_t off;
	size_t next; /* where the number of the transport protocol goes */
};

static void put_ipv4(struct gen *g, struct gen_packet *p, const struct tcpmig_endpoint *src,
		     const struct tcpmig_endpoint *dst, unsigned int fragment)
{
	unsigned int options = gen_chance(g, 80) ? 0 : 1 + gen_below(g, 10);

	if (options)
		gen_mark(p, GEN_IP_OPTIONS);
	put8(p, 0x45 + options);
	put8(p, gen_below(g, 256));
	put16(p, 0);
	put16(p, gen_below(g, 0x10000));
	put16(p, fragment);
	put8(p, 64);
	put8(p, 0);
	put16(p, 0);
	put(p, src->addr + 12, 4);
	put(p, dst->addr + 12, 4);
	put_random(g, p, options * 4);
}

/* One extension header. Return: its type. */
static int put_extension(struct gen *g, struct gen_packet *p, unsigned int fragment)
{
	static const int types[] = { HOP, DEST, DEST, ROUTING };
	int type = fragment ? FRAGMENT : types[gen_below(g, 4)];
	unsigned int more = type == FRAGMENT || gen_chance(g, 70) ? 0 : gen_below(g, 6);
	size_t start = p->len;

	put8(p, 0);
	put8(p, type == FRAGMENT ? gen_below(g, 256) : more);
	put_random(g, p, 6 + more * 8);
	if (type == FRAGMENT)
		set16(p, start + 2, fragment & 0xfffe ? fragment : fragment & 1);
	if (type == ROUTING)
		p->data[start + 3] = 0;
	if (type == ROUTING && gen_chance(g, 10)) {
		p->data[start + 3] = 1 + gen_below(g, 3);
		gen_mark(p, GEN_ROUTING_LEFT);
	}
	return type;
}

/* @fragment as in the header: offset in bits 3 to 15, "more" in bit 0. 0x10000: atomic. */
static void put_extensions(struct gen *g, struct gen_packet *p, struct ip_header *ip,
			   unsigned int fragment)
{
	int count = gen_chance(g, 60) ? 0 : 1 + gen_below(g, EXTENSIONS_WALKED + 2);
	int where = -1;

	if (fragment) {
		count += !count;
		where = gen_below(g, count);
	}
	if (count)
		gen_mark(p, GEN_EXT);
	if (count == EXTENSIONS_WALKED)
		gen_mark(p, GEN_EXT_MAX);
	if (count > EXTENSIONS_WALKED)
		gen_mark(p, GEN_EXT_MORE);
	for (int i = 0; i < count; i++) {
		size_t start = p->len;

		p->data[ip->next] = put_extension(g, p, i == where ? fragment : 0);
		ip->next = start;
	}
}

static void put_ipv6(struct gen *g, struct gen_packet *p, const struct tcpmig_endpoint *src,
		     const struct tcpmig_endpoint *dst)
{
	put8(p, 0x60 | gen_below(g, 16));
	put_random(g, p, 3);
	put16(p, 0);
	put8(p, 0);
	put8(p, 64);
	put(p, src->addr, 16);
	put(p, dst->addr, 16);
}

static unsigned int random_fragment(struct gen *g, struct gen_packet *p, bool v4)
{
	unsigned int offset; /* units of 8 bytes */

	if (gen_chance(g, 93))
		return v4 && gen_chance(g, 50) ? 0x4000 : 0;
	if (gen_chance(g, 50)) {
		gen_mark(p, GEN_FIRST_FRAGMENT);
		return v4 ? 0x2000 : 1;
	}
	if (!v4 && gen_chance(g, 40))
		return 0x10000;
	gen_mark(p, GEN_LATER_FRAGMENT);
	offset = gen_chance(g, 50) ? 1u << gen_below(g, 13) : 1 + gen_below(g, 0x1fff);
	return (v4 ? offset : offset << 3) | (gen_chance(g, 50) ? (v4 ? 0x2000 : 1) : 0);
}

static void put_ip(struct gen *g, struct gen_packet *p, struct ip_header *ip,
		   const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst)
{
	unsigned int fragment;

	ip->v4 = src->family == TCPMIG_AF_INET;
	ip->off = p->len;
	ip->next = p->len + (ip->v4 ? 9 : 6);
	fragment = random_fragment(g, p, ip->v4);
	if (ip->v4) {
		put_ipv4(g, p, src, dst, fragment);
		return;
	}
	put_ipv6(g, p, src, dst);
	put_extensions(g, p, ip, fragment);
}

/* Protocol, length, and the header's checksum. The packet ends @cut bytes beyond what is there. */
static void finish_ip(struct gen_packet *p, const struct ip_header *ip, int protocol, size_t cut)
{
	size_t len = p->len + cut - ip->off;

	p->data[ip->next] = protocol;
	if (!ip->v4) {
		set16(p, ip->off + 4, len - 40);
		return;
	}
	set16(p, ip->off + 2, len);
	set16(p, ip->off + 10,
	      ~model_sum(0, p->data + ip->off, (p->data[ip->off] & 15) * 4) & 0xffff);
}

static void set_l4_sum(struct gen_packet *p, const struct ip_header *ip, size_t l4, size_t field,
		       int protocol)
{
	unsigned int sum = p->len - l4 + protocol;

	set16(p, l4 + field, 0);
	if (protocol == ICMP)
		sum = 0;
	else
		sum = model_sum(sum, p->data + ip->off + (ip->v4 ? 12 : 8), ip->v4 ? 8 : 32);
	set16(p, l4 + field, ~model_sum(sum, p->data + l4, p->len - l4) & 0xffff);
}

static void mark_tcp(struct gen_packet *p, unsigned int flags, bool data, bool options)
{
	gen_mark(p, GEN_TCP);
	if (flags & 2)
		gen_mark(p, GEN_SYN);
	if (flags & 1)
		gen_mark(p, GEN_FIN);
	if (flags & 4)
		gen_mark(p, GEN_RST);
	if (data)
		gen_mark(p, GEN_DATA);
	else if (flags == 0x10)
		gen_mark(p, GEN_ACK_ONLY);
	if (options)
		gen_mark(p, GEN_TCP_OPTIONS);
}

/* A segment with right sums; the urgent pointer makes some of them come out near a zero. */
static void put_tcp(struct gen *g, struct gen_packet *p, const struct ip_header *ip,
		    const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst)
{
	static const unsigned char usual[] = {
		0x10, 0x10, 0x10, 0x18, 0x02, 0x12, 0x11, 0x04, 0x14
	};
	unsigned int flags = gen_chance(g, 90) ? usual[gen_below(g, sizeof(usual))]
					       : gen_below(g, 256);
	unsigned int options = gen_chance(g, 60) ? 0 : 1 + gen_below(g, 10);
	size_t payload = gen_chance(g, 50) ? 0 : gen_below(g, gen_chance(g, 90) ? 100 : 1400);
	size_t l4 = p->len;

	mark_tcp(p, flags, payload, options);
	put(p, &src->port, 2);
	put(p, &dst->port, 2);
	put_random(g, p, 8);
	put8(p, (5 + options) << 4 | gen_below(g, 16));
	put8(p, flags);
	put_random(g, p, 2);
	put16(p, 0);
	put16(p, 0);
	put_random(g, p, options * 4 + payload);
	set_l4_sum(p, ip, l4, 16, TCP);
	if (gen_chance(g, 20)) {
		unsigned int sum = p->data[l4 + 16] << 8 | p->data[l4 + 17];

		set16(p, l4 + 18, (sum + 0xffff - gen_below(g, 3)) % 0xffff);
		set_l4_sum(p, ip, l4, 16, TCP);
		gen_mark(p, GEN_SUM_TUNED);
	}
	finish_ip(p, ip, TCP, 0);
}

static void put_udp(struct gen *g, struct gen_packet *p, const struct ip_header *ip,
		    const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst)
{
	size_t l4 = p->len;

	gen_mark(p, GEN_UDP);
	put(p, &src->port, 2);
	put(p, &dst->port, 2);
	put16(p, 0);
	put16(p, 0);
	put_random(g, p, gen_below(g, 60));
	set16(p, l4 + 4, p->len - l4);
	set_l4_sum(p, ip, l4, 6, UDP);
	finish_ip(p, ip, UDP, 0);
}

/* The packet that an error is about, from @src to @dst, cut anywhere. */
static void put_quote(struct gen *g, struct gen_packet *p, const struct tcpmig_endpoint *src,
		      const struct tcpmig_endpoint *dst)
{
	static struct gen_packet q;
	struct ip_header ip;
	size_t keep, l4;

	q.len = 0;
	q.features = 0;
	put_ip(g, &q, &ip, src, dst);
	l4 = q.len;
	if (gen_chance(g, 90))
		put_tcp(g, &q, &ip, src, dst);
	else
		put_udp(g, &q, &ip, src, dst);
	keep = gen_chance(g, 40) ? l4 + 8 : gen_chance(g, 40) ? q.len : gen_below(g, q.len + 1);
	if (gen_chance(g, 20))
		keep = l4 + gen_below(g, 24);
	keep = keep > q.len ? q.len : keep > 1300 ? 1300 : keep;
	put(p, q.data, keep);
	if (q.features & 1UL << GEN_LATER_FRAGMENT)
		gen_mark(p, GEN_QUOTE_FRAGMENT);
	else if (q.features & 1UL << GEN_UDP)
		gen_mark(p, GEN_QUOTE_NOT_TCP);
	else if (keep >= l4 + 20)
		gen_mark(p, GEN_QUOTE_WHOLE);
	else if (keep >= l4 + 4 && keep < l4 + 8)
		gen_mark(p, GEN_QUOTE_TINY);
	else
		gen_mark(p, GEN_QUOTE_CUT);
}

static void put_icmp(struct gen *g, struct gen_packet *p, const struct ip_header *ip,
		     const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst)
{
	static const unsigned char types4[] = { 3, 3, 3, 11, 12, 4, 5, 0, 8 };
	static const unsigned char types6[] = { 1, 2, 2, 3, 4, 0, 5, 128, 129 };
	unsigned int which = gen_below(g, 9), code = gen_below(g, 16);
	unsigned int type = ip->v4 ? types4[which] : types6[which];
	bool too_big = ip->v4 ? type == 3 && code == 4 : type == 2;
	size_t l4 = p->len;

	if (ip->v4 && type == 3 && gen_chance(g, 40))
		too_big = true, code = 4;
	gen_mark(p, which < 5 ? GEN_ICMP_ERROR : GEN_ICMP_OTHER);
	if (too_big)
		gen_mark(p, GEN_TOO_BIG);
	put8(p, type);
	put8(p, code);
	put16(p, 0);
	put_random(g, p, 4);
	put_quote(g, p, src, dst);
	set_l4_sum(p, ip, l4, 2, ip->v4 ? ICMP : ICMP6);
	finish_ip(p, ip, ip->v4 ? ICMP : ICMP6, 0);
}

void gen_valid(struct gen *g, struct gen_packet *p)
{
	bool v4 = gen_chance(g, 50), back = gen_chance(g, 50);
	unsigned int kind = gen_below(g, 100);
	struct tcpmig_endpoint server = gen_server(v4, gen_any_server(g));
	struct tcpmig_endpoint client = gen_client(v4, gen_below(g, GEN_CLIENTS));
	struct tcpmig_endpoint router = gen_client(v4, GEN_CLIENTS + 2);
	const struct tcpmig_endpoint *src = back ? &server : &client;
	const struct tcpmig_endpoint *dst = back ? &client : &server;
	bool icmp = kind >= 75 && kind < 97;
	struct ip_header ip;

	p->len = 0;
	p->features = 0;
	p->egress = !back;
	gen_mark(p, v4 ? GEN_IPV4 : GEN_IPV6);
	put_ethernet(g, p, v4);
	p->l3 = p->len;
	/* An error that comes is a router's, one that goes is the client's own. */
	put_ip(g, p, &ip, icmp && back ? &router : src, dst);
	p->l4 = p->len;
	if (kind < 75)
		put_tcp(g, p, &ip, src, dst);
	else if (icmp)
		put_icmp(g, p, &ip, dst, src);
	else if (kind < 99)
		put_udp(g, p, &ip, src, dst);
	else {
		gen_mark(p, GEN_OTHER_L4);
		put_random(g, p, 40);
		finish_ip(p, &ip, 2 + gen_below(g, 4), 0);
	}
	if (gen_chance(g, 5)) {
		gen_mark(p, GEN_PADDED);
		put_random(g, p, 1 + gen_below(g, 40));
	}
}
