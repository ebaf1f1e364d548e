// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "checks_rules.h"
#include "cleanup.h"
#include "endpoint.h"
#include "gc.h"
#include "hook_query.h"
#include "list_agent.h"
#include "local_order.h"
#include "log.h"
#include "output.h"
#include "redirector.h"
#include "session.h"

/**
 * struct listing - everything that list shows; all but the flows is read under the lock.
 * @of_slot:  the rule of each slot, or NULL
 * @flows_of: known flows, by slot
 * @agent:    asked without the lock: it may need it
 * @flows:    NULL unless they are to be shown: a million of them take more than 1 GB
 */
struct listing {
	struct rules_view rules[TCPMIG_RULES_MAX];
	const struct rules_view *of_slot[TCPMIG_RULES_MAX];
	size_t n_rules;
	size_t flows_of[TCPMIG_RULES_MAX];
	struct tcpmig_rule_stats stats[TCPMIG_RULES_MAX];
	struct json_object *flows;
	struct json_object *interfaces;
	const struct session *s;
	bool is_our_netns;
	struct agent_status agent;
	struct findings problems[TCPMIG_RULES_MAX]; /* of rules[], what is not as it should be */
};

static const struct rules_view *rule_of_ref(const struct listing *l, __u32 ref)
{
	__u32 slot = tcpmig_ref_slot(ref);
	const struct rules_view *rule = slot < TCPMIG_RULES_MAX ? l->of_slot[slot] : NULL;

	return rule && rule->ref == ref ? rule : NULL;
}

/* Where the flows lead, or will: NULL while there is nothing but OLD. */
static const struct tcpmig_endpoint *new_of(const struct rules_view *rule)
{
	if (rule->state == TCPMIG_ARMED)
		return &rule->next;
	return endpoint_same(&rule->cur, &rule->old) ? NULL : &rule->cur;
}

static struct json_object *json_new(const struct rules_view *rule)
{
	return new_of(rule) ? output_endpoint(new_of(rule)) : NULL;
}

/* What is to be said of a flow beside the state of its rule. */
static const char *flow_state(const struct tcpmig_flow *flow, const struct rules_view *rule)
{
	const __u8 both = TCPMIG_FLOW_FIN_OUT | TCPMIG_FLOW_FIN_IN;

	if (flow->flags & TCPMIG_FLOW_RST || (flow->flags & both) == both)
		return "over";
	return flow->flags & TCPMIG_FLOW_REFUSED ? "refused" : rules_state_name(rule);
}

static int add_flow(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	struct listing *l = ctx;
	const struct rules_view *rule = rule_of_ref(l, flow->ref);
	struct json_object *json;

	if (!rule)
		return 0;
	l->flows_of[rule->slot]++;
	if (!l->flows)
		return 0;
	json = json_object_new_object();
	json_object_object_add(json, "client", output_endpoint(&key->local));
	json_object_object_add(json, "old", output_endpoint(&rule->old));
	json_object_object_add(json, "new", json_new(rule));
	json_object_object_add(json, "state", json_object_new_string(flow_state(flow, rule)));
	return json_object_array_add(l->flows, json);
}

static struct json_object *json_hook_prog(const struct hook_order *order, int i, bool egress)
{
	const struct hook_prog *prog = &order->progs[i];
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "direction",
			       json_object_new_string(egress ? "egress" : "ingress"));
	json_object_object_add(json, "program", json_object_new_string(prog->name));
	json_object_object_add(json, "prog_id", json_object_new_int64(prog->prog_id));
	json_object_object_add(json, "by", json_object_new_string(prog->tcx ? "tcx" : "clsact"));
	json_object_object_add(json, "before_ours", json_object_new_boolean(i < order->ours));
	return json;
}

