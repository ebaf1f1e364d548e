// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "fence_tables.h"
#include "map_snapshot.h"
#include "tables_maps.h"

enum { TABLE, F_FLOWS, LISTENERS, ADDRS, F_IFACES, F_STATS };

static const char *const map_names[] = {
	[TABLE] = "tcpmig_f_table", [F_FLOWS] = "tcpmig_f_flows",   [LISTENERS] = "tcpmig_f_listen",
	[ADDRS] = "tcpmig_f_addrs", [F_IFACES] = "tcpmig_f_ifaces", [F_STATS] = "tcpmig_f_stats",
};
_Static_assert(ARRAY_SIZE(map_names) == ARRAY_SIZE(((struct fence_tables *)0)->fd), "one fd a map");

static int lookup(const struct fence_tables *t, int map, const void *key, void *value)
{
	return bpf_map_lookup_elem(t->fd[map], key, value) ? -errno : 0;
}

static int update(const struct fence_tables *t, int map, const void *key, const void *value)
{
	return bpf_map_update_elem(t->fd[map], key, value, BPF_ANY) ? -errno : 0;
}

static int delete (const struct fence_tables *t, int map, const void *key)
{
	return bpf_map_delete_elem(t->fd[map], key) ? -errno : 0;
}

static void init(struct fence_tables *t)
{
	memset(t, 0, sizeof(*t));
	memset(t->fd, 0xff, sizeof(t->fd));
}

static int map_shared(struct fence_tables *t)
{
	void *table = mmap(NULL, sizeof(*t->table), PROT_READ | PROT_WRITE, MAP_SHARED,
			   t->fd[TABLE], 0);

	if (table == MAP_FAILED)
		return -errno;
	t->table = table;
	return 0;
}

/* By the size of the table first: its layout stands in it. */
static int check_layout(const struct fence_tables *t)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), first = 0;
	struct fence_table table;
	int err;

	if (bpf_obj_get_info_by_fd(t->fd[TABLE], &info, &len))
		return -errno;
	if (info.value_size != sizeof(table))
		return -EPROTO;
	err = lookup(t, TABLE, &first, &table);
	/* 0: whoever made it was killed before it said which. */
	return !err && table.layout && table.layout != FENCE_LAYOUT ? -EPROTO : err;
}

static int open_pins(struct fence_tables *t, int dir_fd)
{
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		t->fd[i] = tables_get_pinned(dir_fd, map_names[i]);
		if (t->fd[i] < 0)
			return -errno;
		err = i == TABLE ? check_layout(t) : 0;
		if (err)
			return err;
	}
	return map_shared(t);
}

int fence_tables_open(struct fence_tables *t, int dir_fd)
{
	int err;

	init(t);
	t->owned = true;
	err = open_pins(t, dir_fd);
	if (err)
		fence_tables_close(t);
	return err;
}

int fence_tables_of_object(struct fence_tables *t, struct bpf_object *obj)
{
	init(t);
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		t->fd[i] = bpf_object__find_map_fd_by_name(obj, map_names[i]);
		if (t->fd[i] < 0)
			return t->fd[i];
	}
	return map_shared(t);
}

void fence_tables_close(struct fence_tables *t)
{
	if (t->table)
		munmap(t->table, sizeof(*t->table));
	for (size_t i = 0; t->owned && i < ARRAY_SIZE(t->fd); i++) {
		if (t->fd[i] >= 0)
			close(t->fd[i]);
	}
	init(t);
}

int fence_tables_set_pin_paths(struct bpf_object *obj, const char *dir)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(map_names); i++)
		err = tables_set_pin_path(obj, dir, map_names[i]);
	return err;
}

