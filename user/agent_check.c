// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CHECK: the sockets of this host beside those of the server's image. BPF reads them, since the
 * agent has no capability; nothing is changed.
 */
#include <errno.h>
#include <stdlib.h>

#include "agent_job.h"
#include "cleanup.h"
#include "endpoint.h"
#include "sequences.h"

struct questions {
	const struct tables *tables;
	struct tcpmig_check *list;
	size_t count;
};

/* A socket that is bound to an interface is seen only from there. */
static int ask_from(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	const struct questions *q = ctx;

	(void)iface;
	for (size_t i = 0; i < q->count; i++) {
		struct tcpmig_check again = { .key = q->list[i].key };

		if (q->list[i].socket == TCPMIG_CHECK_NONE &&
		    !tables_check(q->tables, ifindex, &again, 1)) /* else it is gone */
			q->list[i] = again;
	}
	return 0;
}

static int ask(struct questions *q, const struct message_request *req)
{
	int err;

	for (size_t i = 0; i < q->count; i++)
		q->list[i].key = (struct tcpmig_flow_key){ .remote = req->old,
							   .local = req->flows.at[i] };
	err = tables_check(q->tables, 0, q->list, q->count);
	return err ?: tables_each_iface(q->tables, ask_from, q);
}

/* In the table, but of no socket of this host: we are its gateway. */
static bool is_forwarded(const struct questions *q, size_t i)
{
	struct tcpmig_flow flow;

	return !tables_get_flow(q->tables, &q->list[i].key, &flow) &&
	       !(flow.flags & TCPMIG_FLOW_LOCAL);
}

/* Return: why the flow is lost, or NULL. */
static const char *judge(const struct questions *q, size_t i, const struct message_sequences *image,
			 struct message_answer *answer)
{
	const struct tcpmig_check *found = &q->list[i];
	const struct message_sequences client = { found->rcv_nxt, found->snd_una, found->snd_nxt };
	const char *misfit;

	if (found->socket == TCPMIG_CHECK_UNREAD ||
	    (found->socket == TCPMIG_CHECK_NONE && is_forwarded(q, i))) {
		answer->unchecked++;
		return NULL;
	}
	if (found->socket == TCPMIG_CHECK_NONE) {
		answer->missing.at[answer->missing.count++] = found->key.local;
		answer->missing_count++;
		return NULL;
	}
	misfit = sequences_misfit(image, &client);
	if (!misfit) {
		answer->matching++;
		return NULL;
	}
	answer->lost.at[answer->lost.count++] = found->key.local;
	answer->lost_count++;
	return misfit;
}

static void compare(const struct job *o, const struct questions *q)
{
	const char *first = NULL, *why;
	char at[ENDPOINT_STRLEN];

	for (size_t i = 0; i < q->count; i++) {
		why = judge(q, i, &o->req->sequences[i], o->answer);
		first = first ?: why;
	}
	if (first)
		agent_refuse(o->answer, MESSAGE_FAILED,
			     "%u of %zu connections do not fit their image, %s for one: %s; "
			     "expected an image that nothing has reached since",
			     o->answer->lost_count, q->count,
			     endpoint_format(&o->answer->lost.at[0], at), first);
}

void job_check_image(struct job *o)
{
	_cleanup_free_ struct tcpmig_check *list = NULL;
	struct questions q = { .tables = o->m->tables, .count = o->req->flows.count };
	int err;

	job_check_state(o, 1 << MESSAGE_HELD | 1 << MESSAGE_ARMED, "held or armed");
	if (job_refused(o) || !q.count)
		return;
	q.list = list = calloc(q.count, sizeof(*list));
	o->answer->missing.at = calloc(q.count, sizeof(*o->answer->missing.at));
	o->answer->lost.at = calloc(q.count, sizeof(*o->answer->lost.at));
	if (!list || !o->answer->missing.at || !o->answer->lost.at)
		return agent_refuse_errno(o->answer, -ENOMEM, "check");
	err = ask(&q, o->req);
	if (err == -ENOENT)
		return agent_refuse(o->answer, MESSAGE_FAILED,
				    "check: what is attached is too old; expected "
				    "'tcpmig-bpf attach' again");
	if (err)
		return agent_refuse_errno(o->answer, err, "check");
	compare(o, &q);
}
