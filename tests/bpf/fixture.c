// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "fixture.h"
#include "kernel.h"
#include "tcpmig.skel.h"
#include "tcpmig_plain.skel.h"

static const char *const addresses[][2] = {
	[NOBODY] = { "203.0.113.1:1", "[2001:db8::f]:1" },
	[CLIENT] = { "10.9.0.1:40000", "[fd09::1]:40000" },
	[CLIENT2] = { "10.9.0.1:40001", "[fd09::1]:40001" },
	[OLD] = { "10.9.0.2:5000", "[fd09::2]:5000" },
	[NEW] = { "10.9.0.3:6000", "[fd09::3]:6000" },
	[THIRD] = { "10.9.0.4:7000", "[fd09::4]:7000" },
	[OLD_OTHER_PORT] = { "10.9.0.2:5001", "[fd09::2]:5001" },
	[NEW_OTHER_PORT] = { "10.9.0.3:5000", "[fd09::3]:5000" },
	[STRANGER] = { "10.9.0.9:5000", "[fd09::9]:5000" },
};

static struct tcpmig *full; /* the one of the two that is loaded */
static struct tcpmig_plain *plain;
static struct bpf_object *obj;
static int prog_fds[2]; /* by enum direction */
struct tables tables;
struct tables_policy policy;
int family;

struct tcpmig_endpoint endpoint_of(enum who who)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(addresses[who][family], &ep));
	return ep;
}

void hold(enum tcpmig_hold_mode mode)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome;

	assert_int_equal(rules_hold(&tables, &old, 60000, mode, &flows, &outcome), 0);
	assert_int_equal(outcome.flows, 1);
}

void lead_to(enum who who, int (*step)(struct tables *, const struct tcpmig_endpoint *,
				       const struct tcpmig_owner *, __u32,
				       const struct rules_flows *, struct rules_outcome *))
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct tcpmig_owner next = { .peer = endpoint_of(who) };
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome = {};

	assert_int_equal(step(&tables, &old, &next, 60000, &flows, &outcome), 0);
	assert_int_equal(outcome.flows, 1);
	assert_int_equal(outcome.taken, 0);
}

void go(enum who who)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), next = endpoint_of(who);

	assert_int_equal(rules_go(&tables, &old, &next), 0);
}

void redirect(enum who who, bool established_only)
{
	struct tcpmig_endpoint old = endpoint_of(OLD), client = endpoint_of(CLIENT);
	struct tcpmig_owner next = { .peer = endpoint_of(who) };
	struct rules_flows flows = { .local = &client, .count = 1, .origin = RULES_NAMED };
	struct rules_outcome outcome = {};

	assert_int_equal(rules_redirect(&tables, &old, &next, established_only, &flows, &outcome),
			 0);
}

int release(void)
{
	struct tcpmig_endpoint old = endpoint_of(OLD);

	return rules_release(&tables, &old);
}

/* The deadline of the only rule has passed. */
void let_time_pass(void)
{
	for (int slot = 0; slot < TCPMIG_RULES_MAX; slot++)
		tables.rules[slot].deadline_ns = 1;
}

