// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent_conn.h"
#include "agent_log.h"
#include "clocks.h"
#include "control_frame.h"
#include "endpoint.h"
#include "policy.h"

/*
 * Who does not read the answers is not asked on, and who sends on all the same is closed. Reading
 * is never switched off for a while: libevent 2.1 then forgets what OpenSSL has read already.
 */
#define OUT_MAX (256 * 1024)
#define IN_MAX	(1024 * 1024)
/* So long at a time the requests of one are answered, if others wait: a QUERY takes some ms. */
#define TURN_NS 1000000
/* Lines about strangers: so many at once, so many a second. */
#define STRANGERS_BURST	   20
#define STRANGERS_A_SECOND 1
/* And about orders that hosts are refused: each could send thousands. */
#define REFUSED_BURST	 100
#define REFUSED_A_SECOND 10

/**
 * struct conn - a connection.
 * @turn:    there are requests left of its last one
 * @source:  where it counts until it is authenticated; then NULL
 * @checked_s, @checked_generation: when its certificate was good, and by which CA and CRL
 */
struct conn {
	TAILQ_ENTRY(conn) entry;
	struct conn_server *server;
	struct bufferevent *bev;
	struct event *deadline;
	struct event *turn;
	struct gate_source *source;
	struct tls_peer peer;
	struct tcpmig_endpoint from;
	char name[ENDPOINT_STRLEN];
	bool local;
	bool authenticated;
	bool hello;
	bool closing; /* when the answer is out */
	time_t checked_s;
	unsigned int checked_generation;
};

static void conn_close(struct conn *c)
{
	struct conn_server *server = c->server;

	if (c->authenticated || c->local) {
		TAILQ_REMOVE(&server->served, c, entry);
		server->served_count--;
	} else {
		TAILQ_REMOVE(&server->waiting, c, entry);
	}
	gate_leave(&server->gate, c->source);
	if (c->deadline)
		event_free(c->deadline);
	if (c->turn)
		event_free(c->turn);
	if (c->bev)
		bufferevent_free(c->bev);
	tls_peer_free(&c->peer);
	free(c);
}

/* Strangers could fill the disk. */
static void log_stranger(struct conn_server *server, const char *from, const char *why)
{
	if (bucket_take(&server->quiet, 1, STRANGERS_BURST, STRANGERS_A_SECOND, clock_boot_ns()))
		agent_log(AGENT_LOG_WARNING, "refused", "from", from, "why", why, NULL);
}

