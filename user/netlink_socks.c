// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "netlink.h"
#include "netlink_diag.h"
#include "netlink_socks.h"

/* @remote, @local: only those with this end; NULL: whatever it is. */
struct socket_search {
	const struct tcpmig_endpoint *remote;
	const struct tcpmig_endpoint *local;
	struct connections found;
	size_t room;
};

static int on_socket(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	const struct inet_diag_sockid *id = &diag->id;
	struct socket_search *search = ctx;
	struct connections *found = &search->found;
	struct tcpmig_flow_key key;
	void *grown;

	diag_endpoint(&key.remote, diag->idiag_family, id->idiag_dst, id->idiag_dport);
	diag_endpoint(&key.local, diag->idiag_family, id->idiag_src, id->idiag_sport);
	if ((search->remote && !endpoint_same(&key.remote, search->remote)) ||
	    (search->local && !endpoint_same(&key.local, search->local)))
		return MNL_CB_OK;
	if (found->count == search->room) {
		search->room = search->room ? search->room * 2 : 64;
		grown = realloc(found->keys, search->room * sizeof(*found->keys));
		if (!grown) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		found->keys = grown;
	}
	found->keys[found->count++] = key;
	return MNL_CB_OK;
}

static int dump_sockets(int family, __u32 states, struct socket_search *search)
{
	struct diag_search which = {
		.family = family,
		.states = states,
		.sport = search->local ? search->local->port : 0,
		.dport = search->remote ? search->remote->port : 0,
	};

	return netlink_tcp_each(&which, on_socket, search);
}

/* IPv6 first: v4-mapped sockets are among those. */
static int search_sockets(struct socket_search *search, __u32 states)
{
	const struct tcpmig_endpoint *end = search->remote ?: search->local;
	int err = dump_sockets(AF_INET6, states, search);

	if (!err && (!end || end->family == AF_INET))
		err = dump_sockets(AF_INET, states, search);
	if (err)
		connections_free(&search->found);
	return err;
}

/* The ends that were not searched for. */
static int other_ends(struct socket_search *search, __u32 states, struct rules_flows *found)
{
	int err = search_sockets(search, states);
	const struct tcpmig_flow_key *keys = search->found.keys;

	*found = (struct rules_flows){ .origin = RULES_SOCKETS, .count = search->found.count };
	if (!err && found->count) {
		found->local = calloc(found->count, sizeof(*found->local));
		err = found->local ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !err && i < found->count; i++)
		found->local[i] = search->remote ? keys[i].local : keys[i].remote;
	connections_free(&search->found);
	return err;
}

int netlink_sockets_to(const struct tcpmig_endpoint *remote, struct rules_flows *found)
{
	const __u32 others = 1 << TCP_LISTEN | 1 << TCP_CLOSE | 1 << TCP_TIME_WAIT |
			     1 << TCP_SYN_SENT;
	struct socket_search search = { .remote = remote };

	return other_ends(&search, ~others, found);
}

int netlink_clients_of(const struct tcpmig_endpoint *server, bool established,
		       struct rules_flows *found)
{
	const __u32 closing = 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |
			      1 << TCP_LAST_ACK | 1 << TCP_CLOSING;
	struct socket_search search = { .local = server };

	return other_ends(&search, 1 << TCP_ESTABLISHED | (established ? 0 : closing), found);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tcpmig_flow_key));
}

int netlink_connections(struct connections *c)
{
	struct socket_search search = {};
	int err = search_sockets(&search, ~(1U << TCP_LISTEN | 1U << TCP_CLOSE));

	*c = search.found;
	if (c->count)
		qsort(c->keys, c->count, sizeof(*c->keys), compare_keys);
	return err;
}

bool connections_have(const struct connections *c, const struct tcpmig_flow_key *key)
{
	return c->count && bsearch(key, c->keys, c->count, sizeof(*c->keys), compare_keys);
}

void connections_free(struct connections *c)
{
	free(c->keys);
	*c = (struct connections){};
}

static int on_route_type(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	*(int *)ctx = rtm->rtm_type == RTN_LOCAL;
	return MNL_CB_STOP;
}

int netlink_is_local(const struct tcpmig_endpoint *ep)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool v4 = ep->family == TCPMIG_AF_INET;
	struct rtmsg *rtm;
	int local = 0;
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = v4 ? 32 : 128;
	if (v4)
		mnl_attr_put_u32(nlh, RTA_DST, ep->addr32[3]);
	else
		mnl_attr_put(nlh, RTA_DST, sizeof(ep->addr), ep->addr);
	err = netlink_talk(NETLINK_ROUTE, nlh, on_route_type, &local);
	/* No way there, so it is not this host. */
	return err == -ENETUNREACH || err == -EHOSTUNREACH ? 0 : err ? err : local;
}
