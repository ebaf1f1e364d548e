/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Typed access to the maps that bpf/maps.bpf.h describes: how they are opened
 * (tables_open.c) and what is in them (tables.c, tables_policy.c). Nobody else calls bpf_map_*().
 * Knows layouts, not what they mean: that is rules.c.
 */
#ifndef TCPMIG_TABLES_H
#define TCPMIG_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpmig_shared.h"

struct bpf_object;

/** struct tables - open maps; @rules and @meta are the maps themselves, shared with BPF. */
struct tables {
	struct tcpmig_rule *rules; /* TCPMIG_RULES_MAX slots */
	struct tcpmig_meta *meta;
	int fd[10];
	int announce_fd; /* the program that sends the events of user space */
	int check_fd;	 /* the one that reads sockets; -1: attached by a version that has none */
	bool owned;
};

/**
 * tables_open() - open the maps that attach pinned.
 * @t:      to fill; tables_close() it
 * @dir_fd: open pin directory
 * Return: 0; -ENOENT: a map is missing; -EPROTO: another layout; another -errno.
 */
int tables_open(struct tables *t, int dir_fd);

/**
 * tables_of_object() - the maps of a loaded object, pinned or not.
 * @t: to fill; tables_close() it before @obj is closed
 */
int tables_of_object(struct tables *t, struct bpf_object *obj);

/**
 * tables_narrow() - from here on what an agent has no business to write can only be read:
 * what is attached (detach believes it), counters, events.
 * Return: 0 or -errno; then what was not narrowed is as before.
 */
int tables_narrow(struct tables *t, int dir_fd);

/** tables_close() - harmless on a zeroed or closed one. */
void tables_close(struct tables *t);

/**
 * tables_set_pin_paths() - let the coming load of @obj reuse or make the pins in @dir.
 * Return: 0 or -errno.
 */
int tables_set_pin_paths(struct bpf_object *obj, const char *dir);

/**
 * tables_pin_programs() - pin those that tables_announce() and tables_check() run, in place of
 * older ones.
 * Return: 0 or -errno.
 */
int tables_pin_programs(struct bpf_object *obj, int dir_fd);

/** tables_unpin() - remove all these pins in @dir_fd; those that are not there are no error. */
int tables_unpin(int dir_fd);

/** tables_layout_pinned() - layout of the maps in @dir_fd; 0 if there are none; -errno. */
int tables_layout_pinned(int dir_fd);

/**
 * struct tables_policy - the maps by which BPF is told what the administrator allows. Not in struct
 * tables: who may write all of those must not be able to write these.
 */
struct tables_policy {
	int fd;
	int list_fd[2];
	bool owned;
};

/**
 * tables_policy_open() - for root. A child that is not to change the policy must not inherit it.
 * @p: to fill; tables_policy_close() it
 * Return: 0; -ENOENT: a map is missing; -EPROTO: another layout; another -errno.
 */
int tables_policy_open(struct tables_policy *p, int dir_fd);

/** tables_policy_of_object() - as tables_of_object(). */
int tables_policy_of_object(struct tables_policy *p, struct bpf_object *obj);

/** tables_policy_close() - harmless on a zeroed or closed one. */
void tables_policy_close(struct tables_policy *p);

/**
 * tables_set_policy() - what BPF allows from now on: at once, no packet meets half a list.
 * @policies: .generation: 0: everything is allowed; else the next number is taken in its place
 *
 * When it returns no packet is being decided by what was there before. Needs no capability,
 * only @p. One writer at a time: callers hold the lock of the pin directory.
 * Return: 0; -E2BIG: more than TCPMIG_POLICIES_MAX; -errno.
 */
int tables_set_policy(const struct tables_policy *p, const struct tcpmig_policies *policies);

/** tables_get_policy() - as BPF has it; .generation 0: there is none. Return: 0 or -errno. */
int tables_get_policy(const struct tables_policy *p, struct tcpmig_policies *policies);

