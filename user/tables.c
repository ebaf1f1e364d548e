// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "tables.h"

enum { RULES, REMOTES, FLOWS, WIRES, COUNTERS, STATS, IFACES, META };

static const char *const map_names[] = {
	[RULES] = "tcpmig_rules",   [REMOTES] = "tcpmig_remotes",   [FLOWS] = "tcpmig_flows",
	[WIRES] = "tcpmig_wires",   [COUNTERS] = "tcpmig_counters", [STATS] = "tcpmig_stats",
	[IFACES] = "tcpmig_ifaces", [META] = "tcpmig_meta",
};

_Static_assert(ARRAY_SIZE(map_names) == ARRAY_SIZE(((struct tables *)0)->fd), "one fd a map");

#define RULES_BYTES (sizeof(struct tcpmig_rule) * TCPMIG_RULES_MAX)

/* bpf_obj_get() takes paths only; the directory is open, so it cannot change under us. */
static int get_pinned(int dir_fd, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	return bpf_obj_get(path);
}

static int map_rules(struct tables *t)
{
	void *rules = mmap(NULL, RULES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd[RULES], 0);

	if (rules == MAP_FAILED)
		return -errno;
	t->rules = rules;
	return 0;
}

static void tables_init(struct tables *t)
{
	memset(t, 0, sizeof(*t));
	memset(t->fd, 0xff, sizeof(t->fd));
}

int tables_layout_pinned(int dir_fd)
{
	_cleanup_close_ int fd = get_pinned(dir_fd, map_names[META]);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct tcpmig_meta meta;
	__u32 key = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.value_size != sizeof(meta))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &key, &meta))
		return -errno;
	return meta.layout;
}

int tables_open(struct tables *t, int dir_fd)
{
	int layout = tables_layout_pinned(dir_fd);
	int err;

	tables_init(t);
	if (layout < 0)
		return layout;
	if (layout == 0)
		return -ENOENT;
	if (layout != TCPMIG_LAYOUT)
		return -EPROTO;
	t->owned = true;
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		t->fd[i] = get_pinned(dir_fd, map_names[i]);
		if (t->fd[i] < 0) {
			err = -errno;
			tables_close(t);
			return err;
		}
	}
	err = map_rules(t);
	if (err)
		tables_close(t);
	return err;
}

int tables_of_object(struct tables *t, struct bpf_object *obj)
{
	tables_init(t);
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		t->fd[i] = bpf_object__find_map_fd_by_name(obj, map_names[i]);
		if (t->fd[i] < 0)
			return t->fd[i];
	}
	return map_rules(t);
}

void tables_close(struct tables *t)
{
	if (t->rules)
		munmap(t->rules, RULES_BYTES);
	for (size_t i = 0; t->owned && i < ARRAY_SIZE(t->fd); i++) {
		if (t->fd[i] >= 0)
			close(t->fd[i]);
	}
	tables_init(t);
}

int tables_set_pin_paths(struct bpf_object *obj, const char *dir)
{
	char path[4096];
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_names[i]);

		if (!map)
			return -ENOENT;
		if (snprintf(path, sizeof(path), "%s/%s", dir, map_names[i]) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		err = bpf_map__set_pin_path(map, path);
		if (err)
			return err;
	}
	return 0;
}

