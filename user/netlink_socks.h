/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP sockets and the addresses of this network namespace, by netlink. */
#ifndef TCPMIG_NETLINK_SOCKS_H
#define TCPMIG_NETLINK_SOCKS_H

#include <stdbool.h>
#include <stddef.h>

#include "rules.h"
#include "tcpmig_shared.h"

/**
 * netlink_sockets_to() - local ends of all TCP sockets connected to @remote.
 * @remote: address and port of the peer
 * @found:  result; free() @found->local
 *
 * By sock_diag, in every state in which the peer knows of the connection: not LISTEN, CLOSE
 * and SYN_SENT, and not TIME_WAIT, whose ports may be used again; v4-mapped sockets count as
 * IPv4.
 * Return: 0 or -errno.
 */
int netlink_sockets_to(const struct tcpmig_endpoint *remote, struct rules_flows *found);

/**
 * netlink_clients_of() - the other way round: remote ends of the TCP sockets whose local end is
 * @server, as a server on this host has them.
 * @established: only where neither side has closed
 * Return: as netlink_sockets_to().
 */
int netlink_clients_of(const struct tcpmig_endpoint *server, bool established,
		       struct rules_flows *found);

/** struct connections - every TCP socket that has a peer, TIME_WAIT included; sorted. */
struct connections {
	struct tcpmig_flow_key *keys;
	size_t count;
};

/** netlink_connections() - Return: 0, and connections_free() @c; or -errno. */
int netlink_connections(struct connections *c);

/** connections_have() - is there a socket of @key->local connected to @key->remote? */
bool connections_have(const struct connections *c, const struct tcpmig_flow_key *key);

void connections_free(struct connections *c);

/** netlink_is_local() - is the address of @ep one of this host's? Return: 1, 0 or -errno. */
int netlink_is_local(const struct tcpmig_endpoint *ep);

#endif
