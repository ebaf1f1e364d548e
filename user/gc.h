/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sweeping flows that have ended and nobody has said so: a client that was killed with its
 * host, an RST that was lost. What says FIN or RST ends in BPF by itself.
 */
#ifndef TCPMIG_GC_H
#define TCPMIG_GC_H

#include <stdbool.h>
#include <stddef.h>

#include "tables.h"

/* How long a forwarded connection may say nothing: RFC 5382, REQ-5 (2 hours 4 minutes). */
#define GC_IDLE_DEFAULT_S 7440

/**
 * gc_flows() - remove the flows whose socket is gone, and forwarded ones that were idle.
 * @our_netns: it is the caller's network namespace whose interfaces are attached: else
 *             there are no sockets to ask for, and only the idle ones go
 * @idle_s:    of forwarded flows, since the client's latest packet
 * @removed:   how many went
 * Return: 0 or -errno.
 */
int gc_flows(struct tables *t, bool our_netns, __u32 idle_s, size_t *removed);

#endif
