// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent_job.h"

void agent_refuse(struct message_answer *answer, enum message_result result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(answer->text, sizeof(answer->text), fmt, args);
	va_end(args);
	answer->result = result;
}

void agent_refuse_errno(struct message_answer *answer, int err, const char *what)
{
	switch (-err) {
	case ENOSPC:
	case E2BIG:
		return agent_refuse(answer, MESSAGE_NO_ROOM, "%s: the tables are full", what);
	case EBUSY:
		return agent_refuse(answer, MESSAGE_CONFLICT,
				    "%s: not in the present state of this OLD", what);
	case EADDRINUSE:
		return agent_refuse(answer, MESSAGE_CONFLICT,
				    "%s: %u flows have no way to NEXT: the client has other "
				    "connections there; expected a free port of NEXT",
				    what, answer->taken);
	}
	agent_refuse(answer, MESSAGE_FAILED, "%s: %s", what, strerror(-err));
}

bool job_lock(struct agent_moves *m, struct message_answer *answer)
{
	int err = agent_moves_lock(m);

	if (err)
		agent_refuse(answer, MESSAGE_FAILED,
			     err == -ENOENT ? "the pins have been removed"
					    : "the pins are locked by another command");
	return !err;
}

bool job_names(const struct job *o, const struct store_record *record)
{
	return record->epoch == o->req->epoch &&
	       !memcmp(record->uuid, o->req->uuid, sizeof(record->uuid));
}

bool job_is_own(const struct job *o, const struct agent_move *move)
{
	return !memcmp(move->record.cur_key, o->peer->tls->key_sha256,
		       sizeof(move->record.cur_key));
}

bool job_refused(const struct job *o)
{
	return o->answer->result != MESSAGE_OK;
}

void job_check_state(struct job *o, unsigned int allowed, const char *expected)
{
	enum message_state state = moves_state(o->m, &o->req->old);

	if (!(allowed & 1U << state))
		agent_refuse(o->answer, MESSAGE_CONFLICT, "%s: %s; expected %s",
			     message_type_name(o->req->type), message_state_name(state), expected);
}

void job_check_path(struct job *o, const struct tcpmig_endpoint *next)
{
	o->answer->result = authorise_path(o->m->conf, &o->req->old, next, o->answer->text);
}

void job_check_ms(struct job *o, uint64_t limit_ms)
{
	if (o->req->max_ms > limit_ms)
		agent_refuse(o->answer, MESSAGE_LIMIT, "%u ms: expected at most %llu ms here",
			     o->req->max_ms, (unsigned long long)limit_ms);
}

/* How many flows the certificate has in its other migrations. */
static size_t flows_of_others(const struct job *o)
{
	size_t flows = 0;

	for (size_t i = 0; i < o->m->count; i++) {
		const struct agent_move *other = &o->m->open[i];

		if (other != o->move && job_is_own(o, other))
			flows += other->flows;
	}
	return flows;
}

void job_check_flows(struct job *o, size_t flows)
{
	size_t others = flows_of_others(o);
	unsigned int cap = o->m->conf->limits.flows;

	if (flows + others > cap)
		agent_refuse(o->answer, MESSAGE_LIMIT,
			     "%zu flows: expected at most %u of one certificate (flows of "
			     "agent.conf)",
			     flows + others, cap);
}

void job_note_outcome(struct job *o)
{
	o->m->changed = true;
	if (o->outcome.table)
		o->m->table_flows = o->outcome.table;
	o->answer->flows = o->outcome.flows;
	o->answer->taken = o->outcome.taken;
	if (o->move)
		o->move->flows = o->outcome.flows;
}
