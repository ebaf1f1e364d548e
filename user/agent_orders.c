// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each order in three steps: what can refuse it without a look at the maps, then the change
 * under the lock of the pins, then the record. Whatever is refused has changed nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_flows.h"
#include "agent_job.h"
#include "clocks.h"
#include "endpoint.h"

/* The migration that the request names must be the one that is under way. */
static void check_named(struct job *o)
{
	const struct store_record *last = store_find(o->m->store, &o->req->old);
	const struct message_request *req = o->req;

	if (o->move && job_names(o, &o->move->record))
		return;
	if (last && req->epoch <= last->epoch)
		agent_refuse(o->answer, MESSAGE_STALE,
			     "epoch %llu: over, or another migration's; the highest so far is %llu",
			     (unsigned long long)req->epoch, (unsigned long long)last->epoch);
	else
		agent_refuse(o->answer, MESSAGE_CONFLICT, "epoch %llu: not reserved",
			     (unsigned long long)req->epoch);
}

/* Time to hold is taken from the account of the migration's certificate, ahead. */
static void pay(struct job *o, uint32_t ms)
{
	uint64_t now_ns = clock_boot_ns(), until_ns = now_ns + (uint64_t)ms * 1000000;
	uint64_t from_ns = o->move->paid_ns > now_ns ? o->move->paid_ns : now_ns;
	const char *why;

	job_check_ms(o, o->m->conf->limits.hold_s * 1000ULL);
	if (job_refused(o) || until_ns <= from_ns)
		return;
	why = limiter_hold(o->m->limiter, &o->m->conf->limits, o->move->record.cur_key,
			   (until_ns - from_ns) / 1e9, now_ns);
	if (why)
		return agent_refuse(o->answer, MESSAGE_LIMIT, "%s", why);
	o->move->paid_ns = until_ns;
}

static void do_query(struct job *o)
{
	struct rules_flows here;
	struct message_flows none = {};
	const struct store_record *last = store_find(o->m->store, &o->req->old);
	int err = agent_flows_confirm(o->m, &o->req->old, &none, true, &here, o->answer);

	if (err)
		return agent_refuse_errno(o->answer, err, "query");
	o->answer->flows = here.count;
	free(here.local);
	o->answer->has_move = true;
	if (last) {
		moves_describe(o->m, last, &o->answer->move);
	} else {
		o->answer->move.old = o->req->old;
		o->answer->move.state = moves_state(o->m, &o->req->old);
	}
	o->answer->move.cur = o->cur;
}

/* In the record, and on file; or not at all. */
static void set_mark(struct job *o, bool *mark, const char *what)
{
	int err;

	*mark = true;
	err = moves_save(o->m, o->move, false);
	if (!err)
		return;
	*mark = false;
	agent_refuse_errno(o->answer, err, what);
}

static void do_consent(struct job *o)
{
	struct store_record *record = &o->move->record;

	if (!endpoint_same(&o->req->next, &record->next))
		return agent_refuse(o->answer, MESSAGE_INVALID, "next: another than was reserved");
	if (record->has_next_key &&
	    memcmp(record->next_key, o->peer->tls->key_sha256, sizeof(record->next_key)))
		return agent_refuse(o->answer, MESSAGE_DENIED,
				    "the key of '%.150s' is not the one that the owner has named",
				    o->peer->tls->name);
	job_check_path(o, &record->next);
	if (job_refused(o))
		return;
	set_mark(o, &record->consented, "consent: state file");
}

static void check_held(struct job *o)
{
	job_check_state(o, 1 << MESSAGE_HELD | 1 << MESSAGE_ARMED | 1 << MESSAGE_IN_DOUBT,
			"held or armed");
}

static void check_consent(struct job *o)
{
	if (!o->move->record.consented)
		agent_refuse(o->answer, MESSAGE_CONFLICT,
			     "the next owner has not consented; expected CONSENT from its address");
}

static void do_hold(struct job *o)
{
	const struct message_request *req = o->req;
	struct rules_flows here;
	int err;

	job_check_state(o, 1 << MESSAGE_RESERVED | 1 << MESSAGE_HELD, "reserved or held");
	if (!job_refused(o))
		job_check_path(o, &o->move->record.next);
	if (job_refused(o))
		return;
	err = agent_flows_confirm(o->m, &req->old, &req->flows, false, &here, o->answer);
	if (err)
		return agent_refuse_errno(o->answer, err, "hold");
	job_check_flows(o, here.count > o->move->flows ? here.count : o->move->flows);
	if (!job_refused(o))
		pay(o, req->max_ms);
	if (!job_refused(o)) {
		err = rules_hold(o->m->tables, &req->old, req->max_ms, req->hold_mode, &here,
				 &o->outcome);
		if (err)
			agent_refuse_errno(o->answer, err, "hold");
		else
			job_note_outcome(o);
	}
	free(here.local);
}

