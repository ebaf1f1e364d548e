// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Real connections for the programs to find by bpf_skc_lookup_tcp(). */
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "world.h"

#define CONNECTIONS_MAX 4

static struct tcpmig_flow_key connections[CONNECTIONS_MAX];
static size_t connections_count;

static socklen_t to_sockaddr(const struct tcpmig_endpoint *ep, struct sockaddr_storage *sa)
{
	struct sockaddr_in6 *sin6 = (void *)sa;
	struct sockaddr_in *sin = (void *)sa;

	memset(sa, 0, sizeof(*sa));
	if (ep->family == TCPMIG_AF_INET) {
		sin->sin_family = AF_INET;
		sin->sin_port = ep->port;
		sin->sin_addr.s_addr = ep->addr32[3];
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = ep->port;
	memcpy(&sin6->sin6_addr, ep->addr, sizeof(ep->addr));
	return sizeof(*sin6);
}

/* A socket bound to @ep, which no interface has. It stays open as long as the test lives. */
static int bound(const struct tcpmig_endpoint *ep)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(ep, &sa);
	int on = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&sa, len) ? -errno : fd;
}

static int connect_pair(const struct tcpmig_endpoint *server, const struct tcpmig_endpoint *client)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(server, &sa);
	int listener = bound(server), fd = bound(client);

	if (listener < 0 || fd < 0)
		return listener < 0 ? listener : fd;
	if (listen(listener, 1) || connect(fd, (struct sockaddr *)&sa, len))
		return -errno;
	connections[connections_count].remote = *server;
	connections[connections_count++].local = *client;
	return 0;
}

int world_sockets(void)
{
	static const unsigned int pairs[][2] = { { 2, 1 }, { 4, 3 } }; /* server, client */
	struct tcpmig_endpoint server, client;
	int err = 0;

	if (unshare(CLONE_NEWNET))
		return -errno;
	if (system("ip link set lo up && ip route add local 8.0.0.0/16 dev lo &&"
		   " ip route add local fd09:0:86dd::/48 dev lo"))
		return -ENOTSUP;
	for (int v4 = 0; !err && v4 < 2; v4++) {
		for (int i = 0; !err && i < 2; i++) {
			server = gen_server(v4, pairs[i][0]);
			client = gen_client(v4, pairs[i][1]);
			err = connect_pair(&server, &client);
		}
	}
	return err;
}

bool world_socket_exists(const struct tcpmig_flow_key *key)
{
	for (size_t i = 0; i < connections_count; i++) {
		if (!memcmp(&connections[i], key, sizeof(*key)))
			return true;
	}
	return false;
}
