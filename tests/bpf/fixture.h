/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the packet tests share: who is who, rules brought into a state the way the commands
 * do it, and a packet through one of the real programs by BPF_PROG_TEST_RUN.
 */
#ifndef TCPMIG_TEST_FIXTURE_H
#define TCPMIG_TEST_FIXTURE_H

#include <stdbool.h>

#include "packet.h"
#include "rules.h"

struct __sk_buff;

#define NEXT	      (-1)
#define DROP	      2
#define REDIRECT      7 /* to the new next hop, or to nowhere */

#define CSUM_COMPLETE 4 /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE, newer than Debian 12's header */

/* Who is who. CLIENT is the only one whose flow is known before the packet comes. */
enum who { NOBODY, CLIENT, CLIENT2, OLD, NEW, THIRD, OLD_OTHER_PORT, NEW_OTHER_PORT, STRANGER };

enum setup {
	NO_RULE,
	HELD,
	HELD_SWALLOW,
	HELD_OVER, /* past its deadline */
	PREPARED,  /* held, NEW named */
	RESERVED,  /* for a move to NEW */
	RESERVED_OVER,
	ACTIVE_RESERVED, /* at NEW, for a move to THIRD */
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

extern const struct row rows[];
extern const size_t rows_count;

extern struct tables tables;
extern struct tables_policy policy;
extern int family; /* 0: IPv4, 1: IPv6 */

struct tcpmig_endpoint endpoint_of(enum who who);

/* The steps of a move, by user/rules.c; CLIENT's connection to OLD is known. All must succeed. */
void hold(enum tcpmig_hold_mode mode);
void lead_to(enum who who, int (*step)(struct tables *, const struct tcpmig_endpoint *,
				       const struct tcpmig_owner *, __u32,
				       const struct rules_flows *, struct rules_outcome *));
void go(enum who who);
void redirect(enum who who, bool established_only);
int release(void);

/** let_time_pass() - the deadline of every rule has passed. */
void let_time_pass(void);

void set_up_rule(enum setup setup);

/** clear_rules() - whatever was there goes by release alone, and nothing is left in any table. */
void clear_rules(void);

/** run_program() - Return: verdict. Fails where skb->csum is wrong afterwards. */
int run_program(enum direction direction, const struct test_packet *in, struct test_packet *out,
		int flags, struct __sk_buff *ctx);

/** kernel_takes() - will BPF_PROG_TEST_RUN take it? Newer kernels refuse a cut IP header. */
bool kernel_takes(const struct test_packet *in);

/**
 * check_counters() - since @before one packet has counted @reason and nothing else.
 * @reason: -1: nothing
 * @may:    bits of reasons that may be counted beside it
 */
void check_counters(const char *name, const __u64 before[], int reason, unsigned int may);

/**
 * run_row() - set up the rule, send the packet, compare all that comes of it, clear the rule.
 * @may: bits of reasons that may be counted beside what is usual
 */
void run_row(const struct row *row, int flags, unsigned int may);

/** load_with() - as load(), but ended flows linger and the table is filled sooner. */
int load_with(__u64 linger_ns, unsigned int flows_max);

/*
 * For cmocka: set-up and tear-down of a group. The build is the one that this kernel must take;
 * TCPMIG_PLAIN in the environment: the plain one.
 */
int load(void **state);
int unload(void **state);

#endif