/* Who else is on the hooks, in the order in which packets meet them. */
static struct json_object *json_hook_others(const struct listing *l, __u32 ifindex,
					    const struct tcpmig_iface *iface)
{
	struct hook hook = { .ifname = iface->name, .ifindex = ifindex, .dir_fd = l->s->dir.fd };
	struct json_object *array = json_object_new_array();
	struct hook_order order;

	for (int egress = 0; l->is_our_netns && egress < 2; egress++) {
		if (hook_query(&hook, iface, egress, &order))
			continue; /* the interface is gone */
		for (int i = 0; i < (int)order.count; i++) {
			if (i != order.ours)
				json_object_array_add(array, json_hook_prog(&order, i, egress));
		}
	}
	return array;
}

static int add_iface(__u32 ifindex, const struct tcpmig_iface *iface, void *ctx)
{
	struct listing *l = ctx;
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "interface", json_object_new_string(iface->name));
	json_object_object_add(json, "ifindex", json_object_new_int64(ifindex));
	json_object_object_add(json, "mode",
			       json_object_new_string(redirector_mode_name(iface->mode)));
	json_object_object_add(json, "hook_others", json_hook_others(l, ifindex, iface));
	return json_object_array_add(l->interfaces, json);
}

static void free_listing(struct listing *l)
{
	for (size_t i = 0; i < l->n_rules; i++)
		findings_free(&l->problems[i]);
	json_object_put(l->flows);
	json_object_put(l->interfaces);
	agent_status_free(&l->agent);
}

static struct json_object *json_problems(const struct findings *f)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < f->count; i++) {
		if (f->list[i].result != FINDING_OK)
			json_object_array_add(array, output_finding(&f->list[i]));
	}
	return array;
}

static void print_problems(const struct listing *l)
{
	for (size_t i = 0; i < l->n_rules; i++) {
		const struct findings *f = &l->problems[i];

		for (size_t k = 0; k < f->count; k++) {
			if (f->list[k].result != FINDING_OK)
				log_note("note: %s; cure: %s", f->list[k].detail, f->list[k].cure);
		}
	}
}

static int read_tables(struct listing *l, const struct tables *t)
{
	int err = 0;

	for (__u32 slot = 0; slot < TCPMIG_RULES_MAX; slot++) {
		if (rules_view(t, slot, &l->rules[l->n_rules]))
			l->of_slot[slot] = &l->rules[l->n_rules++];
	}
	for (size_t i = 0; !err && i < l->n_rules; i++)
		err = tables_get_stats(t, l->rules[i].slot, &l->stats[i]);
	return err ? err : tables_each_iface(t, add_iface, l);
}

static struct json_object *json_rule(const struct listing *l, size_t i)
{
	const struct rules_view *rule = &l->rules[i];
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "old", output_endpoint(&rule->old));
	json_object_object_add(json, "new", json_new(rule));
	json_object_object_add(json, "state", json_object_new_string(rules_state_name(rule)));
	json_object_object_add(json, "epoch", json_object_new_int64(rule->epoch));
	json_object_object_add(json, "established_only",
			       json_object_new_boolean(rule->established_only));
	json_object_object_add(json, "flows", json_object_new_int64(l->flows_of[rule->slot]));
	json_object_object_add(json, "packets_out", json_object_new_int64(l->stats[i].packets_out));
	json_object_object_add(json, "packets_in", json_object_new_int64(l->stats[i].packets_in));
	/* Nothing is kept while held: what wants to leave is dropped. */
	json_object_object_add(json, "held_packets", json_object_new_int64(0));
	json_object_object_add(json, "held_bytes", json_object_new_int64(0));
	json_object_object_add(json, "dropped", json_object_new_int64(l->stats[i].dropped));
	json_object_object_add(json, "deadline_ms", json_object_new_int64(rule->deadline_ms));
	json_object_object_add(json, "age_ms", json_object_new_int64(rule->age_ms));
	json_object_object_add(json, "state_ms", json_object_new_int64(rule->state_ms));
	json_object_object_add(json, "problems", json_problems(&l->problems[i]));
	return json;
}

