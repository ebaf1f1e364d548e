// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Before anything comes: whether it may and can, and all that has to stand ready for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent_log.h"
#include "cleanup.h"
#include "control_message.h"
#include "criu_tested.h"
#include "endpoint.h"
#include "findings.h"
#include "host_session.h"
#include "move_agents.h"
#include "netlink_socks.h"
#include "preflight.h"

#define IMAGES_FACTOR 8 /* so many times of what was announced may come */
#define IMAGES_LEAST  (256ULL << 20)

static int check_move(struct host_session *s, const TcpmigHost__Move *move)
{
	struct tcpmig_endpoint cur, next;
	char text[ENDPOINT_STRLEN];

	host_endpoint_take(move->cur, &cur);
	host_endpoint_take(move->next, &next);
	endpoint_format(&next, text);
	if (!tls_peer_speaks_for(host_link_peer(s->link), &cur))
		return host_fail(s, -EACCES, "%s: the certificate does not speak for it",
				 endpoint_format(&cur, text));
	if (!host_conf_accepts(s->conf, host_link_remote(s->link), &next))
		return host_fail(s, -EACCES, "%s: no [accept] in host.conf allows it from there",
				 text);
	if (netlink_is_local(&next) != 1)
		return host_fail(s, -EADDRNOTAVAIL,
				 "%s: not an address of this host; expected one, by --new", text);
	return 0;
}

/* The first that is fatal. */
static int check_findings(struct host_session *s, struct findings *f)
{
	int err = 0;

	for (size_t i = 0; !err && i < f->count; i++) {
		const struct finding *one = &f->list[i];

		if (one->result == FINDING_FAIL)
			err = host_fail(s, -EPERM, "%s%s%s", one->detail, one->cure ? "; " : "",
					one->cure ?: "");
	}
	findings_free(f);
	return err;
}

/* "4.2.1" as criu_tested() has it; 0: not said. */
static int version_of(const char *text)
{
	int major = 0, minor = 0, sub = 0;

	sscanf(text, "%d.%d.%d", &major, &minor, &sub);
	return major * 10000 + minor * 100 + sub;
}

static int check_machine(struct host_session *s, const TcpmigHost__Prepare *prepare)
{
	struct findings f = {};
	struct cpu_flags flags;
	char why[CRIU_TESTED_WHY];

	if (criu_tested(s->criu_path, &s->criu_version, why))
		return host_fail(s, -EPERM, "%s", why);
	if (s->criu_version < version_of(prepare->criu_version))
		return host_fail(s, -EPERM,
				 "criu here is older than %s, whose images it may not read; "
				 "expected that or a later one",
				 prepare->criu_version);
	if (prepare->n_cpu_flags && !cpu_flags_read(&flags)) {
		preflight_cpu(prepare->cpu_flags, prepare->n_cpu_flags, flags.names, flags.count,
			      &f);
		cpu_flags_free(&flags);
	}
	return check_findings(s, &f);
}

int host_check_prepare(struct host_session *s, const TcpmigHost__Prepare *prepare)
{
	int err = 0;

	if (!prepare->n_moves && !host_conf_knows(s->conf, host_link_remote(s->link)))
		err = host_fail(s, -EACCES, "no [accept] in host.conf allows it from there");
	for (size_t i = 0; !err && i < prepare->n_moves; i++)
		err = check_move(s, prepare->moves[i]);
	return err ? err : check_machine(s, prepare);
}

static bool is_next(const TcpmigHost__Move *move, const struct tcpmig_endpoint *ep)
{
	struct tcpmig_endpoint next;

	host_endpoint_take(move->next, &next);
	return endpoint_same(&next, ep);
}

/* Only of what host_check_prepare() has allowed: else who may bring one could gate any other. */
int host_check_connections(struct host_session *s, const TcpmigHost__Connections *msg)
{
	const TcpmigHost__Prepare *prepare = s->record.r->prepare;
	char text[ENDPOINT_STRLEN];
	struct tcpmig_endpoint ep;

	for (size_t i = 0; i < msg->n_connections; i++) {
		const TcpmigHost__Connection *c = msg->connections[i];

		host_endpoint_take(c->local, &ep);
		if (c->move >= prepare->n_moves || !is_next(prepare->moves[c->move], &ep))
			return host_fail(s, -EACCES, "%s: a connection of none of its moves",
					 endpoint_format(&ep, text));
	}
	for (size_t i = 0; i < msg->n_listeners; i++) {
		bool allowed;

		host_endpoint_take(msg->listeners[i], &ep);
		allowed = endpoint_check_routable(&ep) != NULL; /* to any, or loopback */
		for (size_t k = 0; !allowed && k < prepare->n_moves; k++)
			allowed = is_next(prepare->moves[k], &ep);
		if (!allowed)
			return host_fail(s, -EACCES, "%s: a listener of none of its moves",
					 endpoint_format(&ep, text));
	}
	return 0;
}

/* As the restored listener will. */
static int check_port(struct host_session *s, const TcpmigHost__Endpoint *at)
{
	int yes = 1, v6only = at->v6only;
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage addr;
	struct tcpmig_endpoint ep;
	char text[ENDPOINT_STRLEN];
	socklen_t len;

	host_endpoint_take(at, &ep);
	len = endpoint_to_sockaddr(&ep, &addr);
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)))
		return host_fail(s, -errno, "socket: %s", strerror(errno));
	if (addr.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)))
		return host_fail(s, -errno, "socket: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 1))
		return host_fail(s, -EADDRINUSE,
				 "%s: %s here; expected it to be free, or --new-port",
				 endpoint_format(&ep, text), strerror(errno));
	return 0;
}

int host_check_free(struct host_session *s)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->record.r->n_listeners; i++)
		err = check_port(s, s->record.r->listeners[i]);
	return err;
}