void set_up_rule(enum setup setup)
{
	switch (setup) {
	case NO_RULE:
		break;
	case HELD_SWALLOW:
		hold(TCPMIG_HOLD_SWALLOW);
		break;
	case HELD:
	case HELD_OVER:
		hold(TCPMIG_HOLD_DROP);
		break;
	case PREPARED:
		lead_to(NEW, rules_prepare);
		break;
	case RESERVED:
	case RESERVED_OVER:
		lead_to(NEW, rules_reserve);
		break;
	case ARMED:
	case IN_DOUBT:
		hold(TCPMIG_HOLD_DROP);
		lead_to(NEW, rules_arm);
		break;
	case ACTIVE_ESTABLISHED_ONLY:
		redirect(NEW, true);
		break;
	case ACTIVE:
	case ACTIVE_HELD:
	case ACTIVE_HELD_OVER:
	case ACTIVE_ARMED:
	case ACTIVE_RESERVED:
	case MOVED_TWICE:
	case ARMED_BACK:
	case RELEASED:
	case BACK_GIVEN_UP:
	case SAME_PREPARED:
		redirect(NEW, false);
		break;
	case OTHER_PREPARED:
	case OTHER_MOVED:
		lead_to(THIRD, rules_prepare);
		lead_to(NEW, rules_arm);
		break;
	}
	if (setup == OTHER_MOVED)
		go(NEW);
	if (setup == BACK_GIVEN_UP) {
		lead_to(OLD, rules_arm);
		assert_int_equal(release(), 0);
		redirect(THIRD, false);
	}
	if (setup == SAME_PREPARED)
		lead_to(NEW, rules_prepare);
	if (setup == ACTIVE_HELD || setup == ACTIVE_HELD_OVER)
		hold(TCPMIG_HOLD_DROP);
	if (setup == ACTIVE_ARMED || setup == MOVED_TWICE)
		lead_to(THIRD, rules_arm);
	if (setup == MOVED_TWICE)
		go(THIRD);
	if (setup == ACTIVE_RESERVED)
		lead_to(THIRD, rules_reserve);
	if (setup == ARMED_BACK)
		lead_to(OLD, rules_arm);
	if (setup == RELEASED)
		assert_int_equal(release(), 0);
	if (setup == HELD_OVER || setup == ACTIVE_HELD_OVER || setup == IN_DOUBT ||
	    setup == RESERVED_OVER)
		let_time_pass();
}

static int count_flow(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	(void)key, (void)flow;
	++*(int *)ctx;
	return 0;
}

static int count_remote(const struct tcpmig_endpoint *ep, const struct tcpmig_remote *remote,
			void *ctx)
{
	(void)ep, (void)remote;
	++*(int *)ctx;
	return 0;
}

/* Whatever was there goes by release alone, and nothing is left in any table. */
void clear_rules(void)
{
	struct tcpmig_flow_key wire = { .local = endpoint_of(CLIENT), .remote = endpoint_of(NEW) };
	struct tcpmig_wire left;
	int entries = 0;

	while (!release())
		;
	assert_int_equal(tables_each_flow(&tables, count_flow, &entries), 0);
	assert_int_equal(tables_each_remote(&tables, count_remote, &entries), 0);
	assert_int_equal(entries, 0);
	assert_int_equal(tables_get_wire(&tables, &wire, &left), -ENOENT);
}

int run_program(enum direction direction, const struct test_packet *in, struct test_packet *out,
		int flags, struct __sk_buff *ctx)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->data, .data_size_in = in->len,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1,
		    .flags = flags, .ctx_in = ctx, .ctx_size_in = ctx ? sizeof(*ctx) : 0);

	assert_int_equal(bpf_prog_test_run_opts(prog_fds[direction], &run),
			 0); /* EBADMSG: wrong skb->csum */
	out->len = run.data_size_out;
	return run.retval;
}

bool kernel_takes(const struct test_packet *in)
{
	bool v4 = in->data[12] == 0x08 && in->data[13] == 0x00;
	bool v6 = in->data[12] == 0x86 && in->data[13] == 0xdd;

	return in->len >= 14 + (v4 ? 20u : v6 ? 40u : 0u);
}

void check_counters(const char *name, const __u64 before[], int reason, unsigned int may)
{
	__u64 after[TCPMIG_REASONS_COUNT];

	may |= 1 << R(EVENT_LOST); /* nobody reads them */
	assert_int_equal(tables_get_counters(&tables, after), 0);
	for (int i = 0; i < TCPMIG_REASONS_COUNT; i++) {
		bool counted = after[i] != before[i];

		if (counted != (i == reason) && !(may & 1 << i))
			fail_msg("%s: counter %d %s", name, i,
				 counted ? "was counted" : "was not counted");
	}
}

