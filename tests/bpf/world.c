// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "clocks.h"
#include "endpoint.h"
#include "kernel.h"
#include "rules.h"
#include "tcpmig.skel.h"
#include "tcpmig_plain.skel.h"
#include "world.h"

#define DEAD_GENERATION 0x7ffe
#define DEAD_SLOT	900
#define CHANGES_MAX	60 /* then all anew: no history grows for ever */
#define DEADLINE_MS	3000000
#define LINGER_NS	(3600ULL * 1000000000) /* no flow goes by itself while we look */
#define IFINDEX_LOCAL	1 /* BPF_PROG_TEST_RUN says it is the loopback device */

/* The two skeletons are two types, and that is all the difference between these two. */
static int open_full(struct world *w, unsigned int l2_len)
{
	struct tcpmig *skel = tcpmig__open();

	if (!skel)
		return -errno;
	skel->rodata->l2_len = l2_len;
	skel->rodata->linger_ns = LINGER_NS;
	skel->rodata->use_timer = kernel_has_timers();
	w->skel = skel;
	w->obj = skel->obj;
	return 0;
}

static int open_plain(struct world *w, unsigned int l2_len)
{
	struct tcpmig_plain *skel = tcpmig_plain__open();

	if (!skel)
		return -errno;
	skel->rodata->l2_len = l2_len;
	skel->rodata->linger_ns = LINGER_NS;
	skel->rodata->use_timer = kernel_has_timers();
	w->skel = skel;
	w->obj = skel->obj;
	return 0;
}

static struct bpf_map *map_of(const struct world *w, const char *name)
{
	return bpf_object__find_map_by_name(w->obj, name);
}

static int prog_fd(const struct world *w, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(w->obj, name));
}

int world_open(struct world *w, unsigned int l2_len, bool plain)
{
	int err;

	memset(w, 0, sizeof(*w));
	plain |= !kernel_shows_skb();
	w->plain = plain;
	err = plain ? open_plain(w, l2_len) : open_full(w, l2_len);
	if (err)
		return err;
	bpf_map__set_max_entries(map_of(w, "tcpmig_flows"), WORLD_ENTRIES);
	bpf_map__set_max_entries(map_of(w, "tcpmig_wires"), WORLD_ENTRIES);
	w->ifindexes = 3;
	w->model.l2_len = l2_len;
	w->model.ifindex = IFINDEX_LOCAL;
	w->model.plain = plain;
	w->model.entries_max = WORLD_ENTRIES;
	w->model.socket_exists = world_socket_exists;
	err = plain ? tcpmig_plain__load(w->skel) : tcpmig__load(w->skel);
	if (err)
		return err;
	w->prog_fds[MODEL_EGRESS] = prog_fd(w, "tcpmig_egress");
	w->prog_fds[MODEL_INGRESS] = prog_fd(w, "tcpmig_ingress");
	err = tables_policy_of_object(&w->policy, w->obj);
	return err ? err : tables_of_object(&w->tables, w->obj);
}

void world_close(struct world *w)
{
	tables_close(&w->tables);
	if (w->plain)
		tcpmig_plain__destroy(w->skel);
	else
		tcpmig__destroy(w->skel);
}

/* ---- the model reads the maps ---- */

/* Entries of @map by pairs into @entries. Return: how many; -1: more than fit. */
static int read_map(const struct bpf_map *map, void *entries, size_t entry_size, size_t key_size)
{
	int fd = bpf_map__fd(map), count = 0;
	void *previous = NULL;

	for (;;) {
		char *at = (char *)entries + count * entry_size;

		if (count == MODEL_ENTRIES_MAX)
			return -1;
		if (bpf_map_get_next_key(fd, previous, at))
			return count;
		if (bpf_map_lookup_elem(fd, at, at + key_size))
			return -1;
		previous = at;
		count++;
	}
}

