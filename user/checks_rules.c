// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "checks_rules.h"
#include "cleanup.h"
#include "endpoint.h"
#include "neighbours.h"
#include "netlink.h"
#include "policy.h"
#include "redirector.h"

/**
 * struct path - what the checks of one rule share.
 * @old, @new:         as text; @new is the owner, or the one to be
 * @old_addr:          without the port
 * @old_if, @new_if:   interface of the route there; -errno: there is none
 * @owner:             NULL while it is OLD itself
 */
struct path {
	const struct tables *t;
	const struct rules_view *rule;
	struct findings *f;
	const struct tcpmig_endpoint *owner;
	char old[ENDPOINT_STRLEN];
	char new[ENDPOINT_STRLEN];
	char old_addr[INET6_ADDRSTRLEN];
	int old_if;
	int new_if;
	bool on_link;
};

static const char *name_of(int ifindex, char name[IF_NAMESIZE])
{
	if (!if_indextoname(ifindex, name))
		strcpy(name, "?");
	return name;
}

static bool is_attached(const struct tables *t, int ifindex)
{
	struct tcpmig_iface iface;

	return !tables_get_iface(t, ifindex, &iface) || redirector_stacked_on_attached(t, ifindex);
}

static int take_name(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	(void)iface;
	return if_indextoname(ifindex, ctx) ? 1 : 0;
}

/* Where a route to OLD would bring its packets to our hook. */
static const char *hooked_iface(const struct path *p, char name[IF_NAMESIZE])
{
	struct tcpmig_iface iface;

	if (p->new_if > 0 && !tables_get_iface(p->t, p->new_if, &iface))
		return name_of(p->new_if, name);
	strcpy(name, "IFACE");
	tables_each_iface(p->t, take_name, name);
	return name;
}

static void check_in_doubt(const struct path *p)
{
	if (!p->rule->in_doubt)
		return;
	findings_add(p->f, "rule", FINDING_FAIL,
		     "%s: in doubt: armed for %s and its lease is over, so nothing leaves", p->old,
		     p->new);
	findings_cure(p->f,
		      "'tcpmig-bpf redirect %s %s' if the connections live there, "
		      "'tcpmig-bpf release %s' if they do not",
		      p->old, p->new, p->old);
}

static void check_old_route(const struct path *p)
{
	char name[IF_NAMESIZE];

	if (p->old_if < 0) {
		findings_add(p->f, "old_route", FINDING_FAIL,
			     "%s: no route there (%s): its packets never reach the programs",
			     p->old, strerror(-p->old_if));
		findings_cure(p->f, "ip route replace %s/%d dev %s", p->old_addr,
			      p->rule->old.family == AF_INET ? 32 : 128, hooked_iface(p, name));
		return;
	}
	name_of(p->old_if, name);
	if (is_attached(p->t, p->old_if)) {
		findings_add(p->f, "old_route", FINDING_OK, "%s: leaves by %s%s", p->old, name,
			     p->on_link ? ", no gateway" : ", by a gateway");
	} else if (!strcmp(name, "lo")) {
		findings_add(p->f, "old_route", FINDING_FAIL,
			     "%s: it is an address of this host, whose packets pass only lo",
			     p->old);
		findings_cure(p->f, "take %s off this host: 'ip addr' shows where it is",
			      p->old_addr);
	} else {
		findings_add(p->f, "old_route", FINDING_FAIL,
			     "%s: leaves by %s, where nothing is attached", p->old, name);
		findings_cure(p->f, "tcpmig-bpf attach %s", name);
	}
}

static const char *entry_kind(const struct neigh *n)
{
	if (neighbours_is_ours(n))
		return neighbours_is_dummy(n) ? "ours, a dummy: it did not answer"
					      : "ours, its real address";
	if (n->state & (NUD_PERMANENT | NUD_NOARP))
		return "permanent, by somebody else";
	return n->state & NEIGH_VALID ? "the kernel's own: it answers" : "none: it does not answer";
}

