/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What we ask the kernel's network stack by netlink (libmnl). Of the calling thread's netns. */
#ifndef TCPMIG_NETLINK_H
#define TCPMIG_NETLINK_H

#include <stdbool.h>

#include "tcpmig_shared.h"

struct nlmsghdr;

/** netlink_cb - what libmnl calls for each message; Return: MNL_CB_OK, _STOP or _ERROR. */
typedef int netlink_cb(const struct nlmsghdr *nlh, void *ctx);

/**
 * netlink_talk() - send one request and have @cb see every message of the answer.
 * For the other netlink_*.c; waits at most some seconds.
 * @bus: NETLINK_ROUTE and so on
 * @nlh: the request, in a buffer of the caller; gets its sequence number here
 * @cb:  NULL where only an acknowledgement (NLM_F_ACK) comes back
 * Return: 0 or -errno.
 */
int netlink_talk(int bus, struct nlmsghdr *nlh, netlink_cb *cb, void *ctx);

/**
 * netlink_keep_open() - from now on all talk by NETLINK_ROUTE and NETLINK_SOCK_DIAG uses one
 * socket each, opened now: for a process that will not be able to open any. After fork(), not
 * before: two processes would read each other's answers.
 * Return: 0 or -errno.
 */
int netlink_keep_open(void);

/**
 * netlink_route() - the interface by which packets to @to leave.
 * @on_link: if not NULL: set to whether @to itself is the next hop, not a gateway
 * Return: ifindex (> 0), or -errno: -ENETUNREACH and -EHOSTUNREACH as connect() would.
 */
int netlink_route(const struct tcpmig_endpoint *to, bool *on_link);

/**
 * struct netlink_way - the way by which packets leave.
 * @mtu:     of the route, as given or learned, else of the device
 * @gateway: next hop, without a port; its family is 0 if there is none
 */
struct netlink_way {
	int ifindex;
	int mtu;
	struct tcpmig_endpoint gateway;
};

/** netlink_way() - as netlink_route(), with all of struct netlink_way. Return: 0 or -errno. */
int netlink_way(const struct tcpmig_endpoint *to, struct netlink_way *way);

/**
 * netlink_link() - what @ifindex is stacked on, and what is stacked on it.
 * @master: bridge, bond or VRF that it is a port of; 0: none
 * @lower:  device that it is made on (VLAN, macvlan), in this namespace; 0: none
 * Return: 0 or -errno.
 */
int netlink_link(int ifindex, int *master, int *lower);

/**
 * struct netlink_device - a network interface.
 * @type: ARPHRD_*
 * @name: valid during the call
 */
struct netlink_device {
	int ifindex;
	int type;
	bool up;
	bool loopback;
	const char *name;
};

/**
 * netlink_each_device() - call @fn for every interface, as of one moment; @fn may use netlink.
 * Return: what @fn returned last if not 0, at which it ends, or 0 or -errno.
 */
int netlink_each_device(int (*fn)(const struct netlink_device *device, void *ctx), void *ctx);

/**
 * netlink_resolves_neighbours() - is @ifindex an Ethernet device that asks by ARP and ND?
 * Return: 1 or 0, or -errno.
 */
int netlink_resolves_neighbours(int ifindex);

/**
 * netlink_clsact_in_use() - has the clsact qdisc of @ifindex any filter?
 * Return: 1 or 0, or -errno; -ENOENT if there is no clsact.
 */
int netlink_clsact_in_use(int ifindex);

/**
 * struct netlink_filter - a filter of a clsact qdisc.
 * @prog_id: of a BPF program; else 0
 * @kind:    "bpf", "flower" and so on; valid during the call
 */
struct netlink_filter {
	__u32 prog_id;
	const char *kind;
};

/**
 * netlink_each_filter() - call @fn for every filter of one direction, in order of priority.
 * No clsact, no filters. Return: what @fn returned last if not 0, or 0 or -errno.
 */
int netlink_each_filter(int ifindex, bool egress,
			int (*fn)(const struct netlink_filter *filter, void *ctx), void *ctx);

#endif
