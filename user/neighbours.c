// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "link_ask.h"
#include "neighbours.h"
#include "netlink.h"
#include "rules.h"

/* Longest wait for a host that the kernel does not know, and for one that did not answer before. */
#define ASK_FIRST_MS 250
#define ASK_AGAIN_MS 100

/* Locally administered: no device has it. */
static const __u8 dummy[NEIGH_LLADDR_LEN] = { 0x02, 't', 'c', 'p', 'm', 'g' };

/**
 * struct need - an address that rules have as OLD and that is on an attached link.
 * @yields: all its rules are for established connections only
 * @held:   all its rules hold OLD itself: nothing leaves until somebody says where to
 * @barred: the caller may not touch any of its rules
 * @asked:  only an answer can tell: that to question number @question
 */
struct need {
	struct neigh entry;
	bool yields;
	bool held;
	bool barred;
	bool asked;
	size_t question;
};

struct needs {
	struct need *list;
	size_t count;
	struct neighbours_outcome *outcome;
	const struct neighbours_caller *caller;
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

static struct need *make_need(struct needs *needs, const struct tcpmig_endpoint *old, int ifindex)
{
	struct need *grown = realloc(needs->list, (needs->count + 1) * sizeof(*grown));
	struct need *need;

	if (!grown)
		return NULL;
	needs->list = grown;
	need = &grown[needs->count++];
	*need = (struct need){ .yields = true, .held = true, .barred = true };
	need->entry = (struct neigh){ .addr = *old, .ifindex = ifindex };
	need->entry.addr.port = 0;
	return need;
}

static int add_need(struct needs *needs, const struct rules_view *rule)
{
	const struct neighbours_caller *c = needs->caller;
	struct need *need = need_of_addr(needs, &rule->old);
	int ifindex;

	if (!need) {
		ifindex = link_of(needs->t, &rule->old);
		if (ifindex <= 0)
			return ifindex;
		need = make_need(needs, &rule->old, ifindex);
		if (!need)
			return -ENOMEM;
	}
	if (c && !c->may_touch(&rule->old, c->ctx))
		return 0;
	need->barred = false;
	need->yields &= rule->established_only;
	need->held &= (rule->state == TCPMIG_HELD || rule->reserved) &&
		      endpoint_same(&rule->cur, &rule->old);
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

static int pin(struct needs *needs, struct need *need, const __u8 *lladdr)
{
	bool is_real = lladdr != dummy;

	if (lladdr != need->entry.lladdr)
		memcpy(need->entry.lladdr, lladdr, sizeof(need->entry.lladdr));
	need->entry.state = NUD_PERMANENT;
	need->entry.protocol = NEIGHBOURS_PROTOCOL;
	*(is_real ? &needs->outcome->pinned : &needs->outcome->dummies) += 1;
	return neigh_set(&need->entry);
}

/* Is what the kernel knows, or has from us, as good as an answer? */
static bool is_settled(const struct need *need)
{
	const struct neigh *n = &need->entry;

	if (is_fixed(n))
		return true;
	/* A dummy may be of a host that came back; new connections want it. */
	if (neighbours_is_ours(n))
		return !need->yields && !neighbours_is_dummy(n);
	return need->yields && n->state & NUD_REACHABLE;
}

static int begin(struct needs *needs, struct need *need)
{
	const struct neigh *n = &need->entry;
	int err;

	if (need->barred)
		return 0;
	err = neigh_get(&need->entry);
	if (err || is_settled(need))
		return err;
	if (!need->yields && !neighbours_is_ours(n) && n->state & NEIGH_VALID)
		return pin(needs, need, n->lladdr);
	need->asked = true;
	return 0;
}

/* While held there is none: when the hold ends by itself, nobody is there to remove it. */
static int dummy_for(struct needs *needs, struct need *need)
{
	const struct neigh *n = &need->entry;
	bool there = neighbours_is_ours(n) && neighbours_is_dummy(n);

	if (there == !need->held)
		return 0;
	if (!need->held)
		return pin(needs, need, dummy);
	needs->outcome->removed++;
	return forget(n);
}

/* Whoever answers for an OLD that yields gets its packets, by an entry of the kernel's own. */
static int finish(struct needs *needs, struct need *need, const struct link_question *q)
{
	struct neigh *n = &need->entry;

	if (q->answered && !need->yields)
		return pin(needs, need, q->lladdr);
	if (!q->answered)
		return dummy_for(needs, need);
	if (!neighbours_is_ours(n))
		return 0;
	needs->outcome->removed++;
	memcpy(n->lladdr, q->lladdr, sizeof(n->lladdr));
	return forget(n);
}

/* One wait for all of them. What we have told the kernel before is in use meanwhile. */
static int ask(const struct needs *needs, struct link_question *questions)
{
	int wait_ms = ASK_AGAIN_MS;
	size_t n = 0;

	for (size_t i = 0; i < needs->count; i++) {
		struct need *need = &needs->list[i];

		if (!need->asked)
			continue;
		need->question = n;
		questions[n].addr = need->entry.addr;
		questions[n++].ifindex = need->entry.ifindex;
		if (!neighbours_is_ours(&need->entry))
			wait_ms = ASK_FIRST_MS;
	}
	return n ? link_ask(questions, n, wait_ms) : 0;
}

static int lock(const struct needs *needs)
{
	return needs->caller ? needs->caller->lock(needs->caller->ctx) : 0;
}

static void unlock(const struct needs *needs)
{
	if (needs->caller)
		needs->caller->unlock(needs->caller->ctx);
}

/* What the rules want after the wait, in which nobody was kept from changing them. */
static int look_again(struct needs *needs)
{
	struct needs now = { .outcome = needs->outcome, .caller = needs->caller, .t = needs->t };
	int err = find_needs(&now);

	for (size_t i = 0; !err && i < needs->count; i++) {
		struct need *need = &needs->list[i];
		const struct need *again = need_of_addr(&now, &need->entry.addr);

		need->asked &= again && !again->barred &&
			       again->entry.ifindex == need->entry.ifindex;
		if (again) {
			need->yields = again->yields;
			need->held = again->held;
		}
	}
	free(now.list);
	return err;
}

static int finish_all(struct needs *needs, const struct link_question *questions)
{
	int err = needs->caller ? look_again(needs) : 0;

	for (size_t i = 0; !err && i < needs->count; i++) {
		struct need *need = &needs->list[i];

		if (need->asked)
			err = finish(needs, need, &questions[need->question]);
	}
	return err;
}

static int ask_and_finish(struct needs *needs)
{
	_cleanup_free_ struct link_question *questions = calloc(needs->count, sizeof(*questions));
	int err;

	if (!questions)
		return needs->count ? -ENOMEM : 0;
	err = ask(needs, questions);
	if (!err)
		err = lock(needs);
	if (err)
		return err;
	err = finish_all(needs, questions);
	unlock(needs);
	return err;
}

static int look_and_begin(struct needs *needs)
{
	int err = find_needs(needs);

	if (!err)
		err = neigh_each(remove_unneeded, needs);
	for (size_t i = 0; !err && i < needs->count; i++)
		err = begin(needs, &needs->list[i]);
	return err;
}

int neighbours_sync_for(const struct tables *t, const struct neighbours_caller *caller,
			struct neighbours_outcome *outcome)
{
	struct neighbours_outcome ignored;
	struct needs needs = { .outcome = outcome ?: &ignored, .caller = caller, .t = t };
	int err = lock(&needs);

	*needs.outcome = (struct neighbours_outcome){};
	if (err)
		return err;
	err = look_and_begin(&needs);
	unlock(&needs);
	if (!err)
		err = ask_and_finish(&needs);
	free(needs.list);
	return err;
}

int neighbours_sync(const struct tables *t, struct neighbours_outcome *outcome)
{
	return neighbours_sync_for(t, NULL, outcome);
}

static int forget_on(const struct neigh *n, void *ctx)
{
	return n->ifindex == *(int *)ctx && neighbours_is_ours(n) ? forget(n) : 0;
}

int neighbours_forget(int ifindex)
{
	return neigh_each(forget_on, &ifindex);
}
