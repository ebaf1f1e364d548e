// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packet in, verdict and packet out, through the real programs by BPF_PROG_TEST_RUN
 * (root). One row, one rule in one state and one packet; every row runs for IPv4
 * and IPv6, with no checksum state and with CHECKSUM_COMPLETE (then the kernel
 * itself checks skb->csum). A new bug is a new row.
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
#include <linux/bpf.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "packet.h"
#include "rules.h"
#include "tcpmig.skel.h"

#define NEXT	      (-1)
#define DROP	      2
#define REDIRECT      7 /* to the new next hop, or to nowhere */

#define CSUM_COMPLETE 4 /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE, newer than Debian 12's header */

/* Who is who. CLIENT is the only one whose flow is known before the packet comes. */
enum who { NOBODY, CLIENT, CLIENT2, OLD, NEW, THIRD, OLD_OTHER_PORT, NEW_OTHER_PORT, STRANGER };

static const char *const addresses[][2] = {
	[NOBODY] = { "203.0.113.1:1", "[2001:db8::f]:1" },
	[CLIENT] = { "10.9.0.1:40000", "[fd09::1]:40000" },
	[CLIENT2] = { "10.9.0.1:40001", "[fd09::1]:40001" },
	[OLD] = { "10.9.0.2:5000", "[fd09::2]:5000" },
	[NEW] = { "10.9.0.3:6000", "[fd09::3]:6000" },
	[THIRD] = { "10.9.0.4:7000", "[fd09::4]:7000" },
	[OLD_OTHER_PORT] = { "10.9.0.2:5001", "[fd09::2]:5001" },
	[NEW_OTHER_PORT] = { "10.9.0.3:5000", "[fd09::3]:5000" },
	[STRANGER] = { "10.9.0.9:5000", "[fd09::9]:5000" },
};

enum setup {
	NO_RULE,
	HELD,
	HELD_SWALLOW,
	HELD_OVER, /* past its deadline */
	PREPARED,  /* held, NEW named */
	ARMED,
	IN_DOUBT, /* armed, past its lease */
	ACTIVE,
	ACTIVE_ESTABLISHED_ONLY,
	ACTIVE_HELD, /* at NEW, held for the next move */
	ACTIVE_HELD_OVER,
	ACTIVE_ARMED,	/* at NEW, armed for THIRD */
	MOVED_TWICE,	/* at THIRD */
	ARMED_BACK,	/* at NEW, armed for OLD */
	OTHER_PREPARED, /* held, prepared for THIRD and given up, armed for NEW */
	OTHER_MOVED,	/* the same, and moved to NEW */
	BACK_GIVEN_UP,	/* at NEW, armed for OLD and given up, moved to THIRD */
	SAME_PREPARED,	/* at NEW, prepared for NEW itself */
	RELEASED,
};

enum direction { OUT, IN };

struct row {
	const char *name;
	enum setup setup;
	enum direction direction;
	enum shape shape;
	enum who src, dst;
	int verdict;
	enum who src_after, dst_after; /* NOBODY: the packet is as it was */
	int reason;		       /* counted; -1: nothing is */
};

#define R(x)	  TCPMIG_R_##x
#define UNTOUCHED NOBODY, NOBODY

