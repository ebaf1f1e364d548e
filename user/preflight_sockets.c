// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "endpoint.h"
#include "preflight.h"
#include "tree_sockets.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define CURE_MPTCP "let it use plain TCP: GODEBUG=multipathtcp=0 for Go, else its own option"

/** struct trait - what a TCP socket may have that stays behind. */
static const struct trait {
	uint32_t bit;
	const char *what, *cure;
} traits[] = {
	{ TREE_HAS_MPTCP, "use MPTCP", CURE_MPTCP },
	{ TREE_HAS_ULP, "leave TLS to the kernel (kTLS)",
	  "switch kTLS off: for nginx 'ssl_conf_command Options -KTLS'" },
	{ TREE_HAS_MD5, "are signed with TCP MD5", "move it without such peers" },
	{ TREE_HAS_AO, "are signed with TCP-AO", "move it without such peers" },
	{ TREE_HAS_TRANSPARENT, "are transparent (IP_TRANSPARENT)",
	  "let the proxy bind to an address of its own" },
	{ TREE_HAS_FOREIGN, "are held by a process outside of the tree too",
	  "move the parent of both, or end the other: ss -tpn shows it" },
};

/** struct example - the first one of some, and how many. */
struct example {
	size_t count;
	pid_t pid;
	int fd;
	char text[2 * ENDPOINT_STRLEN + 8];
};

static void note_listener(struct example *example, const struct tree_listener *l)
{
	char local[ENDPOINT_STRLEN];

	if (example->count++)
		return;
	example->pid = l->pid;
	example->fd = l->fd;
	snprintf(example->text, sizeof(example->text), "%s, listening",
		 endpoint_format(&l->local, local));
}

static void note_connection(struct example *example, const struct tree_connection *c)
{
	char local[ENDPOINT_STRLEN], remote[ENDPOINT_STRLEN];

	if (example->count++)
		return;
	example->pid = c->pid;
	example->fd = c->fd;
	snprintf(example->text, sizeof(example->text), "%s from %s",
		 endpoint_format(&c->local, local), endpoint_format(&c->remote, remote));
}

static void check_trait(const struct tree_sockets *s, const struct trait *trait, struct findings *f)
{
	struct example example = {};

	for (size_t i = 0; i < s->listener_count; i++) {
		if (s->listeners[i].has & trait->bit)
			note_listener(&example, &s->listeners[i]);
	}
	for (size_t i = 0; i < s->connection_count; i++) {
		if (s->connections[i].has & trait->bit)
			note_connection(&example, &s->connections[i]);
	}
	if (!example.count)
		return;
	findings_add(f, "sockets", FINDING_FAIL,
		     "%zu TCP sockets %s; one is descriptor %d of %d (%s)", example.count,
		     trait->what, example.fd, example.pid, example.text);
	findings_cure(f, "%s", trait->cure);
}

static bool protocol_is_carried(const struct tree_other *other)
{
	if (other->type == SOCK_RAW)
		return true;
	switch (other->protocol) {
	case IPPROTO_IP:
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return true;
	default:
		return false;
	}
}

static void check_inet(const struct tree_other *other, struct findings *f)
{
	if (protocol_is_carried(other))
		return;
	findings_add(f, "sockets", FINDING_FAIL,
		     "descriptor %d of %d is a socket of protocol %d%s, which CRIU does not carry",
		     other->fd, other->pid, other->protocol,
		     other->protocol == IPPROTO_MPTCP  ? " (MPTCP)"
		     : other->protocol == IPPROTO_SCTP ? " (SCTP)"
						       : "");
	findings_cure(f, "%s",
		      other->protocol == IPPROTO_MPTCP
			      ? CURE_MPTCP
			      : "let the program close it before the move");
}

/* Of a datagram socket CRIU stores the name, and connects it again: a log, mostly. */
static void check_unix(const struct tree_other *other, struct findings *f)
{
	bool again = other->type == SOCK_DGRAM && *other->peer_name;

	if (other->waiting) {
		findings_add(f, "sockets", FINDING_WARN,
			     "descriptor %d of %d, a UNIX socket, has %u connections that it has "
			     "not accepted",
			     other->fd, other->pid, other->waiting);
	}
	if (!other->peer_outside)
		return;
	findings_add(
		f, "sockets", again ? FINDING_WARN : FINDING_FAIL,
		"descriptor %d of %d is a UNIX socket whose peer (%s) is outside of the tree%s",
		other->fd, other->pid, *other->peer_name ? other->peer_name : "without a name",
		again ? ": at the target it will be connected to that name" : "");
	findings_cure(f, again ? "have something listen there at the target"
			       : "close the connection, or move both ends in one tree");
}

static void check_other(const struct tree_other *other, struct findings *f)
{
	switch (other->domain) {
	case AF_INET:
	case AF_INET6:
		check_inet(other, f);
		break;
	case AF_UNIX:
		check_unix(other, f);
		break;
	case AF_NETLINK:
	case AF_PACKET:
		break;
	default:
		findings_add(
			f, "sockets", FINDING_FAIL,
			"descriptor %d of %d is a socket of family %d, which CRIU does not carry",
			other->fd, other->pid, other->domain);
		findings_cure(f, "let the program close it before the move");
	}
	/* Of a pair the other end is told already. */
	if (!other->foreign || other->peer_outside)
		return;
	findings_add(f, "sockets", FINDING_FAIL,
		     "descriptor %d of %d, a socket, is held by a process outside of the tree too",
		     other->fd, other->pid);
	findings_cure(f,
		      "start the program with descriptors 0 to 2 only, or move the parent of both");
}

void preflight_sockets(const struct preflight *p, struct findings *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(traits); i++)
		check_trait(p->sockets, &traits[i], f);
	for (size_t i = 0; i < p->sockets->other_count; i++)
		check_other(&p->sockets->others[i], f);
}