/* Rewrites from a hold, or after it, are counted as such, too; and so is the flow's end. */
static unsigned int also_counted(const struct row *row)
{
	unsigned int also = 0;

	if (row->reason == R(IN_REWRITTEN) || row->setup == ACTIVE_HELD)
		also |= 1 << R(IN_HELD_PASS);
	if (row->setup == ACTIVE_HELD_OVER)
		also |= 1 << R(HELD_EXPIRED);
	if (row->shape == TCP_RST)
		also |= 1 << R(FLOW_OVER);
	return also;
}

/* Translated: byte for byte the error that quotes a packet to @dst. */
static const char *compare_icmp(enum shape shape, const struct tcpmig_endpoint *src,
				const struct tcpmig_endpoint *dst, const struct test_packet *got)
{
	struct test_packet expected;

	packet_build(&expected, shape, src, dst);
	if (got->len != expected.len)
		return "length";
	return memcmp(got->data, expected.data, got->len) ? "not the error about OLD" : NULL;
}

void run_row(const struct row *row, int flags, unsigned int may)
{
	struct tcpmig_endpoint src = endpoint_of(row->src), dst = endpoint_of(row->dst);
	struct tcpmig_endpoint src_after = endpoint_of(row->src_after);
	struct tcpmig_endpoint dst_after = endpoint_of(row->dst_after);
	__u64 before[TCPMIG_REASONS_COUNT];
	struct test_packet in, out = {};
	const char *wrong = NULL;
	int verdict;

	set_up_rule(row->setup);
	packet_build(&in, row->shape, &src, &dst);
	assert_int_equal(tables_get_counters(&tables, before), 0);
	verdict = run_program(row->direction, &in, &out, flags, NULL);
	if (verdict != row->verdict)
		fail_msg("%s: verdict %d, expected %d", row->name, verdict, row->verdict);
	if (row->src_after == NOBODY)
		wrong = in.len == out.len && !memcmp(in.data, out.data, in.len) ? NULL : "touched";
	else if (row->shape >= ICMP_UNREACHABLE)
		wrong = compare_icmp(row->shape, &src_after, &dst_after, &out);
	else
		wrong = packet_compare(&in, &out, &src_after, &dst_after);
	if (wrong)
		fail_msg("%s: %s", row->name, wrong);
	check_counters(row->name, before, row->reason, also_counted(row) | may);
	clear_rules();
}

static int prog_fd(const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(obj, name));
}

static int load_object(unsigned int flows_max)
{
	int err;

	bpf_map__set_max_entries(bpf_object__find_map_by_name(obj, "tcpmig_flows"), flows_max);
	err = full ? tcpmig__load(full) : tcpmig_plain__load(plain);
	if (err)
		return -1;
	prog_fds[OUT] = prog_fd("tcpmig_egress");
	prog_fds[IN] = prog_fd("tcpmig_ingress");
	err = tables_policy_of_object(&policy, obj);
	return err ? err : tables_of_object(&tables, obj);
}

int load_with(__u64 linger_ns, unsigned int flows_max)
{
	if (kernel_shows_skb() && !getenv("TCPMIG_PLAIN")) {
		full = tcpmig__open();
		if (!full)
			return -1;
		full->rodata->linger_ns = linger_ns;
		full->rodata->use_timer = kernel_has_timers();
		obj = full->obj;
	} else {
		plain = tcpmig_plain__open();
		if (!plain)
			return -1;
		plain->rodata->linger_ns = linger_ns;
		plain->rodata->use_timer = kernel_has_timers();
		obj = plain->obj;
	}
	return load_object(flows_max);
}

int load(void **state)
{
	(void)state;
	return load_with(125ULL * 1000000000, TCPMIG_FLOWS_MAX);
}

int unload(void **state)
{
	(void)state;
	tables_close(&tables);
	tcpmig__destroy(full);
	tcpmig_plain__destroy(plain);
	return 0;
}
