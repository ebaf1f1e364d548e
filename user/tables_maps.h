/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which map is which in struct tables. For tables*.c; what works on pins, for fence_tables.c too.
 */
#ifndef TCPMIG_TABLES_MAPS_H
#define TCPMIG_TABLES_MAPS_H

enum { RULES, REMOTES, FILTER, FLOWS, WIRES, COUNTERS, STATS, EVENTS, IFACES, META };

/* Those of struct tables_policy: @fd first, then both of @list_fd. */
#define POLICY_MAPS 3
extern const char *const tables_policy_names[POLICY_MAPS];

struct bpf_object;

/* The coming load of @obj reuses the pin @dir/@name of its map, or makes it. Return: 0 or -errno.
 */
int tables_set_pin_path(struct bpf_object *obj, const char *dir, const char *name);

/* Opens the pin @name. Return: descriptor, or -1 with errno. */
int tables_get_pinned(int dir_fd, const char *name);

#endif
