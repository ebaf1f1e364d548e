/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hanging the programs on interfaces. Everything stays when the process goes: maps and TCX
 * links are pinned, clsact filters belong to the interface.
 */
#ifndef TCPMIG_REDIRECTOR_H
#define TCPMIG_REDIRECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "pindir.h"
#include "tables.h"

enum redirector_mode {
	REDIRECTOR_AUTO = 0, /* TCX if the kernel has it (6.6), else clsact */
	REDIRECTOR_TCX = TCPMIG_ATTACH_TCX,
	REDIRECTOR_CLSACT = TCPMIG_ATTACH_CLSACT,
};

/** redirector_mode_name() - "tcx" or "clsact" (static storage). */
const char *redirector_mode_name(int mode);

/**
 * struct redirector_attached - what redirector_attach() did.
 * @mode:    enum tcpmig_attach_mode
 * @already: it was attached before; the programs were replaced, atomically
 * @plain:   as in struct programs
 */
struct redirector_attached {
	int mode;
	bool already;
	bool plain;
};

/**
 * redirector_attach() - both directions of an interface; twice is once.
 * @dir:     open pin directory
 * @ifname:  interface in the network namespace of the caller
 * @why:     on error: what failed, as a phrase for the message (static storage)
 *
 * On error everything that this call made is undone.
 * Return: 0; -ENODEV: no such interface; -EPROTO: maps of another layout are pinned;
 * -EXDEV: the directory serves another network namespace; -EEXIST: attached in another
 * mode, or a foreign filter has our handle; -EPROTONOSUPPORT: TCX asked for but not
 * there; -EMEDIUMTYPE: a device with another kind of link layer; -EINVAL: it is stacked
 * with an interface that is attached; another -errno.
 */
int redirector_attach(struct pindir *dir, const char *ifname, enum redirector_mode mode,
		      struct redirector_attached *result, const char **why);

/**
 * redirector_detach() - undo redirector_attach(); with the last interface the maps go too.
 * @ifname: its name, or the one at the time of attach; NULL: all interfaces
 * @dir:    closed if the directory is removed
 * @count:  how many interfaces were detached
 *
 * Return: 0; -ENOENT: @ifname is not attached; -EXDEV: the directory serves another
 * network namespace; -errno.
 */
int redirector_detach(struct pindir *dir, const char *ifname, size_t *count);

/**
 * redirector_stacked_on_attached() - does a packet of @ifindex pass an attached interface, too?
 * Bridge and port, bond and port, VLAN and its device. Translated twice it would be lost.
 */
bool redirector_stacked_on_attached(const struct tables *t, int ifindex);

/** redirector_netns_ino() - inode number of the network namespace of the caller; 0 on error. */
__u64 redirector_netns_ino(void);

#endif
