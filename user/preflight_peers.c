// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which ends of connections a move cannot carry. One finding a kind: there may be thousands. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "netlink_socks.h"
#include "preflight.h"
#include "tree_sockets.h"

/* What may be wrong with a connection, the first that fits. */
enum trouble {
	WITHIN,	   /* both ends are of the tree, on an address that moves */
	WITHIN_LO, /* the same, on loopback */
	LOOPBACK,  /* a peer on loopback */
	LINK_LOCAL,
	HERE,	 /* a peer on this host */
	THERE,	 /* a peer on the target */
	OPENING, /* SYN_SENT */
	DEVICE,
	NONE,
	TROUBLES = NONE,
};

static const struct {
	enum finding_result result;
	const char *what, *cure;
} troubles[TROUBLES] = {
	[WITHIN] = { FINDING_FAIL,
		     "lead from the tree to itself, over an address that does not go along",
		     "let it talk to itself over 127.0.0.1, or a UNIX socket" },
	[WITHIN_LO] = { FINDING_WARN, "lead from the tree to itself, over loopback", NULL },
	[LOOPBACK] = { FINDING_FAIL,
		       "have their peer on loopback: it stays here, and no redirection reaches it",
		       "end them, or put that program into the tree" },
	[LINK_LOCAL] = { FINDING_FAIL,
			 "have a link-local address, which means nothing at the target",
			 "let the peers use another address of this host" },
	[HERE] = { FINDING_FAIL, "have their peer on this host, which no redirection reaches",
		   "end them, or put that program into the tree" },
	[THERE] = { FINDING_FAIL, "have their peer on the target, where it would be its own host",
		    "end them before the move" },
	[OPENING] = { FINDING_WARN, "are being opened by the tree: they will be opened anew",
		      NULL },
	[DEVICE] = { FINDING_WARN, "are bound to an interface, which has to be there at the target",
		     NULL },
};

/** struct count - how many have a trouble, and the first. */
struct count {
	size_t count;
	const struct tree_connection *first;
};

static bool is_link_local(const struct tcpmig_endpoint *ep)
{
	if (ep->family == AF_INET)
		return ntohl(ep->addr32[3]) >> 16 == 0xa9fe; /* 169.254.0.0/16 */
	return IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)ep->addr);
}

static int compare_locals(const void *a, const void *b)
{
	const struct tree_connection *x = a, *y = b;

	return memcmp(&x->local, &y->local, sizeof(x->local))
		       ?: memcmp(&x->remote, &y->remote, sizeof(x->remote));
}

/**
 * struct looking - @sorted: the connections, by compare_locals(). @last, @answer: what the kernel
 * said of an address; peers come in rows of one.
 */
struct looking {
	const struct preflight *p;
	struct tree_connection *sorted;
	struct tcpmig_endpoint last;
	int answer;
};

static bool other_end_is_here(const struct looking *look, const struct tree_connection *c)
{
	struct tree_connection other = { .local = c->remote, .remote = c->local };

	return bsearch(&other, look->sorted, look->p->sockets->connection_count, sizeof(other),
		       compare_locals);
}

static bool is_this_host(struct looking *look, const struct tcpmig_endpoint *ep)
{
	if (!endpoint_same_addr(&look->last, ep))
		look->answer = netlink_is_local(ep);
	look->last = *ep;
	return look->answer == 1;
}

static enum trouble trouble_of(struct looking *look, const struct tree_connection *c)
{
	const struct tcpmig_endpoint *target = look->p->target;

	if (other_end_is_here(look, c))
		return endpoint_is_loopback(&c->local) ? WITHIN_LO : WITHIN;
	if (endpoint_is_loopback(&c->remote) || endpoint_is_loopback(&c->local))
		return LOOPBACK;
	if (is_link_local(&c->remote) || is_link_local(&c->local))
		return LINK_LOCAL;
	if (is_this_host(look, &c->remote))
		return HERE;
	if (target && endpoint_same_addr(&c->remote, target))
		return THERE;
	if (c->state == TCP_SYN_SENT)
		return OPENING;
	return c->device ? DEVICE : NONE;
}

static void say(const struct count *count, enum trouble trouble, struct findings *f)
{
	char local[ENDPOINT_STRLEN], remote[ENDPOINT_STRLEN];

	findings_add(f, "peers", troubles[trouble].result, "%zu connections %s; one is %s from %s",
		     count->count, troubles[trouble].what,
		     endpoint_format(&count->first->local, local),
		     endpoint_format(&count->first->remote, remote));
	if (troubles[trouble].cure)
		findings_cure(f, "%s", troubles[trouble].cure);
}

static void check_connections(const struct preflight *p, struct findings *f)
{
	const struct tree_sockets *s = p->sockets;
	size_t bytes = s->connection_count * sizeof(*s->connections);
	_cleanup_free_ struct tree_connection *sorted = malloc(bytes ?: 1);
	struct looking look = { .p = p, .sorted = sorted };
	struct count counts[TROUBLES + 1] = {};

	if (!sorted) {
		f->incomplete = true;
		return;
	}
	if (bytes) {
		memcpy(sorted, s->connections, bytes);
		qsort(sorted, s->connection_count, sizeof(*sorted), compare_locals);
	}
	for (size_t i = 0; i < s->connection_count; i++) {
		struct count *count = &counts[trouble_of(&look, &s->connections[i])];

		if (!count->count++)
			count->first = &s->connections[i];
	}
	for (int i = 0; i < TROUBLES; i++) {
		if (counts[i].count)
			say(&counts[i], i, f);
	}
}

static void check_listener(const struct tree_listener *l, struct findings *f)
{
	char local[ENDPOINT_STRLEN], device[IF_NAMESIZE] = "?";

	endpoint_format(&l->local, local);
	if (is_link_local(&l->local)) {
		findings_add(f, "peers", FINDING_FAIL,
			     "it listens on %s: a link-local address means nothing at the target",
			     local);
		findings_cure(f, "let it listen on another address");
	} else if (endpoint_is_loopback(&l->local)) {
		findings_add(f, "peers", FINDING_WARN,
			     "it listens on %s: at the target only programs there will reach it",
			     local);
	}
	if (!l->device)
		return;
	findings_add(f, "peers", FINDING_WARN,
		     "it listens on %s of interface %s only, which has to be there at the target",
		     local, if_indextoname(l->device, device) ?: device);
}

/* Connections at the tree's addresses that stay behind. */
static void check_left(const struct tree_sockets *s, struct findings *f)
{
	size_t orphans = 0, foreign = 0;
	const struct tree_connection *first = NULL;
	char remote[ENDPOINT_STRLEN];

	for (size_t i = 0; i < s->others_here_count; i++) {
		orphans += s->others_here[i].owner == TREE_ORPHAN;
		if (s->others_here[i].owner == TREE_FOREIGN && !foreign++)
			first = &s->others_here[i];
	}
	if (orphans) {
		findings_add(f, "peers", FINDING_WARN,
			     "%zu connections are closed by the server, but not yet by their "
			     "clients: they will be reset",
			     orphans);
	}
	if (!foreign)
		return;
	findings_add(f, "peers", FINDING_FAIL,
		     "%zu connections at its address belong to processes outside of the tree; one "
		     "is from %s",
		     foreign, endpoint_format(&first->remote, remote));
	findings_cure(f, "move the parent of both, or let the other end first: ss -tpn shows it");
}

void preflight_peers(const struct preflight *p, struct findings *f)
{
	check_connections(p, f);
	for (size_t i = 0; i < p->sockets->listener_count; i++)
		check_listener(&p->sockets->listeners[i], f);
	check_left(p->sockets, f);
}
