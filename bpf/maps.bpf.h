/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All maps. Per map: who writes it, who reads it, when an entry goes. */
#ifndef TCPMIG_MAPS_BPF_H
#define TCPMIG_MAPS_BPF_H

#include "tcpmig_shared.h"

/* Migration records by slot. Written by user space (mmap), read by BPF. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPMIG_RULES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpmig_rule);
} tcpmig_rules SEC(".maps");

/* Prefilter, a bit for each remote. Written by user space; read for every TCP packet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPMIG_FILTER_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} tcpmig_filter SEC(".maps");

/* Who concerns us. Written by user space with a rule and removed with it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPMIG_REMOTES_MAX);
	__type(key, struct tcpmig_endpoint);
	__type(value, struct tcpmig_remote);
} tcpmig_remotes SEC(".maps");

/*
 * Connections by what the client sees. Made by user space (from the local
 * sockets or a list) and by BPF from a flow's own egress, never by what comes
 * from the network. Removed by a timer when the flow has ended, by gc when its socket is
 * gone, and with the rule. Plain HASH: nothing is ever evicted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPMIG_FLOWS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpmig_flow_key);
	__type(value, struct tcpmig_flow);
} tcpmig_flows SEC(".maps");

/* The same connections by what is on the wire, one entry a hop; life as in tcpmig_flows. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPMIG_FLOWS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tcpmig_flow_key);
	__type(value, struct tcpmig_wire);
} tcpmig_wires SEC(".maps");

/* Flows in steady state, per CPU, by a hash of their key. Written and read by BPF alone. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCPMIG_CACHE_SLOTS);
	__type(key, __u32);
	__type(value, struct tcpmig_cached);
} tcpmig_cache SEC(".maps");

/* Counters by enum tcpmig_reason. Written by BPF, read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCPMIG_REASONS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} tcpmig_counters SEC(".maps");

/* Counters by slot. Written by BPF, zeroed and read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCPMIG_RULES_MAX);
	__type(key, __u32);
	__type(value, struct tcpmig_rule_stats);
} tcpmig_stats SEC(".maps");

/* Written by BPF, and by commands through tcpmig_announce; read by watch. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TCPMIG_EVENTS_BYTES);
} tcpmig_events SEC(".maps");

/* Not read by BPF: what attach did, so that detach undoes just that. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPMIG_IFACES_MAX);
	__type(key, __u32);
	__type(value, struct tcpmig_iface);
} tcpmig_ifaces SEC(".maps");

/*
 * The administrator's policy: root alone writes it, and whoever writes all the others (the agent)
 * has no part in it. One of the two lists is in the slot, the other is for the next change: a
 * change is one store of a pointer, and whoever made it is told when no program reads the list
 * that was there before. An empty slot is no policy.
 */
struct policy_list {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpmig_policies);
} tcpmig_policy_a SEC(".maps"), tcpmig_policy_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct policy_list);
} tcpmig_policy SEC(".maps");

/* Written by user space, and flows_gone by BPF too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tcpmig_meta);
} tcpmig_meta SEC(".maps");

#endif
