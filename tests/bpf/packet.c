// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "packet.h"

#define PAYLOAD_LEN 100

bool packet_exists(enum shape shape, int family)
{
	if (shape >= TCP6_HOPOPTS && shape <= TCP6_CUT_CHAIN)
		return family == TCPMIG_AF_INET6;
	if (shape == ICMP_QUOTE_EXT)
		return family == TCPMIG_AF_INET6;
	return family == TCPMIG_AF_INET ||
	       (shape != TCP_DATA_OPTIONS && shape != IP_BAD_IHL && shape != ICMP_QUOTE_OPTIONS);
}

/* RFC 1071, the plain way. */
static uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? byte[i] : byte[i] << 8;
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

/* Of the segment at @l4 with the pseudo header of the IP header at @ip. */
static uint16_t l4_sum(const void *ip, const void *l4, size_t len, int proto)
{
	uint32_t sum = proto + len;

	if (*(const unsigned char *)ip >> 4 == 4)
		sum = sum_add(sum, &((const struct iphdr *)ip)->saddr, 8);
	else
		sum = sum_add(sum, &((const struct ipv6hdr *)ip)->saddr, 32);
	return sum_fold(sum_add(sum, l4, len));
}

/* Appends @len bytes; zeroed if @data is NULL. */
static void *append(struct test_packet *p, const void *data, size_t len)
{
	void *at = p->data + p->len;

	memset(at, 0, len);
	if (data)
		memcpy(at, data, len);
	p->len += len;
	return at;
}

static void *append_ip(struct test_packet *p, const struct tcpmig_endpoint *src,
		       const struct tcpmig_endpoint *dst, int proto, size_t payload, size_t options)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (src->family == TCPMIG_AF_INET) {
		ip = append(p, NULL, sizeof(*ip) + options);
		ip->version = 4;
		ip->ihl = (sizeof(*ip) + options) / 4;
		ip->tot_len = htons(sizeof(*ip) + options + payload);
		ip->id = htons(0x1234);
		ip->frag_off = htons(0x4000);
		ip->ttl = 64;
		ip->protocol = proto;
		ip->saddr = src->addr32[3];
		ip->daddr = dst->addr32[3];
		memset(ip + 1, 1, options); /* NOP */
		ip->check = sum_fold(sum_add(0, ip, ip->ihl * 4));
		return ip;
	}
	ip6 = append(p, NULL, sizeof(*ip6));
	ip6->version = 6;
	ip6->flow_lbl[2] = 0x77;
	ip6->payload_len = htons(payload);
	ip6->nexthdr = proto;
	ip6->hop_limit = 64;
	memcpy(&ip6->saddr, src->addr, 16);
	memcpy(&ip6->daddr, dst->addr, 16);
	return ip6;
}

enum { HOP = 0, ROUTING = 43, FRAGMENT = 44, DEST = 60 };

struct ext {
	int type;
	unsigned char bytes[6]; /* behind the next header and the length */
	int more;		/* further 8 bytes */
};

static const struct ext ext_hop[] = { { HOP, { 1, 4 }, 0 }, { -1, {}, 0 } };
static const struct ext ext_chain[] = {
	{ HOP, { 1, 4 }, 0 },  { DEST, { 1, 12 }, 1 }, { ROUTING, { 0, 0 }, 2 },
	{ DEST, { 1, 4 }, 0 }, { -1, {}, 0 },
};
static const struct ext ext_max[] = {
	{ HOP, { 1, 4 }, 0 },  { DEST, { 1, 4 }, 0 }, { ROUTING, { 0, 0 }, 2 },
	{ DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 },
	{ -1, {}, 0 },
};
static const struct ext ext_long[] = {
	{ DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 },
	{ DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 }, { DEST, { 1, 4 }, 0 }, { -1, {}, 0 },
};
static const struct ext ext_routing_left[] = { { ROUTING, { 0, 1 }, 2 }, { -1, {}, 0 } };
static const struct ext ext_atomic[] = { { FRAGMENT, { 0, 0, 0, 0, 0, 7 }, 0 }, { -1, {}, 0 } };
static const struct ext ext_first[] = { { FRAGMENT, { 0, 1, 0, 0, 0, 7 }, 0 }, { -1, {}, 0 } };
static const struct ext ext_later[] = { { FRAGMENT, { 1, 8, 0, 0, 0, 7 }, 0 }, { -1, {}, 0 } };

