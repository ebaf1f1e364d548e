// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "cleanup.h"
#include "endpoint.h"
#include "netlink.h"

#define REPLY_TIMEOUT_S 5

/* Sockets that stay open, by bus; NULL: each talk opens its own. */
static struct mnl_socket *kept[NETLINK_GENERIC + 1];
static const int kept_buses[] = { NETLINK_ROUTE, NETLINK_SOCK_DIAG };

static struct mnl_socket *open_bus(int bus)
{
	struct timeval timeout = { .tv_sec = REPLY_TIMEOUT_S };
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!nl)
		return NULL;
	if (setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(nl);
		return NULL;
	}
	return nl;
}

static void keep_close(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept_buses); i++) {
		if (kept[kept_buses[i]])
			mnl_socket_close(kept[kept_buses[i]]);
		kept[kept_buses[i]] = NULL;
	}
}

int netlink_keep_open(void)
{
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(kept_buses); i++) {
		int bus = kept_buses[i];

		if (!kept[bus])
			kept[bus] = open_bus(bus);
		if (!kept[bus]) {
			err = -errno;
			keep_close();
			return err;
		}
	}
	return 0;
}

/*
 * What an earlier talk that ended with an error has left unread. A dump goes on as it is
 * read, and as long as it does, the kernel begins no other.
 */
static void drain(struct mnl_socket *nl)
{
	char buf[4096];

	while (recv(mnl_socket_get_fd(nl), buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
}

/* Answers of an earlier talk may still come: they are not ours. */
static int answer(struct mnl_socket *nl, __u32 seq, netlink_cb *cb, void *ctx)
{
	char buf[32768]; /* a dump fills up to this; larger than MNL_SOCKET_BUFFER_SIZE */
	int run = MNL_CB_OK;
	ssize_t len;

	while (run > MNL_CB_STOP) {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		if (len >= (ssize_t)NLMSG_HDRLEN && ((struct nlmsghdr *)buf)->nlmsg_seq != seq)
			continue;
		run = mnl_cb_run(buf, len, seq, mnl_socket_get_portid(nl), cb, ctx);
	}
	return run < 0 ? -errno : 0;
}

int netlink_talk(int bus, struct nlmsghdr *nlh, netlink_cb *cb, void *ctx)
{
	static __u32 seq;
	bool keep = bus < (int)ARRAY_SIZE(kept) && kept[bus];
	struct mnl_socket *nl = keep ? kept[bus] : open_bus(bus);
	int err = 0;

	if (!nl)
		return -errno;
	if (keep)
		drain(nl);
	nlh->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		err = -errno;
	if (!err)
		err = answer(nl, nlh->nlmsg_seq, cb, ctx);
	if (!keep)
		mnl_socket_close(nl);
	return err;
}

static int mtu_of_metrics(const struct nlattr *metrics)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested (attr, metrics) {
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static void set_addr(struct tcpmig_endpoint *ep, int family, const void *addr)
{
	__be32 addr4;

	if (family == AF_INET6) {
		endpoint_set6(ep, addr, 0);
	} else if (family == AF_INET) {
		memcpy(&addr4, addr, sizeof(addr4));
		endpoint_set4(ep, addr4, 0);
	}
}

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct netlink_way *way = ctx;
	const struct rtvia *via;
	struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct rtmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			way->ifindex = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			set_addr(&way->gateway, rtm->rtm_family, mnl_attr_get_payload(attr));
			break;
		case RTA_VIA:
			via = mnl_attr_get_payload(attr);
			set_addr(&way->gateway, via->rtvia_family, via->rtvia_addr);
			break;
		case RTA_METRICS:
			way->mtu = mtu_of_metrics(attr);
			break;
		}
	}
	return MNL_CB_STOP;
}

static int get_route(const struct tcpmig_endpoint *to, struct netlink_way *way)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int err;

	*way = (struct netlink_way){};
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = to->family;
	if (to->family == AF_INET) {
		rtm->rtm_dst_len = 32;
		mnl_attr_put_u32(nlh, RTA_DST, to->addr32[3]);
	} else {
		rtm->rtm_dst_len = 128;
		mnl_attr_put(nlh, RTA_DST, sizeof(to->addr), to->addr);
	}
	err = netlink_talk(NETLINK_ROUTE, nlh, on_route, way);
	if (err)
		return err;
	return way->ifindex > 0 ? 0 : -ENETUNREACH;
}

