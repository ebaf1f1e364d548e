// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <event2/listener.h>
#include <signal.h>
#include <string.h>

#include "agent.h"
#include "agent_conn.h"
#include "agent_files.h"
#include "agent_keeper.h"
#include "agent_log.h"
#include "cleanup.h"

#define TICK_S 1

/**
 * struct agent - the whole of it.
 * @conf: in use; replaced in place by a reload
 */
struct agent {
	struct agent_start *start;
	int keeper_fd;
	struct conn_server server;
	struct evconnlistener *listeners[AGENT_LISTEN_MAX + 1];
	size_t listener_count;
	struct event *keeper_event;
	struct event *tick_event;
	int status;
};

static void agent_end(struct agent *a, int status)
{
	a->status = status;
	event_base_loopbreak(a->server.base);
}

/* Neighbour entries follow the rules, and only the keeper may set them. */
static void tell_of_rules(struct agent *a)
{
	if (!a->server.moves.changed)
		return;
	if (!keeper_tell(a->keeper_fd, KEEPER_RULES))
		a->server.moves.changed = false;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct agent *a = ctx;

	(void)fd;
	(void)what;
	agent_moves_tick(&a->server.moves);
	tell_of_rules(a);
	if (a->server.moves.gone) {
		agent_log(AGENT_LOG_ERROR, "end", "why", "the pins have been removed", NULL);
		return agent_end(a, 1);
	}
	keeper_tell(a->keeper_fd, KEEPER_ALIVE); /* if it cannot, the watchdog is to bite */
}

/* Both or neither: a policy without its certificates would be worse than the old ones. */
static void reload(struct agent *a, const struct keeper_files *files)
{
	char why[AGENT_FILES_WHY_LEN];
	struct agent_conf conf;
	struct tls *tls;

	if (agent_files_parse(a->start->conf_path, files, &conf, &tls, why)) {
		agent_log(AGENT_LOG_ERROR, "reload", "result", "failed", "why", why, NULL);
		return;
	}
	tls_free(a->server.tls); /* sessions keep what they need of it */
	a->server.tls = a->start->tls = tls;
	a->server.generation++;
	a->start->conf = conf;
	agent_log(AGENT_LOG_NOTICE, "reload", "result", "ok", NULL);
	keeper_tell(a->keeper_fd, KEEPER_RELOADED);
}

static void on_keeper(evutil_socket_t fd, short what, void *ctx)
{
	struct keeper_files files;
	struct agent *a = ctx;
	int order;

	(void)what;
	while ((order = keeper_hear(fd, &files)) >= 0) {
		if (order == KEEPER_STOP)
			return agent_end(a, 0);
		reload(a, &files);
		agent_files_close(&files);
	}
	if (order == -EAGAIN)
		return;
	agent_log(AGENT_LOG_ERROR, "end", "why", "the keeper is gone", NULL);
	agent_end(a, 1);
}

static void on_host(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
		    void *ctx)
{
	struct agent *a = ctx;

	(void)l;
	(void)len;
	conn_accept_tls(&a->server, fd, from);
}

static void on_local(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
		     void *ctx)
{
	struct agent *a = ctx;

	(void)l;
	(void)from;
	(void)len;
	conn_accept_local(&a->server, fd);
}

/* As for want of descriptors: the connection stays in the queue. */
static void on_accept_error(struct evconnlistener *l, void *ctx)
{
	(void)l;
	(void)ctx;
	agent_log(AGENT_LOG_WARNING, "accept", "why", strerror(errno), NULL);
}

static int listen_on(struct agent *a, int fd, evconnlistener_cb on_connection)
{
	struct evconnlistener *l = evconnlistener_new(a->server.base, on_connection, a,
						      LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (!l)
		return -ENOMEM;
	evconnlistener_set_error_cb(l, on_accept_error);
	a->listeners[a->listener_count++] = l;
	return 0;
}

static int add_events(struct agent *a)
{
	const struct timeval tick = { .tv_sec = TICK_S };
	int err = listen_on(a, a->start->control_fd, on_local);

	for (size_t i = 0; !err && i < a->start->conf.listen_count; i++)
		err = listen_on(a, a->start->listen_fds[i], on_host);
	if (err)
		return err;
	a->keeper_event = event_new(a->server.base, a->keeper_fd, EV_READ | EV_PERSIST, on_keeper,
				    a);
	a->tick_event = event_new(a->server.base, -1, EV_PERSIST, on_tick, a);
	if (!a->keeper_event || !a->tick_event)
		return -ENOMEM;
	return event_add(a->keeper_event, NULL) || event_add(a->tick_event, &tick) ? -ENOMEM : 0;
}

/* Rules are told of at once: the tick may be a second away. */
static int loop(struct agent *a)
{
	int status = 0;

	while (!status && !event_base_got_break(a->server.base)) {
		status = event_base_loop(a->server.base, EVLOOP_ONCE);
		tell_of_rules(a);
	}
	return status ? 1 : a->status;
}

static void agent_clear(struct agent *a)
{
	conn_close_all(&a->server);
	for (size_t i = 0; i < a->listener_count; i++)
		evconnlistener_free(a->listeners[i]);
	if (a->keeper_event)
		event_free(a->keeper_event);
	if (a->tick_event)
		event_free(a->tick_event);
	agent_moves_close(&a->server.moves);
	if (a->server.base)
		event_base_free(a->server.base);
}

int agent_run(struct agent_start *start, int keeper_fd)
{
	static struct agent a; /* too big for the stack */
	int err;

	signal(SIGPIPE, SIG_IGN);
	a = (struct agent){ .start = start, .keeper_fd = keeper_fd };
	TAILQ_INIT(&a.server.waiting);
	TAILQ_INIT(&a.server.served);
	a.server.tls = start->tls;
	a.server.base = event_base_new();
	err = a.server.base ? agent_moves_open(&a.server.moves, &start->tables, &start->pins,
					       &start->conf, start->state_fd)
			    : -ENOMEM;
	if (!err)
		err = add_events(&a);
	if (!err)
		err = keeper_tell(keeper_fd, KEEPER_READY);
	if (err)
		agent_log(AGENT_LOG_ERROR, "end", "why",
			  err == -EBADMSG ? "the state file is damaged" : strerror(-err), NULL);
	else
		err = loop(&a);
	agent_clear(&a);
	return err ? 1 : 0;
}
