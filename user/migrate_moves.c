// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which flows move from where to where, by which names their clients know them, and who must be
 * told. After A→B one socket address at B may be known by two names: OLD of those who came along,
 * and its own of those who connected to B later.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "log.h"
#include "migrate.h"

static const struct tcpmig_endpoint *new_address(const struct migrate *m, unsigned int family)
{
	const struct tcpmig_endpoint *named = &m->opt->new[family == TCPMIG_AF_INET6];

	if (named->family)
		return named;
	return m->opt->to.family == family ? &m->opt->to : NULL;
}

int migrate_next_of(const struct migrate *m, const struct tcpmig_endpoint *local,
		    struct tcpmig_endpoint *next)
{
	const struct tcpmig_endpoint *to = new_address(m, local->family);
	char text[ENDPOINT_STRLEN];

	*next = *local;
	if (endpoint_is_loopback(local)) /* the same on every host: the images keep it */
		return 0;
	if (!endpoint_is_any(local) && to) {
		*next = *to;
		next->port = local->port;
	} else if (!endpoint_is_any(local)) {
		return log_error(
			"'%s': has no address at '%s'; expected one of its family by --new",
			endpoint_format(local, text), m->opt->to_text);
	}
	if (m->opt->new_port)
		next->port = m->opt->new_port;
	return 0;
}

/* Return: its index; -1 after saying what is wrong. */
static ssize_t add_move(struct migrate *m, const struct tcpmig_endpoint *old,
			const struct tcpmig_endpoint *cur)
{
	struct move_file *file = &m->orders.file;
	struct tcpmig_endpoint next;
	char text[ENDPOINT_STRLEN];

	for (size_t i = 0; i < file->count; i++) {
		if (endpoint_same(&file->moves[i].old, old) &&
		    endpoint_same(&file->moves[i].cur, cur))
			return i;
	}
	if (file->count == MOVE_FILE_MOVES) {
		log_error("'%s': one address more than %d that a process may have",
			  endpoint_format(cur, text), MOVE_FILE_MOVES);
		return -1;
	}
	if (migrate_next_of(m, cur, &next))
		return -1;
	if (m->opt->new_port && file->count && cur->port != file->moves[0].cur.port) {
		log_usage("--new-port: the process has several ports, %s for one",
			  endpoint_format(cur, text));
		return -1;
	}
	file->moves[file->count] = (struct move_record){ .old = *old, .cur = *cur, .next = next };
	memcpy(file->moves[file->count].uuid, m->uuid, HOST_UUID_LEN);
	return file->count++;
}

/* The name by which the client of a connection that came along knows it. */
static bool known_old(const struct migrate *m, const struct fence_flow *flow,
		      struct tcpmig_endpoint *old)
{
	const TcpmigHost__Record *r = m->known;

	for (size_t i = 0; r && i < r->n_connections; i++) {
		const TcpmigHost__Connection *c = r->connections[i];
		struct tcpmig_endpoint local, remote;

		host_endpoint_take(c->local, &local);
		host_endpoint_take(c->remote, &remote);
		if (c->move < r->prepare->n_moves && endpoint_same(&local, &flow->local) &&
		    endpoint_same(&remote, &flow->remote)) {
			host_endpoint_take(r->prepare->moves[c->move]->old, old);
			return true;
		}
	}
	return false;
}

static int add_client(struct migrate *m, size_t move, const struct tcpmig_endpoint *client)
{
	struct tcpmig_endpoint at = *client;
	struct move_agent *agent;

	at.port = m->orders.agent_port;
	agent = move_agents_add(&m->orders.agents, move, &at);
	return agent && !move_agents_add_client(agent, client) ? 0 : log_errno(ENOMEM, "migrate");
}

/* A new client, after a move, may have come by any name: its agent will say by which. */
static int add_other_names(struct migrate *m, const struct fence_flow *flow)
{
	const TcpmigHost__Record *r = m->known;
	int status = 0;

	for (size_t i = 0; r && !status && i < r->prepare->n_moves; i++) {
		struct tcpmig_endpoint old, next;
		ssize_t move;

		host_endpoint_take(r->prepare->moves[i]->old, &old);
		host_endpoint_take(r->prepare->moves[i]->next, &next);
		if (!endpoint_same(&next, &flow->local) || endpoint_same(&old, &flow->local))
			continue;
		move = add_move(m, &old, &flow->local);
		status = move < 0 ? 1 : add_client(m, move, &flow->remote);
	}
	return status;
}