int netlink_route(const struct tcpmig_endpoint *to, bool *on_link)
{
	struct netlink_way way;
	int err = get_route(to, &way);

	if (err)
		return err;
	if (on_link)
		*on_link = !way.gateway.family;
	return way.ifindex;
}

struct link {
	int master;
	int lower;
	int mtu;
	bool elsewhere; /* @lower is an index in another namespace */
	bool resolves;
};

static int on_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct link *link = ctx;
	struct nlattr *attr;

	link->resolves = info->ifi_type == ARPHRD_ETHER && !(info->ifi_flags & IFF_NOARP);
	mnl_attr_for_each (attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) == IFLA_MASTER)
			link->master = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFLA_LINK)
			link->lower = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFLA_MTU)
			link->mtu = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFLA_LINK_NETNSID)
			link->elsewhere = true;
	}
	return MNL_CB_STOP;
}

static int get_link(int ifindex, struct link *link)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_index = ifindex;
	return netlink_talk(NETLINK_ROUTE, nlh, on_link, link);
}

int netlink_link(int ifindex, int *master, int *lower)
{
	struct link link = {};
	int err = get_link(ifindex, &link);

	*master = link.master;
	*lower = link.elsewhere ? 0 : link.lower;
	return err;
}

int netlink_way(const struct tcpmig_endpoint *to, struct netlink_way *way)
{
	struct link link = {};
	int err = get_route(to, way);

	if (!err && !way->mtu) {
		err = get_link(way->ifindex, &link);
		way->mtu = link.mtu;
	}
	return err;
}

int netlink_resolves_neighbours(int ifindex)
{
	struct link link = {};
	int err = get_link(ifindex, &link);

	return err ? err : link.resolves;
}

/* A filter, not only the chain or protocol entry that heads a list of them. */
static int on_filter(const struct nlmsghdr *nlh, void *ctx)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type == RTM_NEWTFILTER && tcm->tcm_handle)
		*(int *)ctx = 1;
	return MNL_CB_OK;
}

static int dump_filters(int ifindex, __u32 parent, netlink_cb *cb, void *ctx)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_parent = parent;
	return netlink_talk(NETLINK_ROUTE, nlh, cb, ctx);
}

static __u32 parent_of(bool egress)
{
	return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

int netlink_clsact_in_use(int ifindex)
{
	int found = 0;
	int err = dump_filters(ifindex, parent_of(false), on_filter, &found);

	if (!err)
		err = dump_filters(ifindex, parent_of(true), on_filter, &found);
	return err ? err : found;
}

struct filter_walk {
	int (*fn)(const struct netlink_filter *filter, void *ctx);
	void *ctx;
	int result;
};

static __u32 prog_id_of(const struct nlattr *options)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested (attr, options) {
		if (mnl_attr_get_type(attr) == TCA_BPF_ID)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static int on_each_filter(const struct nlmsghdr *nlh, void *ctx)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct netlink_filter filter = { .kind = "" };
	const struct nlattr *options = NULL;
	struct filter_walk *walk = ctx;
	struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWTFILTER || !tcm->tcm_handle || walk->result)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, nlh, sizeof(*tcm)) {
		if (mnl_attr_get_type(attr) == TCA_KIND)
			filter.kind = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			options = attr;
	}
	if (options && !strcmp(filter.kind, "bpf"))
		filter.prog_id = prog_id_of(options);
	walk->result = walk->fn(&filter, walk->ctx);
	return MNL_CB_OK;
}

int netlink_each_filter(int ifindex, bool egress,
			int (*fn)(const struct netlink_filter *filter, void *ctx), void *ctx)
{
	struct filter_walk walk = { .fn = fn, .ctx = ctx };
	int err = dump_filters(ifindex, parent_of(egress), on_each_filter, &walk);

	if (err == -ENOENT || err == -EINVAL) /* no clsact */
		return 0;
	return err ?: walk.result;
}
