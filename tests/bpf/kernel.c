// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/btf.h>
#include <string.h>
#include <sys/utsname.h>

#include "kernel.h"

bool kernel_shows_skb(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool shows = btf && btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return shows;
}

bool kernel_has_timers(void)
{
	struct utsname name;

	return !uname(&name) && !strstr(name.version, "PREEMPT_RT");
}