static const struct ext *ext_of(enum shape shape)
{
	switch (shape) {
	case TCP6_HOPOPTS:
	case TCP6_CUT_CHAIN:
	case ICMP_OPTIONS:
	case ICMP_QUOTE_EXT:
		return ext_hop;
	case TCP6_CHAIN:
		return ext_chain;
	case TCP6_MAX_CHAIN:
		return ext_max;
	case TCP6_LONG_CHAIN:
		return ext_long;
	case TCP6_ROUTING_LEFT:
		return ext_routing_left;
	case TCP6_ATOMIC:
		return ext_atomic;
	case TCP_FIRST_FRAGMENT:
	case TCP6_FIRST_FRAGMENT:
		return ext_first;
	case TCP_LATER_FRAGMENT:
	case TCP6_LATER_FRAGMENT:
	case ICMP_QUOTE_FRAGMENT:
		return ext_later;
	default:
		return NULL;
	}
}

static void append_ext(struct test_packet *p, struct ipv6hdr *ip, const struct ext *ext, int proto)
{
	unsigned char *next = &ip->nexthdr;
	size_t start = p->len;

	for (; ext && ext->type >= 0; ext++) {
		unsigned char *header = append(p, NULL, 8 + ext->more * 8);

		*next = ext->type;
		next = header;
		header[1] = ext->type == FRAGMENT ? 0 : ext->more;
		memcpy(header + 2, ext->bytes, sizeof(ext->bytes));
	}
	*next = proto;
	ip->payload_len = htons(ntohs(ip->payload_len) + p->len - start);
}

static void append_l4(struct test_packet *p, void *ip, enum shape shape,
		      const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst,
		      size_t payload)
{
	struct tcphdr *tcp = append(p, NULL, sizeof(*tcp));

	p->l4 = (unsigned char *)tcp - p->data;
	tcp->source = src->port;
	tcp->dest = dst->port;
	tcp->seq = htonl(0x01020304);
	tcp->ack_seq = htonl(0x05060708);
	tcp->doff = shape == TCP_BAD_DOFF ? 4 : 5;
	tcp->ack = shape != TCP_SYN;
	tcp->syn = shape == TCP_SYN;
	tcp->fin = shape == TCP_FIN;
	tcp->rst = shape == TCP_RST;
	tcp->window = htons(500);
	for (size_t i = 0; i < payload; i++)
		append(p, (unsigned char[]){ i * 7 }, 1);
	tcp->check = l4_sum(ip, tcp, sizeof(*tcp) + payload, IPPROTO_TCP);
}

static void set_fragment(struct iphdr *ip, int frag_off)
{
	ip->frag_off = htons(frag_off);
	ip->check = 0;
	ip->check = sum_fold(sum_add(0, ip, ip->ihl * 4));
}

/* A packet from @src to @dst, as far as the error quotes it. */
static void append_quote(struct test_packet *p, enum shape shape, const struct tcpmig_endpoint *src,
			 const struct tcpmig_endpoint *dst)
{
	size_t payload = shape == ICMP_TOO_BIG_FULL ? PAYLOAD_LEN : 0;
	int proto = shape == ICMP_QUOTE_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	bool v4 = src->family == TCPMIG_AF_INET;
	size_t l4 = p->l4;
	void *ip;

	p->quote = p->len;
	ip = append_ip(p, src, dst, proto, sizeof(struct tcphdr) + payload,
		       shape == ICMP_QUOTE_OPTIONS ? 12 : 0);
	if (!v4 && (shape == ICMP_QUOTE_EXT || shape == ICMP_QUOTE_FRAGMENT))
		append_ext(p, ip, ext_of(shape), proto);
	if (v4 && shape == ICMP_QUOTE_FRAGMENT)
		set_fragment(ip, 0x0010);
	append_l4(p, ip, TCP_DATA, src, dst, payload);
	p->quote_l4 = p->l4;
	p->l4 = l4;
	if (shape != ICMP_TOO_BIG_FULL)
		p->len = p->quote_l4 + 8;
}

