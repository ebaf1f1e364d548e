// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "agent_limits.h"

/* As many certificates as are remembered; then the one that was quiet for longest goes. */
#define ACCOUNTS_MAX 1024

struct account {
	uint8_t key[32];
	uint64_t used_ns;
	struct bucket moves;
	struct bucket held_s;
};

struct agent_limiter {
	size_t count;
	struct account accounts[ACCOUNTS_MAX];
};

static void bucket_fill(struct bucket *b, double room, double a_second, uint64_t now_ns)
{
	if (!b->at_ns)
		b->tokens = room;
	else if (now_ns > b->at_ns)
		b->tokens += (now_ns - b->at_ns) / 1e9 * a_second;
	if (b->tokens > room)
		b->tokens = room;
	b->at_ns = now_ns;
}

bool bucket_take(struct bucket *b, double want, double room, double a_second, uint64_t now_ns)
{
	bucket_fill(b, room, a_second, now_ns);
	if (b->tokens < want)
		return false;
	b->tokens -= want;
	return true;
}

void bucket_give(struct bucket *b, double tokens, double room)
{
	b->tokens += tokens;
	if (b->tokens > room)
		b->tokens = room;
}

struct agent_limiter *limiter_new(void)
{
	return calloc(1, sizeof(struct agent_limiter));
}

void limiter_free(struct agent_limiter *l)
{
	free(l);
}

static struct account *account_find(struct agent_limiter *l, const uint8_t key[32])
{
	for (size_t i = 0; i < l->count; i++) {
		if (!memcmp(l->accounts[i].key, key, sizeof(l->accounts[i].key)))
			return &l->accounts[i];
	}
	return NULL;
}

static struct account *account_oldest(struct agent_limiter *l)
{
	struct account *oldest = &l->accounts[0];

	for (size_t i = 1; i < l->count; i++) {
		if (l->accounts[i].used_ns < oldest->used_ns)
			oldest = &l->accounts[i];
	}
	return oldest;
}

static struct account *account_of(struct agent_limiter *l, const uint8_t key[32], uint64_t now_ns)
{
	struct account *a = account_find(l, key);

	if (!a) {
		a = l->count < ACCOUNTS_MAX ? &l->accounts[l->count++] : account_oldest(l);
		*a = (struct account){};
		memcpy(a->key, key, sizeof(a->key));
	}
	a->used_ns = now_ns;
	return a;
}

const char *limiter_begin(struct agent_limiter *l, const struct agent_limits *limits,
			  const uint8_t key[32], uint64_t now_ns)
{
	struct account *a = account_of(l, key, now_ns);

	if (bucket_take(&a->moves, 1, limits->moves_a_minute, limits->moves_a_minute / 60.0,
			now_ns))
		return NULL;
	return "too many moves begun with this certificate; expected no more than "
	       "moves-a-minute of agent.conf";
}

const char *limiter_hold(struct agent_limiter *l, const struct agent_limits *limits,
			 const uint8_t key[32], double seconds, uint64_t now_ns)
{
	struct account *a = account_of(l, key, now_ns);

	if (bucket_take(&a->held_s, seconds, limits->held_s_an_hour,
			limits->held_s_an_hour / 3600.0, now_ns))
		return NULL;
	return "held for too long with this certificate; expected no more than held-s-an-hour of "
	       "agent.conf";
}

void limiter_unhold(struct agent_limiter *l, const struct agent_limits *limits,
		    const uint8_t key[32], double seconds)
{
	struct account *a = account_find(l, key);

	if (a && seconds > 0)
		bucket_give(&a->held_s, seconds, limits->held_s_an_hour);
}
