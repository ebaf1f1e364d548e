// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "endpoint.h"
#include "gc.h"
#include "netlink_socks.h"
#include "rule_entries.h"

struct entry {
	struct tcpmig_flow_key key;
	struct tcpmig_flow flow;
};

/* All flows, read before the sockets: one that has no socket then has ended. */
struct sweep {
	struct entry *entries;
	size_t count;
	size_t room;
	struct connections sockets;
	bool our_netns;
	__u32 idle_s;
	struct tcpmig_endpoint asked; /* the address that netlink_is_local() was asked for */
	int is_local;
};

static int collect(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	struct sweep *s = ctx;
	struct entry *grown;

	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		grown = realloc(s->entries, s->room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->entries = grown;
	}
	s->entries[s->count++] = (struct entry){ .key = *key, .flow = *flow };
	return 0;
}

/* A host has few addresses and many flows: the last answer is kept. */
static bool is_local(struct sweep *s, const struct tcpmig_endpoint *ep)
{
	if (!endpoint_same_addr(&s->asked, ep)) {
		s->asked = *ep;
		s->is_local = netlink_is_local(ep);
	}
	return s->is_local == 1;
}

static bool has_socket(struct sweep *s, const struct entry *e)
{
	return s->our_netns && connections_have(&s->sockets, &e->key);
}

/*
 * A LOCAL flow has a socket with just its ends, so it has ended when there is none: unless that
 * is of another network namespace, behind a bridge, where we cannot see it. Any other flow may
 * have one too (it was named, or is translated on the way), and else lives as long as it is seen.
 */
static bool has_ended(struct sweep *s, const struct entry *e)
{
	__u64 idle_ns = (__u64)(rule_flow_seen_now() - e->flow.seen) << TCPMIG_SEEN_SHIFT;

	if (e->flow.flags & TCPMIG_FLOW_LOCAL)
		return s->our_netns && is_local(s, &e->key.local) && !has_socket(s, e);
	return idle_ns > (__u64)s->idle_s * 1000000000 && !has_socket(s, e);
}

int gc_flows(struct tables *t, bool our_netns, __u32 idle_s, size_t *removed)
{
	struct sweep s = { .our_netns = our_netns, .idle_s = idle_s };
	int err = tables_each_flow(t, collect, &s);

	*removed = 0;
	if (!err && our_netns && s.count)
		err = netlink_connections(&s.sockets);
	for (size_t i = 0; !err && i < s.count; i++) {
		if (!has_ended(&s, &s.entries[i]))
			continue;
		err = rule_flow_remove(t, &s.entries[i].key, &s.entries[i].flow);
		*removed += err == 1;
		err = err < 0 ? err : 0;
	}
	connections_free(&s.sockets);
	free(s.entries);
	return err;
}