static int print_json(struct listing *l)
{
	struct json_object *json = json_object_new_object();
	struct json_object *rules = json_object_new_array();

	for (size_t i = 0; i < l->n_rules; i++)
		json_object_array_add(rules, json_rule(l, i));
	json_object_object_add(json, "rules", rules);
	json_object_object_add(json, "flows", json_object_get(l->flows));
	json_object_object_add(json, "interfaces", json_object_get(l->interfaces));
	json_object_object_add(json, "agent", list_agent_json(&l->agent));
	return output_json(json);
}

/* As people say it: the largest unit that tells something. */
static void format_age(char *buf, size_t size, __u64 ms)
{
	__u64 s = ms / 1000;

	if (s < 60)
		snprintf(buf, size, "%llu s", s);
	else if (s < 2 * 3600)
		snprintf(buf, size, "%llu min", s / 60);
	else if (s < 2 * 24 * 3600)
		snprintf(buf, size, "%llu h", s / 3600);
	else
		snprintf(buf, size, "%llu d", s / (24 * 3600));
}

static int add_rule_row(struct libscols_table *table, const struct listing *l, size_t i)
{
	const struct rules_view *rule = &l->rules[i];
	char old[ENDPOINT_STRLEN], new[ENDPOINT_STRLEN] = "-", deadline[32] = "-";
	char flows[24], out[24], in[24], dropped[24], age[32];
	const char *cells[] = { old, new,     rules_state_name(rule), flows, out, in, dropped,
				age, deadline };

	endpoint_format(&rule->old, old);
	if (new_of(rule))
		endpoint_format(new_of(rule), new);
	if (rule->state != TCPMIG_ACTIVE || rule->reserved)
		snprintf(deadline, sizeof(deadline), "%.1f s", rule->deadline_ms / 1000.0);
	format_age(age, sizeof(age), rule->age_ms);
	snprintf(flows, sizeof(flows), "%zu", l->flows_of[rule->slot]);
	snprintf(out, sizeof(out), "%llu", l->stats[i].packets_out);
	snprintf(in, sizeof(in), "%llu", l->stats[i].packets_in);
	snprintf(dropped, sizeof(dropped), "%llu", l->stats[i].dropped);
	return output_table_row(table, cells, ARRAY_SIZE(cells));
}

static int print_rules(const struct listing *l)
{
	static const struct output_column columns[] = {
		{ "OLD", 0 }, { "NEW", 0 },	{ "STATE", 0 }, { "FLOWS", 1 },	  { "OUT", 1 },
		{ "IN", 1 },  { "DROPPED", 1 }, { "AGE", 1 },	{ "ENDS IN", 1 },
	};
	struct libscols_table *table = output_table_new(columns, ARRAY_SIZE(columns));

	for (size_t i = 0; table && i < l->n_rules; i++) {
		if (add_rule_row(table, l, i)) {
			scols_unref_table(table);
			table = NULL;
		}
	}
	return table ? output_table_print(table) : log_errno(ENOMEM, "print the table");
}

static const char *json_text(struct json_object *json, const char *key)
{
	struct json_object *value = json_object_object_get(json, key);

	return value ? json_object_get_string(value) : "-";
}

/* The rows of a JSON array of flat objects, one column a key. */
static int print_array(struct json_object *array, const struct output_column *columns,
		       const char *const *keys, size_t count)
{
	struct libscols_table *table = output_table_new(columns, count);
	const char *cells[4];

	for (size_t i = 0; table && i < json_object_array_length(array); i++) {
		for (size_t k = 0; k < count; k++)
			cells[k] = json_text(json_object_array_get_idx(array, i), keys[k]);
		if (output_table_row(table, cells, count)) {
			scols_unref_table(table);
			table = NULL;
		}
	}
	return table ? output_table_print(table) : log_errno(ENOMEM, "print the table");
}

