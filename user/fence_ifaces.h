/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The fence's programs on all interfaces. For fence.c, which holds the lock of the pins. */
#ifndef TCPMIG_FENCE_IFACES_H
#define TCPMIG_FENCE_IFACES_H

#include "fence_programs.h"
#include "fence_tables.h"
#include "pindir.h"

/**
 * struct fence_ifaces - what works on the interfaces.
 * @programs: by whether there is a header of Ethernet; loaded when first used, fence_ifaces_end()
 * @mode:     enum redirector_mode
 * @why:      as of fence_open()
 */
struct fence_ifaces {
	const struct pindir *dir;
	const struct fence_tables *tables;
	struct fence_programs programs[2];
	int mode;
	const char **why;
};

/** fence_ifaces_load() - the programs for @l2_len, and with them the maps if they are new. */
int fence_ifaces_load(struct fence_ifaces *w, int l2_len, struct fence_programs **programs);

/** fence_ifaces_cover() - attach where it is missing; forget interfaces that are gone. */
int fence_ifaces_cover(struct fence_ifaces *w);

/** fence_ifaces_end() - unload; what is attached stays. */
void fence_ifaces_end(struct fence_ifaces *w);

/** fence_ifaces_detach_all() - Return: 0 or -errno. */
int fence_ifaces_detach_all(const struct fence_tables *t, int dir_fd);

/** fence_ifaces_each_uncovered() - as fence_uncovered(). */
int fence_ifaces_each_uncovered(const struct fence_tables *t, int dir_fd,
				int (*fn)(int ifindex, const char *name, void *ctx), void *ctx);

#endif