static void do_arm(struct job *o)
{
	const struct message_request *req = o->req;
	struct tcpmig_owner next;
	struct rules_flows here;
	int err;

	check_held(o);
	if (!job_refused(o))
		check_consent(o);
	if (!job_refused(o))
		job_check_path(o, &o->move->record.next);
	if (!job_refused(o) &&
	    agent_flows_owner(o->m, &o->move->record.next, &next, o->answer->text))
		o->answer->result = MESSAGE_INVALID;
	if (job_refused(o))
		return;
	err = agent_flows_confirm(o->m, &req->old, &req->flows, false, &here, o->answer);
	if (err)
		return agent_refuse_errno(o->answer, err, "arm");
	check_held(o); /* it may have ended while we looked: what has left must not be held again */
	if (!job_refused(o))
		job_check_flows(o, here.count > o->move->flows ? here.count : o->move->flows);
	if (!job_refused(o))
		pay(o, req->max_ms);
	if (!job_refused(o)) {
		err = rules_arm(o->m->tables, &req->old, &next, req->max_ms, &here, &o->outcome);
		job_note_outcome(o);
		if (err)
			agent_refuse_errno(o->answer, err, "arm");
	}
	free(here.local);
}

static void do_commit(struct job *o)
{
	check_held(o);
	if (!job_refused(o) && !o->move->record.committed)
		set_mark(o, &o->move->record.committed, "commit: state file");
}

/* The migration is over; the answer still tells of it. */
static void end(struct job *o)
{
	o->m->changed = true;
	moves_describe(o->m, &o->move->record, &o->answer->move);
	o->answer->has_move = true;
	moves_end(o->m, o->move);
	o->move = NULL;
}

static void do_go(struct job *o)
{
	int err;

	job_check_state(o, 1 << MESSAGE_ARMED | 1 << MESSAGE_IN_DOUBT, "armed");
	if (!job_refused(o))
		check_consent(o);
	if (!job_refused(o) && !o->move->record.committed)
		agent_refuse(o->answer, MESSAGE_CONFLICT,
			     "the owner has not given the flows up; expected COMMIT");
	if (job_refused(o))
		return;
	err = rules_go(o->m->tables, &o->req->old, &o->move->record.next);
	if (err)
		return agent_refuse_errno(o->answer, err, "go");
	o->answer->flows = o->move->flows;
	end(o);
}

static void do_abort(struct job *o)
{
	enum message_state state = moves_state(o->m, &o->req->old);
	int err = state == MESSAGE_RESERVED ? rules_unreserve(o->m->tables, &o->req->old)
					    : rules_release(o->m->tables, &o->req->old);

	if (err)
		return agent_refuse_errno(o->answer, err, "abort");
	end(o);
}

static void do_status(struct job *o)
{
	o->answer->flows = o->move->flows;
}

static void (*const handlers[MESSAGE_TYPES_COUNT])(struct job *o) = {
	[MESSAGE_QUERY] = do_query,	[MESSAGE_RESERVE] = job_reserve,
	[MESSAGE_CONSENT] = do_consent, [MESSAGE_HOLD] = do_hold,
	[MESSAGE_ARM] = do_arm,		[MESSAGE_COMMIT] = do_commit,
	[MESSAGE_GO] = do_go,		[MESSAGE_ABORT] = do_abort,
	[MESSAGE_STATUS] = do_status,	[MESSAGE_CHECK] = job_check_image,
};

/*
 * An answer that was lost is asked for again: GO, and STATUS, of a migration that has come to
 * its end tell of that, to those whose it was. Nothing changes.
 */
static bool answer_of_the_past(struct job *o)
{
	const struct message_request *req = o->req;
	const struct store_record *last = store_find(o->m->store, &req->old);

	if ((req->type != MESSAGE_GO && req->type != MESSAGE_STATUS) || o->move || !last ||
	    last->open || !job_names(o, last))
		return false;
	if (!authorise_peer(o->m->conf, o->peer, &last->cur) &&
	    !authorise_peer(o->m->conf, o->peer, &last->next))
		return false;
	if (req->type == MESSAGE_GO && !endpoint_same(&o->cur, &last->next))
		return false;
	moves_describe(o->m, last, &o->answer->move);
	o->answer->move.cur = o->cur;
	o->answer->has_move = true;
	return true;
}

static void check_order(struct job *o)
{
	o->answer->result = authorise_order(o->m->conf, o->peer, o->req->type, &o->cur, o->move,
					    o->answer->text);
	if (!job_refused(o) && o->req->type != MESSAGE_QUERY && o->req->type != MESSAGE_RESERVE)
		check_named(o);
}

static void fill_answer(struct job *o)
{
	struct rules_view view;

	o->answer->room = TCPMIG_FLOWS_MAX > o->m->table_flows
				  ? TCPMIG_FLOWS_MAX - o->m->table_flows
				  : 0;
	if (rules_view_of(o->m->tables, &o->req->old, &view))
		o->answer->deadline_ms = view.deadline_ms;
	if (o->move && !o->answer->has_move) {
		moves_describe(o->m, &o->move->record, &o->answer->move);
		o->answer->has_move = true;
	}
}

void agent_order(struct agent_moves *m, const struct agent_peer *peer,
		 const struct message_request *req, struct message_answer *answer)
{
	struct job o = { .m = m, .peer = peer, .req = req, .answer = answer };

	if (!job_lock(m, answer))
		return;
	if (req->type == MESSAGE_RESERVE) /* a hold that is over would be in the way */
		rules_sweep(m->tables);
	moves_owner(m, &req->old, &o.cur);
	o.move = moves_find(m, &req->old);
	if (!answer_of_the_past(&o)) {
		check_order(&o);
		if (!job_refused(&o))
			handlers[req->type](&o);
	}
	if (answer->result != MESSAGE_DENIED) /* to a stranger nothing is told */
		fill_answer(&o);
	agent_moves_unlock(m);
}