/* Only where there is somebody. */
static int print_hook_others(const struct listing *l)
{
	static const struct output_column columns[] = { { "INTERFACE", 0 },
							{ "DIRECTION", 0 },
							{ "ALSO THERE", 0 },
							{ "BY", 0 },
							{ "BEFORE OURS", 0 } };
	static const char *const keys[] = { "direction", "program", "by", "before_ours" };
	struct libscols_table *table = output_table_new(columns, ARRAY_SIZE(columns));
	const char *cells[ARRAY_SIZE(columns)];
	int err = table ? 0 : -ENOMEM;
	size_t rows = 0;

	for (size_t i = 0; !err && i < json_object_array_length(l->interfaces); i++) {
		struct json_object *iface = json_object_array_get_idx(l->interfaces, i);
		struct json_object *others = json_object_object_get(iface, "hook_others");

		cells[0] = json_text(iface, "interface");
		for (size_t k = 0; !err && k < json_object_array_length(others); k++, rows++) {
			for (size_t c = 0; c < ARRAY_SIZE(keys); c++)
				cells[c + 1] = json_text(json_object_array_get_idx(others, k),
							 keys[c]);
			err = output_table_row(table, cells, ARRAY_SIZE(cells));
		}
	}
	if (err || !rows) {
		scols_unref_table(table);
		return err ? log_errno(err, "print the table") : 0;
	}
	putchar('\n');
	return output_table_print(table);
}

static int print_tables(const struct listing *l)
{
	static const struct output_column iface_columns[] = { { "INTERFACE", 0 }, { "MODE", 0 } };
	static const char *const iface_keys[] = { "interface", "mode" };
	static const struct output_column flow_columns[] = {
		{ "CLIENT", 0 }, { "OLD", 0 }, { "NEW", 0 }, { "STATE", 0 }
	};
	static const char *const flow_keys[] = { "client", "old", "new", "state" };
	int status;

	if (!json_object_array_length(l->interfaces)) {
		puts("nothing is attached");
		return 0;
	}
	status = print_array(l->interfaces, iface_columns, iface_keys, 2);
	if (!status)
		status = print_hook_others(l);
	putchar('\n');
	if (!l->n_rules)
		puts("no rules");
	else if (!status)
		status = print_rules(l);
	print_problems(l);
	if (!status)
		status = list_agent_print(&l->agent);
	if (status || !l->flows || !json_object_array_length(l->flows))
		return status;
	putchar('\n');
	return print_array(l->flows, flow_columns, flow_keys, 4);
}

/* Others need not wait while what may be a million flows is read: that changes nothing. */
static int read_session(struct listing *l, struct session *s)
{
	int err;

	session_settle(s);
	err = session_gc(s, GC_IDLE_DEFAULT_S, &(size_t){ 0 });
	if (err)
		log_note("note: flows that have ended are not removed: %s", strerror(-err));
	l->s = s;
	l->is_our_netns = session_is_our_netns(s);
	l->agent.running = pindir_agent_runs(s->dir.fd) > 0;
	err = read_tables(l, &s->tables);
	for (size_t i = 0; l->is_our_netns && i < l->n_rules; i++)
		checks_rule(&s->tables, &l->rules[i], &l->problems[i]);
	session_unlock(s);
	agent_status_ask(s->dir.path, &l->agent);
	return err ? err : tables_each_flow(&s->tables, add_flow, l);
}

static int list(const struct globals *g)
{
	_cleanup_free_ struct listing *l = calloc(1, sizeof(*l));
	struct session s;
	int err, status;

	if (!l)
		return log_errno(ENOMEM, "list");
	if (g->json || log_verbosity)
		l->flows = json_object_new_array();
	l->interfaces = json_object_new_array();
	err = session_open_quiet(&s, g->pin_dir);
	if (!err) {
		err = read_session(l, &s);
		session_close(&s);
		status = err ? log_errno(err, "read the tables") : 0;
	} else {
		status = err == -ENOENT ? 0 : 1; /* nothing attached: an empty list */
	}
	if (!status)
		status = g->json ? print_json(l) : print_tables(l);
	free_listing(l);
	return status;
}

int cmd_list(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	int c, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	return list(g);
}
