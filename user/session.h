/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An open, locked pin directory and its maps, as every command that reads or edits rules needs. */
#ifndef TCPMIG_SESSION_H
#define TCPMIG_SESSION_H

#include <stdbool.h>

#include "orders.h"
#include "pindir.h"
#include "rules.h"
#include "tables.h"

struct session {
	struct pindir dir;
	struct tables tables;
};

/**
 * session_open() - open what attach has pinned under @pin_dir.
 * Says what is wrong. Return: 0; -ENOENT: nothing attached there; -errno.
 */
int session_open(struct session *s, const char *pin_dir);

/** session_open_quiet() - as session_open(), silent about -ENOENT. */
int session_open_quiet(struct session *s, const char *pin_dir);

void session_close(struct session *s);

/** session_unlock() - other commands may go on; @s is for reading only from now on. */
void session_unlock(struct session *s);

/**
 * session_relock() - after session_unlock(): as it was before.
 * Return: 0; -ENOENT: what was opened is not pinned any more; -EBUSY; -errno.
 */
int session_relock(struct session *s, int wait_ms);

/** session_is_gone() - has a detach removed these pins, even if others are there by now? */
bool session_is_gone(const struct session *s);

/**
 * session_gc() - remove the flows of connections that have ended, see gc_flows().
 * @idle_s:  of forwarded ones
 * @removed: how many
 * Return: 0 or -errno.
 */
int session_gc(struct session *s, unsigned int idle_s, size_t *removed);

/**
 * session_settle() - after whatever changed rules: removes holds that are over, and sees to
 * it that packets to OLD reach our hook though OLD is dead (neighbours.h).
 * Notes for the user what it cannot do; nothing of it makes the command fail.
 */
void session_settle(struct session *s);

/** session_is_our_netns() - are we in the network namespace whose interfaces are attached? */
bool session_is_our_netns(const struct session *s);

/**
 * session_note_path() - notes for the user what keeps the packets of the rule of @old from
 * their way: a withdrawn route, rp_filter, MTU. Silent in another network namespace.
 */
void session_note_path(const struct session *s, const struct tcpmig_endpoint *old);

/** session_note_way() - notes for the user what @way, that of packets to @peer, lacks. */
void session_note_way(const struct tcpmig_endpoint *peer, const struct order_way *way);

/**
 * session_owner() - @peer with the interface of the route to it.
 *
 * Notes for the user if packets to it leave where nothing is attached: its answers
 * would not be translated. In another network namespace the interface stays 0.
 */
void session_owner(const struct session *s, const struct tcpmig_endpoint *peer,
		   struct tcpmig_owner *owner);

#endif
