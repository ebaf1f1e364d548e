// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TCP; the rest is in tree_sockets_others.c. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "cleanup.h"
#include "endpoint.h"
#include "netlink_diag.h"
#include "proc.h"
#include "tree.h"
#include "tree_fds.h"
#include "tree_sockets.h"
#include "tree_sockets_others.h"

#ifndef TCP_AO_INFO /* since Linux 6.7 */
#define TCP_AO_INFO 40
#endif

/* Who opens a connection is a client's or has no peer yet; TIME_WAIT is nobody's. */
#define STATES_LISTEN  (1U << TCP_LISTEN)
#define STATES_PENDING (1U << TCP_SYN_RECV)
#define STATES_PEER    (~(1U << TCP_LISTEN | 1U << TCP_CLOSE | 1U << TCP_TIME_WAIT))

/** struct reading - where sock_diag's answers go. @taken: those of @fds that were found. */
struct reading {
	struct tree_sockets *s;
	const struct tree_fd_list *fds;
	bool *taken;
};

/** struct diag_extra - what the attributes say. */
struct diag_extra {
	uint32_t has;
	uint32_t srtt_us;
	bool v6only;
};

static uint32_t ulp_of(const struct nlattr *info)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested (attr, info) {
		if (mnl_attr_get_type(attr) == INET_ULP_INFO_NAME &&
		    !strcmp(mnl_attr_get_str(attr), "mptcp"))
			return TREE_HAS_MPTCP;
	}
	return TREE_HAS_ULP;
}

static uint32_t srtt_of(const struct nlattr *attr)
{
	struct tcp_info info = {};
	size_t len = mnl_attr_get_payload_len(attr);

	memcpy(&info, mnl_attr_get_payload(attr), len < sizeof(info) ? len : sizeof(info));
	return info.tcpi_rtt;
}

static bool is_transparent(const struct nlattr *attr)
{
	const struct inet_diag_sockopt *opt = mnl_attr_get_payload(attr);

	return mnl_attr_get_payload_len(attr) >= sizeof(*opt) && opt->transparent;
}

static struct diag_extra extra_of(const struct nlmsghdr *nlh)
{
	struct diag_extra extra = {};
	struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct inet_diag_msg)) {
		switch (mnl_attr_get_type(attr)) {
		case INET_DIAG_INFO:
			extra.srtt_us = srtt_of(attr);
			break;
		case INET_DIAG_SKV6ONLY:
			extra.v6only = mnl_attr_get_u8(attr);
			break;
		case INET_DIAG_MD5SIG:
			extra.has |= TREE_HAS_MD5;
			break;
		case INET_DIAG_ULP_INFO:
			extra.has |= ulp_of(attr);
			break;
		case INET_DIAG_SOCKOPT:
			extra.has |= is_transparent(attr) ? TREE_HAS_TRANSPARENT : 0;
			break;
		}
	}
	return extra;
}

/* The descriptor of the tree with this socket. */
static const struct tree_fd *take(struct reading *r, uint32_t inode)
{
	const struct tree_fd *fd = inode ? tree_fds_find(r->fds, inode) : NULL;

	if (fd)
		r->taken[fd - r->fds->list] = true;
	return fd;
}

static int on_listener(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	const struct diag_extra extra = extra_of(nlh);
	struct reading *r = ctx;
	const struct tree_fd *fd = take(r, diag->idiag_inode);
	struct tree_listener *l;

	if (!fd)
		return MNL_CB_OK;
	l = array_grow(r->s->listeners, r->s->listener_count, sizeof(*l));
	if (!l) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	r->s->listeners = l;
	l += r->s->listener_count++;
	*l = (struct tree_listener){
		.inode = diag->idiag_inode,
		.v6 = diag->idiag_family == AF_INET6,
		.v6only = extra.v6only,
		.device = diag->id.idiag_if,
		.has = extra.has,
		.pid = fd->pid,
		.fd = fd->fd,
	};
	diag_endpoint(&l->local, diag->idiag_family, diag->id.idiag_src, diag->id.idiag_sport);
	return MNL_CB_OK;
}

