/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much each certificate may do (struct agent_limits), by token buckets. Pure but for its
 * own state: the time comes from the caller. Begins anew with the agent.
 */
#ifndef TCPMIG_AGENT_LIMITS_H
#define TCPMIG_AGENT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent_conf.h"

/** struct bucket - tokens that come back with time; zero it: full at first use. */
struct bucket {
	uint64_t at_ns;
	double tokens;
};

/**
 * bucket_take() - take @want tokens, if they are there.
 * @room:     most that it holds
 * @a_second: come back
 * @now_ns:   CLOCK_BOOTTIME
 */
bool bucket_take(struct bucket *b, double want, double room, double a_second, uint64_t now_ns);

/** bucket_give() - put back what was taken and not used. */
void bucket_give(struct bucket *b, double tokens, double room);

struct agent_limiter;

struct agent_limiter *limiter_new(void);
void limiter_free(struct agent_limiter *l);

/**
 * limiter_begin() - may the certificate with @key begin a move now?
 * Return: NULL, or why not, as a phrase (static storage).
 */
const char *limiter_begin(struct agent_limiter *l, const struct agent_limits *limits,
			  const uint8_t key[32], uint64_t now_ns);

/** limiter_hold() - may it hold for so long, from all that it may hold in an hour? As above. */
const char *limiter_hold(struct agent_limiter *l, const struct agent_limits *limits,
			 const uint8_t key[32], double seconds, uint64_t now_ns);

/** limiter_unhold() - a hold has ended so many seconds before its time. */
void limiter_unhold(struct agent_limiter *l, const struct agent_limits *limits,
		    const uint8_t key[32], double seconds);

#endif