/* Only where one would help: on the link of an attached device that asks for addresses. */
static void check_neighbour(const struct path *p)
{
	struct neigh n = { .addr = p->rule->old, .ifindex = p->old_if };
	struct tcpmig_iface iface;
	char name[IF_NAMESIZE];
	bool fine;

	n.addr.port = 0;
	if (p->old_if < 0 || !p->on_link || tables_get_iface(p->t, p->old_if, &iface) ||
	    netlink_resolves_neighbours(p->old_if) <= 0 || neigh_get(&n))
		return;
	/* Without an owner yet, nothing is to leave. */
	fine = n.state & (NUD_PERMANENT | NUD_NOARP) ||
	       (p->rule->established_only && n.state & NEIGH_VALID) ||
	       (p->rule->state == TCPMIG_HELD && !p->owner);
	findings_add(p->f, "neighbour", fine ? FINDING_OK : FINDING_WARN,
		     "%s: neighbour entry on %s: %s%s", p->old, name_of(p->old_if, name),
		     entry_kind(&n), fine ? "" : "; if it dies its packets stay here");
	if (!fine)
		findings_cure(p->f, "tcpmig-bpf list (which sets what is missing)");
}

static void check_new_route(const struct path *p)
{
	char name[IF_NAMESIZE];

	if (p->new_if < 0) {
		findings_add(p->f, "new_route", FINDING_FAIL, "%s: no route to %s (%s)", p->old,
			     p->new, strerror(-p->new_if));
		findings_cure(p->f,
			      "add one: 'ip route add ... via GATEWAY', then 'tcpmig-bpf "
			      "redirect %s %s'",
			      p->old, p->new);
		return;
	}
	name_of(p->new_if, name);
	if (is_attached(p->t, p->new_if)) {
		findings_add(p->f, "new_route", FINDING_OK, "%s: %s is reached by %s", p->old,
			     p->new, name);
		return;
	}
	findings_add(p->f, "new_route", FINDING_FAIL,
		     "%s: %s is reached by %s, where nothing is attached: answers are lost", p->old,
		     p->new, name);
	findings_cure(p->f, "tcpmig-bpf attach %s", name);
}

/* As `ip route` wants it: where packets to OLD go now, nothing else. */
static void cure_mtu(const struct path *p, const struct netlink_way *old, int mtu)
{
	const struct tcpmig_endpoint *gw = &old->gateway;
	char name[IF_NAMESIZE], addr[INET6_ADDRSTRLEN], via[INET6_ADDRSTRLEN + 16] = "";

	if (gw->family == AF_INET)
		snprintf(via, sizeof(via), " via %s",
			 inet_ntop(AF_INET, &gw->addr32[3], addr, sizeof(addr)));
	else if (gw->family == AF_INET6)
		snprintf(via, sizeof(via), " via %s%s",
			 p->rule->old.family == AF_INET ? "inet6 " : "",
			 inet_ntop(AF_INET6, gw->addr, addr, sizeof(addr)));
	findings_cure(p->f, "ip route replace %s/%d%s dev %s mtu lock %d", p->old_addr,
		      p->rule->old.family == AF_INET ? 32 : 128, via, name_of(old->ifindex, name),
		      mtu);
}

/* bpf_redirect_neigh() looks at no MTU, and the socket knows that of the route to OLD. */
static void check_mtu(const struct path *p)
{
	struct netlink_way old, new;

	if (p->old_if <= 0 || !is_attached(p->t, p->old_if) || netlink_way(&p->rule->old, &old) ||
	    netlink_way(p->owner, &new))
		return;
	if (new.mtu >= old.mtu) {
		findings_add(p->f, "mtu", FINDING_OK, "%s: %d bytes, and %d on the route to %s",
			     p->old, old.mtu, new.mtu, p->new);
		return;
	}
	findings_add(p->f, "mtu", FINDING_WARN,
		     "%s: packets may have %d bytes, but only %d on the route to %s: larger ones "
		     "are lost, and nobody is told",
		     p->old, old.mtu, new.mtu, p->new);
	cure_mtu(p, &old, new.mtu);
}

static int read_rp_filter(const char *ifname)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64];
	int value = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", ifname);
	file = fopen(path, "re");
	return file && fscanf(file, "%d", &value) == 1 ? value : 0;
}

