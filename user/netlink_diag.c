// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "netlink_diag.h"

static struct nlmsghdr *request(char *buf, void **req, size_t size)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	*req = mnl_nlmsg_put_extra_header(nlh, size);
	return nlh;
}

int netlink_tcp_each(const struct diag_search *search, netlink_cb *cb, void *ctx)
{
	char buf[256];
	struct inet_diag_req_v2 *req;
	struct nlmsghdr *nlh = request(buf, (void **)&req, sizeof(*req));

	req->sdiag_family = search->family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = search->states;
	req->idiag_ext = search->ext;
	req->id.idiag_dport = search->dport;
	req->id.idiag_sport = search->sport;
	return netlink_talk(NETLINK_SOCK_DIAG, nlh, cb, ctx);
}

int netlink_unix_each(netlink_cb *cb, void *ctx)
{
	char buf[256];
	struct unix_diag_req *req;
	struct nlmsghdr *nlh = request(buf, (void **)&req, sizeof(*req));

	req->sdiag_family = AF_UNIX;
	req->udiag_states = ~0U;
	req->udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS;
	return netlink_talk(NETLINK_SOCK_DIAG, nlh, cb, ctx);
}

void diag_endpoint(struct tcpmig_endpoint *ep, int family, const __be32 addr[4], __be16 port)
{
	if (family == AF_INET)
		endpoint_set4(ep, addr[0], port);
	else
		endpoint_set6(ep, addr, port);
}
