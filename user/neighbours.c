// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "endpoint.h"
#include "neighbours.h"
#include "netlink.h"
#include "rules.h"

#define ANSWER_WAIT_MS	250
#define ANSWER_RETRY_MS 5

/* Locally administered: no device has it. */
static const __u8 dummy[NEIGH_LLADDR_LEN] = { 0x02, 't', 'c', 'p', 'm', 'g' };

/**
 * struct need - an address that rules have as OLD and that is on an attached link.
 * @yields: all its rules are for established connections only
 * @asked:  the kernel is waiting for an answer
 */
struct need {
	struct neigh entry;
	bool yields;
	bool asked;
};

struct needs {
	struct need *list;
	size_t count;
	struct neighbours_outcome *outcome;
	const struct tables *t;
};

bool neighbours_is_dummy(const struct neigh *n)
{
	return !memcmp(n->lladdr, dummy, sizeof(dummy));
}

bool neighbours_is_ours(const struct neigh *n)
{
	return n->protocol == NEIGHBOURS_PROTOCOL && n->state & NUD_PERMANENT;
}

/* One that somebody has fixed, and knows why. */
static bool is_fixed(const struct neigh *n)
{
	return n->state & (NUD_PERMANENT | NUD_NOARP) && !neighbours_is_ours(n);
}

/*
 * The kernel never takes a protocol off an entry: it goes, and an ordinary one comes
 * that the kernel will verify. A kill in between leaves none, which is as good.
 */
static int forget(const struct neigh *n)
{
	struct neigh ordinary = *n;
	int err = neigh_delete(n);

	if (err || neighbours_is_dummy(n))
		return err;
	ordinary.protocol = 0;
	ordinary.state = NUD_STALE;
	return neigh_set(&ordinary);
}

static struct need *need_of_addr(const struct needs *needs, const struct tcpmig_endpoint *addr)
{
	for (size_t i = 0; i < needs->count; i++) {
		if (endpoint_same_addr(&needs->list[i].entry.addr, addr))
			return &needs->list[i];
	}
	return NULL;
}

/* Return: ifindex of the attached link that @old is on, 0: on none, or -errno. */
static int link_of(const struct tables *t, const struct tcpmig_endpoint *old)
{
	struct tcpmig_iface iface;
	bool on_link;
	int resolves, ifindex = netlink_route(old, &on_link);

	if (ifindex < 0 || !on_link || tables_get_iface(t, ifindex, &iface))
		return 0; /* no route: nothing that an entry could help */
	resolves = netlink_resolves_neighbours(ifindex);
	if (resolves < 0 && resolves != -ENODEV)
		return resolves;
	return resolves > 0 ? ifindex : 0;
}

static int add_need(struct needs *needs, const struct rules_view *rule)
{
	struct need *need = need_of_addr(needs, &rule->old);
	struct need *grown;
	int ifindex;

	if (need) {
		need->yields &= rule->established_only;
		return 0;
	}
	ifindex = link_of(needs->t, &rule->old);
	if (ifindex <= 0)
		return ifindex;
	grown = realloc(needs->list, (needs->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	needs->list = grown;
	need = &grown[needs->count++];
	*need = (struct need){ .yields = rule->established_only };
	need->entry = (struct neigh){ .addr = rule->old, .ifindex = ifindex };
	need->entry.addr.port = 0;
	return 0;
}

static int find_needs(struct needs *needs)
{
	struct rules_view rule;
	int err = 0;

	for (__u32 slot = 0; !err && slot < TCPMIG_RULES_MAX; slot++) {
		if (rules_view(needs->t, slot, &rule))
			err = add_need(needs, &rule);
	}
	return err;
}

static int remove_unneeded(const struct neigh *n, void *ctx)
{
	struct needs *needs = ctx;
	const struct need *need = need_of_addr(needs, &n->addr);
	struct tcpmig_iface iface;

	/* On another interface it is of other pins. */
	if (!neighbours_is_ours(n) || tables_get_iface(needs->t, n->ifindex, &iface) ||
	    (need && need->entry.ifindex == n->ifindex))
		return 0;
	needs->outcome->removed++;
	return forget(n);
}

static int pin(struct needs *needs, struct need *need)
{
	bool known = need->entry.state & NEIGH_VALID;

	if (!known)
		memcpy(need->entry.lladdr, dummy, sizeof(dummy));
	need->entry.state = NUD_PERMANENT;
	need->entry.protocol = NEIGHBOURS_PROTOCOL;
	need->asked = false;
	*(known ? &needs->outcome->pinned : &needs->outcome->dummies) += 1;
	return neigh_set(&need->entry);
}

/*
 * Whoever answers for an OLD that yields gets its packets; so nothing is believed there
 * but an answer: a stale entry may be of a host that is gone, ours of one that came back.
 */
static int begin(struct needs *needs, struct need *need)
{
	const struct neigh *n = &need->entry;
	int err = neigh_get(&need->entry);

	if (err || is_fixed(n) || (need->yields && n->state & NUD_REACHABLE) ||
	    (!need->yields && neighbours_is_ours(n)))
		return err;
	if (!need->yields && n->state & NEIGH_VALID)
		return pin(needs, need);
	need->asked = true;
	return neigh_ask(n);
}

/* Return: 1: no answer yet. */
static int finish_if_answered(struct needs *needs, struct need *need)
{
	int err = neigh_get(&need->entry);

	if (err || !(need->entry.state & NEIGH_VALID))
		return err ?: 1;
	need->asked = false;
	return need->yields ? 0 : pin(needs, need);
}

/* One wait for all of them; packets meanwhile are queued by the kernel. */
static int await_answers(struct needs *needs)
{
	const struct timespec retry = { .tv_nsec = ANSWER_RETRY_MS * 1000000 };
	int err = 0, open = 1;

	for (int waited = 0; !err && open && waited <= ANSWER_WAIT_MS; waited += ANSWER_RETRY_MS) {
		open = 0;
		for (size_t i = 0; err >= 0 && i < needs->count; i++) {
			err = needs->list[i].asked ? finish_if_answered(needs, &needs->list[i]) : 0;
			open += err > 0;
		}
		err = err > 0 ? 0 : err;
		if (open)
			nanosleep(&retry, NULL);
	}
	for (size_t i = 0; !err && i < needs->count; i++)
		err = needs->list[i].asked ? pin(needs, &needs->list[i]) : 0;
	return err;
}

int neighbours_sync(const struct tables *t, struct neighbours_outcome *outcome)
{
	struct neighbours_outcome ignored;
	struct needs needs = { .outcome = outcome ?: &ignored, .t = t };
	int err;

	*needs.outcome = (struct neighbours_outcome){};
	err = find_needs(&needs);
	if (!err)
		err = neigh_each(remove_unneeded, &needs);
	for (size_t i = 0; !err && i < needs.count; i++)
		err = begin(&needs, &needs.list[i]);
	if (!err)
		err = await_answers(&needs);
	free(needs.list);
	return err;
}

static int forget_on(const struct neigh *n, void *ctx)
{
	return n->ifindex == *(int *)ctx && neighbours_is_ours(n) ? forget(n) : 0;
}

int neighbours_forget(int ifindex)
{
	return neigh_each(forget_on, &ifindex);
}