static const struct row rows[] = {
	/* not ours */
	{ "no rule: out", NO_RULE, OUT, TCP_DATA, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "no rule: in", NO_RULE, IN, TCP_DATA, OLD, CLIENT, NEXT, UNTOUCHED, -1 },
	{ "other host: out", ACTIVE, OUT, TCP_DATA, CLIENT, STRANGER, NEXT, UNTOUCHED, -1 },
	{ "other host: in", ACTIVE, IN, TCP_DATA, STRANGER, CLIENT, NEXT, UNTOUCHED, -1 },
	{ "other port of OLD: out", ACTIVE, OUT, TCP_DATA, CLIENT, OLD_OTHER_PORT, NEXT, UNTOUCHED,
	  -1 },
	{ "other port of OLD: in", ACTIVE, IN, TCP_RST, OLD_OTHER_PORT, CLIENT, NEXT, UNTOUCHED,
	  -1 },
	{ "other port of NEW: in", ACTIVE, IN, TCP_DATA, NEW_OTHER_PORT, CLIENT, NEXT, UNTOUCHED,
	  -1 },
	{ "UDP to OLD", ACTIVE, OUT, UDP_DATA, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "UDP to OLD while held", HELD, OUT, UDP_DATA, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "ARP", ACTIVE, OUT, ARP, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "released: out", RELEASED, OUT, TCP_DATA, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "released: in from NEW", RELEASED, IN, TCP_DATA, NEW, CLIENT, NEXT, UNTOUCHED, -1 },
	{ "released: in from OLD", RELEASED, IN, TCP_RST, OLD, CLIENT, NEXT, UNTOUCHED, -1 },

	/* not understood: left alone */
	{ "cut in the TCP header: out", ACTIVE, OUT, TCP_CUT, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "cut in the TCP header: in", ACTIVE, IN, TCP_CUT, NEW, CLIENT, NEXT, UNTOUCHED, -1 },
	{ "data offset below 5", ACTIVE, OUT, TCP_BAD_DOFF, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "IP header length below 5", ACTIVE, OUT, IP_BAD_IHL, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "later fragment", ACTIVE, OUT, TCP_LATER_FRAGMENT, CLIENT, OLD, NEXT, UNTOUCHED, -1 },

	/* held */
	{ "held: first data is consumed", HELD, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "held: an ACK is dropped", HELD, OUT, TCP_ACK, CLIENT, OLD, DROP, UNTOUCHED,
	  R(HELD_DROPPED) },
	{ "held: FIN is consumed like data", HELD, OUT, TCP_FIN, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "held: SYN of a new flow is consumed", HELD, OUT, TCP_SYN, CLIENT2, OLD, REDIRECT,
	  UNTOUCHED, R(HELD_SWALLOWED) },
	{ "held: a fragment does not leave", HELD, OUT, TCP_FIRST_FRAGMENT, CLIENT, OLD, REDIRECT,
	  UNTOUCHED, R(HELD_SWALLOWED) },
	{ "held: IP options do not help", HELD, OUT, TCP_DATA_OPTIONS, CLIENT, OLD, REDIRECT,
	  UNTOUCHED, R(HELD_SWALLOWED) },
	{ "held, swallow: an ACK is consumed", HELD_SWALLOW, OUT, TCP_ACK, CLIENT, OLD, REDIRECT,
	  UNTOUCHED, R(HELD_SWALLOWED) },
	{ "held: data of OLD gets in", HELD, IN, TCP_DATA, OLD, CLIENT, NEXT, UNTOUCHED,
	  R(IN_HELD_PASS) },
	{ "held: FIN of OLD gets in", HELD, IN, TCP_FIN, OLD, CLIENT, NEXT, UNTOUCHED,
	  R(IN_HELD_PASS) },
	{ "held: RST of OLD does not", HELD, IN, TCP_RST, OLD, CLIENT, DROP, UNTOUCHED,
	  R(HELD_RST) },
	{ "held: RST of OLD for an unknown flow", HELD, IN, TCP_RST, OLD, CLIENT2, DROP, UNTOUCHED,
	  R(HELD_RST) },
	{ "held: unreachable does not get in", HELD, IN, ICMP_UNREACHABLE, CLIENT, OLD, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "held: too big gets in", HELD, IN, ICMP_TOO_BIG, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "held: echo gets in", HELD, IN, ICMP_ECHO, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "held: unreachable about a stranger", HELD, IN, ICMP_UNREACHABLE, CLIENT, STRANGER, NEXT,
	  UNTOUCHED, -1 },
	{ "held: NEW is nobody yet", HELD, IN, TCP_DATA, NEW, CLIENT, NEXT, UNTOUCHED, -1 },
	{ "hold over: data leaves", HELD_OVER, OUT, TCP_DATA, CLIENT, OLD, NEXT, UNTOUCHED,
	  R(HELD_EXPIRED) },
	{ "hold over: RST gets in", HELD_OVER, IN, TCP_RST, OLD, CLIENT, NEXT, UNTOUCHED,
	  R(HELD_EXPIRED) },
	{ "hold over: unreachable gets in", HELD_OVER, IN, ICMP_UNREACHABLE, CLIENT, OLD, NEXT,
	  UNTOUCHED, R(HELD_EXPIRED) },
	{ "prepared: data is still held", PREPARED, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "prepared: data of OLD gets in", PREPARED, IN, TCP_DATA, OLD, CLIENT, NEXT, UNTOUCHED,
	  R(IN_HELD_PASS) },
	{ "prepared: NEW talks too early", PREPARED, IN, TCP_DATA, NEW, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_NEXT_EARLY) },
	{ "prepared: NEW to a direct client", PREPARED, IN, TCP_DATA, NEW, CLIENT2, NEXT, UNTOUCHED,
	  -1 },

	/* armed */
	{ "armed: data is held", ARMED, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "armed: an ACK is held", ARMED, OUT, TCP_ACK, CLIENT, OLD, DROP, UNTOUCHED,
	  R(HELD_DROPPED) },
	{ "armed: OLD is fenced", ARMED, IN, TCP_DATA, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "armed: RST of OLD is fenced", ARMED, IN, TCP_RST, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "armed: OLD is fenced for unknown flows", ARMED, IN, TCP_ACK, OLD, CLIENT2, DROP,
	  UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "armed: NEW is translated", ARMED, IN, TCP_DATA, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "armed: a probe of NEW is translated", ARMED, IN, TCP_ACK, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "armed: unreachable does not get in", ARMED, IN, ICMP_UNREACHABLE, CLIENT, OLD, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "in doubt: data is held", IN_DOUBT, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "in doubt: OLD is fenced", IN_DOUBT, IN, TCP_DATA, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "in doubt: NEW is translated", IN_DOUBT, IN, TCP_DATA, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },

	/* active */
	{ "active: data goes to NEW", ACTIVE, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "active: ACK goes to NEW", ACTIVE, OUT, TCP_ACK, CLIENT, OLD, REDIRECT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "active: RST goes to NEW", ACTIVE, OUT, TCP_RST, CLIENT, OLD, REDIRECT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "active: IP options", ACTIVE, OUT, TCP_DATA_OPTIONS, CLIENT, OLD, REDIRECT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "active: SYN of a new flow goes to NEW", ACTIVE, OUT, TCP_SYN, CLIENT2, OLD, REDIRECT,
	  CLIENT2, NEW, R(OUT_REWRITTEN) },
	{ "active: NEW is translated", ACTIVE, IN, TCP_DATA, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "active: RST of NEW is translated", ACTIVE, IN, TCP_RST, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "active: IP options in", ACTIVE, IN, TCP_DATA_OPTIONS, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "active: NEW to a direct client", ACTIVE, IN, TCP_DATA, NEW, CLIENT2, NEXT, UNTOUCHED,
	  -1 },
	{ "active: direct packet to NEW", ACTIVE, OUT, TCP_DATA, CLIENT2, NEW, NEXT, UNTOUCHED,
	  -1 },
	{ "active: data of OLD is fenced", ACTIVE, IN, TCP_DATA, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "active: RST of OLD is fenced", ACTIVE, IN, TCP_RST, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "active: unreachable from the old path", ACTIVE, IN, ICMP_UNREACHABLE, CLIENT, OLD, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "active: a fragment is dropped", ACTIVE, OUT, TCP_FIRST_FRAGMENT, CLIENT, OLD, DROP,
	  UNTOUCHED, R(FRAGMENT) },
	{ "active: a fragment of NEW is dropped", ACTIVE, IN, TCP_FIRST_FRAGMENT, NEW, CLIENT, DROP,
	  UNTOUCHED, R(FRAGMENT) },

	/* only established flows: OLD may be somebody else's by now */
	{ "established only: the flow goes to NEW", ACTIVE_ESTABLISHED_ONLY, OUT, TCP_DATA, CLIENT,
	  OLD, REDIRECT, CLIENT, NEW, R(OUT_REWRITTEN) },
	{ "established only: a new flow to OLD", ACTIVE_ESTABLISHED_ONLY, OUT, TCP_SYN, CLIENT2,
	  OLD, NEXT, UNTOUCHED, -1 },
	{ "established only: OLD to a new flow", ACTIVE_ESTABLISHED_ONLY, IN, TCP_DATA, OLD,
	  CLIENT2, NEXT, UNTOUCHED, -1 },
	{ "established only: OLD to the flow", ACTIVE_ESTABLISHED_ONLY, IN, TCP_RST, OLD, CLIENT,
	  DROP, UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "established only: ICMP about a new flow", ACTIVE_ESTABLISHED_ONLY, IN, ICMP_UNREACHABLE,
	  CLIENT2, OLD, NEXT, UNTOUCHED, -1 },

	/* the second move */
	{ "held at NEW: data is held", ACTIVE_HELD, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "held at NEW: its data gets in", ACTIVE_HELD, IN, TCP_DATA, NEW, CLIENT, NEXT, OLD,
	  CLIENT, R(IN_REWRITTEN) },
	{ "held at NEW: its RST does not", ACTIVE_HELD, IN, TCP_RST, NEW, CLIENT, DROP, UNTOUCHED,
	  R(HELD_RST) },
	{ "held at NEW: OLD stays fenced", ACTIVE_HELD, IN, TCP_DATA, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "hold at NEW over: data goes to NEW", ACTIVE_HELD_OVER, OUT, TCP_DATA, CLIENT, OLD,
	  REDIRECT, CLIENT, NEW, R(OUT_REWRITTEN) },
	{ "armed for THIRD: NEW is fenced", ACTIVE_ARMED, IN, TCP_DATA, NEW, CLIENT, DROP,
	  UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "armed for THIRD: OLD is fenced", ACTIVE_ARMED, IN, TCP_DATA, OLD, CLIENT, DROP,
	  UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "armed for THIRD: THIRD is translated", ACTIVE_ARMED, IN, TCP_DATA, THIRD, CLIENT, NEXT,
	  OLD, CLIENT, R(IN_REWRITTEN) },
	{ "at THIRD: data goes there", MOVED_TWICE, OUT, TCP_DATA, CLIENT, OLD, REDIRECT, CLIENT,
	  THIRD, R(OUT_REWRITTEN) },
	{ "at THIRD: THIRD is translated", MOVED_TWICE, IN, TCP_DATA, THIRD, CLIENT, NEXT, OLD,
	  CLIENT, R(IN_REWRITTEN) },
	{ "at THIRD: NEW is fenced", MOVED_TWICE, IN, TCP_RST, NEW, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "at THIRD: OLD is fenced", MOVED_TWICE, IN, TCP_RST, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "armed for OLD again: OLD gets in", ARMED_BACK, IN, TCP_DATA, OLD, CLIENT, NEXT,
	  UNTOUCHED, -1 },
	{ "armed for OLD again: NEW is fenced", ARMED_BACK, IN, TCP_DATA, NEW, CLIENT, DROP,
	  UNTOUCHED, R(FENCE_OLD_OWNER) },
	/* who is not the next any more is nobody */
	{ "given up for NEW: THIRD is fenced while armed", OTHER_PREPARED, IN, TCP_RST, THIRD,
	  CLIENT, DROP, UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "given up for NEW: NEW gets in", OTHER_PREPARED, IN, TCP_DATA, NEW, CLIENT, NEXT, OLD,
	  CLIENT, R(IN_REWRITTEN) },
	{ "given up for NEW: THIRD is fenced afterwards", OTHER_MOVED, IN, TCP_RST, THIRD, CLIENT,
	  DROP, UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "back to OLD given up: OLD is fenced", BACK_GIVEN_UP, IN, TCP_RST, OLD, CLIENT, DROP,
	  UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "back to OLD given up: THIRD gets in", BACK_GIVEN_UP, IN, TCP_DATA, THIRD, CLIENT, NEXT,
	  OLD, CLIENT, R(IN_REWRITTEN) },
	{ "moved to where it is: data gets in", SAME_PREPARED, IN, TCP_DATA, NEW, CLIENT, NEXT, OLD,
	  CLIENT, R(IN_REWRITTEN) },
	{ "moved to where it is: data goes out", SAME_PREPARED, OUT, TCP_DATA, CLIENT, OLD,
	  REDIRECT, CLIENT, NEW, R(OUT_REWRITTEN) },
	{ "armed for OLD again: data is held", ARMED_BACK, OUT, TCP_DATA, CLIENT, OLD, REDIRECT,
	  UNTOUCHED, R(HELD_SWALLOWED) },
	/* every shape, both ways */
	{ "VLAN tag: out", ACTIVE, OUT, TCP_VLAN, CLIENT, OLD, NEXT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "VLAN tag: in", ACTIVE, IN, TCP_VLAN, NEW, CLIENT, NEXT, OLD, CLIENT, R(IN_REWRITTEN) },
	{ "VLAN tag: held", HELD, OUT, TCP_VLAN, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "VLAN tag: fenced", ACTIVE, IN, TCP_VLAN, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "two VLAN tags: out", ACTIVE, OUT, TCP_QINQ, CLIENT, OLD, NEXT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "two VLAN tags: in", ACTIVE, IN, TCP_QINQ, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "two VLAN tags: held", HELD, OUT, TCP_QINQ, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "two VLAN tags: fenced", ACTIVE, IN, TCP_QINQ, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "hop-by-hop options: out", ACTIVE, OUT, TCP6_HOPOPTS, CLIENT, OLD, REDIRECT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "hop-by-hop options: in", ACTIVE, IN, TCP6_HOPOPTS, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "hop-by-hop options: held", HELD, OUT, TCP6_HOPOPTS, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "hop-by-hop options: fenced", ACTIVE, IN, TCP6_HOPOPTS, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "a chain of extension headers: out", ACTIVE, OUT, TCP6_CHAIN, CLIENT, OLD, REDIRECT,
	  CLIENT, NEW, R(OUT_REWRITTEN) },
	{ "a chain of extension headers: in", ACTIVE, IN, TCP6_CHAIN, NEW, CLIENT, NEXT, OLD,
	  CLIENT, R(IN_REWRITTEN) },
	{ "a chain of extension headers: held", HELD, OUT, TCP6_CHAIN, CLIENT, OLD, REDIRECT,
	  UNTOUCHED, R(HELD_SWALLOWED) },
	{ "a chain of extension headers: fenced", ACTIVE, IN, TCP6_CHAIN, OLD, CLIENT, DROP,
	  UNTOUCHED, R(FENCE_OLD_OWNER) },
	{ "an atomic fragment: out", ACTIVE, OUT, TCP6_ATOMIC, CLIENT, OLD, REDIRECT, CLIENT, NEW,
	  R(OUT_REWRITTEN) },
	{ "an atomic fragment: in", ACTIVE, IN, TCP6_ATOMIC, NEW, CLIENT, NEXT, OLD, CLIENT,
	  R(IN_REWRITTEN) },
	{ "an atomic fragment: held", HELD, OUT, TCP6_ATOMIC, CLIENT, OLD, REDIRECT, UNTOUCHED,
	  R(HELD_SWALLOWED) },
	{ "an atomic fragment: fenced", ACTIVE, IN, TCP6_ATOMIC, OLD, CLIENT, DROP, UNTOUCHED,
	  R(FENCE_OLD_OWNER) },
	{ "three VLAN tags: out", ACTIVE, OUT, TCP_THREE_TAGS, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
	{ "three VLAN tags: in", ACTIVE, IN, TCP_THREE_TAGS, NEW, CLIENT, NEXT, UNTOUCHED, -1 },
	{ "more extension headers than are walked: out", ACTIVE, OUT, TCP6_LONG_CHAIN, CLIENT, OLD,
	  NEXT, UNTOUCHED, -1 },
	{ "more extension headers than are walked: in", ACTIVE, IN, TCP6_LONG_CHAIN, NEW, CLIENT,
	  NEXT, UNTOUCHED, -1 },
	{ "routing header with segments left: out", ACTIVE, OUT, TCP6_ROUTING_LEFT, CLIENT, OLD,
	  NEXT, UNTOUCHED, -1 },
	{ "routing header with segments left: in", ACTIVE, IN, TCP6_ROUTING_LEFT, NEW, CLIENT, NEXT,
	  UNTOUCHED, -1 },
	{ "later IPv6 fragment: out", ACTIVE, OUT, TCP6_LATER_FRAGMENT, CLIENT, OLD, NEXT,
	  UNTOUCHED, -1 },
	{ "later IPv6 fragment: in", ACTIVE, IN, TCP6_LATER_FRAGMENT, NEW, CLIENT, NEXT, UNTOUCHED,
	  -1 },
	{ "cut in an extension header: out", ACTIVE, OUT, TCP6_CUT_CHAIN, CLIENT, OLD, NEXT,
	  UNTOUCHED, -1 },
	{ "cut in an extension header: in", ACTIVE, IN, TCP6_CUT_CHAIN, NEW, CLIENT, NEXT,
	  UNTOUCHED, -1 },
	{ "first IPv6 fragment: out", ACTIVE, OUT, TCP6_FIRST_FRAGMENT, CLIENT, OLD, DROP,
	  UNTOUCHED, R(FRAGMENT) },
	{ "first IPv6 fragment: in", ACTIVE, IN, TCP6_FIRST_FRAGMENT, NEW, CLIENT, DROP, UNTOUCHED,
	  R(FRAGMENT) },

	/* ICMP errors */
	{ "active: too big from the path to NEW", ACTIVE, IN, ICMP_TOO_BIG, CLIENT, NEW, NEXT,
	  CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "at THIRD: too big from the path to THIRD", MOVED_TWICE, IN, ICMP_TOO_BIG, CLIENT, THIRD,
	  NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "at THIRD: too big from the path to NEW", MOVED_TWICE, IN, ICMP_TOO_BIG, CLIENT, NEW,
	  DROP, UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "active: too big about a direct connection", ACTIVE, IN, ICMP_TOO_BIG, CLIENT2, NEW, NEXT,
	  UNTOUCHED, -1 },
	{ "active: too big, whole segment quoted from the path to NEW", ACTIVE, IN,
	  ICMP_TOO_BIG_FULL, CLIENT, NEW, NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "at THIRD: too big, whole segment quoted from the path to THIRD", MOVED_TWICE, IN,
	  ICMP_TOO_BIG_FULL, CLIENT, THIRD, NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "at THIRD: too big, whole segment quoted from the path to NEW", MOVED_TWICE, IN,
	  ICMP_TOO_BIG_FULL, CLIENT, NEW, DROP, UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "active: too big, whole segment quoted about a direct connection", ACTIVE, IN,
	  ICMP_TOO_BIG_FULL, CLIENT2, NEW, NEXT, UNTOUCHED, -1 },
	{ "active: unreachable from the path to NEW", ACTIVE, IN, ICMP_UNREACHABLE, CLIENT, NEW,
	  NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "at THIRD: unreachable from the path to THIRD", MOVED_TWICE, IN, ICMP_UNREACHABLE, CLIENT,
	  THIRD, NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "at THIRD: unreachable from the path to NEW", MOVED_TWICE, IN, ICMP_UNREACHABLE, CLIENT,
	  NEW, DROP, UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "active: unreachable about a direct connection", ACTIVE, IN, ICMP_UNREACHABLE, CLIENT2,
	  NEW, NEXT, UNTOUCHED, -1 },
	{ "held at NEW: too big", ACTIVE_HELD, IN, ICMP_TOO_BIG, CLIENT, NEW, NEXT, CLIENT, OLD,
	  R(ICMP_TRANSLATED) },
	{ "armed: too big from the path to NEW", ARMED, IN, ICMP_TOO_BIG, CLIENT, NEW, NEXT, CLIENT,
	  OLD, R(ICMP_TRANSLATED) },
	{ "held at NEW: too big, whole segment quoted", ACTIVE_HELD, IN, ICMP_TOO_BIG_FULL, CLIENT,
	  NEW, NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "armed: too big, whole segment quoted from the path to NEW", ARMED, IN, ICMP_TOO_BIG_FULL,
	  CLIENT, NEW, NEXT, CLIENT, OLD, R(ICMP_TRANSLATED) },
	{ "held at NEW: unreachable", ACTIVE_HELD, IN, ICMP_UNREACHABLE, CLIENT, NEW, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "armed: unreachable from the path to NEW", ARMED, IN, ICMP_UNREACHABLE, CLIENT, NEW, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "prepared: too big from the path to NEW", PREPARED, IN, ICMP_TOO_BIG, CLIENT, NEW, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "armed: too big from the path to OLD", ARMED, IN, ICMP_TOO_BIG, CLIENT, OLD, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "active: too big from the path to OLD", ACTIVE, IN, ICMP_TOO_BIG, CLIENT, OLD, DROP,
	  UNTOUCHED, R(OLD_PATH_ICMP) },
	{ "active: echo of OLD", ACTIVE, IN, ICMP_ECHO, CLIENT, OLD, NEXT, UNTOUCHED, -1 },
};

