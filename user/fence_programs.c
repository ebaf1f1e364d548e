// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "fence_programs.h"
#include "fence_tables.h"
#include "tcpmig_fence.skel.h"

int fence_programs_load(struct fence_programs *p, const char *dir, int l2_len)
{
	struct tcpmig_fence *skel = tcpmig_fence__open();
	int err = skel ? 0 : -errno;

	memset(p, 0, sizeof(*p));
	if (err)
		return err;
	skel->rodata->l2_len = l2_len;
	if (dir)
		err = fence_tables_set_pin_paths(skel->obj, dir);
	if (!err)
		err = tcpmig_fence__load(skel);
	*p = (struct fence_programs){ .obj = skel->obj, .skel = skel };
	p->ingress_fd = bpf_program__fd(skel->progs.tcpmig_fence_rx);
	p->egress_fd = bpf_program__fd(skel->progs.tcpmig_fence_tx);
	if (err)
		fence_programs_unload(p);
	return err;
}

void fence_programs_unload(struct fence_programs *p)
{
	tcpmig_fence__destroy(p->skel);
	memset(p, 0, sizeof(*p));
}
