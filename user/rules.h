/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a migration record: what hold, arm, go and release mean in the
 * tables. The picture:
 *
 *          hold            arm(NEXT)             go
 *   none ───────► HELD ──────────────► ARMED ─────────► ACTIVE (CUR := NEXT)
 *     ▲            │ release,            │ release         │ hold: the next move
 *     └────────────┘ deadline (in BPF)   │                 └──► HELD
 *     └──────────────────────────────────┘
 *
 * Before all that a move may be reserved: the rule is made with its flows and the entries for
 * NEXT, but changes no packet, so that the hold has nothing left to do but the flip.
 *
 * Each change of state is one 8-byte store; all that the new state reads is
 * written before it. Callers hold the lock of the pin directory.
 */
#ifndef TCPMIG_RULES_H
#define TCPMIG_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "tables.h"

#define RULES_HOLD_DEFAULT_MS 30000
#define RULES_HOLD_MAX_MS     (3600 * 1000)

/** Where a list of connections comes from: what it may add to a rule depends on that. */
enum rules_origin {
	RULES_NAMED,   /* by the user: all of them */
	RULES_SOCKETS, /* connected to OLD now: not to a rule that is for earlier ones only */
	RULES_IMAGE,   /* clients of a server in CRIU images: it may have others than OLD's */
};

/** struct rules_flows - local ends of connections to OLD, made known before they talk. */
struct rules_flows {
	struct tcpmig_endpoint *local;
	size_t count;
	enum rules_origin origin;
};

/**
 * struct rules_outcome - what a change found.
 * @slot:  of the rule
 * @flows: connections that now belong to it
 * @taken: of these, how many have no way to NEW because another connection of the
 *         client uses their addresses on the wire
 * @table: flows of all rules together; 0: nobody has looked
 */
struct rules_outcome {
	__u32 slot;
	size_t flows;
	size_t taken;
	size_t table;
};

/**
 * rules_reserve() - a move to @next is to come: everything is made ready, no packet changed.
 * @next:   with the interface of the route to it, or 0
 * @max_ms: ends by itself after so long, unless a hold follows
 * @flows:  connections to make known; again with others: these too
 *
 * Return: 0; -EBUSY: held or armed already; as rules_hold().
 */
int rules_reserve(struct tables *t, const struct tcpmig_endpoint *old,
		  const struct tcpmig_owner *next, __u32 max_ms, const struct rules_flows *flows,
		  struct rules_outcome *outcome);

/** rules_unreserve() - as if rules_reserve() had not been; nothing, if a hold has followed. */
int rules_unreserve(struct tables *t, const struct tcpmig_endpoint *old);

/**
 * rules_hold() - MIGRATE_WAIT: nothing leaves to OLD, no RST from there gets in.
 * @max_ms: ends by itself after so long, 1..RULES_HOLD_MAX_MS
 * @flows:  connections to make known; may be empty
 *
 * On a held rule: a new deadline. Return: 0; -EBUSY: armed; -ENOSPC: no free slot;
 * -E2BIG: flow table full; another -errno.
 */
int rules_hold(struct tables *t, const struct tcpmig_endpoint *old, __u32 max_ms,
	       enum tcpmig_hold_mode mode, const struct rules_flows *flows,
	       struct rules_outcome *outcome);

/**
 * rules_prepare() - name the owner to be; what it says before rules_arm() is dropped.
 * @next:   with the interface of the route to it, or 0
 * @max_ms: of a hold, where there is none yet
 *
 * A restored socket talks before its copy is complete (CRIU writes never-sent data
 * with repair mode off), and without this the client's kernel answers with RST.
 * Makes a held rule where there is none. Return: 0 (also if it leads to @next
 * already); -EBUSY: armed for another; as rules_hold().
 */
int rules_prepare(struct tables *t, const struct tcpmig_endpoint *old,
		  const struct tcpmig_owner *next, __u32 max_ms, const struct rules_flows *flows,
		  struct rules_outcome *outcome);

