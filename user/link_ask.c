// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "clocks.h"
#include "link_ask.h"

struct asking {
	struct link_question *questions;
	size_t count;
	int arp_fd;
	int nd_fd;
};

/* A neighbour solicitation with our own link-layer address, which the answer goes to. */
struct solicitation {
	struct nd_neighbor_solicit head;
	struct nd_opt_hdr option;
	__u8 lladdr[NEIGH_LLADDR_LEN];
};

static int open_nd(void)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	struct icmp6_filter filter;
	int hops = 255; /* others are not believed */
	int yes = 1;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int own_lladdr(int fd, int ifindex, __u8 lladdr[NEIGH_LLADDR_LEN])
{
	struct ifreq req = {};

	if (!if_indextoname(ifindex, req.ifr_name) || ioctl(fd, SIOCGIFHWADDR, &req))
		return -errno;
	memcpy(lladdr, req.ifr_hwaddr.sa_data, NEIGH_LLADDR_LEN);
	return 0;
}

/* With sender 0.0.0.0 (RFC 5227): answered by all, remembered by nobody. */
static void send_arp(const struct asking *a, const struct link_question *q)
{
	struct ether_arp arp = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
					     .ar_pro = htons(ETHERTYPE_IP),
					     .ar_hln = NEIGH_LLADDR_LEN,
					     .ar_pln = 4,
					     .ar_op = htons(ARPOP_REQUEST) } };
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE_ARP),
				  .sll_ifindex = q->ifindex,
				  .sll_halen = NEIGH_LLADDR_LEN };

	if (own_lladdr(a->arp_fd, q->ifindex, arp.arp_sha))
		return;
	memcpy(arp.arp_tpa, &q->addr.addr32[3], sizeof(arp.arp_tpa));
	memset(to.sll_addr, 0xff, NEIGH_LLADDR_LEN);
	sendto(a->arp_fd, &arp, sizeof(arp), 0, (struct sockaddr *)&to, sizeof(to));
}

static void send_nd(const struct asking *a, const struct link_question *q)
{
	struct solicitation ns = { .head.nd_ns_type = ND_NEIGHBOR_SOLICIT,
				   .option = { ND_OPT_SOURCE_LINKADDR, 1 } };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = q->ifindex };

	if (own_lladdr(a->arp_fd, q->ifindex, ns.lladdr))
		return;
	memcpy(&ns.head.nd_ns_target, q->addr.addr, sizeof(q->addr.addr));
	inet_pton(AF_INET6, "ff02::1:ff00:0", &to.sin6_addr);
	memcpy(&to.sin6_addr.s6_addr[13], &q->addr.addr[13], 3);
	sendto(a->nd_fd, &ns, sizeof(ns), 0, (struct sockaddr *)&to, sizeof(to));
}

static void answer(struct asking *a, int family, const void *addr, size_t len, int ifindex,
		   const __u8 *lladdr)
{
	for (size_t i = 0; i < a->count; i++) {
		struct link_question *q = &a->questions[i];

		if (q->addr.family != family || q->ifindex != ifindex ||
		    memcmp(&q->addr.addr[sizeof(q->addr.addr) - len], addr, len))
			continue;
		memcpy(q->lladdr, lladdr, NEIGH_LLADDR_LEN);
		q->answered = true;
	}
}

static void read_arp(struct asking *a)
{
	struct sockaddr_ll from = {};
	socklen_t from_len = sizeof(from);
	struct ether_arp arp;

	while (recvfrom(a->arp_fd, &arp, sizeof(arp), 0, (struct sockaddr *)&from, &from_len) ==
	       sizeof(arp)) {
		if (arp.ea_hdr.ar_op == htons(ARPOP_REPLY))
			answer(a, AF_INET, arp.arp_spa, sizeof(arp.arp_spa), from.sll_ifindex,
			       arp.arp_sha);
		from_len = sizeof(from);
	}
}

static int ifindex_of(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in6_pktinfo info;

		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return info.ipi6_ifindex;
	}
	return 0;
}

/* The address stands first of the options: nobody has another one in an answer. */
static void read_nd(struct asking *a)
{
	struct {
		struct nd_neighbor_advert head;
		struct nd_opt_hdr option;
		__u8 lladdr[NEIGH_LLADDR_LEN];
	} na;
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct iovec iov = { &na, sizeof(na) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };

	for (;;) {
		msg.msg_controllen = sizeof(control);
		if (recvmsg(a->nd_fd, &msg, 0) < 0)
			return;
		if (na.option.nd_opt_type == ND_OPT_TARGET_LINKADDR && na.option.nd_opt_len == 1)
			answer(a, AF_INET6, &na.head.nd_na_target, sizeof(na.head.nd_na_target),
			       ifindex_of(&msg), na.lladdr);
		memset(&na, 0, sizeof(na));
	}
}

static bool all_answered(const struct asking *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (!a->questions[i].answered)
			return false;
	}
	return true;
}

static int await(struct asking *a, int wait_ms)
{
	struct pollfd fds[] = { { .fd = a->arp_fd, .events = POLLIN },
				{ .fd = a->nd_fd, .events = POLLIN } };
	uint64_t now_ms, end_ms = clock_mono_ms() + wait_ms;

	while (!all_answered(a) && (now_ms = clock_mono_ms()) < end_ms) {
		if (poll(fds, ARRAY_SIZE(fds), end_ms - now_ms) < 0 && errno != EINTR)
			return -errno;
		read_arp(a);
		read_nd(a);
	}
	return 0;
}

int link_ask(struct link_question *questions, size_t count, int wait_ms)
{
	_cleanup_close_ int arp_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
					    htons(ETHERTYPE_ARP));
	_cleanup_close_ int nd_fd = -1;
	struct asking a = { .questions = questions, .count = count, .arp_fd = arp_fd };

	if (arp_fd < 0)
		return -errno;
	nd_fd = open_nd();
	/* Without IPv6 there is nobody to ask by it. */
	if (nd_fd < 0 && nd_fd != -EAFNOSUPPORT && nd_fd != -EPROTONOSUPPORT)
		return nd_fd;
	a.nd_fd = nd_fd;
	for (size_t i = 0; i < count; i++) {
		questions[i].answered = false;
		if (questions[i].addr.family == AF_INET)
			send_arp(&a, &questions[i]);
		else
			send_nd(&a, &questions[i]);
	}
	return await(&a, wait_ms);
}
