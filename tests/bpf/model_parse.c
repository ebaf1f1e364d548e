// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model's parser: byte by byte, and as far as the programs shall look. */
#include <string.h>

#include "model.h"

#define TAGS_MAX       2 /* 802.1Q in 802.1ad */
#define EXTENSIONS_MAX 6

struct bytes {
	const unsigned char *data;
	size_t len;
};

static unsigned int u8(const struct bytes *b, size_t off)
{
	return b->data[off];
}

static unsigned int u16(const struct bytes *b, size_t off)
{
	return b->data[off] << 8 | b->data[off + 1];
}

static bool has(const struct bytes *b, size_t off, size_t size)
{
	return off + size <= b->len;
}

static void set_address(struct tcpmig_endpoint *ep, const unsigned char *address, bool v4)
{
	memset(ep, 0, sizeof(*ep));
	if (v4) {
		ep->addr[10] = 0xff;
		ep->addr[11] = 0xff;
	}
	memcpy(ep->addr + (v4 ? 12 : 0), address, v4 ? 4 : 16);
	ep->family = v4 ? TCPMIG_AF_INET : TCPMIG_AF_INET6;
}

static void set_ports(const struct bytes *b, size_t off, struct model_packet *p)
{
	memcpy(&p->src.port, b->data + off, 2);
	memcpy(&p->dst.port, b->data + off + 2, 2);
}

/* Where the payload ends: padding of the frame is none. Lengths that cannot be are not believed. */
static size_t tcp_end(const struct bytes *b, const struct model_packet *p, size_t header_len)
{
	return p->end >= p->l4 + header_len && p->end < b->len ? p->end : b->len;
}

static void parse_tcp(const struct bytes *b, struct model_packet *p, bool first_fragment)
{
	unsigned int flags, header_len;

	if (!has(b, p->l4, 20))
		return;
	header_len = (u8(b, p->l4 + 12) >> 4) * 4;
	if (header_len < 20)
		return;
	flags = u8(b, p->l4 + 13);
	set_ports(b, p->l4, p);
	p->rst = flags & 0x04;
	p->syn = flags & 0x02;
	p->fin = flags & 0x01;
	if (tcp_end(b, p, header_len) > p->l4 + header_len)
		p->payload = tcp_end(b, p, header_len) - p->l4 - header_len;
	p->has_data = flags & 0x03 || p->payload;
	p->kind = first_fragment ? MODEL_TCP_FRAGMENT : MODEL_TCP;
}

/* Which message is an error about a packet; 0: none; 2: it says "too big". */
static int error_class(bool v4, unsigned int type, unsigned int code)
{
	if (v4)
		return type == 3 ? 1 + (code == 4) : type == 11 || type == 12;
	return type == 2 ? 2 : type >= 1 && type <= 4;
}

/* What the error quotes ends, at the latest, where its own IP packet ends. */
static void parse_icmp(const struct bytes *b, struct model_packet *p)
{
	size_t quote = p->l4 + 8, quote_l4;
	struct bytes message = { b->data, p->end < b->len ? p->end : b->len };
	int class;

	if (!has(&message, quote, p->v4 ? 20 : 40))
		return;
	class = error_class(p->v4, u8(&message, p->l4), u8(&message, p->l4 + 1));
	if (!class)
		return;
	if (p->v4) {
		unsigned int header_len = (u8(&message, quote) & 15) * 4;

		if (header_len < 20 || u8(&message, quote + 9) != 6 ||
		    u16(&message, quote + 6) & 0x1fff)
			return;
		quote_l4 = quote + header_len;
	} else {
		if (u8(&message, quote + 6) != 6)
			return;
		quote_l4 = quote + 40;
	}
	if (!has(&message, quote_l4, 4))
		return;
	/* Who gets the error is who has sent the packet, or it is about none that was real. */
	if (memcmp(p->dst.addr + (p->v4 ? 12 : 0), b->data + quote + (p->v4 ? 12 : 8),
		   p->v4 ? 4 : 16))
		return;
	set_address(&p->src, b->data + quote + (p->v4 ? 12 : 8), p->v4);
	set_address(&p->dst, b->data + quote + (p->v4 ? 16 : 24), p->v4);
	set_ports(b, quote_l4, p);
	p->quote = quote;
	p->quote_l4 = quote_l4;
	p->too_big = class == 2;
	p->kind = MODEL_ICMP_ERROR;
}

