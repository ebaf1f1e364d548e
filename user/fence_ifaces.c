// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#include "cleanup.h"
#include "fence_ifaces.h"
#include "hook_query.h"
#include "netlink.h"
#include "programs.h"

static struct hook hook_of(int ifindex, const char *name, int dir_fd)
{
	return (struct hook){
		.ifname = name, .ifindex = ifindex, .dir_fd = dir_fd, .place = &hook_fence
	};
}

int fence_ifaces_load(struct fence_ifaces *w, int l2_len, struct fence_programs **programs)
{
	int err = 0;

	*programs = &w->programs[l2_len > 0];
	if (!(*programs)->obj)
		err = fence_programs_load(*programs, w->dir->path, l2_len);
	if (err)
		*w->why = err == -EPERM
				  ? "load the programs (needs root, or CAP_BPF and CAP_NET_ADMIN)"
				  : "load the programs";
	return err;
}

void fence_ifaces_end(struct fence_ifaces *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->programs); i++)
		fence_programs_unload(&w->programs[i]);
}

/* Both programs, as the kernel has it: not only by what was recorded. */
static int is_covered(const struct fence_tables *t, const struct hook *hook)
{
	struct tcpmig_iface iface;
	struct hook_order order;
	int err = fence_tables_get_iface(t, hook->ifindex, &iface);

	for (int egress = 0; !err && egress < 2; egress++) {
		err = hook_query(hook, &iface, egress, &order);
		if (!err && order.ours < 0)
			return 0;
	}
	return err == -ENOENT ? 0 : err ? err : 1;
}

static int save_iface(void *ctx, int ifindex, const struct tcpmig_iface *iface)
{
	return fence_tables_set_iface(ctx, ifindex, iface);
}

static int attach(struct fence_ifaces *w, const struct hook *hook, int l2_len)
{
	const struct hook_notes notes = { .save = save_iface, .ctx = (void *)w->tables };
	struct fence_programs *programs;
	struct tcpmig_iface iface = {};
	bool already = !fence_tables_get_iface(w->tables, hook->ifindex, &iface);
	int err = fence_ifaces_load(w, l2_len, &programs);

	if (err)
		return err;
	if (!already)
		iface.mode = w->mode;
	snprintf(iface.name, sizeof(iface.name), "%s", hook->ifname);
	*w->why = "attach the fence to an interface";
	err = hook_attach(&notes, hook, &iface, programs->ingress_fd, programs->egress_fd, w->why);
	if (err && !already) {
		hook_detach(hook, &iface);
		fence_tables_del_iface(w->tables, hook->ifindex);
	}
	return err;
}

static bool is_meant(const struct netlink_device *device)
{
	return device->up && !device->loopback;
}

static int cover_one(const struct netlink_device *device, void *ctx)
{
	struct fence_ifaces *w = ctx;
	struct hook hook = hook_of(device->ifindex, device->name, w->dir->fd);
	int l2_len = programs_l2_len(device->type);
	int err;

	if (!is_meant(device) || l2_len < 0)
		return 0;
	err = is_covered(w->tables, &hook);
	if (!err)
		err = attach(w, &hook, l2_len);
	return err > 0 || err == -ENODEV ? 0 : err; /* covered; or gone since we have asked */
}

struct teardown {
	const struct fence_tables *tables;
	int dir_fd;
	bool only_gone;
};

static int detach_one(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	const struct teardown *teardown = ctx;
	struct hook hook = hook_of(ifindex, iface->name, teardown->dir_fd);
	char now[IF_NAMESIZE];
	int err;

	if (teardown->only_gone && if_indextoname(ifindex, now))
		return 0;
	err = hook_detach(&hook, iface);
	return err ? err : fence_tables_del_iface(teardown->tables, ifindex);
}

int fence_ifaces_cover(struct fence_ifaces *w)
{
	struct teardown gone = { .tables = w->tables, .dir_fd = w->dir->fd, .only_gone = true };
	int err = fence_tables_each_iface(w->tables, detach_one, &gone);

	*w->why = "list the interfaces";
	return err ? err : netlink_each_device(cover_one, w);
}

int fence_ifaces_detach_all(const struct fence_tables *t, int dir_fd)
{
	struct teardown all = { .tables = t, .dir_fd = dir_fd };

	return fence_tables_each_iface(t, detach_one, &all);
}

struct uncovered {
	const struct fence_tables *tables;
	int dir_fd;
	int (*fn)(int ifindex, const char *name, void *ctx);
	void *ctx;
};

static int look_at(const struct netlink_device *device, void *ctx)
{
	const struct uncovered *u = ctx;
	struct hook hook = hook_of(device->ifindex, device->name, u->dir_fd);
	int covered = is_meant(device) ? is_covered(u->tables, &hook) : 1;

	if (covered < 0)
		return covered == -ENODEV ? 0 : covered;
	return covered ? 0 : u->fn(device->ifindex, device->name, u->ctx);
}

int fence_ifaces_each_uncovered(const struct fence_tables *t, int dir_fd,
				int (*fn)(int ifindex, const char *name, void *ctx), void *ctx)
{
	struct uncovered u = { .tables = t, .dir_fd = dir_fd, .fn = fn, .ctx = ctx };

	return netlink_each_device(look_at, &u);
}