/* Answers say they are from OLD, and come in where OLD is not: strict filtering drops them. */
static void check_rp_filter(const struct path *p)
{
	char name[IF_NAMESIZE], old_name[IF_NAMESIZE];
	int all, own, value;

	if (p->rule->old.family != AF_INET || p->new_if <= 0 || p->new_if == p->old_if ||
	    !if_indextoname(p->new_if, name))
		return;
	all = read_rp_filter("all");
	own = read_rp_filter(name);
	value = all > own ? all : own; /* as the kernel does */
	if (value != 1) {
		findings_add(p->f, "rp_filter", FINDING_OK,
			     "%s: rp_filter of %s lets the answers of %s in", p->old, name, p->new);
		return;
	}
	findings_add(p->f, "rp_filter", FINDING_FAIL,
		     "%s: answers of %s come in by %s, not by %s, and its rp_filter=1 drops them",
		     p->old, p->new, name, p->old_if > 0 ? name_of(p->old_if, old_name) : "?");
	if (strchr(name, '.'))
		findings_cure(p->f, "sysctl -w net/ipv4/conf/%s/rp_filter=2", name);
	else
		findings_cure(p->f, "sysctl -w net.ipv4.conf.%s.rp_filter=2", name);
}

static void set_owner(struct path *p)
{
	p->owner = p->rule->state == TCPMIG_ARMED ? &p->rule->next : &p->rule->cur;
	if (endpoint_same(p->owner, &p->rule->old))
		p->owner = NULL;
	if (p->owner) {
		endpoint_format(p->owner, p->new);
		p->new_if = netlink_route(p->owner, NULL);
	}
}

void checks_rule(const struct tables *t, const struct rules_view *rule, struct findings *f)
{
	struct path p = { .t = t, .rule = rule, .f = f };

	endpoint_format(&rule->old, p.old);
	if (rule->old.family == AF_INET)
		inet_ntop(AF_INET, &rule->old.addr32[3], p.old_addr, sizeof(p.old_addr));
	else
		inet_ntop(AF_INET6, rule->old.addr, p.old_addr, sizeof(p.old_addr));
	p.old_if = netlink_route(&rule->old, &p.on_link);
	set_owner(&p);
	check_in_doubt(&p);
	check_old_route(&p);
	check_neighbour(&p);
	if (p.owner) {
		check_new_route(&p);
		check_rp_filter(&p);
		check_mtu(&p);
	}
}

void checks_rules(const struct tables *t, struct findings *f)
{
	struct rules_view rule;

	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		if (rules_view(t, slot, &rule))
			checks_rule(t, &rule, f);
	}
}

static void check_allowed(const struct tcpmig_policies *p, const struct rules_view *rule,
			  struct findings *f)
{
	const struct tcpmig_endpoint *owner = rule->state == TCPMIG_ARMED ? &rule->next
									  : &rule->cur;
	char old[ENDPOINT_STRLEN], new[ENDPOINT_STRLEN];

	if (policy_allows(p->list, p->count, &rule->old, owner))
		return;
	endpoint_format(&rule->old, old);
	endpoint_format(owner, new);
	findings_add(f, "policy", FINDING_FAIL,
		     "%s: it does not allow %s: packets are left as they are", old, new);
	findings_cure(f,
		      "a [move] section in the agent's configuration, or 'tcpmig-bpf release %s'",
		      old);
}

static void add_policy(const struct tcpmig_policies *p, struct findings *f)
{
	if (!p->generation) {
		findings_add(f, "policy", FINDING_OK, "none: everything is allowed");
	} else if (!p->count) {
		findings_add(f, "policy", FINDING_WARN, "no entry: nothing is allowed");
		findings_cure(f, "a [move] section in the agent's configuration");
	} else {
		findings_add(f, "policy", FINDING_OK, "%u %s", p->count,
			     p->count == 1 ? "entry" : "entries");
	}
}

void checks_policy(const struct tables *t, int dir_fd, struct findings *f)
{
	struct tcpmig_policies policies = {};
	struct rules_view rule;
	struct tables_policy p;
	int err = tables_policy_open(&p, dir_fd);

	if (!err) {
		err = tables_get_policy(&p, &policies);
		tables_policy_close(&p);
	}
	if (err) {
		findings_add(f, "policy", FINDING_FAIL, "cannot be read (%s)", strerror(-err));
		findings_cure(f, "'tcpmig-bpf attach IFACE', which makes what is missing");
		return;
	}
	add_policy(&policies, f);
	for (__u32 slot = 0; policies.generation && slot < TCPMIG_RULES_MAX; slot++) {
		if (rules_view(t, slot, &rule))
			check_allowed(&policies, &rule, f);
	}
}