static void conn_refuse(struct conn *c, const char *why)
{
	if (c->authenticated || c->local)
		agent_log(AGENT_LOG_WARNING, "closed", "from", c->name, "peer", c->peer.name, "why",
			  why, NULL);
	else
		log_stranger(c->server, c->name, why);
	conn_close(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	conn_refuse(ctx, "no handshake and HELLO in time");
}

/* What is left out is counted, and the next line says so. */
static bool may_log(struct conn *c, const struct message_answer *answer)
{
	struct conn_server *server = c->server;

	if (c->local || answer->result == MESSAGE_OK ||
	    bucket_take(&server->refused, 1, REFUSED_BURST, REFUSED_A_SECOND, clock_boot_ns()))
		return true;
	server->unlogged++;
	return false;
}

static void log_order(struct conn *c, const struct message_request *req,
		      const struct message_answer *answer)
{
	bool asks = req->type == MESSAGE_QUERY || req->type == MESSAGE_STATUS ||
		    req->type == MESSAGE_LOCAL_STATUS;
	char old[ENDPOINT_STRLEN] = "", next[ENDPOINT_STRLEN] = "", uuid[MESSAGE_UUID_STRLEN];

	if ((asks && answer->result == MESSAGE_OK) || !may_log(c, answer))
		return;
	if (c->server->unlogged)
		agent_log(AGENT_LOG_WARNING, "refused-orders", "not-logged",
			  AGENT_LOG_NUM(c->server->unlogged), NULL);
	c->server->unlogged = 0;
	if (req->old.family)
		endpoint_format(&req->old, old);
	if (req->next.family)
		endpoint_format(&req->next, next);
	agent_log(answer->result == MESSAGE_OK ? AGENT_LOG_INFO : AGENT_LOG_WARNING, "order",
		  "type", message_type_name(req->type), "old", old, "next", next, "uuid",
		  message_uuid_text(req->uuid, uuid), "epoch", AGENT_LOG_NUM(req->epoch), "from",
		  c->name, "peer", c->peer.name, "result", message_result_name(answer->result),
		  "flows", AGENT_LOG_NUM(answer->flows), "why",
		  answer->result != MESSAGE_OK ? answer->text
		  : req->type == MESSAGE_ABORT ? req->text
					       : "",
		  NULL);
}

static void say_hello(struct conn *c, const struct message_request *req,
		      struct message_answer *answer)
{
	answer->version = MESSAGE_VERSION;
	if (req->version != MESSAGE_VERSION) {
		agent_refuse(answer, MESSAGE_INVALID, "version %u: expected %d", req->version,
			     MESSAGE_VERSION);
		c->closing = true;
		return;
	}
	snprintf(answer->text, sizeof(answer->text), "tcpmig-bpf " TCPMIG_VERSION);
	c->hello = true;
	event_del(c->deadline);
}

/* A certificate that was good at the handshake may have been revoked, or be too old, by now. */
static const char *still_good(struct conn *c, char *why)
{
	time_t now = time(NULL);

	if (c->local || (c->checked_s == now && c->checked_generation == c->server->generation))
		return NULL;
	if (tls_peer_check(c->server->tls, &c->peer, why))
		return why;
	c->checked_s = now;
	c->checked_generation = c->server->generation;
	return NULL;
}

/* Return: NULL, or why the connection is to be closed without an answer. */
static const char *handle(struct conn *c, const struct message_request *req,
			  struct message_answer *answer)
{
	struct agent_peer peer = { .tls = &c->peer, .from = c->from };

	if (req->type == MESSAGE_HELLO) {
		say_hello(c, req, answer);
		return NULL;
	}
	if (!c->hello)
		return "a request before HELLO";
	if (message_type_is_local(req->type) != c->local)
		return "a request of the other socket";
	if (c->local)
		agent_order_local(&c->server->moves, req, answer);
	else
		agent_order(&c->server->moves, &peer, req, answer);
	log_order(c, req, answer);
	return NULL;
}

static const char *answer_frame(struct conn *c, const uint8_t *payload, size_t len, char *why_buf)
{
	static uint8_t frame[FRAME_BYTES]; /* one thread */
	struct message_request req = {};
	struct message_answer answer = {};
	const char *why = still_good(c, why_buf);
	int size;

	if (!why && message_request_decode(&req, payload, len, &why) == 0)
		why = handle(c, &req, &answer);
	if (!why) {
		answer.id = req.id;
		size = message_answer_encode(&answer, frame);
		if (size < 0)
			why = "no answer fits a frame";
		else
			bufferevent_write(c->bev, frame, size);
	}
	message_request_free(&req);
	message_answer_free(&answer);
	return why;
}

/* Return: 1: a frame was answered; 0: none is complete; -1: closed. */
static int next_frame(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	uint8_t head[FRAME_HEAD_BYTES], *data;
	char why_buf[TLS_WHY_LEN];
	const char *why;
	int payload;

	if (!c->authenticated && !c->local)
		return 0;
	if (evbuffer_copyout(in, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
		return 0;
	payload = frame_payload(head);
	if (payload < 0) {
		conn_refuse(c, "a frame too long or empty");
		return -1;
	}
	if (evbuffer_get_length(in) < sizeof(head) + payload)
		return 0;
	data = evbuffer_pullup(in, sizeof(head) + payload);
	why = data ? answer_frame(c, data + sizeof(head), payload, why_buf) : "out of memory";
	if (why) {
		conn_refuse(c, why);
		return -1;
	}
	evbuffer_drain(in, sizeof(head) + payload);
	return 1;
}

static bool is_clogged(struct conn *c)
{
	return c->closing || evbuffer_get_length(bufferevent_get_output(c->bev)) > OUT_MAX;
}

/* As many as there are, but then it is the others' turn, who wait for poll. */
static void on_readable(struct bufferevent *bev, void *ctx)
{
	const uint64_t end_ns = clock_boot_ns() + TURN_NS;
	const struct timeval at_once = {};
	struct conn *c = ctx;
	int more;

	do
		more = is_clogged(c) ? 0 : next_frame(c);
	while (more > 0 && clock_boot_ns() < end_ns);
	if (more < 0)
		return;
	if (evbuffer_get_length(bufferevent_get_input(bev)) > IN_MAX)
		conn_refuse(c, "too many requests before their answers");
	else if (more > 0 && evtimer_add(c->turn, &at_once))
		conn_refuse(c, "out of memory");
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd;
	(void)what;
	on_readable(c->bev, c);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct conn *c = ctx;

	if (c->closing)
		return conn_close(c);
	on_readable(bev, c);
}

static void serve(struct conn *c)
{
	const struct timeval idle = { .tv_sec = CONN_IDLE_S };

	TAILQ_INSERT_TAIL(&c->server->served, c, entry);
	c->server->served_count++;
	bufferevent_set_timeouts(c->bev, &idle, &idle);
}

static unsigned int served_of(const struct conn_server *server, const struct tls_peer *peer)
{
	unsigned int count = 0;

	for (const struct conn *c = TAILQ_FIRST(&server->served); c; c = TAILQ_NEXT(c, entry))
		count += !memcmp(c->peer.key_sha256, peer->key_sha256, sizeof(peer->key_sha256));
	return count;
}

static void authenticated(struct conn *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	char why[TLS_WHY_LEN];

	if (tls_peer_of(ssl, &c->peer, why) || tls_peer_check(c->server->tls, &c->peer, why))
		return conn_refuse(c, why);
	if (c->server->served_count >= CONN_MAX)
		return conn_refuse(c, "too many connections are served");
	if (served_of(c->server, &c->peer) >= CONN_CERT_MAX)
		return conn_refuse(c, "too many connections with its certificate are served");
	c->checked_s = time(NULL);
	c->checked_generation = c->server->generation;
	gate_leave(&c->server->gate, c->source);
	c->source = NULL;
	TAILQ_REMOVE(&c->server->waiting, c, entry);
	c->authenticated = true;
	serve(c);
}

/* libevent has taken the errors off OpenSSL's queue. */
static void handshake_failed(struct conn *c)
{
	unsigned long err = bufferevent_get_openssl_error(c->bev);
	const SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	char why[TLS_WHY_LEN];

	if (!err || SSL_get_verify_result(ssl) != X509_V_OK)
		tls_failure(ssl, why);
	else
		snprintf(why, sizeof(why), "%s", ERR_reason_error_string(err) ?: "no TLS");
	conn_refuse(c, why);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		authenticated(c);
	else if (c->authenticated || c->local)
		conn_close(c);
	else
		handshake_failed(c);
}

static struct conn *conn_new(struct conn_server *server, struct bufferevent *bev)
{
	const struct timeval limit = { .tv_sec = CONN_HELLO_S };
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || !bev)
		goto fail;
	c->server = server;
	c->deadline = evtimer_new(server->base, on_deadline, c);
	c->turn = evtimer_new(server->base, on_turn, c);
	if (!c->deadline || !c->turn || evtimer_add(c->deadline, &limit))
		goto fail;
	c->bev = bev;
	bufferevent_setcb(bev, on_readable, on_written, on_event, c);
	return c;
fail:
	if (c && c->deadline)
		event_free(c->deadline);
	if (c && c->turn)
		event_free(c->turn);
	if (bev)
		bufferevent_free(bev);
	free(c);
	return NULL;
}

static struct bufferevent *tls_bufferevent(struct conn_server *server, evutil_socket_t fd)
{
	SSL *ssl = tls_session(server->tls);
	struct bufferevent *bev = NULL;

	if (ssl)
		bev = bufferevent_openssl_socket_new(
			server->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
			BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev) {
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
		return bev;
	}
	SSL_free(ssl);
	evutil_closesocket(fd);
	return NULL;
}

/* From where nobody can have anything to order costs no handshake. */
static const char *turned_away(struct conn_server *server, const struct tcpmig_endpoint *from,
			       struct gate_source **source)
{
	const struct agent_conf *conf = server->moves.conf;
	struct conn *oldest = TAILQ_FIRST(&server->waiting);

	if (conf->check_source && !policy_knows_addr(conf->policies, conf->policy_count, from))
		return "from outside all prefixes of agent.conf";
	*source = gate_enter(&server->gate, from, clock_boot_ns());
	if (!*source)
		return "too many connections from there";
	if (gate_is_full(&server->gate) && oldest)
		conn_refuse(oldest, "others wait, too");
	return NULL;
}

void conn_accept_tls(struct conn_server *server, evutil_socket_t fd, const struct sockaddr *from)
{
	struct gate_source *source = NULL;
	struct tcpmig_endpoint ep;
	char text[ENDPOINT_STRLEN];
	const char *why;
	struct conn *c;
	int yes = 1;

	endpoint_of_sockaddr(&ep, from);
	endpoint_format(&ep, text);
	why = turned_away(server, &ep, &source);
	if (why) {
		log_stranger(server, text, why);
		evutil_closesocket(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* else only slower */
	c = conn_new(server, tls_bufferevent(server, fd));
	if (!c) {
		gate_leave(&server->gate, source);
		return;
	}
	c->source = source;
	c->from = ep;
	memcpy(c->name, text, sizeof(c->name));
	TAILQ_INSERT_TAIL(&server->waiting, c, entry);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static bool is_root(evutil_socket_t fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) && who.uid == 0;
}

void conn_accept_local(struct conn_server *server, evutil_socket_t fd)
{
	struct conn *c;

	if (!is_root(fd)) {
		log_stranger(server, "control socket", "not root");
		evutil_closesocket(fd);
		return;
	}
	c = conn_new(server,
		     bufferevent_socket_new(server->base, fd,
					    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS));
	if (!c)
		return;
	c->local = true;
	strcpy(c->name, "control socket");
	serve(c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

void conn_close_all(struct conn_server *server)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&server->waiting)))
		conn_close(c);
	while ((c = TAILQ_FIRST(&server->served)))
		conn_close(c);
}
