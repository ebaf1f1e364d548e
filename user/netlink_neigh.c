// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "netlink.h"
#include "netlink_neigh.h"

/* Request @type about the entry of @n, up to and with its address. @buf: 256 bytes. */
static struct nlmsghdr *request(char *buf, int type, int flags, const struct neigh *n)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = n->addr.family;
	ndm->ndm_ifindex = n->ifindex;
	ndm->ndm_state = n->state;
	if (n->addr.family == AF_INET)
		mnl_attr_put_u32(nlh, NDA_DST, n->addr.addr32[3]);
	else
		mnl_attr_put(nlh, NDA_DST, sizeof(n->addr.addr), n->addr.addr);
	return nlh;
}

/* Return: false: an entry of another kind than an IP address and an Ethernet address. */
static bool parse(const struct nlmsghdr *nlh, struct neigh *n)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	bool has_addr = false;
	struct nlattr *attr;

	*n = (struct neigh){ .ifindex = ndm->ndm_ifindex, .state = ndm->ndm_state };
	mnl_attr_for_each (attr, nlh, sizeof(*ndm)) {
		const void *data = mnl_attr_get_payload(attr);
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == NDA_DST) {
			has_addr = true;
			if (ndm->ndm_family == AF_INET && len == 4)
				endpoint_set4(&n->addr, mnl_attr_get_u32(attr), 0);
			else if (ndm->ndm_family == AF_INET6 && len == 16)
				endpoint_set6(&n->addr, data, 0);
			else
				has_addr = false;
		}
		if (mnl_attr_get_type(attr) == NDA_LLADDR && len == sizeof(n->lladdr))
			memcpy(n->lladdr, data, len);
		if (mnl_attr_get_type(attr) == NDA_PROTOCOL && len == 1)
			n->protocol = mnl_attr_get_u8(attr);
	}
	return has_addr;
}

static int on_entry(const struct nlmsghdr *nlh, void *ctx)
{
	if (nlh->nlmsg_type != RTM_NEWNEIGH || !parse(nlh, ctx))
		return MNL_CB_OK;
	return MNL_CB_STOP;
}

int neigh_get(struct neigh *n)
{
	struct neigh found = { .addr = n->addr, .ifindex = n->ifindex };
	char buf[256];
	int err = netlink_talk(NETLINK_ROUTE, request(buf, RTM_GETNEIGH, 0, &found), on_entry,
			       &found);

	if (err == -ENOENT)
		err = 0;
	if (!err)
		*n = found;
	return err;
}

int neigh_set(const struct neigh *n)
{
	char buf[256];
	struct nlmsghdr *nlh = request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
				       n);

	mnl_attr_put(nlh, NDA_LLADDR, sizeof(n->lladdr), n->lladdr);
	if (n->protocol)
		mnl_attr_put_u8(nlh, NDA_PROTOCOL, n->protocol);
	return netlink_talk(NETLINK_ROUTE, nlh, NULL, NULL);
}

int neigh_delete(const struct neigh *n)
{
	char buf[256];
	int err = netlink_talk(NETLINK_ROUTE, request(buf, RTM_DELNEIGH, NLM_F_ACK, n), NULL, NULL);

	return err == -ENOENT ? 0 : err;
}

struct entries {
	struct neigh *list;
	size_t count;
	size_t room;
};

static int collect(const struct nlmsghdr *nlh, void *ctx)
{
	struct entries *entries = ctx;
	struct neigh *grown;

	if (entries->count == entries->room) {
		entries->room = entries->room ? entries->room * 2 : 64;
		grown = realloc(entries->list, entries->room * sizeof(*grown));
		if (!grown) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		entries->list = grown;
	}
	entries->count += parse(nlh, &entries->list[entries->count]);
	return MNL_CB_OK;
}

static int dump(int family, struct entries *entries)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = family;
	return netlink_talk(NETLINK_ROUTE, nlh, collect, entries);
}

int neigh_each(int (*fn)(const struct neigh *n, void *ctx), void *ctx)
{
	struct entries entries = {};
	int err = dump(AF_INET, &entries);

	if (!err)
		err = dump(AF_INET6, &entries);
	for (size_t i = 0; !err && i < entries.count; i++)
		err = fn(&entries.list[i], ctx);
	free(entries.list);
	return err;
}
