// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "agent_moves.h"
#include "clocks.h"
#include "endpoint.h"

/* An order may be urgent, and whoever has the lock is quick: attach, detach, gc, list. */
#define LOCK_WAIT_MS 1000

int agent_moves_lock(struct agent_moves *m)
{
	int err = pindir_lock(m->pins, LOCK_WAIT_MS);

	m->gone |= err == -ENOENT;
	return err;
}

void agent_moves_unlock(struct agent_moves *m)
{
	pindir_unlock(m->pins);
}

void moves_owner(const struct agent_moves *m, const struct tcpmig_endpoint *old,
		 struct tcpmig_endpoint *cur)
{
	struct rules_view view;

	*cur = rules_view_of(m->tables, old, &view) ? view.cur : *old;
}

static enum message_state state_of(const struct rules_view *view)
{
	switch (view->state) {
	case TCPMIG_HELD:
		return MESSAGE_HELD;
	case TCPMIG_ARMED:
		return view->in_doubt ? MESSAGE_IN_DOUBT : MESSAGE_ARMED;
	case TCPMIG_ACTIVE:
		return view->reserved ? MESSAGE_RESERVED : MESSAGE_ACTIVE;
	case TCPMIG_FREE:
		break;
	}
	return MESSAGE_NONE;
}

enum message_state moves_state(const struct agent_moves *m, const struct tcpmig_endpoint *old)
{
	struct rules_view view;

	return rules_view_of(m->tables, old, &view) ? state_of(&view) : MESSAGE_NONE;
}

void moves_describe(const struct agent_moves *m, const struct store_record *record,
		    struct message_move *out)
{
	*out = (struct message_move){
		.epoch = record->epoch,
		.old = record->old,
		.cur = record->cur,
		.next = record->next,
		.state = moves_state(m, &record->old),
		.consented = record->consented,
		.committed = record->committed,
	};
	memcpy(out->uuid, record->uuid, sizeof(out->uuid));
}

/* What the maps say is what counts: a deadline, or a command of root, may have ended it. */
static bool is_over(const struct agent_moves *m, const struct store_record *record)
{
	struct rules_view view;

	if (!rules_view_of(m->tables, &record->old, &view) ||
	    !endpoint_same(&view.cur, &record->cur))
		return true;
	if (view.state == TCPMIG_ARMED)
		return !endpoint_same(&view.next, &record->next);
	return view.state == TCPMIG_ACTIVE && !view.reserved;
}

struct agent_move *moves_find(struct agent_moves *m, const struct tcpmig_endpoint *old)
{
	for (size_t i = 0; i < m->count; i++) {
		struct agent_move *move = &m->open[i];

		if (!endpoint_same(&move->record.old, old))
			continue;
		if (!is_over(m, &move->record))
			return move;
		moves_end(m, move);
		return NULL;
	}
	return NULL;
}

struct agent_move *moves_begin(struct agent_moves *m, const struct store_record *record)
{
	if (m->count == AGENT_MOVES_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	m->open[m->count] = (struct agent_move){ .record = *record };
	return &m->open[m->count++];
}

int moves_save(struct agent_moves *m, const struct agent_move *move, bool durable)
{
	return store_put(m->store, &move->record, durable);
}

/*
 * That it is over stands in the maps as well; so it does no harm where this cannot be written,
 * nor where the host goes down before it is on the disk.
 */
void moves_end(struct agent_moves *m, struct agent_move *move)
{
	uint64_t now_ns = clock_boot_ns();

	if (move->paid_ns > now_ns)
		limiter_unhold(m->limiter, &m->conf->limits, move->record.cur_key,
			       (move->paid_ns - now_ns) / 1e9);
	move->record.open = false;
	moves_save(m, move, false);
	*move = m->open[--m->count];
}

static int take_up(const struct store_record *record, void *ctx)
{
	struct agent_moves *m = ctx;
	struct store_record closed = *record;

	if (!record->open)
		return 0;
	if (!is_over(m, record))
		return moves_begin(m, record) ? 0 : -errno;
	closed.open = false;
	return store_put(m->store, &closed, false);
}

int agent_moves_open(struct agent_moves *m, struct tables *tables, struct pindir *pins,
		     const struct agent_conf *conf, int state_fd)
{
	int err;

	*m = (struct agent_moves){ .tables = tables, .pins = pins, .conf = conf };
	m->store = store_open(state_fd);
	if (!m->store)
		return -errno;
	m->limiter = limiter_new();
	err = m->limiter ? store_each(m->store, take_up, m) : -ENOMEM;
	if (err)
		agent_moves_close(m);
	return err;
}

void agent_moves_close(struct agent_moves *m)
{
	limiter_free(m->limiter);
	store_close(m->store);
	m->limiter = NULL;
	m->store = NULL;
}

void agent_moves_tick(struct agent_moves *m)
{
	for (size_t i = m->count; i-- > 0;) {
		if (is_over(m, &m->open[i].record))
			moves_end(m, &m->open[i]);
	}
	if (agent_moves_lock(m))
		return; /* the next time; BPF needs none of this */
	rules_sweep(m->tables);
	agent_moves_unlock(m);
}

size_t agent_moves_list(const struct agent_moves *m, struct message_move *list, size_t max)
{
	size_t count = 0;

	for (; count < m->count && count < max; count++)
		moves_describe(m, &m->open[count].record, &list[count]);
	return count;
}
