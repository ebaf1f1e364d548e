/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is on the hooks of an interface, in the order in which packets meet them. What tc
 * shows are clsact filters only; TCX programs run before those.
 */
#ifndef TCPMIG_HOOK_QUERY_H
#define TCPMIG_HOOK_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "hook.h"

#define HOOK_PROGS_MAX 64

/**
 * struct hook_prog - one program or filter.
 * @prog_id: 0: a filter that is no BPF program
 * @name:    of the program (15 characters), else the kind of filter
 * @tcx:     TCX; else a clsact filter
 */
struct hook_prog {
	__u32 prog_id;
	char name[16];
	bool tcx;
};

/**
 * struct hook_order - one direction, from the first that sees a packet to the last.
 * @ours: index of the program that attach recorded; -1: it is not there
 */
struct hook_order {
	struct hook_prog progs[HOOK_PROGS_MAX];
	size_t count;
	int ours;
};

/**
 * hook_query() - what is on one direction of @hook now; more than HOOK_PROGS_MAX are cut off.
 * @iface: as recorded by hook_attach()
 * Return: 0; -ENODEV: the interface is gone; -errno.
 */
int hook_query(const struct hook *hook, const struct tcpmig_iface *iface, bool egress,
	       struct hook_order *order);

/** hook_others() - how many programs there are beside ours. */
size_t hook_others(const struct hook_order *order);

/** hook_stranger_before() - the first that comes before ours and is not of this program; or NULL.
 */
const struct hook_prog *hook_stranger_before(const struct hook_order *order);

/**
 * hook_order_text() - the names in order, separated by commas.
 * @buf: filled as far as @size goes
 * Return: @buf
 */
const char *hook_order_text(const struct hook_order *order, char *buf, size_t size);

/** hook_has_tcx() - does this kernel have TCX? Changes nothing. Return: 1 or 0, or -errno. */
int hook_has_tcx(void);

#endif
