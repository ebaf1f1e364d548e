/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets that a tree has, by /proc/PID/fd, sock_diag and, for what that does not tell,
 * the sockets themselves (pidfd_getfd). */
#ifndef TCPMIG_TREE_SOCKETS_H
#define TCPMIG_TREE_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tcpmig_shared.h"

struct tree;

/* What a TCP socket has that CRIU does not carry. Bits of tree_listener.has and so on. */
#define TREE_HAS_MD5	     1 /* TCP_MD5SIG keys */
#define TREE_HAS_AO	     2 /* TCP-AO keys */
#define TREE_HAS_ULP	     4 /* kTLS or another upper layer */
#define TREE_HAS_MPTCP	     8
#define TREE_HAS_TRANSPARENT 16 /* IP_TRANSPARENT */
#define TREE_HAS_FOREIGN     32 /* a process outside of the tree has it too */

/**
 * struct tree_listener - a listening TCP socket.
 * @local:   a v4-mapped one is IPv4; endpoint_is_any(): all addresses of its family
 * @v6:      an AF_INET6 socket; @v6only: one that takes no IPv4 (of :: only does it matter)
 * @device:  interface that it is bound to; 0: none
 * @pid, @fd: one of those that have it
 */
struct tree_listener {
	struct tcpmig_endpoint local;
	uint32_t inode;
	bool v6;
	bool v6only;
	uint32_t device;
	uint32_t has;
	pid_t pid;
	int fd;
};

/* Whose a connection is. */
enum tree_owner {
	TREE_OWNED,   /* a task of the tree has its descriptor */
	TREE_QUEUED,  /* nobody yet: in an accept queue, or SYN_RECV */
	TREE_ORPHAN,  /* nobody any more: closed, but the kernel has still to end it */
	TREE_FOREIGN, /* a process outside of the tree */
};

/**
 * struct tree_connection - a TCP socket with a peer.
 * @local, @remote: v4-mapped ones are IPv4
 * @state:   TCP_ESTABLISHED and so on (netinet/tcp.h)
 * @srtt_us: smoothed round trip; 0: not known
 * @pid, @fd: one of those that have it; 0, -1: nobody in the tree
 */
struct tree_connection {
	struct tcpmig_endpoint local;
	struct tcpmig_endpoint remote;
	uint32_t inode;
	enum tree_owner owner;
	uint8_t state;
	uint32_t device;
	uint32_t srtt_us;
	uint32_t has;
	pid_t pid;
	int fd;
};

/**
 * struct tree_other - a socket that is not TCP, or TCP without listener or peer.
 * @domain, @type, @protocol: as for socket()
 * @peer:    inode of the peer of a UNIX socket; 0: none
 * @waiting: connections that a listening UNIX socket has not accepted
 * @local:   of UDP and TCP; family 0: none
 * @foreign: a process outside of the tree has it too
 * @peer_outside: the peer of a UNIX socket is not in the tree
 * @peer_name: that one's path, "@name" or ""
 */
struct tree_other {
	uint32_t inode;
	int domain, type, protocol;
	uint32_t peer;
	uint32_t waiting;
	struct tcpmig_endpoint local;
	bool foreign;
	bool peer_outside;
	char peer_name[108 + 1];
	pid_t pid;
	int fd;
};

/**
 * struct tree_sockets - zero it, tree_sockets_read(), tree_sockets_free().
 * @connections: those of the tree (TREE_OWNED)
 * @others_here: connections at the local ends of the listeners that no task of the tree has, but
 *               TIME_WAIT: they would lose their host
 * @others: all else
 */
struct tree_sockets {
	struct tree_listener *listeners;
	size_t listener_count;
	struct tree_connection *connections;
	size_t connection_count;
	struct tree_connection *others_here;
	size_t others_here_count;
	struct tree_other *others;
	size_t other_count;
};

/**
 * tree_sockets_read() - all of @t's sockets now. In our network namespace, which is @t's.
 *
 * Sockets of every task, each once. What was opened while it was read may be missing.
 * Return: 0 or -errno; nothing to free then.
 */
int tree_sockets_read(const struct tree *t, struct tree_sockets *s);

/**
 * tree_sockets_read_tcp() - as tree_sockets_read(), but without @s->others, of which each would be
 * opened and asked: for while clients wait.
 */
int tree_sockets_read_tcp(const struct tree *t, struct tree_sockets *s);

/** tree_listener_covers() - would @l take connections to @local? */
bool tree_listener_covers(const struct tree_listener *l, const struct tcpmig_endpoint *local);

/**
 * tree_sockets_mark_foreign() - look through the descriptors of all other processes for sockets
 * of the tree (TREE_HAS_FOREIGN, .foreign), and ask each TCP socket of the tree for TCP-AO keys
 * (TREE_HAS_AO), of which sock_diag says nothing. Slow; for before a move.
 * Return: 0 or -errno.
 */
int tree_sockets_mark_foreign(const struct tree *t, struct tree_sockets *s);

/**
 * tree_sockets_pending() - how many connections wait at the listeners in @s now: complete ones
 * that are not accepted, and SYN_RECV. Asks the kernel anew, and only that.
 * Return: number (0: none would be lost) or -errno.
 */
int tree_sockets_pending(const struct tree_sockets *s);

void tree_sockets_free(struct tree_sockets *s);

#endif
