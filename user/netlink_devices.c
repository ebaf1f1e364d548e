// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "netlink.h"

struct found {
	struct netlink_device device;
	char name[IF_NAMESIZE];
};

struct devices {
	struct found *list;
	size_t count;
	size_t room;
};

static struct found *append(struct devices *d)
{
	size_t room = d->room ? 2 * d->room : 16;
	struct found *list;

	if (d->count == d->room) {
		list = realloc(d->list, room * sizeof(*list));
		if (!list)
			return NULL;
		d->list = list;
		d->room = room;
	}
	return &d->list[d->count++];
}

static int on_device(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct found *found = append(ctx);
	struct nlattr *attr;

	if (!found) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	*found = (struct found){ .device = { .ifindex = info->ifi_index,
					     .type = info->ifi_type,
					     .up = info->ifi_flags & IFF_UP,
					     .loopback = info->ifi_flags & IFF_LOOPBACK } };
	mnl_attr_for_each (attr, nlh, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			snprintf(found->name, sizeof(found->name), "%s", mnl_attr_get_str(attr));
	}
	return MNL_CB_OK;
}

/* All of them first: a dump goes on as it is read, and @fn may ask by the same socket. */
int netlink_each_device(int (*fn)(const struct netlink_device *device, void *ctx), void *ctx)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct devices d = {};
	struct ifinfomsg *info;
	int err;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	err = netlink_talk(NETLINK_ROUTE, nlh, on_device, &d);
	for (size_t i = 0; !err && i < d.count; i++) {
		d.list[i].device.name = d.list[i].name;
		err = fn(&d.list[i].device, ctx);
	}
	free(d.list);
	return err;
}