static struct tcpmig *skel;
static struct tables tables;
static int family; /* 0: IPv4, 1: IPv6 */

static struct tcpmig_endpoint endpoint_of(enum who who)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(addresses[who][family], &ep));
	return ep;
}

static void hold(enum tcpmig_hold_mode mode)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome;

	assert_int_equal(rules_hold(&tables, &old, 60000, mode, &flows, &outcome), 0);
	assert_int_equal(outcome.flows, 1);
}

static void lead_to(enum who who, int (*step)(struct tables *, const struct tcpmig_endpoint *,
					      const struct tcpmig_owner *, __u32,
					      const struct rules_flows *, struct rules_outcome *))
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct tcpmig_owner next = { .peer = endpoint_of(who) };
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome = {};

	assert_int_equal(step(&tables, &old, &next, 60000, &flows, &outcome), 0);
	assert_int_equal(outcome.flows, 1);
	assert_int_equal(outcome.taken, 0);
}

static void go(enum who who)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), next = endpoint_of(who);

	assert_int_equal(rules_go(&tables, &old, &next), 0);
}

static void redirect(enum who who, bool established_only)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct tcpmig_owner next = { .peer = endpoint_of(who) };
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome = {};

	assert_int_equal(rules_redirect(&tables, &old, &next, established_only, &flows, &outcome),
			 0);
}

