// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a rewrite does to bytes. Every sum is taken from scratch, before and after. */
#include <string.h>

#include "model.h"

static unsigned int get16(const unsigned char *at)
{
	return at[0] << 8 | at[1];
}

/*
 * The checksum @field, where all that it covers summed up to @before and now does to @after:
 * right stays right, and wrong stays wrong by the same amount. RFC 1624, equation 3, never
 * yields 0xffff; of the two zeros of one's complement it is always 0x0000.
 */
static void move_checksum(unsigned char *field, unsigned int before, unsigned int after)
{
	unsigned int moved = (get16(field) + before + 0xffff - after % 0xffff) % 0xffff;

	field[0] = moved >> 8;
	field[1] = moved;
}

/* Sum of @len bytes of which the checksum field at @field counts as 0. */
static unsigned int sum_without(unsigned int start, const unsigned char *data, size_t len,
				size_t field)
{
	unsigned int sum = model_sum(start, data, field);

	return model_sum(sum, data + field + 2, len - field - 2);
}

static unsigned int ip_sum(const unsigned char *ip, size_t len)
{
	return sum_without(0, ip, len, 10);
}

/* Addresses of the header at @ip, and the segment. Length and protocol do not change. */
static unsigned int tcp_sum(const unsigned char *ip, bool v4, const unsigned char *tcp, size_t len)
{
	return sum_without(model_sum(6, ip + (v4 ? 12 : 8), v4 ? 8 : 32), tcp, len, 16);
}

static void set_endpoint(unsigned char *address, unsigned char *port, bool v4,
			 const struct tcpmig_endpoint *to)
{
	memcpy(address, to->addr + (v4 ? 12 : 0), v4 ? 4 : 16);
	memcpy(port, &to->port, 2);
}

void model_rewrite_tcp(struct model_output *out, const struct model_packet *p, bool source,
		       const struct tcpmig_endpoint *to)
{
	unsigned char *ip = out->data + p->l3, *tcp = out->data + p->l4;
	size_t ip_len = p->l4 - p->l3, tcp_len = out->len - p->l4;
	unsigned int ip_before = p->v4 ? ip_sum(ip, ip_len) : 0;
	unsigned int tcp_before = tcp_sum(ip, p->v4, tcp, tcp_len);
	size_t address = (p->v4 ? 12 : 8) + (source ? 0 : p->v4 ? 4 : 16);

	set_endpoint(ip + address, tcp + (source ? 0 : 2), p->v4, to);
	if (p->v4)
		move_checksum(ip + 10, ip_before, ip_sum(ip, ip_len));
	move_checksum(tcp + 16, tcp_before, tcp_sum(ip, p->v4, tcp, tcp_len));
}

/* Of the whole ICMP message; ICMPv6 covers the outer addresses, too. */
static unsigned int icmp_sum(const struct model_output *out, const struct model_packet *p,
			     size_t len)
{
	unsigned int start = p->v4 ? 0 : model_sum(58, out->data + p->l3 + 8, 32);

	return sum_without(start, out->data + p->l4, len, 2);
}

void model_rewrite_icmp(struct model_output *out, const struct model_packet *p, bool leaves,
			const struct tcpmig_endpoint *to)
{
	size_t end = p->end < out->len ? p->end : out->len;
	unsigned char *outer = out->data + p->l3, *icmp = out->data + p->l4;
	unsigned char *ip = out->data + p->quote, *tcp = out->data + p->quote_l4;
	size_t quoted = end - p->quote_l4, ip_len = p->quote_l4 - p->quote;
	bool has_sum = quoted >= 18; /* the checksum is in bytes 16 and 17 */
	size_t source = p->v4 ? 12 : 8, dest = p->v4 ? 16 : 24;
	unsigned int outer_before = p->v4 ? ip_sum(outer, p->l4 - p->l3) : 0;
	unsigned int icmp_before = icmp_sum(out, p, end - p->l4);
	unsigned int ip_before = p->v4 ? ip_sum(ip, ip_len) : 0;
	unsigned int tcp_before = has_sum ? tcp_sum(ip, p->v4, tcp, quoted) : 0;

	set_endpoint(ip + (leaves ? source : dest), tcp + (leaves ? 0 : 2), p->v4, to);
	if (leaves)
		memcpy(outer + dest, to->addr + (p->v4 ? 12 : 0), p->v4 ? 4 : 16);
	if (p->v4 && leaves)
		move_checksum(outer + 10, outer_before, ip_sum(outer, p->l4 - p->l3));
	if (p->v4)
		move_checksum(ip + 10, ip_before, ip_sum(ip, ip_len));
	if (has_sum)
		move_checksum(tcp + 16, tcp_before, tcp_sum(ip, p->v4, tcp, quoted));
	move_checksum(icmp + 2, icmp_before, icmp_sum(out, p, end - p->l4));
}

static void swap(unsigned char *a, unsigned char *b, size_t len)
{
	unsigned char spare[16];

	memcpy(spare, a, len);
	memcpy(a, b, len);
	memcpy(b, spare, len);
}

static unsigned int get32(const unsigned char *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static void put32(unsigned char *at, unsigned int value)
{
	for (int i = 0; i < 4; i++)
		at[i] = value >> (24 - 8 * i);
}

/* RFC 9293, 3.10.7.1: what a host answers that knows nothing of the connection. */
static void set_rst(unsigned char *tcp, size_t payload)
{
	unsigned int flags = tcp[13], ack = get32(tcp + 8);
	unsigned int next = get32(tcp + 4) + payload + !!(flags & 0x02) + (flags & 0x01);

	swap(tcp, tcp + 2, 2);
	memset(tcp + 4, 0, 16);
	tcp[12] = 5 << 4;
	tcp[13] = flags & 0x10 ? 0x04 : 0x14;
	put32(tcp + (flags & 0x10 ? 4 : 8), flags & 0x10 ? ack : next);
}

bool model_make_rst(struct model_output *out, const struct model_packet *p, unsigned int l2_len)
{
	unsigned char *ip = out->data + p->l3, *tcp = out->data + p->l4;
	unsigned int ip_before = p->v4 ? ip_sum(ip, p->l4 - p->l3) : 0, sum;
	size_t length = p->l4 - p->l3 + 20 - (p->v4 ? 0 : 40);

	if (p->rst)
		return false;
	if (l2_len)
		swap(out->data, out->data + 6, 6);
	swap(ip + (p->v4 ? 12 : 8), ip + (p->v4 ? 16 : 24), p->v4 ? 4 : 16);
	ip[p->v4 ? 2 : 4] = length >> 8;
	ip[p->v4 ? 3 : 5] = length;
	if (p->v4)
		move_checksum(ip + 10, ip_before, ip_sum(ip, p->l4 - p->l3));
	set_rst(tcp, p->payload);
	out->len = p->l4 + 20;
	sum = tcp_sum(ip, p->v4, tcp, 20) + 20; /* and the length */
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	tcp[16] = sum >> 8;
	tcp[17] = sum;
	return true;
}

void model_add_ethernet(struct model_output *out, const struct model_packet *p)
{
	memmove(out->data + 14, out->data, out->len);
	memset(out->data, 0, 14);
	out->data[12] = p->v4 ? 0x08 : 0x86;
	out->data[13] = p->v4 ? 0x00 : 0xdd;
	out->len += 14;
}