bool tree_listener_covers(const struct tree_listener *l, const struct tcpmig_endpoint *local)
{
	if (l->local.port != local->port)
		return false;
	if (!endpoint_is_any(&l->local))
		return endpoint_same(&l->local, local);
	return l->local.family == local->family || (l->local.family == AF_INET6 && !l->v6only);
}

static bool has_listener(const struct tree_sockets *s, const struct tcpmig_endpoint *local)
{
	for (size_t i = 0; i < s->listener_count; i++) {
		if (tree_listener_covers(&s->listeners[i], local))
			return true;
	}
	return false;
}

/* Closed by its process before the client had closed: those states have no owner in a queue. */
static enum tree_owner owner_of(const struct inet_diag_msg *diag)
{
	if (diag->idiag_inode)
		return TREE_FOREIGN;
	switch (diag->idiag_state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_SYN_RECV:
		return TREE_QUEUED;
	default:
		return TREE_ORPHAN;
	}
}

static int add_connection(struct tree_connection **list, size_t *count,
			  const struct tree_connection *c)
{
	struct tree_connection *grown = array_grow(*list, *count, sizeof(*grown));

	if (!grown) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	*list = grown;
	grown[(*count)++] = *c;
	return MNL_CB_OK;
}

static struct tree_connection connection_of(const struct nlmsghdr *nlh)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	const struct inet_diag_sockid *id = &diag->id;
	const struct diag_extra extra = extra_of(nlh);
	struct tree_connection c = {
		.inode = diag->idiag_inode,
		.state = diag->idiag_state,
		.device = id->idiag_if,
		.srtt_us = extra.srtt_us,
		.has = extra.has,
		.fd = -1,
	};

	diag_endpoint(&c.local, diag->idiag_family, id->idiag_src, id->idiag_sport);
	diag_endpoint(&c.remote, diag->idiag_family, id->idiag_dst, id->idiag_dport);
	return c;
}

static int on_connection(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	struct reading *r = ctx;
	struct tree_sockets *s = r->s;
	struct tree_connection c = connection_of(nlh);
	const struct tree_fd *fd = take(r, diag->idiag_inode);

	if (fd) {
		c.pid = fd->pid;
		c.fd = fd->fd;
		return add_connection(&s->connections, &s->connection_count, &c);
	}
	if (!has_listener(s, &c.local))
		return MNL_CB_OK;
	c.owner = owner_of(diag);
	return add_connection(&s->others_here, &s->others_here_count, &c);
}

/* Of both families: where a socket is v4-mapped, only it knows. */
static int each(__u32 states, __u8 ext, netlink_cb *cb, void *ctx)
{
	struct diag_search search = { .family = AF_INET6, .states = states, .ext = ext };
	int err = netlink_tcp_each(&search, cb, ctx);

	if (err)
		return err;
	search.family = AF_INET;
	return netlink_tcp_each(&search, cb, ctx);
}

static int read_tcp(struct reading *r)
{
	const __u8 ext = 1 << (INET_DIAG_INFO - 1);
	int err = each(STATES_LISTEN, ext, on_listener, r);

	return err ?: each(STATES_PEER, ext, on_connection, r);
}

