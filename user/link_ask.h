/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who has this address? Asked on the link itself, beside the kernel's neighbour table, so
 * that packets which use an entry there are not held up.
 */
#ifndef TCPMIG_LINK_ASK_H
#define TCPMIG_LINK_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "netlink_neigh.h"

/**
 * struct link_question - one address on one Ethernet device.
 * @addr:     its port does not matter
 * @lladdr:   filled if @answered
 */
struct link_question {
	struct tcpmig_endpoint addr;
	int ifindex;
	bool answered;
	__u8 lladdr[NEIGH_LLADDR_LEN];
};

/**
 * link_ask() - ask all at once, by ARP probes and neighbour solicitations.
 * @wait_ms: longest wait; it ends when all have answered
 *
 * Needs CAP_NET_RAW. A question that cannot be sent, as on a link that is down, stays
 * without an answer. Return: 0 or -errno.
 */
int link_ask(struct link_question *questions, size_t count, int wait_ms);

#endif
