/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two hosts at loopback addresses, and links between them. What goes wrong fails the test. */
#ifndef TESTS_UNIT_HOST_PAIR_H
#define TESTS_UNIT_HOST_PAIR_H

#include <pthread.h>

#include "certs.h"
#include "host_link.h"

#define LIMIT_MS 3000

/* A is 127.0.0.1 and 127.0.0.2, B 127.0.0.1. Made by host_pair_make(). */
extern struct tls *a_tls, *b_tls;
extern struct tcpmig_endpoint b_end, a_from;
int host_pair_make(void **state);
int host_pair_free(void **state);

/** struct side - B, in a thread: what it is told, and what came of it. */
struct side {
	pthread_t thread;
	struct tls *tls;
	struct host_link *link;
	char why[HOST_WHY_LEN];
};

/** in_ms() - a deadline. */
uint64_t in_ms(unsigned int ms);

/** accept_one() - a connection to b_end. */
int accept_one(void);

/** accepts() - the thread of a struct side. */
void *accepts(void *side);

/** meet_tls() - have both try; @from as of host_link_connect(), @a_why HOST_WHY_LEN bytes. */
void meet_tls(struct side *b, struct tls *of_a, struct tls *of_b,
	      const struct tcpmig_endpoint *from, struct host_link **a, char *a_why);

/** pair() - a link, from 127.0.0.2. Return: the end of A. */
struct host_link *pair(struct host_link **b);

#endif