/* The length of the packet is known now: it and the sums that cover it. */
static void finish_icmp(struct test_packet *p, void *ip, bool v4)
{
	unsigned char *icmp = p->data + p->l4;
	size_t len = p->len - p->l4;
	struct ipv6hdr *ip6 = ip;
	struct iphdr *ip4 = ip;

	if (v4) {
		ip4->tot_len = htons(p->len - p->l3);
		ip4->check = 0;
		ip4->check = sum_fold(sum_add(0, ip, ip4->ihl * 4));
	} else {
		ip6->payload_len = htons(p->len - p->l3 - sizeof(*ip6));
	}
	*(uint16_t *)(icmp + 2) = v4 ? sum_fold(sum_add(0, icmp, len))
				     : l4_sum(ip, icmp, len, IPPROTO_ICMPV6);
}

/* An error that a router sends to @src about a packet from there to @dst. */
static void append_icmp(struct test_packet *p, enum shape shape, const struct tcpmig_endpoint *src,
			const struct tcpmig_endpoint *dst)
{
	bool v4 = src->family == TCPMIG_AF_INET;
	int proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct tcpmig_endpoint router = *dst;
	unsigned char *icmp;
	void *ip;

	router.addr[15] = 254;
	ip = append_ip(p, &router, src, proto, 0, v4 && shape == ICMP_OPTIONS ? 12 : 0);
	if (!v4 && shape == ICMP_OPTIONS)
		append_ext(p, ip, ext_of(shape), proto);
	p->l4 = p->len;
	icmp = append(p, NULL, 8);
	if (shape == ICMP_ECHO)
		icmp[0] = v4 ? 8 : 128;
	else if (shape == ICMP_UNREACHABLE)
		icmp[0] = v4 ? 3 : 1, icmp[1] = 1;
	else
		icmp[0] = v4 ? 3 : 2, icmp[1] = v4 ? 4 : 0, icmp[6] = 5;
	append_quote(p, shape, src, dst);
	finish_icmp(p, ip, v4);
	if (shape == ICMP_TOO_BIG_PADDED)
		memset(append(p, NULL, 40), 0xa5, 40);
}

static int tags_of(enum shape shape)
{
	if (shape == TCP_VLAN || shape == ICMP_VLAN)
		return 1;
	if (shape == TCP_QINQ || shape == ICMP_QINQ)
		return 2;
	return shape == TCP_THREE_TAGS ? 3 : 0;
}