int tables_unpin(int dir_fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		if (unlinkat(dir_fd, map_names[i], 0) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int lookup(const struct tables *t, int map, const void *key, void *value)
{
	return bpf_map_lookup_elem(t->fd[map], key, value) ? -errno : 0;
}

static int update(const struct tables *t, int map, const void *key, const void *value, int flags)
{
	return bpf_map_update_elem(t->fd[map], key, value, flags) ? -errno : 0;
}

static int delete (const struct tables *t, int map, const void *key)
{
	if (bpf_map_delete_elem(t->fd[map], key) && errno != ENOENT)
		return -errno;
	return 0;
}

int tables_get_meta(const struct tables *t, struct tcpmig_meta *meta)
{
	return lookup(t, META, &(__u32){ 0 }, meta);
}

int tables_set_meta(const struct tables *t, const struct tcpmig_meta *meta)
{
	return update(t, META, &(__u32){ 0 }, meta, BPF_ANY);
}

int tables_get_remote(const struct tables *t, const struct tcpmig_endpoint *ep,
		      struct tcpmig_remote *remote)
{
	return lookup(t, REMOTES, ep, remote);
}

int tables_set_remote(const struct tables *t, const struct tcpmig_endpoint *ep,
		      const struct tcpmig_remote *remote)
{
	if (!remote->old_ref && !remote->wires)
		return delete (t, REMOTES, ep);
	return update(t, REMOTES, ep, remote, BPF_ANY);
}

int tables_get_flow(const struct tables *t, const struct tcpmig_flow_key *key,
		    struct tcpmig_flow *flow)
{
	return lookup(t, FLOWS, key, flow);
}

int tables_set_flow(const struct tables *t, const struct tcpmig_flow_key *key,
		    const struct tcpmig_flow *flow)
{
	return update(t, FLOWS, key, flow, BPF_ANY);
}

int tables_get_wire(const struct tables *t, const struct tcpmig_flow_key *key,
		    struct tcpmig_wire *wire)
{
	return lookup(t, WIRES, key, wire);
}

int tables_set_wire(const struct tables *t, const struct tcpmig_flow_key *key,
		    const struct tcpmig_wire *wire)
{
	return update(t, WIRES, key, wire, BPF_ANY);
}

int tables_add_wire(const struct tables *t, const struct tcpmig_flow_key *key,
		    const struct tcpmig_wire *wire)
{
	return update(t, WIRES, key, wire, BPF_NOEXIST);
}

/* Everything in a hash map, read in batches: one call for thousands of entries. */
struct snapshot {
	void *keys;
	void *values;
	size_t count;
};

static void snapshot_free(struct snapshot *s)
{
	free(s->keys);
	free(s->values);
}

#define _cleanup_snapshot_ __attribute__((cleanup(snapshot_free)))

static int snapshot_grow(struct snapshot *s, size_t room, size_t key_size, size_t value_size)
{
	void *keys = realloc(s->keys, room * key_size);
	void *values;

	if (!keys)
		return -ENOMEM;
	s->keys = keys;
	values = realloc(s->values, room * value_size);
	if (!values)
		return -ENOMEM;
	s->values = values;
	return 0;
}

static int snapshot_take(struct snapshot *s, int fd, size_t key_size, size_t value_size)
{
	__u32 batch = 1024, count, next;
	void *in = NULL;
	int err;

	memset(s, 0, sizeof(*s));
	for (;;) {
		err = snapshot_grow(s, s->count + batch, key_size, value_size);
		if (err)
			return err;
		count = batch;
		err = bpf_map_lookup_batch(fd, in, &next, (char *)s->keys + s->count * key_size,
					   (char *)s->values + s->count * value_size, &count, NULL);
		if (err && errno == ENOSPC) { /* a bucket with more entries than the batch */
			batch *= 2;
			continue;
		}
		if (err && errno != ENOENT)
			return -errno;
		s->count += count;
		if (err) /* ENOENT: that was the last batch */
			return 0;
		in = &next;
	}
}

int tables_each_flow(const struct tables *t,
		     int (*fn)(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow,
			       void *ctx),
		     void *ctx)
{
	_cleanup_snapshot_ struct snapshot s;
	int err = snapshot_take(&s, t->fd[FLOWS], sizeof(struct tcpmig_flow_key),
				sizeof(struct tcpmig_flow));

	for (size_t i = 0; !err && i < s.count; i++)
		err = fn((struct tcpmig_flow_key *)s.keys + i, (struct tcpmig_flow *)s.values + i,
			 ctx);
	return err;
}

int tables_each_remote(const struct tables *t,
		       int (*fn)(const struct tcpmig_endpoint *ep,
				 const struct tcpmig_remote *remote, void *ctx),
		       void *ctx)
{
	_cleanup_snapshot_ struct snapshot s;
	int err = snapshot_take(&s, t->fd[REMOTES], sizeof(struct tcpmig_endpoint),
				sizeof(struct tcpmig_remote));

	for (size_t i = 0; !err && i < s.count; i++)
		err = fn((struct tcpmig_endpoint *)s.keys + i, (struct tcpmig_remote *)s.values + i,
			 ctx);
	return err;
}

int tables_each_iface(const struct tables *t,
		      int (*fn)(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx),
		      void *ctx)
{
	_cleanup_snapshot_ struct snapshot s;
	int err = snapshot_take(&s, t->fd[IFACES], sizeof(__u32), sizeof(struct tcpmig_iface));

	for (size_t i = 0; !err && i < s.count; i++)
		err = fn(((__u32 *)s.keys)[i], (struct tcpmig_iface *)s.values + i, ctx);
	return err;
}

/* In both maps' values the ref stands where @ref_off says. */
static int delete_of_ref(const struct tables *t, int map, size_t value_size, size_t ref_off,
			 bool (*pick)(__u32 ref, void *ctx), void *ctx)
{
	_cleanup_snapshot_ struct snapshot s;
	const size_t key_size = sizeof(struct tcpmig_flow_key);
	int err = snapshot_take(&s, t->fd[map], key_size, value_size);

	for (size_t i = 0; !err && i < s.count; i++) {
		__u32 ref;

		memcpy(&ref, (char *)s.values + i * value_size + ref_off, sizeof(ref));
		if (pick(ref, ctx))
			err = delete (t, map, (char *)s.keys + i * key_size);
	}
	return err;
}

int tables_del_of_ref_if(const struct tables *t, bool (*pick)(__u32 ref, void *ctx), void *ctx)
{
	int err = delete_of_ref(t, FLOWS, sizeof(struct tcpmig_flow),
				offsetof(struct tcpmig_flow, ref), pick, ctx);

	if (err)
		return err;
	return delete_of_ref(t, WIRES, sizeof(struct tcpmig_wire),
			     offsetof(struct tcpmig_wire, ref), pick, ctx);
}

int tables_get_iface(const struct tables *t, __u32 ifindex, struct tcpmig_iface *iface)
{
	return lookup(t, IFACES, &ifindex, iface);
}

int tables_set_iface(const struct tables *t, __u32 ifindex, const struct tcpmig_iface *iface)
{
	return update(t, IFACES, &ifindex, iface, BPF_ANY);
}

int tables_del_iface(const struct tables *t, __u32 ifindex)
{
	return delete (t, IFACES, &ifindex);
}

int tables_get_counters(const struct tables *t, __u64 counters[TCPMIG_REASONS_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ __u64 *values = NULL;
	int err;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (__u32 reason = 0; reason < TCPMIG_REASONS_COUNT; reason++) {
		err = lookup(t, COUNTERS, &reason, values);
		if (err)
			return err;
		counters[reason] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			counters[reason] += values[cpu];
	}
	return 0;
}

int tables_get_stats(const struct tables *t, __u32 slot, struct tcpmig_rule_stats *stats)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct tcpmig_rule_stats *values = NULL;
	int err;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = lookup(t, STATS, &slot, values);
	if (err)
		return err;
	memset(stats, 0, sizeof(*stats));
	for (int cpu = 0; cpu < cpus; cpu++) {
		stats->packets_out += values[cpu].packets_out;
		stats->packets_in += values[cpu].packets_in;
		stats->dropped += values[cpu].dropped;
	}
	return 0;
}

int tables_zero_stats(const struct tables *t, __u32 slot)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct tcpmig_rule_stats *values = NULL;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	return values ? update(t, STATS, &slot, values, BPF_ANY) : -ENOMEM;
}