static int release(void)
{
	struct tcpmig_endpoint old = endpoint_of(OLD);

	return rules_release(&tables, &old);
}

/* The deadline of the only rule has passed. */
static void let_time_pass(void)
{
	for (int slot = 0; slot < TCPMIG_RULES_MAX; slot++)
		tables.rules[slot].deadline_ns = 1;
}

static void set_up_rule(enum setup setup)
{
	switch (setup) {
	case NO_RULE:
		break;
	case HELD_SWALLOW:
		hold(TCPMIG_HOLD_SWALLOW);
		break;
	case HELD:
	case HELD_OVER:
		hold(TCPMIG_HOLD_DROP);
		break;
	case PREPARED:
		lead_to(NEW, rules_prepare);
		break;
	case ARMED:
	case IN_DOUBT:
		hold(TCPMIG_HOLD_DROP);
		lead_to(NEW, rules_arm);
		break;
	case ACTIVE_ESTABLISHED_ONLY:
		redirect(NEW, true);
		break;
	case ACTIVE:
	case ACTIVE_HELD:
	case ACTIVE_HELD_OVER:
	case ACTIVE_ARMED:
	case MOVED_TWICE:
	case ARMED_BACK:
	case RELEASED:
	case BACK_GIVEN_UP:
	case SAME_PREPARED:
		redirect(NEW, false);
		break;
	case OTHER_PREPARED:
	case OTHER_MOVED:
		lead_to(THIRD, rules_prepare);
		lead_to(NEW, rules_arm);
		break;
	}
	if (setup == OTHER_MOVED)
		go(NEW);
	if (setup == BACK_GIVEN_UP) {
		lead_to(OLD, rules_arm);
		assert_int_equal(release(), 0);
		redirect(THIRD, false);
	}
	if (setup == SAME_PREPARED)
		lead_to(NEW, rules_prepare);
	if (setup == ACTIVE_HELD || setup == ACTIVE_HELD_OVER)
		hold(TCPMIG_HOLD_DROP);
	if (setup == ACTIVE_ARMED || setup == MOVED_TWICE)
		lead_to(THIRD, rules_arm);
	if (setup == MOVED_TWICE)
		go(THIRD);
	if (setup == ARMED_BACK)
		lead_to(OLD, rules_arm);
	if (setup == RELEASED)
		assert_int_equal(release(), 0);
	if (setup == HELD_OVER || setup == ACTIVE_HELD_OVER || setup == IN_DOUBT)
		let_time_pass();
}

