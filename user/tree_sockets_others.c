// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "array.h"
#include "cleanup.h"
#include "endpoint.h"
#include "netlink_diag.h"
#include "tree_fds.h"
#include "tree_sockets.h"
#include "tree_sockets_others.h"

/** struct unix_reading - where answers about UNIX sockets go. */
struct unix_reading {
	struct tree_sockets *s;
	const struct tree_fd_list *fds;
};

static struct tree_other *find(struct tree_sockets *s, uint64_t inode)
{
	size_t low = 0, high = s->other_count, middle;

	while (low < high) { /* they come in the order of @fds, by inode */
		middle = (low + high) / 2;
		if (s->others[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->other_count && s->others[low].inode == inode ? &s->others[low] : NULL;
}

static void ask_local(int fd, struct tree_other *other)
{
	struct sockaddr_storage addr = {};
	socklen_t len = sizeof(addr);

	if (!getsockname(fd, (struct sockaddr *)&addr, &len))
		endpoint_of_sockaddr(&other->local, (struct sockaddr *)&addr);
}

/* Only the socket itself knows what no sock_diag handler tells. Return: 0; 1: it is gone; or
 * -errno. */
static int ask_socket(struct tree_getfd *from, const struct tree_fd *which,
		      struct tree_other *other)
{
	_cleanup_close_ int fd = tree_getfd(from, which->pid, which->fd);
	socklen_t len = sizeof(int);

	if (fd < 0)
		return fd == -ESRCH || fd == -EBADF ? 1 : fd;
	*other = (struct tree_other){ .inode = which->inode, .pid = which->pid, .fd = which->fd };
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &other->domain, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &other->type, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &other->protocol, &len))
		return errno == ENOTSOCK ? 1 : -errno; /* the number is another's by now */
	if (other->domain == AF_INET || other->domain == AF_INET6)
		ask_local(fd, other);
	return 0;
}

static int ask_all(const struct tree_fd_list *fds, const bool *taken, struct tree_sockets *s,
		   struct tree_getfd *from)
{
	struct tree_other *grown;
	int err;

	for (size_t i = 0; i < fds->count; i++) {
		if (taken[i])
			continue;
		grown = array_grow(s->others, s->other_count, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->others = grown;
		err = ask_socket(from, &fds->list[i], &grown[s->other_count]);
		if (err < 0)
			return err;
		s->other_count += !err;
	}
	return 0;
}

static int on_unix(const struct nlmsghdr *nlh, void *ctx)
{
	const struct unix_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	struct unix_reading *r = ctx;
	struct tree_other *other = find(r->s, diag->udiag_ino);
	struct nlattr *attr;

	if (!other || other->domain != AF_UNIX)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, nlh, sizeof(*diag)) {
		if (mnl_attr_get_type(attr) == UNIX_DIAG_PEER)
			other->peer = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == UNIX_DIAG_ICONS)
			other->waiting = mnl_attr_get_payload_len(attr) / sizeof(__u32);
	}
	other->peer_outside = other->peer && !tree_fds_find(r->fds, other->peer);
	return MNL_CB_OK;
}

static void copy_name(char *to, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const char *name = mnl_attr_get_payload(attr);

	if (len > sizeof(((struct sockaddr_un *)0)->sun_path))
		len = sizeof(((struct sockaddr_un *)0)->sun_path);
	memcpy(to, name, len);
	to[len] = 0;
	if (len && !*to)
		*to = '@';
}

/* The peer's side, of those with a peer outside. Few, so each is looked at. */
static int on_unix_peer(const struct nlmsghdr *nlh, void *ctx)
{
	const struct unix_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	struct unix_reading *r = ctx;
	struct nlattr *attr, *name = NULL;

	mnl_attr_for_each (attr, nlh, sizeof(*diag)) {
		if (mnl_attr_get_type(attr) == UNIX_DIAG_NAME)
			name = attr;
	}
	for (size_t i = 0; name && i < r->s->other_count; i++) {
		struct tree_other *other = &r->s->others[i];

		if (other->peer_outside && other->peer == diag->udiag_ino)
			copy_name(other->peer_name, name);
	}
	return MNL_CB_OK;
}

static bool has_unix(const struct tree_sockets *s, bool peer_outside)
{
	for (size_t i = 0; i < s->other_count; i++) {
		if (s->others[i].domain == AF_UNIX && (!peer_outside || s->others[i].peer_outside))
			return true;
	}
	return false;
}

int tree_sockets_read_others(const struct tree_fd_list *fds, const bool *taken,
			     struct tree_sockets *s)
{
	struct unix_reading r = { .s = s, .fds = fds };
	struct tree_getfd from = {};
	int err = ask_all(fds, taken, s, &from);

	tree_getfd_close(&from);
	if (!err && has_unix(s, false))
		err = netlink_unix_each(on_unix, &r);
	if (!err && has_unix(s, true))
		err = netlink_unix_each(on_unix_peer, &r);
	return err;
}
