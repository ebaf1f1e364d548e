/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One interface's two hooks: TCX links (Linux 6.6) or clsact filters. Touches
 * nothing on the hook that is not ours.
 */
#ifndef TCPMIG_HOOK_H
#define TCPMIG_HOOK_H

#include "tcpmig_shared.h"

/** struct hook_place - which programs, and so where among others on a hook they stand. */
struct hook_place;

/** The redirector: next to the wire, so first of ingress and last of egress. */
extern const struct hook_place hook_redirector;
/** The fence: next to the host, as seen from the redirector, but before all others. */
extern const struct hook_place hook_fence;

/**
 * struct hook - an interface and the directory where its links are pinned.
 * @place: NULL: the redirector
 */
struct hook {
	const char *ifname;
	int ifindex;
	int dir_fd;
	const struct hook_place *place;
};

/**
 * struct hook_notes - where is written what is about to be made, so that a kill loses nothing.
 * @save: Return: 0 or -errno
 */
struct hook_notes {
	int (*save)(void *ctx, int ifindex, const struct tcpmig_iface *iface);
	void *ctx;
};

/**
 * hook_attach() - hang the programs on both directions, ingress first, or replace ours there.
 * @notes: where @iface is recorded, before anything is attached
 * @iface: .mode 0: TCX, or clsact where the kernel has no TCX; filled
 * @why:   on error: what failed, as a phrase (static storage); may stay as it was
 *
 * On error the caller calls hook_detach() if nothing was attached before.
 * Return: 0; -EPROTONOSUPPORT: no TCX here; -EEXIST: a foreign filter has our handle; -errno.
 */
int hook_attach(const struct hook_notes *notes, const struct hook *hook, struct tcpmig_iface *iface,
		int ingress_fd, int egress_fd, const char **why);

/**
 * hook_detach() - remove what hook_attach() made; what is no longer there is no error.
 * A clsact qdisc goes only if we made it and nobody else's filter is on it.
 * Return: 0 or -errno.
 */
int hook_detach(const struct hook *hook, const struct tcpmig_iface *iface);

/** hook_tcx_type() - number of the attach type, which old headers do not name. */
int hook_tcx_type(bool egress);

/**
 * hook_prog_id() - the program that hook_attach() put there, as the kernel has it now.
 * @prog_id: 0 if there is none any more
 * Return: 0 or -errno.
 */
int hook_prog_id(const struct hook *hook, const struct tcpmig_iface *iface, bool egress,
		 __u32 *prog_id);

/** hook_unpin_all() - remove the pins of links that no interface entry tells of. Return: 0 or
 * -errno. */
int hook_unpin_all(int dir_fd);

#endif