static int cannot_gate(struct host_session *s, int err, const char *what)
{
	return host_fail(s, err, "cannot gate its %s: %s", what,
			 err == -EBUSY ? "another migration has one of them" : strerror(-err));
}

static int gate_flows(struct host_session *s)
{
	const TcpmigHost__Record *r = s->record.r;
	_cleanup_free_ struct fence_flow *flows = calloc(r->n_connections + 1, sizeof(*flows));
	int err;

	if (!flows)
		return host_fail(s, -ENOMEM, "no memory");
	for (size_t i = 0; i < r->n_connections; i++) {
		host_endpoint_take(r->connections[i]->local, &flows[i].local);
		host_endpoint_take(r->connections[i]->remote, &flows[i].remote);
	}
	err = fence_add_flows(&s->gate, flows, r->n_connections);
	return err ? cannot_gate(s, err, "connections") : 0;
}

static int gate_listeners(struct host_session *s)
{
	struct tcpmig_endpoint ep;
	int err = 0;

	for (size_t i = 0; !err && i < s->record.r->n_listeners; i++) {
		const TcpmigHost__Endpoint *at = s->record.r->listeners[i];

		host_endpoint_take(at, &ep);
		err = fence_add_listener(&s->gate, &ep, at->v6only);
	}
	return err ? cannot_gate(s, err, "listeners") : 0;
}

static int log_uncovered(int ifindex, const char *name, void *ctx)
{
	(void)ifindex;
	(void)ctx;
	agent_log(AGENT_LOG_WARNING, "gate", "interface", name, "why",
		  "it is of a kind that cannot be gated", NULL);
	return 0;
}

int host_gate(struct host_session *s)
{
	const char *why = "";
	int err;

	if (!s->gated) {
		err = fence_open(&s->gate, s->conf->pins, s->record.r->uuid.data, &why);
		if (err)
			return host_fail(s, err, "cannot make the gate: %s: %s", why,
					 strerror(-err));
		s->gated = true;
		err = fence_uncovered(&s->gate, log_uncovered, NULL);
		if (err)
			return host_fail(s, err, "cannot list what is gated: %s", strerror(-err));
	}
	err = gate_listeners(s) ?: gate_flows(s);
	if (!err)
		err = fence_set(&s->gate, FENCE_CLOSED);
	return err;
}

/* What move_agents.h wants to know of it. */
static int moves_of(const TcpmigHost__Record *r, struct move_file *file)
{
	const TcpmigHost__Prepare *prepare = r->prepare;

	if (prepare->n_moves > MOVE_FILE_MOVES)
		return -E2BIG;
	for (size_t i = 0; i < prepare->n_moves; i++) {
		struct move_record *move = &file->moves[i];

		memcpy(move->uuid, r->uuid.data, sizeof(move->uuid));
		host_endpoint_take(prepare->moves[i]->old, &move->old);
		host_endpoint_take(prepare->moves[i]->cur, &move->cur);
		host_endpoint_take(prepare->moves[i]->next, &move->next);
	}
	file->count = prepare->n_moves;
	return 0;
}

static int take_agents(struct host_session *s, struct move_agents *a)
{
	const TcpmigHost__Record *r = s->record.r;

	for (size_t i = 0; i < r->n_agents; i++) {
		struct tcpmig_endpoint at;
		struct move_agent *agent;

		host_endpoint_take(r->agents[i]->at, &at);
		if (r->agents[i]->move >= a->file->count)
			return host_fail(s, -EPROTO, "an agent of a move that is none");
		agent = move_agents_add(a, r->agents[i]->move, &at);
		if (!agent)
			return host_fail(s, -ENOMEM, "no memory");
		agent->epoch = r->agents[i]->epoch;
	}
	return 0;
}

/* An order of ours, as NEXT, to all agents. */
static int order(struct host_session *s, enum message_type type, const char *reason)
{
	struct move_file file = {};
	struct move_agents agents = {
		.tls = s->tls,
		.file = &file,
		.timeout_ms = s->conf->agent_timeout_ms,
		.by_next = true,
		.reason = reason,
	};
	int err = moves_of(s->record.r, &file);

	err = err ? host_fail(s, err, "more than %d addresses", MOVE_FILE_MOVES)
		  : take_agents(s, &agents);
	if (!err && move_agents_order(&agents, type)) {
		for (size_t i = 0; !err && i < agents.count; i++) {
			if (agents.list[i].err)
				err = host_fail(s, -EPERM, "%s", agents.list[i].why);
		}
	}
	move_agents_free(&agents);
	return err;
}

void host_free_clients(struct host_session *s)
{
	char why[sizeof(s->why)];

	memcpy(why, s->why, sizeof(why));
	if (order(s, MESSAGE_ABORT, "the process could not be made to run"))
		agent_log(AGENT_LOG_ERROR, "lost", "why", s->why, NULL);
	memcpy(s->why, why, sizeof(why));
}

static int make_images(struct host_session *s)
{
	uint64_t limit = s->record.r->prepare->image_bytes * IMAGES_FACTOR + IMAGES_LEAST;

	s->images = image_receive_new(s->record.images_fd, limit, "inventory.img", HOST_INVENTORY);
	return s->images ? 0 : host_fail(s, -ENOMEM, "no memory");
}

/* The gate first: whoever connects while ports are tried must not get an answer. */
int host_ready(struct host_session *s)
{
	bool again = s->images;
	int err = !again && s->has_place ? host_fail(s, -EBUSY, "it could not be made ready before")
					 : host_gate(s);

	if (!err && !again)
		err = host_check_free(s) ?: host_place(s) ?: host_await(s) ?: make_images(s);
	return err ? err : order(s, MESSAGE_CONSENT, NULL);
}