static int add_flow(struct migrate *m, const struct fence_flow *flow)
{
	struct tcpmig_endpoint old = flow->local;
	bool known = known_old(m, flow, &old);
	ssize_t move = add_move(m, &old, &flow->local);
	int status = move < 0 ? 1 : add_client(m, move, &flow->remote);

	if (!status && !known)
		status = add_other_names(m, flow);
	if (status)
		return status;
	m->flows[m->flow_count] = *flow;
	m->move_of[m->flow_count++] = move;
	return 0;
}

/* @at: where to begin, for the next call: lists of the same sockets have the same order. */
static bool has_flow(const struct migrate *m, const struct fence_flow *flow, size_t *at)
{
	for (size_t n = 0; n < m->flow_count; n++) {
		const struct fence_flow *one = &m->flows[(*at + n) % m->flow_count];

		if (endpoint_same(&one->remote, &flow->remote) &&
		    endpoint_same(&one->local, &flow->local)) {
			*at = (*at + n + 1) % m->flow_count;
			return true;
		}
	}
	return false;
}

int migrate_find_newcomers(struct migrate *m, size_t *added)
{
	const struct tree_sockets *s = &m->sockets;
	size_t before = m->flow_count, room = before + s->connection_count + 1;
	struct fence_flow *flows = reallocarray(m->flows, room, sizeof(*flows));
	size_t *move_of = reallocarray(m->move_of, room, sizeof(*move_of));
	size_t at = 0;
	int status = 0;

	m->flows = flows ?: m->flows;
	m->move_of = move_of ?: m->move_of;
	if (!flows || !move_of)
		return log_errno(ENOMEM, "migrate");
	for (size_t i = 0; !status && i < s->connection_count; i++) {
		struct fence_flow flow = { s->connections[i].local, s->connections[i].remote };

		if (endpoint_is_loopback(&flow.local))
			continue; /* preflight has seen that both ends are the tree's */
		if (!before || !has_flow(m, &flow, &at))
			status = add_flow(m, &flow);
	}
	*added = m->flow_count - before;
	m->progress.connections = m->flow_count;
	return status;
}

/* Listeners have no clients, but addresses in the images. */
static int find_listeners(struct migrate *m)
{
	for (size_t i = 0; i < m->sockets.listener_count; i++) {
		struct tcpmig_endpoint at = m->sockets.listeners[i].local;

		if (endpoint_is_loopback(&at))
			continue;
		if (endpoint_is_any(&at)) {
			if (!m->opt->new_port || at.family != m->opt->to.family)
				continue;
			at = *host_link_local(m->link);
			at.port = m->sockets.listeners[i].local.port;
		}
		if (add_move(m, &at, &at) < 0)
			return 1;
	}
	return 0;
}

/* Does anything of the tree use this address still? */
static bool is_ours(const struct migrate *m, const struct tcpmig_endpoint *at)
{
	for (size_t i = 0; i < m->sockets.connection_count; i++) {
		if (endpoint_same(&m->sockets.connections[i].local, at))
			return true;
	}
	for (size_t i = 0; i < m->sockets.listener_count; i++) {
		const struct tree_listener *listener = &m->sockets.listeners[i];

		if (tree_listener_covers(listener, at))
			return true;
	}
	return false;
}

/*
 * Whoever has been told in earlier moves leads new connections to where the tree is now, and must
 * be told of the next move, too, whether he has a connection at the moment or not.
 */
static int find_followers(struct migrate *m)
{
	const TcpmigHost__Record *r = m->known;

	for (size_t i = 0; r && i < r->n_agents; i++) {
		const TcpmigHost__Agent *agent = r->agents[i];
		struct tcpmig_endpoint old, cur, at;
		ssize_t move;

		if (agent->move >= r->prepare->n_moves)
			continue;
		host_endpoint_take(r->prepare->moves[agent->move]->old, &old);
		host_endpoint_take(r->prepare->moves[agent->move]->next, &cur);
		host_endpoint_take(agent->at, &at);
		if (endpoint_same(&old, &cur) || !is_ours(m, &cur))
			continue; /* its rule has ended, or leads to nobody */
		move = add_move(m, &old, &cur);
		if (move < 0)
			return 1;
		if (!move_agents_add(&m->orders.agents, move, &at))
			return log_errno(ENOMEM, "migrate");
	}
	return 0;
}

int migrate_find_moves(struct migrate *m)
{
	size_t added;
	int status = migrate_find_newcomers(m, &added);

	if (!status)
		status = find_listeners(m);
	return status ? status : find_followers(m);
}
