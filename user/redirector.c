// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "hook.h"
#include "neighbours.h"
#include "netlink.h"
#include "programs.h"
#include "redirector.h"
#include "rules.h"

const char *redirector_mode_name(int mode)
{
	return mode == TCPMIG_ATTACH_TCX ? "tcx" : "clsact";
}

__u64 redirector_netns_ino(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

/* Bytes before the network header that tc programs see, or -errno. */
static int l2_len_of(const char *ifname)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {};

	if (fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFHWADDR, &req))
		return -errno;
	return programs_l2_len(req.ifr_hwaddr.sa_family);
}

static bool serves_another_netns(const struct tables *t)
{
	return t->meta->netns_ino != redirector_netns_ino();
}

/* Maps pinned by another version are not touched: their rules may be in use. */
static int check_pins(const struct pindir *dir, const char **why)
{
	struct tables t;
	int layout = tables_layout_pinned(dir->fd);
	int err = 0;

	*why = "maps of another version of tcpmig-bpf are pinned there; detach with that version";
	if (layout < 0)
		return layout;
	if (layout && layout != TCPMIG_LAYOUT)
		return -EPROTO;
	if (!layout)
		return 0;
	*why = "open the pinned maps";
	err = tables_open(&t, dir->fd);
	if (err)
		return err == -ENOENT ? 0 : err; /* half-made: the load completes it */
	if (serves_another_netns(&t)) {
		*why = "the pin directory serves another network namespace; choose one by "
		       "--pin-dir";
		err = -EXDEV;
	}
	tables_close(&t);
	return err;
}

static int load(struct programs *programs, const struct pindir *dir, int l2_len, const char **why)
{
	int err = programs_load(programs, dir->path, l2_len);

	*why = "load the programs";
	if (err == -EPERM)
		*why = "load the programs (needs root, or CAP_BPF and CAP_NET_ADMIN)";
	return err ? err : tables_pin_programs(programs->obj, dir->fd);
}

static int set_up_tables(struct tables *t)
{
	__atomic_store_n(&t->meta->layout, TCPMIG_LAYOUT, __ATOMIC_RELEASE);
	__atomic_store_n(&t->meta->netns_ino, redirector_netns_ino(), __ATOMIC_RELEASE);
	return rules_repair(t);
}

#define STACK_MAX 8

/* What @ifindex is a port of (@up) or made on, or 0. The peer of a veth is neither. */
static int next_in_stack(int ifindex, bool up)
{
	int master, lower, peer_of_lower = 0;

	if (netlink_link(ifindex, &master, &lower))
		return 0;
	if (up)
		return master;
	if (lower && !netlink_link(lower, &master, &peer_of_lower) && peer_of_lower == ifindex)
		return 0;
	return lower;
}

/* @ifindex and all that it is below (@up) or above, by one kind of step each. */
static size_t stack_of(int ifindex, bool up, int stack[STACK_MAX])
{
	size_t n = 0;

	for (; ifindex && n < STACK_MAX; ifindex = next_in_stack(ifindex, up))
		stack[n++] = ifindex;
	return n;
}

static bool meet(int from_below, int from_above)
{
	int up[STACK_MAX], down[STACK_MAX];
	size_t n_up = stack_of(from_below, true, up), n_down = stack_of(from_above, false, down);

	for (size_t i = 0; i < n_up; i++) {
		for (size_t k = 0; k < n_down; k++) {
			if (up[i] == down[k])
				return true;
		}
	}
	return false;
}

static int is_stacked_with(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	int other = *(int *)ctx;

	(void)iface;
	return (int)ifindex != other && (meet(ifindex, other) || meet(other, ifindex));
}

bool redirector_stacked_on_attached(const struct tables *t, int ifindex)
{
	return tables_each_iface(t, is_stacked_with, &ifindex) == 1;
}

static int save_iface(void *ctx, int ifindex, const struct tcpmig_iface *iface)
{
	return tables_set_iface(ctx, ifindex, iface);
}

/* Entry first, hooks second: whatever a kill leaves, detach finds it by the entry. */
static int attach_hooks(struct tables *t, const struct hook *hook, const struct programs *programs,
			struct redirector_attached *result, const char **why)
{
	const struct hook_notes notes = { .save = save_iface, .ctx = t };
	struct tcpmig_iface iface;
	int err;

	result->already = !tables_get_iface(t, hook->ifindex, &iface);
	if (result->already && result->mode && result->mode != iface.mode) {
		*why = "it is attached in another mode; detach it first";
		return -EEXIST;
	}
	if (!result->already && redirector_stacked_on_attached(t, hook->ifindex)) {
		*why = "a packet would pass it and an attached interface; detach that one first";
		return -EINVAL;
	}
	if (result->already)
		result->mode = iface.mode;
	else
		iface = (struct tcpmig_iface){ .mode = result->mode };
	snprintf(iface.name, sizeof(iface.name), "%s", hook->ifname);
	*why = "attach";
	err = hook_attach(&notes, hook, &iface, programs->ingress_fd, programs->egress_fd, why);
	result->mode = iface.mode;
	if (!err) {
		*why = "set the neighbour entries of its rules";
		err = neighbours_sync(t, NULL);
	}
	if (err && !result->already) {
		hook_detach(hook, &iface);
		tables_del_iface(t, hook->ifindex);
	}
	return err;
}

