// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "checks_rules.h"
#include "endpoint.h"
#include "gc.h"
#include "log.h"
#include "neighbours.h"
#include "redirector.h"
#include "session.h"

static void explain(int err, const char *pin_dir)
{
	switch (err) {
	case -ENOENT:
		log_error("'%s': nothing is attached there; run 'tcpmig-bpf attach IFACE' first",
			  pin_dir);
		break;
	case -EMEDIUMTYPE:
		log_error("'%s': not in a BPF file system; expected a directory as " PINDIR_DEFAULT,
			  pin_dir);
		break;
	case -EPROTO:
		log_error("'%s': maps of another version of tcpmig-bpf; detach with that version",
			  pin_dir);
		break;
	case -EBUSY:
		log_error("'%s': another command has it locked for more than 10 s", pin_dir);
		break;
	case -EPERM:
	case -EACCES:
		log_errno(err, "'%s': cannot open it; expected to run as root", pin_dir);
		break;
	case -ENOTUNIQ:
		log_error("'%s': others may write there; expected a directory of the user who runs "
			  "this, mode 0700",
			  pin_dir);
		break;
	default:
		log_errno(err, "'%s': cannot open it", pin_dir);
	}
}

int session_open_quiet(struct session *s, const char *pin_dir)
{
	int err = pindir_open(&s->dir, pin_dir, false);

	if (!err) {
		err = tables_open(&s->tables, s->dir.fd);
		if (err)
			pindir_close(&s->dir);
	}
	if (err && err != -ENOENT)
		explain(err, pin_dir);
	return err;
}

int session_open(struct session *s, const char *pin_dir)
{
	int err = session_open_quiet(s, pin_dir);

	if (err == -ENOENT)
		explain(err, pin_dir);
	return err;
}

void session_close(struct session *s)
{
	tables_close(&s->tables);
	pindir_close(&s->dir);
}

void session_unlock(struct session *s)
{
	pindir_unlock(&s->dir);
}

int session_relock(struct session *s, int wait_ms)
{
	int err = pindir_lock(&s->dir, wait_ms);

	if (err || !session_is_gone(s))
		return err;
	session_unlock(s);
	return -ENOENT;
}

bool session_is_gone(const struct session *s)
{
	struct tables now;
	bool same;
	int err = tables_open(&now, s->dir.fd);

	if (err) /* ones of another version are not ours either; want of memory says nothing */
		return err == -ENOENT || err == -EPROTO;
	same = tables_events_id(&now) == tables_events_id(&s->tables);
	tables_close(&now);
	return !same;
}

bool session_is_our_netns(const struct session *s)
{
	return s->tables.meta->netns_ino == redirector_netns_ino();
}

int session_gc(struct session *s, unsigned int idle_s, size_t *removed)
{
	return gc_flows(&s->tables, session_is_our_netns(s), idle_s, removed);
}

void session_settle(struct session *s)
{
	struct neighbours_outcome outcome;
	int err = rules_sweep(&s->tables);

	if (err)
		log_note("note: holds that are over are not removed: %s", strerror(-err));
	if (!session_is_our_netns(s)) {
		log_verbose("local sockets not looked up, neighbour entries not looked after: the "
			    "pins serve another network namespace");
		return;
	}
	err = neighbours_sync(&s->tables, &outcome);
	if (err)
		log_note("note: neighbour entries not set: %s; packets to a dead OLD on the "
			 "same link will not be redirected",
			 strerror(-err));
	else
		log_verbose("neighbour entries: %zu made with the known address, %zu for hosts "
			    "that do not answer, %zu removed",
			    outcome.pinned, outcome.dummies, outcome.removed);
}

static void note_problems(const struct tables *t, const struct rules_view *rule)
{
	struct findings f = {};

	checks_rule(t, rule, &f);
	for (size_t i = 0; i < f.count; i++) {
		/*
		 * session_note_way() has spoken about the route to NEW, session_settle() about
		 * neighbour entries.
		 */
		if (f.list[i].result != FINDING_OK && strcmp(f.list[i].check, "new_route") &&
		    strcmp(f.list[i].check, "neighbour"))
			log_note("note: %s; cure: %s", f.list[i].detail, f.list[i].cure);
	}
	findings_free(&f);
}

void session_note_path(const struct session *s, const struct tcpmig_endpoint *old)
{
	struct rules_view rule;

	if (session_is_our_netns(s) && rules_view_of(&s->tables, old, &rule))
		note_problems(&s->tables, &rule);
}

void session_note_way(const struct tcpmig_endpoint *peer, const struct order_way *way)
{
	char name[IF_NAMESIZE] = "?", text[ENDPOINT_STRLEN];

	endpoint_format(peer, text);
	if (way->err)
		log_note("note: no route to %s now: %s", text, strerror(-way->err));
	if (!way->ifindex || way->attached)
		return;
	if_indextoname(way->ifindex, name);
	log_note("note: packets to %s leave by %s, where nothing is attached; "
		 "run 'tcpmig-bpf attach %s'",
		 text, name, name);
}

void session_owner(const struct session *s, const struct tcpmig_endpoint *peer,
		   struct tcpmig_owner *owner)
{
	struct order_way way;

	order_owner(&s->tables, session_is_our_netns(s), peer, owner, &way);
	session_note_way(peer, &way);
}