static int read_sockets(const struct tree *t, bool others, struct tree_sockets *s)
{
	struct reading r = { .s = s };
	_cleanup_free_ struct tree_fd *fd_list = NULL;
	_cleanup_free_ bool *taken = NULL;
	struct tree_fd_list fds;
	int err;

	*s = (struct tree_sockets){};
	err = tree_fds_sockets(t, &fds);
	if (err)
		return err;
	fd_list = fds.list;
	taken = calloc(fds.count + 1, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	r.fds = &fds;
	r.taken = taken;
	err = read_tcp(&r);
	if (!err && others)
		err = tree_sockets_read_others(&fds, taken, s);
	if (err)
		tree_sockets_free(s);
	return err;
}

int tree_sockets_read(const struct tree *t, struct tree_sockets *s)
{
	return read_sockets(t, true, s);
}

int tree_sockets_read_tcp(const struct tree *t, struct tree_sockets *s)
{
	return read_sockets(t, false, s);
}

/** struct pending - what is counted of @s. */
struct pending {
	const struct tree_sockets *s;
	int count;
};

static int count_queued(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	struct pending *pending = ctx;

	for (size_t i = 0; i < pending->s->listener_count; i++) {
		if (pending->s->listeners[i].inode == diag->idiag_inode)
			pending->count += (int)diag->idiag_rqueue;
	}
	return MNL_CB_OK;
}

static int count_syn_recv(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	struct pending *pending = ctx;
	struct tcpmig_endpoint local;

	diag_endpoint(&local, diag->idiag_family, diag->id.idiag_src, diag->id.idiag_sport);
	pending->count += has_listener(pending->s, &local);
	return MNL_CB_OK;
}

int tree_sockets_pending(const struct tree_sockets *s)
{
	struct pending pending = { .s = s };
	int err = each(STATES_LISTEN, 0, count_queued, &pending);

	if (!err)
		err = each(STATES_PENDING, 0, count_syn_recv, &pending);
	return err ?: pending.count;
}

/* Keys, or that they are required: either would be lost. */
static bool has_ao(int fd)
{
	char info[128] = {};
	socklen_t len = sizeof(info);

	return !getsockopt(fd, IPPROTO_TCP, TCP_AO_INFO, info, &len);
}

static int ask_for_ao(struct tree_getfd *from, pid_t pid, int number, uint32_t *has)
{
	_cleanup_close_ int fd = tree_getfd(from, pid, number);

	if (fd >= 0 && has_ao(fd))
		*has |= TREE_HAS_AO;
	return fd == -ESRCH || fd == -EBADF || fd >= 0 ? 0 : fd;
}

static int mark_ao(struct tree_sockets *s)
{
	struct tree_getfd from = {};
	int err = 0;

	for (size_t i = 0; i < s->listener_count && !err; i++) {
		struct tree_listener *l = &s->listeners[i];

		err = ask_for_ao(&from, l->pid, l->fd, &l->has);
	}
	for (size_t i = 0; i < s->connection_count && !err; i++) {
		struct tree_connection *c = &s->connections[i];

		err = ask_for_ao(&from, c->pid, c->fd, &c->has);
	}
	tree_getfd_close(&from);
	return err;
}

static int on_foreign(pid_t pid, int fd, const char *link, void *ctx)
{
	uint64_t inode = proc_link_inode(link, "socket");
	struct tree_sockets *s = ctx;

	(void)pid;
	(void)fd;
	if (!inode)
		return 0;
	for (size_t i = 0; i < s->listener_count; i++) {
		if (s->listeners[i].inode == inode)
			s->listeners[i].has |= TREE_HAS_FOREIGN;
	}
	for (size_t i = 0; i < s->connection_count; i++) {
		if (s->connections[i].inode == inode)
			s->connections[i].has |= TREE_HAS_FOREIGN;
	}
	for (size_t i = 0; i < s->other_count; i++)
		s->others[i].foreign |= s->others[i].inode == inode;
	return 0;
}

int tree_sockets_mark_foreign(const struct tree *t, struct tree_sockets *s)
{
	int err = tree_fds_each_other(t, on_foreign, s);

	return err ?: mark_ao(s);
}

void tree_sockets_free(struct tree_sockets *s)
{
	free(s->listeners);
	free(s->connections);
	free(s->others_here);
	free(s->others);
	*s = (struct tree_sockets){};
}