int fence_tables_unpin(int dir_fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		if (unlinkat(dir_fd, map_names[i], 0) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int fence_tables_set_flows(const struct fence_tables *t, const struct tcpmig_flow_key *keys,
			   size_t count, __u32 ref)
{
	_cleanup_free_ __u32 *refs = calloc(count, sizeof(*refs));
	__u32 done = count;

	if (!count)
		return 0;
	if (!refs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		refs[i] = ref;
	return bpf_map_update_batch(t->fd[F_FLOWS], keys, refs, &done, NULL) ? -errno : 0;
}

int fence_tables_all_flows(const struct fence_tables *t, struct fence_entry **entries,
			   size_t *count)
{
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[F_FLOWS], sizeof(struct tcpmig_flow_key),
				    sizeof(__u32));

	*entries = NULL;
	*count = 0;
	if (err)
		return err;
	*entries = calloc(s.count + 1, sizeof(**entries));
	if (!*entries)
		return -ENOMEM;
	*count = s.count;
	for (size_t i = 0; i < s.count; i++) {
		(*entries)[i].key = ((struct tcpmig_flow_key *)s.keys)[i];
		(*entries)[i].ref = ((__u32 *)s.values)[i];
	}
	return 0;
}

int fence_tables_del_flow(const struct fence_tables *t, const struct tcpmig_flow_key *key)
{
	return delete (t, F_FLOWS, key);
}

int fence_tables_get_listener(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			      __u32 *ref)
{
	return lookup(t, LISTENERS, local, ref);
}

int fence_tables_set_listener(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			      __u32 ref)
{
	return update(t, LISTENERS, local, &ref);
}

int fence_tables_get_addr(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			  __u64 *slots)
{
	int err = lookup(t, ADDRS, local, slots);

	if (err == -ENOENT)
		*slots = 0;
	return err == -ENOENT ? 0 : err;
}

int fence_tables_set_addr(const struct fence_tables *t, const struct tcpmig_endpoint *local,
			  __u64 slots)
{
	int err = slots ? update(t, ADDRS, local, &slots) : delete (t, ADDRS, local);

	return !slots && err == -ENOENT ? 0 : err;
}

/* Of flows and of listeners: the value is the ref. In one call. */
static int forget_ref(const struct fence_tables *t, int map, size_t key_size, __u32 ref)
{
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[map], key_size, sizeof(ref));
	char *keys = s.keys;
	__u32 count = 0;

	for (size_t i = 0; !err && i < s.count; i++) {
		if (((__u32 *)s.values)[i] == ref)
			memmove(keys + key_size * count++, keys + key_size * i, key_size);
	}
	if (!err && count && bpf_map_delete_batch(t->fd[map], keys, &count, NULL))
		err = -errno;
	return err;
}

static int forget_slot(const struct fence_tables *t, __u32 slot)
{
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[ADDRS], sizeof(struct tcpmig_endpoint),
				    sizeof(__u64));

	for (size_t i = 0; !err && i < s.count; i++) {
		__u64 slots = ((__u64 *)s.values)[i];

		if (slots >> slot & 1)
			err = fence_tables_set_addr(t, (struct tcpmig_endpoint *)s.keys + i,
						    slots & ~(1ULL << slot));
	}
	return err;
}

int fence_tables_forget(const struct fence_tables *t, __u32 ref, __u32 slot)
{
	int err = forget_ref(t, F_FLOWS, sizeof(struct tcpmig_flow_key), ref);

	if (!err)
		err = forget_ref(t, LISTENERS, sizeof(struct tcpmig_endpoint), ref);
	return err ? err : forget_slot(t, slot);
}

int fence_tables_count_flows(const struct fence_tables *t, size_t counts[FENCE_RECORDS_MAX])
{
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[F_FLOWS], sizeof(struct tcpmig_flow_key),
				    sizeof(__u32));

	memset(counts, 0, FENCE_RECORDS_MAX * sizeof(counts[0]));
	for (size_t i = 0; !err && i < s.count; i++) {
		__u32 slot = tcpmig_ref_slot(((__u32 *)s.values)[i]);

		if (slot < FENCE_RECORDS_MAX)
			counts[slot]++;
	}
	return err;
}

int fence_tables_get_iface(const struct fence_tables *t, __u32 ifindex, struct tcpmig_iface *iface)
{
	return lookup(t, F_IFACES, &ifindex, iface);
}

int fence_tables_set_iface(const struct fence_tables *t, __u32 ifindex,
			   const struct tcpmig_iface *iface)
{
	return update(t, F_IFACES, &ifindex, iface);
}

int fence_tables_del_iface(const struct fence_tables *t, __u32 ifindex)
{
	return delete (t, F_IFACES, &ifindex);
}

int fence_tables_each_iface(const struct fence_tables *t,
			    int (*fn)(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx),
			    void *ctx)
{
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[F_IFACES], sizeof(__u32),
				    sizeof(struct tcpmig_iface));

	for (size_t i = 0; !err && i < s.count; i++)
		err = fn(((__u32 *)s.keys)[i], (struct tcpmig_iface *)s.values + i, ctx);
	return err;
}

int fence_tables_get_stats(const struct fence_tables *t, __u32 slot, struct fence_stats *stats)
{
	int cpus = libbpf_num_possible_cpus(), err;
	_cleanup_free_ struct fence_stats *values = NULL;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = lookup(t, F_STATS, &slot, values);
	if (err)
		return err;
	memset(stats, 0, sizeof(*stats));
	for (int cpu = 0; cpu < cpus; cpu++) {
		stats->ingress_dropped += values[cpu].ingress_dropped;
		stats->egress_dropped += values[cpu].egress_dropped;
		stats->syn_dropped += values[cpu].syn_dropped;
	}
	return 0;
}

int fence_tables_zero_stats(const struct fence_tables *t, __u32 slot)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct fence_stats *values = NULL;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	return values ? update(t, F_STATS, &slot, values) : -ENOMEM;
}
