/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The programs of the fence and their maps in the kernel. The only file that knows its skeleton. */
#ifndef TCPMIG_FENCE_PROGRAMS_H
#define TCPMIG_FENCE_PROGRAMS_H

struct bpf_object;

/** struct fence_programs - loaded; @obj owns the descriptors, this owns @obj. */
struct fence_programs {
	struct bpf_object *obj;
	int ingress_fd;
	int egress_fd;
	void *skel;
};

/**
 * fence_programs_load() - load them, with the maps that are pinned in @dir, or new ones.
 * @p:      to fill; fence_programs_unload() it
 * @dir:    pin directory, where the maps are or will be; NULL: nothing is pinned
 * @l2_len: bytes before the network header: programs_l2_len()
 * Return: 0 or -errno.
 */
int fence_programs_load(struct fence_programs *p, const char *dir, int l2_len);

/** fence_programs_unload() - harmless on a zeroed one. What is attached or pinned stays. */
void fence_programs_unload(struct fence_programs *p);

#endif
