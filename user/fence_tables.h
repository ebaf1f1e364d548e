/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Typed access to the maps of bpf/fence.bpf.c: for fence*.c alone, and the only caller of
 * bpf_map_*() for them. Knows layouts, not what they mean.
 */
#ifndef TCPMIG_FENCE_TABLES_H
#define TCPMIG_FENCE_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "fence_shared.h"

struct bpf_object;

/** struct fence_tables - open maps; @table is the map itself, shared with BPF. */
struct fence_tables {
	struct fence_table *table;
	int fd[6];
	bool owned;
};

/** fence_tables_open() - Return: 0; -ENOENT: a map is missing; -EPROTO: another layout; -errno. */
int fence_tables_open(struct fence_tables *t, int dir_fd);

/** fence_tables_of_object() - of a loaded object, pinned or not; fence_tables_close() it before. */
int fence_tables_of_object(struct fence_tables *t, struct bpf_object *obj);

/** fence_tables_close() - harmless on a zeroed or closed one. */
void fence_tables_close(struct fence_tables *t);

/** fence_tables_set_pin_paths() - the coming load of @obj reuses or makes the pins in @dir. */
int fence_tables_set_pin_paths(struct bpf_object *obj, const char *dir);

/** fence_tables_unpin() - remove these pins; those that are not there are no error. */
int fence_tables_unpin(int dir_fd);

/** struct fence_entry - a flow and whose it is. */
struct fence_entry {
	struct tcpmig_flow_key key;
	__u32 ref;
};

/**
 * fence_tables_all_flows() - of all records.
 * @entries: *@count of them, in no order; free() it
 * Return: 0 or -errno.
 */
int fence_tables_all_flows(const struct fence_tables *t, struct fence_entry **entries,
			   size_t *count);

/** fence_tables_set_flows() - in one call. Return: 0; -E2BIG: full, some may be there; -errno. */
int fence_tables_set_flows(const struct fence_tables *t, const struct tcpmig_flow_key *keys,
			   size_t count, __u32 ref);

/* Return: 0; -ENOENT for what is not there; -E2BIG: full; another -errno. */
int fence_tables_del_flow(const struct fence_tables *t, const struct tcpmig_flow_key *key);

int fence_tables_get_listener(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			      __u32 *ref);
int fence_tables_set_listener(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			      __u32 ref);

/** fence_tables_get_addr() - @slots: 0 if it is not there. @local: with port 0. */
int fence_tables_get_addr(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			  __u64 *slots);
/** fence_tables_set_addr() - an entry without slots is removed. */
int fence_tables_set_addr(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			  __u64 slots);

/** fence_tables_forget() - all flows and listeners of @ref, and the bit of @slot in all addresses.
 */
int fence_tables_forget(const struct fence_tables *t, __u32 ref, __u32 slot);

/** fence_tables_count_flows() - how many flows have a ref of each slot, whatever its generation. */
int fence_tables_count_flows(const struct fence_tables *t, size_t counts[FENCE_RECORDS_MAX]);

int fence_tables_get_iface(const struct fence_tables *t, __u32 ifindex, struct tcpmig_iface *iface);
int fence_tables_set_iface(const struct fence_tables *t, __u32 ifindex,
			   const struct tcpmig_iface *iface);
int fence_tables_del_iface(const struct fence_tables *t, __u32 ifindex);
/** fence_tables_each_iface() - as tables_each_iface(). */
int fence_tables_each_iface(const struct fence_tables *t,
			    int (*fn)(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx),
			    void *ctx);

/** fence_tables_get_stats() - sums over all CPUs. */
int fence_tables_get_stats(const struct fence_tables *t, __u32 slot, struct fence_stats *stats);
int fence_tables_zero_stats(const struct fence_tables *t, __u32 slot);

#endif