/** tables_get_remote() - Return: 0, -ENOENT or -errno; so for all tables_get_*(). */
int tables_get_remote(const struct tables *t, const struct tcpmig_endpoint *ep,
		      struct tcpmig_remote *remote);
/** tables_set_remote() - and the prefilter; an entry with no rule and no wires is removed. */
int tables_set_remote(const struct tables *t, const struct tcpmig_endpoint *ep,
		      const struct tcpmig_remote *remote);

int tables_get_flow(const struct tables *t, const struct tcpmig_flow_key *key,
		    struct tcpmig_flow *flow);
int tables_set_flow(const struct tables *t, const struct tcpmig_flow_key *key,
		    const struct tcpmig_flow *flow);
int tables_get_wire(const struct tables *t, const struct tcpmig_flow_key *key,
		    struct tcpmig_wire *wire);
int tables_set_wire(const struct tables *t, const struct tcpmig_flow_key *key,
		    const struct tcpmig_wire *wire);
/** tables_add_wire() - Return: 0; -EEXIST: another flow has this key; -E2BIG: full; -errno. */
int tables_add_wire(const struct tables *t, const struct tcpmig_flow_key *key,
		    const struct tcpmig_wire *wire);

/** tables_del_flow() - and what BPF remembers of it. */
int tables_del_flow(const struct tables *t, const struct tcpmig_flow_key *key);
int tables_del_wire(const struct tables *t, const struct tcpmig_flow_key *key);

/** tables_del_of_ref_if() - remove all flows and wires whose ref @pick picks. Return: 0 or -errno.
 */
int tables_del_of_ref_if(const struct tables *t, bool (*pick)(__u32 ref, void *ctx), void *ctx);

/**
 * tables_each_flow() and so on - call @fn for every entry, stop when it returns not 0.
 * Entries that come or go meanwhile may or may not be seen. @fn may change the map.
 * Return: what @fn returned last, or -errno.
 */
int tables_each_flow(const struct tables *t,
		     int (*fn)(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow,
			       void *ctx),
		     void *ctx);
int tables_each_remote(const struct tables *t,
		       int (*fn)(const struct tcpmig_endpoint *ep,
				 const struct tcpmig_remote *remote, void *ctx),
		       void *ctx);
int tables_each_iface(const struct tables *t,
		      int (*fn)(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx),
		      void *ctx);

int tables_get_iface(const struct tables *t, __u32 ifindex, struct tcpmig_iface *iface);
int tables_set_iface(const struct tables *t, __u32 ifindex, const struct tcpmig_iface *iface);
int tables_del_iface(const struct tables *t, __u32 ifindex);

/** tables_get_counters() - sums over all CPUs, by enum tcpmig_reason. */
int tables_get_counters(const struct tables *t, __u64 counters[TCPMIG_REASONS_COUNT]);
/** tables_get_stats() - sums over all CPUs. */
int tables_get_stats(const struct tables *t, __u32 slot, struct tcpmig_rule_stats *stats);
int tables_zero_stats(const struct tables *t, __u32 slot);

/**
 * tables_announce() - tell those who watch. @event->time_ns is set by the kernel.
 * Return: 0 or -errno; nobody watching is no error.
 */
int tables_announce(const struct tables *t, const struct tcpmig_event *event);

/**
 * tables_check() - ask the kernel where the sockets of @checks stand.
 * @ifindex: 0, or an interface: then sockets that are bound to it count, too
 *
 * Needs no capability, only @t. Return: 0; -ENOENT: no such program; -ENODEV: no such interface;
 * another -errno.
 */
int tables_check(const struct tables *t, __u32 ifindex, struct tcpmig_check *checks, size_t count);

/** tables_events_fd() - the ring buffer, for libbpf's ring_buffer__new(). Owned by @t. */
int tables_events_fd(const struct tables *t);

/** tables_events_id() - the kernel's number of that map; 0 on error. */
__u32 tables_events_id(const struct tables *t);

#endif