static int count_flow(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	(void)key, (void)flow;
	++*(int *)ctx;
	return 0;
}

static int count_remote(const struct tcpmig_endpoint *ep, const struct tcpmig_remote *remote,
			void *ctx)
{
	(void)ep, (void)remote;
	++*(int *)ctx;
	return 0;
}

/* Whatever was there goes by release alone, and nothing is left in any table. */
static void clear_rules(void)
{
	struct tcpmig_flow_key wire = { .local = endpoint_of(CLIENT), .remote = endpoint_of(NEW) };
	struct tcpmig_wire left;
	int entries = 0;

	while (!release())
		;
	assert_int_equal(tables_each_flow(&tables, count_flow, &entries), 0);
	assert_int_equal(tables_each_remote(&tables, count_remote, &entries), 0);
	assert_int_equal(entries, 0);
	assert_int_equal(tables_get_wire(&tables, &wire, &left), -ENOENT);
}

static int run_program(enum direction direction, const struct test_packet *in,
		       struct test_packet *out, int flags, struct __sk_buff *ctx)
{
	int fd = bpf_program__fd(direction == OUT ? skel->progs.tcpmig_egress
						  : skel->progs.tcpmig_ingress);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->data, .data_size_in = in->len,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1,
		    .flags = flags, .ctx_in = ctx, .ctx_size_in = ctx ? sizeof(*ctx) : 0);

	assert_int_equal(bpf_prog_test_run_opts(fd, &run), 0); /* EBADMSG: wrong skb->csum */
	out->len = run.data_size_out;
	return run.retval;
}

