// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <string.h>

#include "cleanup.h"
#include "programs.h"
#include "settle.h"
#include "tables.h"
#include "tcpmig.skel.h"
#include "tcpmig_plain.skel.h"

int programs_l2_len(int type)
{
	switch (type) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return ETHER_HDR_LEN;
	case ARPHRD_NONE: /* tun, WireGuard */
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
		return 0;
	}
	return -EMEDIUMTYPE;
}

/*
 * The two skeletons are two types, and that is all the difference between these two. On PREEMPT_RT
 * a program may be interrupted by another on its CPU, and the cache is not made for it; and the
 * verifier takes no bpf_timer.
 */
static int open_full(struct programs *p, int l2_len)
{
	struct tcpmig *skel = tcpmig__open();

	if (!skel)
		return -errno;
	skel->rodata->l2_len = l2_len;
	skel->rodata->use_cache = !kernel_is_realtime();
	skel->rodata->use_timer = !kernel_is_realtime();
	*p = (struct programs){ .obj = skel->obj, .skel = skel };
	return 0;
}

static int open_plain(struct programs *p, int l2_len)
{
	struct tcpmig_plain *skel = tcpmig_plain__open();

	if (!skel)
		return -errno;
	skel->rodata->l2_len = l2_len;
	skel->rodata->use_cache = !kernel_is_realtime();
	skel->rodata->use_timer = !kernel_is_realtime();
	*p = (struct programs){ .obj = skel->obj, .skel = skel, .plain = true };
	return 0;
}

static int prog_fd(const struct programs *p, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(p->obj, name));
}

/* Of the large maps. Nobody will use them. */
static int make_small(struct bpf_object *obj)
{
	static const char *const large[] = { "tcpmig_flows", "tcpmig_wires" };
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(large); i++)
		err = bpf_map__set_max_entries(bpf_object__find_map_by_name(obj, large[i]), 1);
	return err;
}

static int load(struct programs *p, const char *dir)
{
	int err = dir ? tables_set_pin_paths(p->obj, dir) : make_small(p->obj);

	if (!err)
		err = p->plain ? tcpmig_plain__load(p->skel) : tcpmig__load(p->skel);
	p->ingress_fd = prog_fd(p, "tcpmig_ingress");
	p->egress_fd = prog_fd(p, "tcpmig_egress");
	return err;
}

int programs_load(struct programs *p, const char *dir, int l2_len)
{
	int err;

	memset(p, 0, sizeof(*p));
	err = open_full(p, l2_len);
	if (!err)
		err = load(p, dir);
	if (!err || err == -EPERM)
		return err;
	programs_unload(p);
	err = open_plain(p, l2_len);
	return err ? err : load(p, dir);
}

void programs_unload(struct programs *p)
{
	if (p->plain)
		tcpmig_plain__destroy(p->skel);
	else
		tcpmig__destroy(p->skel);
	memset(p, 0, sizeof(*p));
}