#define READ_MAP(w, map, entries) \
	read_map(map_of(w, #map), entries, sizeof(*(entries)), sizeof((entries)->key))

static void read_counters(struct world *w, __u64 counters[], struct tcpmig_rule_stats stats[])
{
	tables_get_counters(&w->tables, counters);
	for (int slot = 0; slot < MODEL_RULES_MAX; slot++)
		tables_get_stats(&w->tables, slot, &stats[slot]);
}

static void follow(struct world *w)
{
	struct model *m = &w->model;

	m->now_ns = clock_boot_ns();
	memcpy(m->rules, w->tables.rules, sizeof(m->rules));
	tables_get_policy(&w->policy, &m->policy);
	m->remotes_count = READ_MAP(w, tcpmig_remotes, m->remotes);
	m->flows_count = READ_MAP(w, tcpmig_flows, m->flows);
	m->wires_count = READ_MAP(w, tcpmig_wires, m->wires);
	memset(m->counters, 0, sizeof(m->counters));
	memset(m->stats, 0, sizeof(m->stats));
	read_counters(w, w->counters_base, w->stats_base);
}

/* ---- orders ---- */

static struct tcpmig_endpoint pick_old(struct gen *g, bool v4)
{
	return gen_server(v4, gen_below(g, GEN_OLDS));
}

/* Of a slot that is free, or that another rule has by now. */
static __u32 dead_ref(struct gen *g)
{
	return tcpmig_ref(gen_chance(g, 50) ? DEAD_SLOT : gen_below(g, 3), DEAD_GENERATION);
}

static int plant_dead_entries(struct world *w, struct gen *g, bool v4)
{
	struct tcpmig_endpoint server = gen_server(v4, gen_below(g, GEN_SERVERS));
	struct tcpmig_flow_key key = { .remote = server,
				       .local = gen_client(v4, gen_below(g, GEN_CLIENTS)) };
	struct tcpmig_flow flow = { .ref = dead_ref(g) };
	struct tcpmig_wire wire = { .ref = dead_ref(g) };
	struct tcpmig_remote remote = { .wires = 1 };
	struct tcpmig_flow there;

	if (gen_chance(g, 30)) {
		remote.old_ref = dead_ref(g);
		if (tables_get_remote(&w->tables, &server, &remote) == -ENOENT)
			tables_set_remote(&w->tables, &server, &remote);
	}
	/* In the place of a living entry they would be news to the programs' cache. */
	if (gen_chance(g, 50) && tables_get_flow(&w->tables, &key, &there) == -ENOENT)
		return tables_set_flow(&w->tables, &key, &flow);
	return tables_add_wire(&w->tables, &key, &wire);
}

/* A deadline passes; nothing of ours waits for it. */
static int let_time_pass(struct world *w, const struct tcpmig_endpoint *old)
{
	for (int slot = 0; slot < MODEL_RULES_MAX; slot++) {
		if (endpoint_same(&w->tables.rules[slot].old, old))
			w->tables.rules[slot].deadline_ns = 1;
	}
	return 0;
}

/* That of a server, or others with it, or others without it. */
static struct tcpmig_prefix random_prefix(struct gen *g, bool v4)
{
	struct tcpmig_endpoint ep = gen_server(v4, gen_any_server(g));
	unsigned int port = ntohs(ep.port), most = v4 ? 32 : 128;
	struct tcpmig_prefix p = { .family = ep.family, .port_max = 65535 };

	p.bits = 128 - most + (gen_chance(g, 50) ? most : gen_below(g, most + 1));
	for (int bit = 0; bit < p.bits; bit++)
		p.addr[bit / 8] |= ep.addr[bit / 8] & 0x80 >> bit % 8;
	if (gen_chance(g, 40))
		p.port_min = port - (port && gen_chance(g, 50));
	if (gen_chance(g, 40))
		p.port_max = port - (port && gen_chance(g, 20));
	return p;
}

/* Often there is none; an entry for all that is used is likely, and one beside it, too. */
static int set_random_policy(struct world *w, struct gen *g)
{
	struct tcpmig_policies policies = { .generation = gen_chance(g, 60),
					    .count = gen_below(g, 6) };

	for (__u32 i = 0; i < policies.count; i++) {
		bool v4 = gen_chance(g, 50);

		policies.list[i].old = random_prefix(g, v4);
		policies.list[i].new = random_prefix(g, v4 != gen_chance(g, 10));
		if (gen_chance(g, 50))
			policies.list[i].old.bits = policies.list[i].new.bits = v4 ? 96 : 0;
	}
	return tables_set_policy(&w->policy, &policies);
}

static int give_order(struct world *w, struct gen *g)
{
	bool v4 = gen_chance(g, 50);
	struct tcpmig_endpoint old = pick_old(g, v4), clients[2];
	struct tcpmig_owner next = { .peer = gen_server(v4, gen_any_server(g)),
				     .ifindex = gen_below(g, w->ifindexes) };
	struct rules_flows flows = { .local = clients,
				     .count = gen_below(g, 3),
				     .origin = gen_below(g, 3) };
	enum tcpmig_hold_mode mode = gen_chance(g, 70) ? TCPMIG_HOLD_DROP : TCPMIG_HOLD_SWALLOW;
	struct rules_outcome outcome = {};
	struct tables *t = &w->tables;

	for (int i = 0; i < 2; i++)
		clients[i] = gen_client(v4, gen_below(g, GEN_CLIENTS));
	switch (gen_below(g, 16)) {
	case 0:
		return rules_hold(t, &old, DEADLINE_MS, mode, &flows, &outcome);
	case 1:
		return rules_prepare(t, &old, &next, DEADLINE_MS, &flows, &outcome);
	case 2:
	case 3:
	case 4:
		return rules_arm(t, &old, &next, DEADLINE_MS, &flows, &outcome);
	case 5:
	case 6:
		for (int which = 0; which < GEN_SERVERS; which++) {
			next.peer = gen_server(v4, which);
			rules_go(t, &old, &next.peer);
		}
		return 0;
	case 7:
	case 8:
	case 9:
	case 10:
		return rules_redirect(t, &old, &next, gen_chance(g, 40), &flows, &outcome);
	case 11:
		return rules_release(t, &old);
	case 12:
		return rules_disarm(t, &old, DEADLINE_MS);
	case 13:
		return rules_learn(t, &old, &flows, &outcome);
	case 14:
		return let_time_pass(w, &old);
	default:
		return gen_chance(g, 70) ? plant_dead_entries(w, g, v4) : rules_repair(t);
	}
}

void world_change(struct world *w, struct gen *g)
{
	if (++w->changes % CHANGES_MAX == 0)
		world_clear(w);
	for (int i = 1 + gen_below(g, 3); i; i--)
		give_order(w, g); /* many are refused: that is a state, too */
	if (gen_chance(g, 15))
		set_random_policy(w, g);
	follow(w);
}

void world_clear(struct world *w)
{
	struct tcpmig_endpoint old;

	for (int v4 = 0; v4 < 2; v4++) {
		for (int which = 0; which < GEN_OLDS; which++) {
			old = gen_server(v4, which);
			while (!rules_release(&w->tables, &old))
				;
		}
	}
	rules_repair(&w->tables);
	tables_set_policy(&w->policy, &(struct tcpmig_policies){});
	follow(w);
}

/* ---- comparison ---- */

static const char *const reasons[] = {
#define X(name, json, is_drop, text) [TCPMIG_R_##name] = json,
	TCPMIG_REASONS(X)
#undef X
};

static int differ(FILE *to, const char *what, const char *name, __u64 got, __u64 expected)
{
	if (got == expected)
		return 0;
	fprintf(to, "# %s %s: %llu, the model says %llu\n", what, name, got, expected);
	return 1;
}

static int counters_differ(struct world *w, FILE *to)
{
	struct tcpmig_rule_stats stats[MODEL_RULES_MAX];
	__u64 counters[TCPMIG_REASONS_COUNT];
	int count = 0;

	read_counters(w, counters, stats);
	for (int i = 0; i < TCPMIG_REASONS_COUNT; i++) {
		if (i != TCPMIG_R_EVENT_LOST) /* nobody reads them */
			count += differ(to, "counter", reasons[i],
					counters[i] - w->counters_base[i], w->model.counters[i]);
	}
	for (int i = 0; i < MODEL_RULES_MAX; i++) {
		const struct tcpmig_rule_stats *base = &w->stats_base[i], *m = &w->model.stats[i];

		count += differ(to, "rule", "out", stats[i].packets_out - base->packets_out,
				m->packets_out);
		count += differ(to, "rule", "in", stats[i].packets_in - base->packets_in,
				m->packets_in);
		count += differ(to, "rule", "dropped", stats[i].dropped - base->dropped,
				m->dropped);
	}
	return count;
}

static void print_endpoint(FILE *to, const struct tcpmig_endpoint *ep)
{
	char text[ENDPOINT_STRLEN];

	fputs(endpoint_format(ep, text), to);
}

static void print_key(FILE *to, const char *what, const struct tcpmig_flow_key *key)
{
	fprintf(to, "# %s ", what);
	print_endpoint(to, &key->local);
	fputs(" > ", to);
	print_endpoint(to, &key->remote);
}

static bool flow_is_in(const struct model_flow *flow, const struct model_flow *in, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!memcmp(&in[i].key, &flow->key, sizeof(flow->key)))
			return in[i].value.ref == flow->value.ref &&
			       in[i].value.hop == flow->value.hop &&
			       in[i].value.flags == flow->value.flags &&
			       in[i].value.swallowed_epoch == flow->value.swallowed_epoch;
	}
	return false;
}