static void check_counters(const struct row *row, const __u64 before[], const __u64 after[])
{
	for (int reason = 0; reason < TCPMIG_REASONS_COUNT; reason++) {
		bool counted = after[reason] != before[reason];
		/* rewrites from a hold are counted as such, too */
		bool also = (reason == R(IN_HELD_PASS) && row->reason == R(IN_REWRITTEN)) ||
			    (reason == R(HELD_EXPIRED) && row->setup == ACTIVE_HELD_OVER) ||
			    (reason == R(FLOW_OVER) && row->shape == TCP_RST) ||
			    reason == R(EVENT_LOST);

		if (counted != (reason == row->reason) && !also)
			fail_msg("%s: counter %d %s", row->name, reason,
				 counted ? "was counted" : "was not counted");
	}
}

/* Translated: byte for byte the error that quotes a packet to @dst. */
static const char *compare_icmp(enum shape shape, const struct tcpmig_endpoint *src,
				const struct tcpmig_endpoint *dst, const struct test_packet *got)
{
	struct test_packet expected;

	packet_build(&expected, shape, src, dst);
	if (got->len != expected.len)
		return "length";
	return memcmp(got->data, expected.data, got->len) ? "not the error about OLD" : NULL;
}

static void run_row(const struct row *row, int flags)
{
	struct tcpmig_endpoint src = endpoint_of(row->src), dst = endpoint_of(row->dst);
	struct tcpmig_endpoint src_after = endpoint_of(row->src_after);
	struct tcpmig_endpoint dst_after = endpoint_of(row->dst_after);
	__u64 before[TCPMIG_REASONS_COUNT], after[TCPMIG_REASONS_COUNT];
	struct test_packet in, out = {};
	const char *wrong = NULL;
	int verdict;

	set_up_rule(row->setup);
	packet_build(&in, row->shape, &src, &dst);
	assert_int_equal(tables_get_counters(&tables, before), 0);
	verdict = run_program(row->direction, &in, &out, flags, NULL);
	assert_int_equal(tables_get_counters(&tables, after), 0);
	if (verdict != row->verdict)
		fail_msg("%s: verdict %d, expected %d", row->name, verdict, row->verdict);
	if (row->src_after == NOBODY)
		wrong = in.len == out.len && !memcmp(in.data, out.data, in.len) ? NULL : "touched";
	else if (row->shape >= ICMP_UNREACHABLE)
		wrong = compare_icmp(row->shape, &src_after, &dst_after, &out);
	else
		wrong = packet_compare(&in, &out, &src_after, &dst_after);
	if (wrong)
		fail_msg("%s: %s", row->name, wrong);
	check_counters(row, before, after);
	clear_rules();
}

static void all_rows(int flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (packet_exists(rows[i].shape, family ? TCPMIG_AF_INET6 : TCPMIG_AF_INET))
			run_row(&rows[i], flags);
	}
}

static void packets_ipv4(void **state)
{
	(void)state;
	family = 0;
	all_rows(0);
}

static void packets_ipv6(void **state)
{
	(void)state;
	family = 1;
	all_rows(0);
}

static void packets_ipv4_checksum_complete(void **state)
{
	(void)state;
	family = 0;
	all_rows(CSUM_COMPLETE);
}

static void packets_ipv6_checksum_complete(void **state)
{
	(void)state;
	family = 1;
	all_rows(CSUM_COMPLETE);
}

static int send_data(enum who dst, enum shape shape)
{
	struct tcpmig_endpoint src = endpoint_of(CLIENT), to = endpoint_of(dst);
	struct test_packet in, out;

	packet_build(&in, shape, &src, &to);
	return run_program(OUT, &in, &out, 0, NULL);
}

/* Only the first data segment of a hold is consumed; a further hold begins anew. */
static void a_hold_consumes_one_segment(void **state)
{
	(void)state;
	family = 0;
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(send_data(OLD, TCP_ACK), DROP);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	assert_int_equal(send_data(OLD, TCP_DATA), DROP);
	assert_int_equal(send_data(OLD, TCP_DATA), DROP);
	hold(TCPMIG_HOLD_DROP);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	assert_int_equal(send_data(OLD, TCP_DATA), DROP);
	clear_rules();
}

/* redirect_neigh() brings the packet to the hook again: it must not be looked at. */
static void a_routed_packet_passes(void **state)
{
	struct tcpmig_endpoint src, dst;
	struct __sk_buff ctx = { .cb = { 0x7c6d6967, 0x2d627066 } };
	struct test_packet in, out;

	(void)state;
	family = 0;
	hold(TCPMIG_HOLD_DROP);
	src = endpoint_of(CLIENT);
	dst = endpoint_of(OLD);
	packet_build(&in, TCP_DATA, &src, &dst);
	assert_int_equal(run_program(OUT, &in, &out, 0, &ctx), NEXT);
	ctx.cb[1] = 0;
	assert_int_equal(run_program(OUT, &in, &out, 0, &ctx), REDIRECT);
	clear_rules();
}

