// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "hook_query.h"
#include "netlink.h"

#define LOOPBACK_IFINDEX 1

static void set_name(struct hook_prog *prog, const char *fallback)
{
	_cleanup_close_ int fd = prog->prog_id ? bpf_prog_get_fd_by_id(prog->prog_id) : -1;
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || !info.name[0])
		snprintf(prog->name, sizeof(prog->name), "%s", fallback);
	else
		snprintf(prog->name, sizeof(prog->name), "%s", info.name);
}

static struct hook_prog *append(struct hook_order *order)
{
	return order->count < HOOK_PROGS_MAX ? &order->progs[order->count++] : NULL;
}

/* In bpf_prog_query_opts() the interface stands where cgroups have their descriptor. */
static int query_tcx(int ifindex, bool egress, __u32 *ids, __u32 *count)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = *count);
	int err = bpf_prog_query_opts(ifindex, (enum bpf_attach_type)hook_tcx_type(egress), &opts);

	*count = err ? 0 : opts.prog_cnt;
	return err;
}

int hook_has_tcx(void)
{
	__u32 ids[HOOK_PROGS_MAX], count = HOOK_PROGS_MAX;
	int err = query_tcx(LOOPBACK_IFINDEX, false, ids, &count);

	if (err == -EINVAL)
		return 0;
	return err && err != -ENOENT && err != -ENOSPC ? err : 1;
}

static int add_tcx(const struct hook *hook, bool egress, struct hook_order *order)
{
	__u32 ids[HOOK_PROGS_MAX], count = HOOK_PROGS_MAX;
	int err = query_tcx(hook->ifindex, egress, ids, &count);

	if (err == -EINVAL || err == -ENOENT) /* no TCX before Linux 6.6, or nobody there */
		return 0;
	for (__u32 i = 0; !err && i < count; i++) {
		struct hook_prog *prog = append(order);

		if (!prog)
			break;
		*prog = (struct hook_prog){ .prog_id = ids[i], .tcx = true };
		set_name(prog, "?");
	}
	return err;
}

static int add_filter(const struct netlink_filter *filter, void *ctx)
{
	struct hook_prog *prog = append(ctx);

	if (!prog)
		return 0;
	*prog = (struct hook_prog){ .prog_id = filter->prog_id };
	set_name(prog, filter->kind);
	return 0;
}

int hook_query(const struct hook *hook, const struct tcpmig_iface *iface, bool egress,
	       struct hook_order *order)
{
	char name[IF_NAMESIZE];
	__u32 ours = 0;
	int err;

	*order = (struct hook_order){ .ours = -1 };
	if (!if_indextoname(hook->ifindex, name))
		return -ENODEV;
	err = hook_prog_id(hook, iface, egress, &ours);
	if (!err)
		err = add_tcx(hook, egress, order);
	if (!err)
		err = netlink_each_filter(hook->ifindex, egress, add_filter, order);
	for (size_t i = 0; ours && i < order->count; i++) {
		if (order->progs[i].prog_id == ours)
			order->ours = i;
	}
	return err;
}

size_t hook_others(const struct hook_order *order)
{
	return order->count - (order->ours >= 0);
}

const struct hook_prog *hook_stranger_before(const struct hook_order *order)
{
	for (int i = 0; i < order->ours; i++) {
		if (strncmp(order->progs[i].name, "tcpmig_", strlen("tcpmig_")))
			return &order->progs[i];
	}
	return NULL;
}

const char *hook_order_text(const struct hook_order *order, char *buf, size_t size)
{
	size_t used = 0;

	*buf = 0;
	for (size_t i = 0; i < order->count && used < size; i++)
		used += snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
				 order->progs[i].name);
	return buf;
}