static bool wire_is_in(const struct model_wire *wire, const struct model_wire *in, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!memcmp(&in[i].key, &wire->key, sizeof(wire->key)))
			return in[i].value.ref == wire->value.ref &&
			       in[i].value.checked == wire->value.checked;
	}
	return false;
}

static int tables_differ(struct world *w, FILE *to)
{
	static struct model_flow flows[MODEL_ENTRIES_MAX];
	static struct model_wire wires[MODEL_ENTRIES_MAX];
	const struct model *m = &w->model;
	size_t flows_count = READ_MAP(w, tcpmig_flows, flows);
	size_t wires_count = READ_MAP(w, tcpmig_wires, wires);
	int count = differ(to, "number of", "flows", flows_count, m->flows_count) +
		    differ(to, "number of", "wires", wires_count, m->wires_count);

	for (size_t i = 0; i < flows_count; i++) {
		if (flow_is_in(&flows[i], m->flows, m->flows_count))
			continue;
		print_key(to, "not in the model, or otherwise: flow", &flows[i].key);
		fputc('\n', to);
		count++;
	}
	for (size_t i = 0; i < wires_count; i++) {
		if (wire_is_in(&wires[i], m->wires, m->wires_count))
			continue;
		print_key(to, "not in the model, or otherwise: wire", &wires[i].key);
		fputc('\n', to);
		count++;
	}
	return count;
}

