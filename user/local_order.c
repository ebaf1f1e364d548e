// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "control_link.h"
#include "control_path.h"
#include "endpoint.h"
#include "local_order.h"
#include "log.h"
#include "session.h"

#define ORDER_LIMIT_MS	5000
#define STATUS_LIMIT_MS 2000
#define RELOCK_WAIT_MS	10000

#define CURE		"restart the agent, or end it to give orders without it"

static struct control_link *open_link(const char *pin_dir, unsigned int limit_ms, char *why)
{
	char path[CONTROL_PATH_LEN];
	int err = control_socket_path(pin_dir, path, sizeof(path));

	if (!err)
		return control_link_local(path, limit_ms, why);
	snprintf(why, CONTROL_WHY_LEN, "'%s': no control socket: %s", pin_dir, strerror(-err));
	return NULL;
}

static void request_of(enum message_type type, const struct order *order, size_t at,
		       struct message_request *req)
{
	size_t left = order->named.count - at;

	*req = (struct message_request){
		.type = type,
		.old = order->old,
		.next = order->next,
		.max_ms = order->max_ms,
		.hold_mode = order->mode,
		.established_only = order->established_only,
	};
	if (left)
		req->flows.at = order->named.local + at;
	req->flows.count = left < MESSAGE_FLOWS_MAX ? left : MESSAGE_FLOWS_MAX;
}

/*
 * One frame after the other: a hold again adds flows, and so does a redirect to where the rule
 * leads already. If a later one fails, those before it stay as ordered.
 */
static int send_order(struct control_link *link, enum message_type type, const struct order *order,
		      struct rules_outcome *outcome, char *why)
{
	struct message_request req;
	struct message_answer answer;
	char old[ENDPOINT_STRLEN];
	size_t at = 0;
	int err;

	do {
		request_of(type, order, at, &req);
		err = control_call(link, &req, &answer, why);
		if (err)
			return err;
		at += req.flows.count;
		outcome->flows = answer.flows;
		outcome->taken = answer.taken;
		if (answer.result != MESSAGE_OK) {
			log_error("'%s': the agent refuses: %s", endpoint_format(&order->old, old),
				  answer.text);
			err = 1;
		}
		message_answer_free(&answer);
	} while (!err && at < order->named.count);
	return err;
}

static int by_agent(const char *pin_dir, enum message_type type, const struct order *order,
		    struct rules_outcome *outcome)
{
	char why[CONTROL_WHY_LEN];
	struct control_link *link = open_link(pin_dir, ORDER_LIMIT_MS, why);
	int err;

	if (!link)
		return log_error("an agent serves these pins, but %s; " CURE, why);
	err = send_order(link, type, order, outcome, why);
	control_link_close(link);
	if (err >= 0)
		return err;
	return log_error("an agent serves these pins, but %s; 'tcpmig-bpf list' shows whether it "
			 "is done; " CURE,
			 why);
}

/*
 * What the command looks at after the agent has done the work, as if it had done it. Without
 * the lock while the agent works: it needs it.
 */
static int there(struct session *s, enum message_type type, const struct order *order,
		 struct order_outcome *outcome, bool *locked)
{
	struct tcpmig_owner next;
	int err;

	session_unlock(s);
	err = by_agent(s->dir.path, type, order, &outcome->rules);
	*locked = !session_relock(s, RELOCK_WAIT_MS);
	if (!err && *locked && order->next.family)
		order_owner(&s->tables, session_is_our_netns(s), &order->next, &next,
			    &outcome->way);
	return err;
}

int local_order(const char *pin_dir, enum message_type type, const struct order *order,
		struct order_outcome *outcome)
{
	bool narrows, locked = true;
	struct session s;
	int agent, err;

	if (session_open(&s, pin_dir))
		return 1;
	*outcome = (struct order_outcome){};
	narrows = type == MESSAGE_LOCAL_REDIRECT && order_narrows(&s.tables, order);
	agent = pindir_agent_runs(s.dir.fd);
	if (agent < 0)
		err = log_errno(agent, "'%s': cannot see whether an agent runs", pin_dir);
	else if (agent)
		err = there(&s, type, order, outcome, &locked);
	else
		err = order_carry_out(&s.tables, session_is_our_netns(&s), type, order, outcome);
	session_note_way(&order->next, &outcome->way);
	if (locked)
		session_settle(&s);
	if (locked && !err && type != MESSAGE_LOCAL_RELEASE)
		session_note_path(&s, &order->old);
	session_close(&s);
	outcome->narrowed = narrows;
	return err;
}

void agent_status_ask(const char *pin_dir, struct agent_status *status)
{
	struct message_request req = { .type = MESSAGE_LOCAL_STATUS };
	char why[CONTROL_WHY_LEN];
	struct control_link *link;

	if (!status->running)
		return;
	link = open_link(pin_dir, STATUS_LIMIT_MS, why);
	if (!link || control_call(link, &req, &status->answer, why))
		log_note("note: an agent serves these pins, but %s; " CURE, why);
	else if (status->answer.result != MESSAGE_OK)
		log_note("note: the agent does not tell its migrations: %s", status->answer.text);
	control_link_close(link);
}

void agent_status_free(struct agent_status *status)
{
	message_answer_free(&status->answer);
}
