/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One connection to the agent: its handshake, its frames in and out, its end. Whatever is not
 * as the protocol says closes it.
 */
#ifndef TCPMIG_AGENT_CONN_H
#define TCPMIG_AGENT_CONN_H

#include <event2/event.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "agent_gate.h"
#include "agent_orders.h"

/* Handshake and HELLO together; then between two requests. */
#define CONN_HELLO_S 5
#define CONN_IDLE_S  (15 * 60)
/* Authenticated, in all, and of one certificate: or one host could keep all others out. */
#define CONN_MAX      256
#define CONN_CERT_MAX 32

struct conn;
TAILQ_HEAD(conn_list, conn);

/**
 * struct conn_server - what all connections share.
 * @tls:        for new sessions; whose peers are checked against it again after a reload
 * @generation: of @tls
 * @waiting:    not authenticated yet, oldest first
 * @served:     authenticated, and those of the control socket
 */
struct conn_server {
	struct event_base *base;
	struct tls *tls;
	unsigned int generation;
	struct agent_moves moves;
	struct gate gate;
	struct bucket quiet;   /* of log lines about strangers */
	struct bucket refused; /* of log lines about orders that were refused */
	unsigned int unlogged; /* of those, since the last line about an order */
	struct conn_list waiting;
	struct conn_list served;
	unsigned int served_count;
};

/** conn_accept_tls() - take over @fd, which a host has connected to. */
void conn_accept_tls(struct conn_server *server, evutil_socket_t fd, const struct sockaddr *from);

/** conn_accept_local() - take over @fd, from the control socket. */
void conn_accept_local(struct conn_server *server, evutil_socket_t fd);

/** conn_close_all() - at the end. */
void conn_close_all(struct conn_server *server);

#endif