static void parse_ipv4(const struct bytes *b, struct model_packet *p)
{
	unsigned int header_len, fragment;

	if (!has(b, p->l3, 20) || u8(b, p->l3) >> 4 != 4)
		return;
	header_len = (u8(b, p->l3) & 15) * 4;
	fragment = u16(b, p->l3 + 6);
	if (header_len < 20 || fragment & 0x1fff)
		return;
	p->v4 = true;
	p->l4 = p->l3 + header_len;
	p->end = p->l3 + u16(b, p->l3 + 2);
	set_address(&p->src, b->data + p->l3 + 12, true);
	set_address(&p->dst, b->data + p->l3 + 16, true);
	if (u8(b, p->l3 + 9) == 6)
		parse_tcp(b, p, fragment & 0x2000);
	else if (u8(b, p->l3 + 9) == 1 && !(fragment & 0x2000))
		parse_icmp(b, p);
}

static bool is_extension(unsigned int protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60;
}

static void parse_ipv6(const struct bytes *b, struct model_packet *p)
{
	bool first_fragment = false;
	unsigned int protocol;

	if (!has(b, p->l3, 40) || u8(b, p->l3) >> 4 != 6)
		return;
	protocol = u8(b, p->l3 + 6);
	p->l4 = p->l3 + 40;
	p->end = p->l4 + u16(b, p->l3 + 4);
	set_address(&p->src, b->data + p->l3 + 8, false);
	set_address(&p->dst, b->data + p->l3 + 24, false);
	for (int walked = 0; is_extension(protocol); walked++) {
		unsigned int length = 8;

		if (walked == EXTENSIONS_MAX || !has(b, p->l4, 8))
			return;
		if (protocol == 44 && u16(b, p->l4 + 2) & 0xfff8)
			return; /* a later fragment */
		if (protocol == 44 && u16(b, p->l4 + 2) & 1)
			first_fragment = true;
		if (protocol == 43 && u8(b, p->l4 + 3))
			return; /* not yet on its way to the last address */
		if (protocol != 44)
			length += u8(b, p->l4 + 1) * 8;
		protocol = u8(b, p->l4);
		p->l4 += length;
	}
	if (protocol == 6)
		parse_tcp(b, p, first_fragment);
	else if (protocol == 58 && !first_fragment)
		parse_icmp(b, p);
}

/* The type of an Ethernet frame stands at 12, also where a device has no such header:
 * there the kernel knows it from elsewhere, and the tests put it there. */
void model_parse(const unsigned char *data, size_t len, unsigned int l2_len, struct model_packet *p)
{
	struct bytes b = { data, len };
	unsigned int type = u16(&b, 12);

	memset(p, 0, sizeof(*p));
	p->l3 = l2_len;
	for (int tag = 0; tag < TAGS_MAX && (type == 0x8100 || type == 0x88a8); tag++) {
		if (!has(&b, p->l3, 4))
			return;
		type = u16(&b, p->l3 + 2);
		p->l3 += 4;
		p->tagged = true;
	}
	if (type == 0x0800)
		parse_ipv4(&b, p);
	else if (type == 0x86dd)
		parse_ipv6(&b, p);
}

unsigned int model_sum(unsigned int start, const unsigned char *data, size_t len)
{
	unsigned long sum = start;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += data[i] << 8 | data[i + 1];
	if (len % 2)
		sum += data[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

bool model_sums_right(const unsigned char *data, size_t len, const struct model_packet *p)
{
	unsigned int sum, l4_len = p->end - p->l4;

	if (p->kind == MODEL_OTHER || p->kind == MODEL_TCP_FRAGMENT || p->end > len ||
	    p->end < p->l4)
		return false;
	if (p->v4 && model_sum(0, data + p->l3, p->l4 - p->l3) != 0xffff)
		return false;
	if (p->v4 && p->kind == MODEL_ICMP_ERROR)
		return model_sum(0, data + p->l4, l4_len) == 0xffff;
	sum = l4_len + (p->kind == MODEL_TCP ? 6 : 58);
	sum = model_sum(sum, data + p->l3 + (p->v4 ? 12 : 8), p->v4 ? 8 : 32);
	return model_sum(sum, data + p->l4, l4_len) == 0xffff;
}
