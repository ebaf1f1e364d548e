// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "checks.h"
#include "hook_query.h"
#include "redirector.h"

#define ORDER_TEXT 512

struct ifaces {
	const struct tables *t;
	int dir_fd;
	struct findings *f;
};

/* A program that ends with TC_ACT_OK, or takes the packet, hides it from all behind it. */
static void report_order(struct findings *f, const char *ifname, bool egress,
			 const struct hook_order *order)
{
	const struct hook_prog *stranger = hook_stranger_before(order);
	const char *way = egress ? "egress" : "ingress";
	char text[ORDER_TEXT];

	hook_order_text(order, text, sizeof(text));
	if (order->ours < 0) {
		findings_add(f, "hook", FINDING_FAIL,
			     "%s %s: our program is not there any more%s%s", ifname, way,
			     order->count ? "; there are: " : "", text);
		findings_cure(f, "tcpmig-bpf attach %s", ifname);
	} else if (stranger) {
		findings_add(f, "hook", FINDING_WARN,
			     "%s %s: others come before ours and may hide packets from it: %s",
			     ifname, way, text);
		findings_cure(f,
			      "they must end with TC_ACT_UNSPEC (-1), not TC_ACT_OK, for "
			      "packets that are not theirs; if counters in 'tcpmig-bpf stats' "
			      "stand still, start %s after tcpmig-bpf",
			      stranger->name);
	} else {
		findings_add(f, "hook", FINDING_OK, "%s %s: %s%s", ifname, way,
			     hook_others(order) ? "in this order: " : "only ", text);
	}
}

static int check_hooks(const struct ifaces *c, __u32 ifindex, const struct tcpmig_iface *iface,
		       const char *ifname)
{
	struct hook hook = { .ifname = ifname, .ifindex = ifindex, .dir_fd = c->dir_fd };
	struct hook_order order;
	int err;

	for (int egress = 0; egress < 2; egress++) {
		err = hook_query(&hook, iface, egress, &order);
		if (!err) {
			report_order(c->f, ifname, egress, &order);
			continue;
		}
		findings_add(c->f, "hook", FINDING_FAIL, "%s %s: cannot look (%s)", ifname,
			     egress ? "egress" : "ingress", strerror(-err));
		findings_cure(c->f, "run as root");
	}
	return 0;
}

static int check_iface(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	const struct ifaces *c = ctx;
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name)) {
		findings_add(c->f, "interface", FINDING_FAIL,
			     "%s: attached, but the interface is gone", iface->name);
		findings_cure(c->f,
			      "'tcpmig-bpf detach %s'; 'tcpmig-bpf attach %s' when it is back",
			      iface->name, iface->name);
		return 0;
	}
	if (redirector_stacked_on_attached(c->t, ifindex)) {
		findings_add(c->f, "interface", FINDING_FAIL,
			     "%s: it is stacked with another attached interface: packets are "
			     "translated twice, and lost",
			     name);
		findings_cure(c->f, "tcpmig-bpf detach %s, or the other", iface->name);
	} else {
		findings_add(c->f, "interface", FINDING_OK, "%s: attached by %s", name,
			     redirector_mode_name(iface->mode));
	}
	return check_hooks(c, ifindex, iface, name);
}

void checks_ifaces(const struct tables *t, int dir_fd, struct findings *f)
{
	struct ifaces c = { .t = t, .dir_fd = dir_fd, .f = f };
	int err = tables_each_iface(t, check_iface, &c);

	if (err) {
		findings_add(f, "interface", FINDING_FAIL, "cannot read what is attached (%s)",
			     strerror(-err));
		findings_cure(f, "run as root");
	}
}
