// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "map_snapshot.h"
#include "tables.h"
#include "tables_maps.h"

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

int tables_get_remote(const struct tables *t, const struct tcpmig_endpoint *ep,
		      struct tcpmig_remote *remote)
{
	return lookup(t, REMOTES, ep, remote);
}

/* The bit first, then the entry: a packet that is let through to the entry finds it. */
static int filter_add(const struct tables *t, const struct tcpmig_endpoint *ep)
{
	__u32 bit = tcpmig_filter_bit(ep), word = bit / 64;
	__u64 bits;
	int err = lookup(t, FILTER, &word, &bits);

	bits |= 1ULL << bit % 64;
	return err ? err : update(t, FILTER, &word, &bits, BPF_ANY);
}

struct filter_word {
	__u32 word;
	__u64 bits;
};

static int filter_collect(const struct tcpmig_endpoint *ep, const struct tcpmig_remote *remote,
			  void *ctx)
{
	__u32 bit = tcpmig_filter_bit(ep);
	struct filter_word *w = ctx;

	(void)remote;
	if (bit / 64 == w->word)
		w->bits |= 1ULL << bit % 64;
	return 0;
}

/* The word of an entry that is gone, made anew from those that are there. */
static int filter_remove(const struct tables *t, const struct tcpmig_endpoint *ep)
{
	struct filter_word w = { .word = tcpmig_filter_bit(ep) / 64 };
	int err = tables_each_remote(t, filter_collect, &w);

	return err ? err : update(t, FILTER, &w.word, &w.bits, BPF_ANY);
}

int tables_set_remote(const struct tables *t, const struct tcpmig_endpoint *ep,
		      const struct tcpmig_remote *remote)
{
	int err;

	if (!remote->old_ref && !remote->wires) {
		err = delete (t, REMOTES, ep);
		return err ? err : filter_remove(t, ep);
	}
	err = filter_add(t, ep);
	return err ? err : update(t, REMOTES, ep, remote, BPF_ANY);
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

int tables_del_flow(const struct tables *t, const struct tcpmig_flow_key *key)
{
	int err = delete (t, FLOWS, key);

	__atomic_add_fetch(&t->meta->flows_gone[tcpmig_gone_bucket(&key->local)], 1,
			   __ATOMIC_SEQ_CST);
	return err;
}

int tables_del_wire(const struct tables *t, const struct tcpmig_flow_key *key)
{
	return delete (t, WIRES, key);
}

int tables_each_flow(const struct tables *t,
		     int (*fn)(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow,
			       void *ctx),
		     void *ctx)
{
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[FLOWS], sizeof(struct tcpmig_flow_key),
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
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[REMOTES], sizeof(struct tcpmig_endpoint),
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
	_cleanup_snapshot_ struct map_snapshot s;
	int err = map_snapshot_take(&s, t->fd[IFACES], sizeof(__u32), sizeof(struct tcpmig_iface));

	for (size_t i = 0; !err && i < s.count; i++)
		err = fn(((__u32 *)s.keys)[i], (struct tcpmig_iface *)s.values + i, ctx);
	return err;
}

/* In both maps' values the ref stands where @ref_off says. */
static int delete_of_ref(const struct tables *t, int map, size_t value_size, size_t ref_off,
			 bool (*pick)(__u32 ref, void *ctx), void *ctx)
{
	_cleanup_snapshot_ struct map_snapshot s;
	const size_t key_size = sizeof(struct tcpmig_flow_key);
	int err = map_snapshot_take(&s, t->fd[map], key_size, value_size);

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
		stats->flow_changes += values[cpu].flow_changes;
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

int tables_announce(const struct tables *t, const struct tcpmig_event *event)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = event, .ctx_size_in = sizeof(*event));

	return bpf_prog_test_run_opts(t->announce_fd, &opts) ? -errno : 0;
}

/* As many as are taken at once. */
static int check_some(const struct tables *t, __u32 ifindex, struct tcpmig_check *checks,
		      size_t count)
{
	unsigned char in[TCPMIG_CHECKS_OFFSET + TCPMIG_CHECKS_MAX * sizeof(*checks)] = {};
	unsigned char out[sizeof(in)];
	struct __sk_buff ctx = { .ifindex = ifindex };
	__u32 len = TCPMIG_CHECKS_OFFSET + count * sizeof(*checks);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = len, .data_out = out,
		    .data_size_out = len, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	memcpy(in + TCPMIG_CHECKS_OFFSET, checks, count * sizeof(*checks));
	if (bpf_prog_test_run_opts(t->check_fd, &opts))
		return -errno;
	memcpy(checks, out + TCPMIG_CHECKS_OFFSET, count * sizeof(*checks));
	return opts.retval == count ? 0 : -EIO;
}

int tables_check(const struct tables *t, __u32 ifindex, struct tcpmig_check *checks, size_t count)
{
	int err = t->check_fd < 0 ? -ENOENT : 0;

	for (size_t n; !err && count; checks += n, count -= n) {
		n = count < TCPMIG_CHECKS_MAX ? count : TCPMIG_CHECKS_MAX;
		err = check_some(t, ifindex, checks, n);
	}
	return err;
}

int tables_events_fd(const struct tables *t)
{
	return t->fd[EVENTS];
}

__u32 tables_events_id(const struct tables *t)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(t->fd[EVENTS], &info, &len) ? 0 : info.id;
}
