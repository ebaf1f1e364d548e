/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The BPF programs and their maps in the kernel. The only file that knows the skeletons. */
#ifndef TCPMIG_PROGRAMS_H
#define TCPMIG_PROGRAMS_H

#include <stdbool.h>

struct bpf_object;

/**
 * struct programs - loaded programs.
 * @obj:        for tables_of_object(); owned by this
 * @ingress_fd, @egress_fd: owned by @obj
 * @plain:      those for a kernel that does not show skb->ip_summed (before 6.2, no BTF)
 */
struct programs {
	struct bpf_object *obj;
	int ingress_fd;
	int egress_fd;
	bool plain;
	void *skel;
};

/**
 * programs_l2_len() - bytes before the network header that tc programs see of a device.
 * @type: of the device, ARPHRD_*
 * Return: 14 or 0; -EMEDIUMTYPE: a kind of link layer that we do not know.
 */
int programs_l2_len(int type);

/**
 * programs_load() - load them, with the maps that are pinned in a directory, or new ones.
 * @p:      to fill; programs_unload() it
 * @dir:    pin directory, where the maps are or will be; NULL: only to see whether it can be
 *          done: nothing is pinned, and the maps have next to no room
 * @l2_len: bytes before the network header, 14 or 0
 *
 * Takes the programs that the kernel can best do with.
 * Return: 0; -EPERM: not allowed to; another -errno.
 */
int programs_load(struct programs *p, const char *dir, int l2_len);

/** programs_unload() - harmless on a zeroed one. What is attached or pinned stays. */
void programs_unload(struct programs *p);

#endif
