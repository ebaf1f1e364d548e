/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets of this network namespace by sock_diag, as the kernel tells them. */
#ifndef TCPMIG_NETLINK_DIAG_H
#define TCPMIG_NETLINK_DIAG_H

#include <linux/inet_diag.h>

#include "netlink.h"

/**
 * struct diag_search - which TCP sockets.
 * @family: AF_INET or AF_INET6 (v4-mapped sockets are among these)
 * @states: 1 << TCP_LISTEN and so on
 * @ext:    1 << (INET_DIAG_INFO - 1) and so on
 * @sport, @dport: in network byte order; 0: any
 */
struct diag_search {
	int family;
	__u32 states;
	__u8 ext;
	__be16 sport;
	__be16 dport;
};

/**
 * netlink_tcp_each() - call @cb with a struct inet_diag_msg and its attributes for each TCP socket.
 * Return: 0 or -errno.
 */
int netlink_tcp_each(const struct diag_search *search, netlink_cb *cb, void *ctx);

/**
 * netlink_unix_each() - call @cb with a struct unix_diag_msg and its attributes (name, peer,
 * connections that wait) for each UNIX socket. Return: 0 or -errno.
 */
int netlink_unix_each(netlink_cb *cb, void *ctx);

/** diag_endpoint() - @addr and @port of a struct inet_diag_sockid; v4-mapped becomes IPv4. */
void diag_endpoint(struct tcpmig_endpoint *ep, int family, const __be32 addr[4], __be16 port);

#endif