/**
 * rules_arm() - the owner to be may talk, the current one no longer.
 * @next:     with the interface of the route to it, or 0
 * @lease_ms: after so long the rule is in doubt; it still holds
 *
 * Includes rules_prepare(). Return: as that; -EADDRINUSE: @outcome->taken is not 0, and
 * the rule is held, not armed.
 */
int rules_arm(struct tables *t, const struct tcpmig_endpoint *old, const struct tcpmig_owner *next,
	      __u32 lease_ms, const struct rules_flows *flows, struct rules_outcome *outcome);

/** rules_disarm() - an armed rule is held again, for @max_ms: its move did not come about. */
int rules_disarm(struct tables *t, const struct tcpmig_endpoint *old, __u32 max_ms);

/**
 * rules_go() - the armed rule becomes active: everything to NEXT.
 *
 * A move back to OLD ends the rule. Return: 0 (also if it is active for @next);
 * -ENOENT: no rule; -EBUSY: not armed for @next.
 */
int rules_go(struct tables *t, const struct tcpmig_endpoint *old,
	     const struct tcpmig_endpoint *next);

/**
 * rules_redirect() - everything to NEXT at once, in one step from any state.
 * @established_only: only @flows and flows already known, no later connection
 * Return: as rules_arm() and rules_go(); on error the rule is as it was.
 */
int rules_redirect(struct tables *t, const struct tcpmig_endpoint *old,
		   const struct tcpmig_owner *next, bool established_only,
		   const struct rules_flows *flows, struct rules_outcome *outcome);

/**
 * rules_learn() - make further connections known to the rule of @old.
 * Return: 0, -ENOENT or -errno.
 */
int rules_learn(struct tables *t, const struct tcpmig_endpoint *old,
		const struct rules_flows *flows, struct rules_outcome *outcome);

/**
 * rules_release() - end a hold (back to the owner before it) or a redirect (back to OLD).
 * Return: 0 or -ENOENT.
 */
int rules_release(struct tables *t, const struct tcpmig_endpoint *old);

/**
 * struct rules_view - a rule as it is now.
 * @cur:         current owner; OLD itself before the first move
 * @next:        only in ARMED
 * @state:       a HELD past its deadline shows as ACTIVE, as BPF sees it
 * @reserved:    a move is to come; @state is ACTIVE
 * @in_doubt:    ARMED past its lease
 * @deadline_ms: left of HELD, ARMED or @reserved; 0 otherwise and when over
 * @age_ms:      since the rule was made
 * @state_ms:    since its state was changed
 */
struct rules_view {
	__u32 ref;
	__u32 slot;
	__u32 epoch;
	enum tcpmig_state state;
	bool in_doubt;
	bool reserved;
	bool established_only;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint cur;
	struct tcpmig_endpoint next;
	__u64 deadline_ms;
	__u64 age_ms;
	__u64 state_ms;
};

/** rules_sweep() - remove the holds and reservations that have ended by themselves. Return: 0 or
 * -errno. */
int rules_sweep(struct tables *t);

/** rules_repair() - rules_sweep(), and whatever a command that was killed left half-made. */
int rules_repair(struct tables *t);

/** rules_view() - false: the slot is free, or its hold has ended by itself. */
bool rules_view(const struct tables *t, __u32 slot, struct rules_view *view);

/** rules_view_of() - the rule of @old, if there is one (as rules_view() says). */
bool rules_view_of(const struct tables *t, const struct tcpmig_endpoint *old,
		   struct rules_view *view);

/** rules_state_text() - "held", "armed", "active" or "free" (static storage). */
const char *rules_state_text(enum tcpmig_state state);

/** rules_state_name() - "reserved", "held", "armed", "in-doubt" or "active" (static storage). */
const char *rules_state_name(const struct rules_view *view);

#endif