int world_differs(struct world *w, FILE *to)
{
	return counters_differ(w, to) + tables_differ(w, to);
}

static void print_rule(const struct world *w, int slot, FILE *to)
{
	const struct tcpmig_rule *rule = &w->model.rules[slot];
	__u16 hop = tcpmig_word_hop(rule->word);

	if (tcpmig_word_state(rule->word) == TCPMIG_FREE)
		return;
	fprintf(to, "# rule %#x: state %d hop %d epoch %u%s mode %d flags %d old ", rule->ref,
		tcpmig_word_state(rule->word), hop, tcpmig_word_epoch(rule->word),
		rule->deadline_ns < w->model.now_ns ? " over" : "", rule->hold_mode, rule->flags);
	print_endpoint(to, &rule->old);
	fputs(" cur ", to);
	print_endpoint(to, &rule->owner[hop % TCPMIG_HOPS_MAX].peer);
	fprintf(to, " dev %u next ", rule->owner[hop % TCPMIG_HOPS_MAX].ifindex);
	print_endpoint(to, &rule->owner[(hop + 1) % TCPMIG_HOPS_MAX].peer);
	fputc('\n', to);
}

void world_print(const struct world *w, FILE *to)
{
	const struct model *m = &w->model;

	for (int slot = 0; slot < MODEL_RULES_MAX; slot++)
		print_rule(w, slot, to);
	for (size_t i = 0; i < m->flows_count; i++) {
		print_key(to, "flow", &m->flows[i].key);
		fprintf(to, " rule %#x hop %u swallowed %u flags %#x\n", m->flows[i].value.ref,
			m->flows[i].value.hop, m->flows[i].value.swallowed_epoch,
			m->flows[i].value.flags);
	}
	for (size_t i = 0; i < m->wires_count; i++) {
		print_key(to, "wire", &m->wires[i].key);
		fprintf(to, " rule %#x checked %u\n", m->wires[i].value.ref,
			m->wires[i].value.checked);
	}
}