/* Two servers that move to one address: two flows would share one wire tuple. */
static void two_flows_never_share_a_wire_tuple(void **state)
{
	struct tcpmig_endpoint client, stranger;
	struct tcpmig_owner next;
	struct rules_outcome outcome = {};
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct test_packet in, out;

	(void)state;
	family = 0;
	client = endpoint_of(CLIENT);
	stranger = endpoint_of(STRANGER);
	next = (struct tcpmig_owner){ .peer = endpoint_of(NEW) };
	redirect(NEW, false);
	assert_int_equal(rules_redirect(&tables, &stranger, &next, false, &flows, &outcome), 0);
	assert_int_equal(outcome.taken, 1);
	packet_build(&in, TCP_DATA, &client, &stranger);
	assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT); /* an RST, back */
	assert_int_equal(out.len, in.l4 + 20);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	assert_int_equal(rules_release(&tables, &stranger), 0);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	clear_rules();
}

/* A flow that was never announced finds its way back after its first packet. */
static void a_new_flow_is_known_both_ways(void **state)
{
	struct tcpmig_endpoint client2, old, new;
	struct test_packet in, out;

	(void)state;
	for (family = 0; family < 2; family++) {
		client2 = endpoint_of(CLIENT2);
		old = endpoint_of(OLD);
		new = endpoint_of(NEW);
		redirect(NEW, false);
		packet_build(&in, TCP_SYN, &client2, &old);
		assert_int_equal(run_program(OUT, &in, &out, 0, NULL), REDIRECT);
		packet_build(&in, TCP_DATA, &new, &client2);
		assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
		assert_null(packet_compare(&in, &out, &old, &client2));
		clear_rules();
	}
}

/* Many moves, further than the ring of owners reaches, and the last is right. */
static void a_long_chain_of_moves(void **state)
{
	enum who there[] = { NEW, THIRD };
	struct tcpmig_endpoint client, last;
	struct test_packet in, out;

	(void)state;
	family = 0;
	client = endpoint_of(CLIENT);
	for (int i = 0; i < 3 * TCPMIG_HOPS_MAX + 1; i++) {
		redirect(there[i % 2], false);
		last = endpoint_of(there[i % 2]);
		packet_build(&in, TCP_DATA, &client, &(struct tcpmig_endpoint){ 0 });
		assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
		packet_build(&in, TCP_DATA, &last, &client);
		assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
		last = endpoint_of(OLD);
		assert_null(packet_compare(&in, &out, &last, &client));
	}
	clear_rules();
}

/* Back to OLD: the rule ends by itself and nothing is left of it. */
static void a_move_back_ends_the_rule(void **state)
{
	(void)state;
	family = 0;
	redirect(NEW, false);
	redirect(OLD, false);
	assert_int_equal(release(), -ENOENT);
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
	clear_rules();
}

/* What is not allowed from a state, and that it changes nothing. */
static void wrong_orders_change_nothing(void **state)
{
	struct tcpmig_endpoint old, third;
	struct tcpmig_owner next;
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_rule before;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	third = endpoint_of(THIRD);
	next = (struct tcpmig_owner){ .peer = third };
	assert_int_equal(rules_go(&tables, &old, &third), -ENOENT);
	assert_int_equal(release(), -ENOENT);
	lead_to(NEW, rules_arm);
	before = tables.rules[0];
	assert_int_equal(rules_hold(&tables, &old, 1000, TCPMIG_HOLD_DROP, &none, &outcome),
			 -EBUSY);
	assert_int_equal(rules_arm(&tables, &old, &next, 1000, &none, &outcome), -EBUSY);
	assert_int_equal(rules_go(&tables, &old, &third), -EBUSY);
	assert_memory_equal(&before, &tables.rules[0], sizeof(before));
	go(NEW);
	go(NEW); /* twice is once */
	clear_rules();
}

static void add(enum who who, enum rules_origin origin)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(who);
	struct rules_flows flows = { .local = &client, .count = 1, .origin = origin };
	struct rules_outcome outcome;

	assert_int_equal(rules_learn(&tables, &old, &flows, &outcome), 0);
}

static bool known(enum who old, enum who client)
{
	struct tcpmig_flow_key key = { .remote = endpoint_of(old), .local = endpoint_of(client) };
	struct tcpmig_flow flow;

	return !tables_get_flow(&tables, &key, &flow);
}

/* What a list may add depends on where it comes from. */
static void strangers_do_not_become_flows(void **state)
{
	struct tcpmig_endpoint client, new;
	struct tcpmig_owner third;
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_IMAGE };
	struct rules_outcome outcome;

	(void)state;
	family = 0;
	client = endpoint_of(CLIENT);
	new = endpoint_of(NEW);
	third = (struct tcpmig_owner){ .peer = endpoint_of(THIRD) };
	redirect(NEW, true); /* OLD may be another server by now, CLIENT2 its client */
	hold(TCPMIG_HOLD_DROP);
	add(CLIENT2, RULES_SOCKETS);
	assert_false(known(OLD, CLIENT2));
	add(CLIENT2, RULES_NAMED);
	assert_true(known(OLD, CLIENT2));
	clear_rules();

	redirect(NEW, false); /* the server at NEW has direct clients, too */
	add(CLIENT2, RULES_IMAGE);
	assert_false(known(OLD, CLIENT2));
	/* and its own address is moved as well: CLIENT is no client of that */
	assert_int_equal(rules_prepare(&tables, &new, &third, 1000, &flows, &outcome), 0);
	assert_false(known(NEW, CLIENT));
	client = endpoint_of(CLIENT2);
	assert_int_equal(rules_learn(&tables, &new, &flows, &outcome), 0);
	assert_true(known(NEW, CLIENT2));
	assert_int_equal(rules_release(&tables, &new), 0);
	clear_rules();
}

