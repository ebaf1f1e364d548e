/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Test packets: built from a description, and checked by reading them back with
 * code that shares nothing with bpf/, checksums computed from scratch.
 */
#ifndef TCPMIG_TEST_PACKET_H
#define TCPMIG_TEST_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpmig_shared.h"

#define PACKET_MAX 2048

enum shape {
	TCP_ACK,
	TCP_DATA, /* 100 bytes */
	TCP_SYN,
	TCP_FIN,
	TCP_RST,
	TCP_DATA_OPTIONS, /* IPv4 only: 12 bytes of IP options */
	TCP_FIRST_FRAGMENT,
	TCP_LATER_FRAGMENT,
	TCP_VLAN,	   /* a tag in the frame */
	TCP_QINQ,	   /* two */
	TCP_THREE_TAGS,	   /* more than is parsed */
	TCP6_HOPOPTS,	   /* IPv6 only, as all TCP6_ */
	TCP6_CHAIN,	   /* hop-by-hop, destination, routing (done), destination options */
	TCP6_MAX_CHAIN,	   /* as many headers as are walked */
	TCP6_LONG_CHAIN,   /* more headers than are walked */
	TCP6_ROUTING_LEFT, /* on its way to another address first */
	TCP6_ATOMIC,	   /* a fragment header, but whole */
	TCP6_FIRST_FRAGMENT,
	TCP6_LATER_FRAGMENT,
	TCP6_CUT_CHAIN, /* ends within an extension header */
	TCP_CUT,	/* ends in the middle of the TCP header */
	TCP_BAD_DOFF,	/* data offset below 5 */
	IP_BAD_IHL,	/* IPv4 only: header length below 5 */
	UDP_DATA,
	ARP,
	ICMP_UNREACHABLE, /* from a router, quotes 8 bytes of TCP from src to dst */
	ICMP_TOO_BIG,
	ICMP_TOO_BIG_FULL,   /* quotes a whole segment */
	ICMP_TOO_BIG_PADDED, /* the frame goes on after the quote of 8 bytes */
	ICMP_VLAN,	     /* this and what follows: "too big", 8 bytes of TCP quoted */
	ICMP_QINQ,	     /* with two tags */
	ICMP_OPTIONS,	     /* IP options, or hop-by-hop options, in front of the error */
	ICMP_QUOTE_OPTIONS,  /* IPv4 only: the quoted header has options */
	ICMP_QUOTE_EXT,	     /* IPv6 only: the quoted header has an extension header */
	ICMP_QUOTE_FRAGMENT, /* a later fragment is quoted */
	ICMP_QUOTE_UDP,	     /* not TCP is quoted */
	ICMP_ECHO,
};

/** struct test_packet - @l3, @l4, @quote, @quote_l4: where the headers begin; 0: there is none. */
struct test_packet {
	unsigned char data[PACKET_MAX];
	size_t len;
	size_t l3;
	size_t l4;
	size_t quote;
	size_t quote_l4;
};

/** packet_build() - an Ethernet frame of @shape from @src to @dst (same family), sums right. */
void packet_build(struct test_packet *p, enum shape shape, const struct tcpmig_endpoint *src,
		  const struct tcpmig_endpoint *dst);

/** packet_exists() - is there such a @shape in the family (TCPMIG_AF_*)? */
bool packet_exists(enum shape shape, int family);

/**
 * packet_compare() - is @got the TCP packet @sent, but from @src to @dst and with right sums?
 * Return: NULL, or what is wrong (static storage).
 */
const char *packet_compare(const struct test_packet *sent, const struct test_packet *got,
			   const struct tcpmig_endpoint *src, const struct tcpmig_endpoint *dst);

/**
 * packet_check() - is @got, whose .l3 and .l4 are set, a TCP packet from @src to @dst with
 * right length and sums?
 * Return: NULL, or what is wrong (static storage).
 */
const char *packet_check(const struct test_packet *got, const struct tcpmig_endpoint *src,
			 const struct tcpmig_endpoint *dst);

#endif