static void append_ethernet(struct test_packet *p, enum shape shape, int family)
{
	int tags = tags_of(shape);

	append(p, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	for (; tags; tags--) {
		append(p, &(uint16_t){ htons(tags == 2 ? ETH_P_8021AD : ETH_P_8021Q) }, 2);
		append(p, &(uint16_t){ htons(100 + tags) }, 2);
	}
	append(p,
	       &(uint16_t){ htons(shape == ARP		     ? ETH_P_ARP
				  : family == TCPMIG_AF_INET ? ETH_P_IP
							     : ETH_P_IPV6) },
	       2);
	p->l3 = p->len;
}

void packet_build(struct test_packet *p, enum shape shape, const struct tcpmig_endpoint *src,
		  const struct tcpmig_endpoint *dst)
{
	bool has_data = shape != TCP_ACK && shape != TCP_SYN && shape != TCP_FIN &&
			shape != TCP_RST;
	size_t payload = has_data ? PAYLOAD_LEN : 0;
	void *ip;

	memset(p, 0, sizeof(*p));
	append_ethernet(p, shape, src->family);
	if (shape >= ICMP_UNREACHABLE && shape <= ICMP_ECHO) {
		append_icmp(p, shape, src, dst);
		return;
	}
	ip = append_ip(p, src, dst, shape == UDP_DATA ? IPPROTO_UDP : IPPROTO_TCP,
		       sizeof(struct tcphdr) + payload, shape == TCP_DATA_OPTIONS ? 12 : 0);
	if (src->family == TCPMIG_AF_INET6 && ext_of(shape))
		append_ext(p, ip, ext_of(shape), IPPROTO_TCP);
	append_l4(p, ip, shape, src, dst, payload);
	if (src->family == TCPMIG_AF_INET && shape == TCP_FIRST_FRAGMENT)
		set_fragment(ip, 0x2000);
	if (src->family == TCPMIG_AF_INET && shape == TCP_LATER_FRAGMENT)
		set_fragment(ip, 0x0010);
	if (shape == IP_BAD_IHL)
		((struct iphdr *)ip)->ihl = 4;
	if (shape == TCP_CUT)
		p->len -= PAYLOAD_LEN + 10;
	if (shape == TCP6_CUT_CHAIN)
		p->len = p->l4 - 4;
}

static const char *compare_ends(const struct test_packet *sent, const struct test_packet *got,
				const struct tcpmig_endpoint *src,
				const struct tcpmig_endpoint *dst)
{
	const struct iphdr *ip = (const void *)(got->data + sent->l3);
	const struct ipv6hdr *ip6 = (const void *)ip;
	const struct tcphdr *tcp = (const void *)(got->data + sent->l4);

	if (tcp->source != src->port)
		return "source port";
	if (tcp->dest != dst->port)
		return "destination port";
	if (src->family == TCPMIG_AF_INET) {
		if (ip->saddr != src->addr32[3])
			return "source address";
		return ip->daddr != dst->addr32[3] ? "destination address" : NULL;
	}
	if (memcmp(&ip6->saddr, src->addr, 16))
		return "source address";
	return memcmp(&ip6->daddr, dst->addr, 16) ? "destination address" : NULL;
}

/* Everything but addresses, ports and sums: as it was. */
static bool same_rest(const struct test_packet *sent, const struct test_packet *got, bool v4)
{
	struct test_packet a = *sent, b = *got;
	struct test_packet *both[] = { &a, &b };

	for (int i = 0; i < 2; i++) {
		unsigned char *ip = both[i]->data + sent->l3;

		if (v4)
			memset(ip + 10, 0, 10); /* check, saddr, daddr */
		else
			memset(ip + 8, 0, 32);
		memset(both[i]->data + sent->l4, 0, 4);
		memset(both[i]->data + sent->l4 + 16, 0, 2);
	}
	return a.len == b.len && !memcmp(a.data, b.data, a.len);
}

const char *packet_compare(const struct test_packet *sent, const struct test_packet *got,
			   const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst)
{
	const unsigned char *ip = got->data + sent->l3;
	bool v4 = src->family == TCPMIG_AF_INET;
	const char *wrong = compare_ends(sent, got, src, dst);

	if (wrong)
		return wrong;
	if (!same_rest(sent, got, v4))
		return "bytes beside addresses, ports and checksums";
	if (v4 && sum_fold(sum_add(0, ip, sent->l4 - sent->l3)))
		return "IP checksum";
	if (l4_sum(ip, got->data + sent->l4, got->len - sent->l4, IPPROTO_TCP))
		return "TCP checksum";
	return NULL;
}

const char *packet_check(const struct test_packet *got, const struct tcpmig_endpoint *src,
			 const struct tcpmig_endpoint *dst)
{
	const unsigned char *ip = got->data + got->l3;
	bool v4 = src->family == TCPMIG_AF_INET;
	size_t total = v4 ? ntohs(((const struct iphdr *)ip)->tot_len)
			  : 40u + ntohs(((const struct ipv6hdr *)ip)->payload_len);
	const char *wrong = compare_ends(got, got, src, dst);

	if (wrong)
		return wrong;
	if (got->l3 + total != got->len)
		return "length in the IP header";
	if (v4 && sum_fold(sum_add(0, ip, got->l4 - got->l3)))
		return "IP checksum";
	if (l4_sum(ip, got->data + got->l4, got->len - got->l4, IPPROTO_TCP))
		return "TCP checksum";
	return NULL;
}