/* A flow that a dead rule left is none of a rule for established flows only. */
static void dead_entries_have_no_effect(void **state)
{
	struct tcpmig_endpoint old, client, client2;
	struct tcpmig_flow_key key, wire_key;
	struct tcpmig_flow flow = { .ref = tcpmig_ref(5, 9) };
	struct tcpmig_wire wire = { .ref = tcpmig_ref(5, 9), .checked = 1 };
	struct test_packet in, out;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	client = endpoint_of(CLIENT);
	client2 = endpoint_of(CLIENT2);
	redirect(NEW, true);
	key = (struct tcpmig_flow_key){ .remote = old, .local = client2 };
	assert_int_equal(tables_set_flow(&tables, &key, &flow), 0);
	packet_build(&in, TCP_DATA, &client2, &old);
	assert_int_equal(run_program(OUT, &in, &out, 0, NULL), NEXT);
	packet_build(&in, TCP_DATA, &old, &client2);
	assert_int_equal(run_program(IN, &in, &out, 0, NULL), NEXT);
	assert_int_equal(rules_repair(&tables), 0);
	clear_rules();

	hold(TCPMIG_HOLD_DROP); /* a wire entry of OLD from a move back must not hide the hold */
	wire_key = (struct tcpmig_flow_key){ .remote = old, .local = client };
	assert_int_equal(tables_set_wire(&tables, &wire_key, &wire), 0);
	lead_to(NEW, rules_prepare);
	packet_build(&in, TCP_RST, &old, &client);
	assert_int_equal(run_program(IN, &in, &out, 0, NULL), DROP);
	assert_int_equal(rules_repair(&tables), 0);
	clear_rules();
}

/* A refused redirect leaves the rule as it was; one that armed can be put back. */
static void a_refused_redirect_changes_nothing(void **state)
{
	struct tcpmig_endpoint old;
	struct tcpmig_owner third;
	struct rules_flows none = {};
	struct rules_outcome outcome;
	struct tcpmig_rule before;

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	third = (struct tcpmig_owner){ .peer = endpoint_of(THIRD) };
	lead_to(NEW, rules_arm);
	before = tables.rules[0];
	assert_int_equal(rules_redirect(&tables, &old, &third, true, &none, &outcome), -EBUSY);
	assert_memory_equal(&before, &tables.rules[0], sizeof(before));
	assert_int_equal(rules_disarm(&tables, &old, 1000), 0);
	assert_int_equal(send_data(OLD, TCP_ACK), DROP);
	let_time_pass();
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT); /* held, and held no longer */
	clear_rules();
}

/* Killed between the flip and the publication: the next command, or attach, completes it. */
static void an_unpublished_rule_is_completed(void **state)
{
	struct tcpmig_endpoint old;
	struct tcpmig_remote remote = {};

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	for (int by_repair = 0; by_repair < 2; by_repair++) {
		redirect(NEW, false);
		assert_int_equal(tables_set_remote(&tables, &old, &remote), 0);
		assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
		if (by_repair)
			assert_int_equal(rules_repair(&tables), 0);
		else
			redirect(NEW, false);
		assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
		clear_rules();
	}
}

/* A hold at NEW that is over is a redirect again, and released as one. */
static void an_expired_hold_is_released_as_what_it_is(void **state)
{
	(void)state;
	family = 0;
	redirect(NEW, false);
	hold(TCPMIG_HOLD_DROP);
	let_time_pass();
	assert_int_equal(release(), 0);
	assert_int_equal(release(), -ENOENT);
	clear_rules();
}

/* Entries of a command that was killed belong to nobody and are swept. */
static void repair_removes_what_a_kill_left(void **state)
{
	struct tcpmig_endpoint old, new, client;
	struct tcpmig_flow_key key, wire_key;
	struct tcpmig_remote remote = { .old_ref = tcpmig_ref(5, 9), .wires = 1 };
	struct tcpmig_flow flow = { .ref = tcpmig_ref(5, 9) };
	struct tcpmig_wire wire = { .ref = tcpmig_ref(5, 9) };

	(void)state;
	family = 0;
	old = endpoint_of(OLD);
	new = endpoint_of(NEW);
	client = endpoint_of(CLIENT);
	key = (struct tcpmig_flow_key){ .remote = old, .local = client };
	wire_key = (struct tcpmig_flow_key){ .remote = new, .local = client };
	assert_int_equal(tables_set_remote(&tables, &old, &remote), 0);
	assert_int_equal(tables_set_remote(&tables, &new, &remote), 0);
	assert_int_equal(tables_set_flow(&tables, &key, &flow), 0);
	assert_int_equal(tables_set_wire(&tables, &wire_key, &wire), 0);
	assert_int_equal(send_data(OLD, TCP_DATA), NEXT);
	redirect(NEW, false); /* takes the dead entries over */
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	wire_key.local = endpoint_of(CLIENT2);
	assert_int_equal(tables_set_wire(&tables, &wire_key, &wire), 0);
	assert_int_equal(rules_repair(&tables), 0);
	assert_int_equal(tables_get_wire(&tables, &wire_key, &wire), -ENOENT);
	assert_int_equal(send_data(OLD, TCP_DATA), REDIRECT);
	clear_rules();
}

static int load(void **state)
{
	(void)state;
	skel = tcpmig__open_and_load();
	return skel ? tables_of_object(&tables, skel->obj) : -1;
}

static int unload(void **state)
{
	(void)state;
	tables_close(&tables);
	tcpmig__destroy(skel);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_ipv4),
		cmocka_unit_test(packets_ipv6),
		cmocka_unit_test(packets_ipv4_checksum_complete),
		cmocka_unit_test(packets_ipv6_checksum_complete),
		cmocka_unit_test(a_hold_consumes_one_segment),
		cmocka_unit_test(a_routed_packet_passes),
		cmocka_unit_test(two_flows_never_share_a_wire_tuple),
		cmocka_unit_test(a_new_flow_is_known_both_ways),
		cmocka_unit_test(a_long_chain_of_moves),
		cmocka_unit_test(a_move_back_ends_the_rule),
		cmocka_unit_test(wrong_orders_change_nothing),
		cmocka_unit_test(repair_removes_what_a_kill_left),
		cmocka_unit_test(strangers_do_not_become_flows),
		cmocka_unit_test(dead_entries_have_no_effect),
		cmocka_unit_test(a_refused_redirect_changes_nothing),
		cmocka_unit_test(an_unpublished_rule_is_completed),
		cmocka_unit_test(an_expired_hold_is_released_as_what_it_is),
	};

	return cmocka_run_group_tests_name("packets", tests, load, unload);
}