static int count_iface(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	(void)ifindex, (void)iface;
	++*(size_t *)ctx;
	return 0;
}

/*
 * With no interface left the maps and their directory go. Closes @dir then. Whatever
 * cannot be opened is not removed: it may be in use.
 */
static int remove_if_unused(struct pindir *dir)
{
	struct tables t;
	size_t ifaces = 0;
	int err = tables_open(&t, dir->fd);

	if (!err) {
		err = tables_each_iface(&t, count_iface, &ifaces);
		tables_close(&t);
	}
	if ((err && err != -ENOENT) || ifaces)
		return err;
	err = hook_unpin_all(dir->fd);
	if (!err)
		err = tables_unpin(dir->fd);
	return err ? err : pindir_remove(dir);
}

int redirector_attach(struct pindir *dir, const char *ifname, enum redirector_mode mode,
		      struct redirector_attached *result, const char **why)
{
	struct hook hook = { .ifname = ifname,
			     .ifindex = if_nametoindex(ifname),
			     .dir_fd = dir->fd };
	struct programs programs = {};
	struct tables t = {};
	bool fresh = tables_layout_pinned(dir->fd) == 0;
	int l2_len;
	int err;

	*why = "no such interface in this network namespace; 'ip link' lists them";
	if (!hook.ifindex)
		err = -ENODEV;
	else
		err = check_pins(dir, why);
	if (err)
		goto out;
	*why = "its kind of link layer is not supported; expected Ethernet, tun or WireGuard";
	l2_len = l2_len_of(ifname);
	err = l2_len < 0 ? l2_len : load(&programs, dir, l2_len, why);
	if (err)
		goto out;
	*result = (struct redirector_attached){ .mode = mode, .plain = programs.plain };
	err = tables_of_object(&t, programs.obj);
	if (!err)
		err = set_up_tables(&t);
	if (!err)
		err = attach_hooks(&t, &hook, &programs, result, why);
out:
	tables_close(&t);
	programs_unload(&programs);
	if (err && fresh) {
		hook_unpin_all(dir->fd);
		tables_unpin(dir->fd);
	}
	if (err && dir->made)
		pindir_remove(dir);
	return err;
}

/* @ifindex: of the attached interface that has the name @ifname now; 0: none has */
struct detaching {
	struct tables *t;
	const struct pindir *dir;
	const char *ifname; /* NULL: all */
	__u32 ifindex;
	size_t count;
};

/*
 * Under its name at the time of attach, too, unless that is another attached one's by now;
 * one that is gone has no other name.
 */
static bool is_meant(const struct detaching *d, __u32 ifindex, const struct tcpmig_iface *iface)
{
	char now[IF_NAMESIZE];

	if (!d->ifname || ifindex == d->ifindex)
		return true;
	return !strcmp(d->ifname, iface->name) && (!d->ifindex || !if_indextoname(ifindex, now));
}

static __u32 attached_as(const struct tables *t, const char *ifname)
{
	__u32 ifindex = ifname ? if_nametoindex(ifname) : 0;
	struct tcpmig_iface iface;

	return ifindex && !tables_get_iface(t, ifindex, &iface) ? ifindex : 0;
}

static int detach_one(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	struct detaching *d = ctx;
	struct hook hook = { .ifname = iface->name, .ifindex = ifindex, .dir_fd = d->dir->fd };
	int err;

	if (!is_meant(d, ifindex, iface))
		return 0;
	err = neighbours_forget(ifindex);
	if (!err)
		err = hook_detach(&hook, iface);
	if (err)
		return err;
	d->count++;
	return tables_del_iface(d->t, ifindex);
}

int redirector_detach(struct pindir *dir, const char *ifname, size_t *count)
{
	struct tables t;
	struct detaching d = { .t = &t, .dir = dir, .ifname = ifname };
	int err = tables_open(&t, dir->fd);

	*count = 0;
	if (!err) {
		d.ifindex = attached_as(&t, ifname);
		err = serves_another_netns(&t) ? -EXDEV : tables_each_iface(&t, detach_one, &d);
		tables_close(&t);
	} else if (err == -ENOENT) {
		err = 0; /* left by an attach that was killed before it attached anything */
	}
	*count = d.count;
	if (err)
		return err;
	if (ifname && !d.count)
		return -ENOENT;
	return remove_if_unused(dir);
}
