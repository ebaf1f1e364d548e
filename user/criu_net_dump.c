// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The side that gives the process up. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "criu_net.h"
#include "endpoint.h"
#include "log.h"
#include "netlink_socks.h"

#define NOTHING_DONE                                                                            \
	"nothing is frozen, all goes on as it was (TCPMIG_REQUIRE_AGENTS=any: without clients " \
	"that have no agent)"

/* Where its clients are, agents are expected: one an address. */
static int add_agents(struct criu_net *n, size_t i)
{
	const struct move_record *move = &n->orders.file.moves[i];
	struct rules_flows clients;
	struct tcpmig_endpoint at;
	struct move_agent *agent;
	char cur[ENDPOINT_STRLEN];
	int err = netlink_clients_of(&move->cur, false, &clients);

	for (size_t k = 0; !err && k < clients.count; k++) {
		at = clients.local[k];
		at.port = n->orders.agent_port;
		agent = move_agents_add(&n->orders.agents, i, &at);
		err = agent ? move_agents_add_client(agent, &clients.local[k]) : -ENOMEM;
	}
	free(clients.local);
	return err ? log_errno(err, "'%s': cannot list its connections",
			       endpoint_format(&move->cur, cur))
		   : 0;
}

/* Somebody may have connected from a host that was not asked, before its way here was held. */
static int check_newcomers(struct criu_net *n)
{
	char client[ENDPOINT_STRLEN];
	struct rules_flows open;
	int status = 0;

	for (size_t i = 0; !status && i < n->orders.file.count; i++) {
		int err = netlink_clients_of(&n->orders.file.moves[i].cur, true, &open);

		if (err)
			status = log_errno(err, "criu-hook: cannot list the connections");
		for (size_t k = 0; !status && !err && k < open.count; k++) {
			if (move_agents_find(&n->orders.agents, i, &open.local[k]))
				continue;
			endpoint_format(&open.local[k], client);
			if (n->orders.need == MOVE_NEED_ALL)
				status = log_error("%s has connected only now; try again", client);
			else
				log_note("note: %s has connected only now; its connection will be "
					 "lost",
					 client);
		}
		free(open.local);
	}
	return status;
}

static int process_is_there(void)
{
	const char *text = getenv("CRTOOLS_INIT_PID");
	int pid = text ? atoi(text) : 0;

	return pid > 0 && kill(pid, 0) && errno == ESRCH
		       ? log_error("'%s': there is no such process", text)
		       : 0;
}

static int write_file(struct criu_net *n)
{
	int status = move_orders_to_file(&n->orders);
	int err = status ? 0 : move_file_write(n->dir_fd, &n->orders.file);

	return err ? log_errno(err, "'" MOVE_FILE "': cannot write it") : status;
}

/* Whatever has been begun. */
static void give_up(struct criu_net *n, const char *reason)
{
	move_orders_give_up(&n->orders, reason);
	move_file_remove(n->dir_fd);
}

static int set_uuids(struct criu_net *n)
{
	int status = 0;

	for (size_t i = 0; !status && i < n->orders.file.count; i++)
		status = move_orders_uuid(&n->orders, n->orders.file.moves[i].uuid);
	return status;
}

static int begin(struct criu_net *n)
{
	int status = write_file(n);

	if (!status)
		status = move_orders_give_all(&n->orders, MESSAGE_HOLD, NOTHING_DONE);
	return status ? status : check_newcomers(n);
}

int criu_net_pre_dump(struct criu_net *n)
{
	int status = criu_net_lists(&n->orders.file);

	if (!status)
		status = process_is_there();
	for (size_t i = 0; !status && i < n->orders.file.count; i++)
		status = add_agents(n, i);
	if (!status)
		status = set_uuids(n);
	if (status)
		return status;
	status = move_orders_reserve(&n->orders, NOTHING_DONE);
	if (!status)
		status = begin(n);
	if (status)
		give_up(n, "the dump was not begun");
	return status;
}

/*
 * The hold anew, so that all of it is left for the transfer. Then what cannot be taken back here,
 * and last the word that lets the images be restored.
 */
static int commit(struct criu_net *n)
{
	static const char cure[] = "the process goes on here, and its connections at the latest "
				   "when they are held no longer";
	int err, status = move_orders_give_all(&n->orders, MESSAGE_HOLD, cure);

	if (!status)
		status = move_orders_give_all(&n->orders, MESSAGE_COMMIT, cure);
	if (status)
		return status;
	n->orders.file.committed = true;
	err = move_file_write(n->dir_fd, &n->orders.file);
	return err ? log_errno(err, "'" MOVE_FILE "': cannot write it; %s", cure) : 0;
}

int criu_net_post_dump(struct criu_net *n)
{
	int status = commit(n);

	for (size_t i = 0; i < n->orders.agents.count; i++)
		n->orders.agents.list[i].begun = true;
	if (status)
		give_up(n, "the dump was given up");
	return status;
}
