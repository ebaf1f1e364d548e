// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the programs cost: nanoseconds above an empty program, by BPF_PROG_TEST_RUN.
 * Empty, miss, out and in alternate; prints the median of each, one figure a line.
 *
 *	datapath FLOWS...	with so many flows in the table
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/packet.h"
#include "cleanup.h"
#include "clocks.h"
#include "datapath.h"
#include "datapath.skel.h"
#include "endpoint.h"
#include "median.h"
#include "rules.h"

#define ROUNDS	  7
#define REPEAT	  1000000
#define FLOWS_MAX 1000000
#define FLIP_MAX  10000

static struct datapath *skel;
static struct tables tables;
static struct tables_policy policy;

/* A family's addresses: A and B lead to each other, nobody knows @other. */
struct family {
	const char *suffix;
	const char *a, *b, *other;
};

static void fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(abs(err)));
	exit(1);
}

static struct tcpmig_endpoint parse(const char *text)
{
	struct tcpmig_endpoint ep;

	if (endpoint_parse(text, &ep))
		fail(text, EINVAL);
	return ep;
}

static __u64 counted(enum tcpmig_reason reason)
{
	__u64 counters[TCPMIG_REASONS_COUNT];
	int err = tables_get_counters(&tables, counters);

	if (err)
		fail("counters", err);
	return counters[reason];
}

/* Nanoseconds a round. Every round must have been counted as @reason, if that is not -1. */
static double run(const struct bpf_program *prog, const struct test_packet *in, int reason)
{
	__u64 before = reason < 0 ? 0 : counted(reason);
	struct test_packet out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data, .data_size_in = in->len,
		    .data_out = out.data, .data_size_out = sizeof(out.data), .repeat = REPEAT);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		fail(bpf_program__name(prog), errno);
	if (reason >= 0 && counted(reason) - before != REPEAT)
		fail("not every packet was rewritten", EPROTO);
	return opts.duration;
}

static void fill(size_t flows, enum rules_origin origin, const struct tcpmig_endpoint *a,
		 const struct tcpmig_endpoint *b, struct tcpmig_endpoint *client)
{
	struct rules_flows list = { .local = calloc(flows, sizeof(*list.local)),
				    .count = flows,
				    .origin = origin };
	struct tcpmig_owner to_a = { .peer = *a }, to_b = { .peer = *b };
	struct rules_outcome outcome;
	int err;

	for (size_t i = 0; i < flows; i++) {
		unsigned char addr[16] = { 0xfd, 9, [12] = i >> 24, i >> 16, i >> 8, i };
		__be16 port = htons(BENCH_CLIENT_PORT(i));

		if (a->family == TCPMIG_AF_INET6)
			endpoint_set6(&list.local[i], addr, port);
		else
			endpoint_set4(&list.local[i], htonl(BENCH_CLIENT_NET + i), port);
	}
	*client = list.local[flows / 2];
	err = rules_redirect(&tables, a, &to_b, false, &list, &outcome);
	if (!err)
		err = rules_redirect(&tables, b, &to_a, false, &list, &outcome);
	if (err)
		fail("redirect", err);
	free(list.local);
}

/* Packets of one flow, that the CPU has seen before: the steady state. */
static void measure_one(size_t flows, const struct family *f, const struct test_packet *p_miss,
			const struct test_packet *p_out, const struct test_packet *p_in)
{
	double empty[ROUNDS], miss[ROUNDS], out[ROUNDS], in[ROUNDS], base;

	for (int i = 0; i < ROUNDS; i++) {
		empty[i] = run(skel->progs.bench_empty, p_miss, -1);
		miss[i] = run(skel->progs.bench_egress, p_miss, -1);
		out[i] = run(skel->progs.bench_egress, p_out, TCPMIG_R_OUT_REWRITTEN);
		in[i] = run(skel->progs.bench_ingress, p_in, TCPMIG_R_IN_REWRITTEN);
	}
	base = median(empty, ROUNDS);
	printf("empty_ns%s.%zu %.1f\n", f->suffix, flows, base);
	printf("miss_ns%s.%zu %.1f\n", f->suffix, flows, median(miss, ROUNDS) - base);
	printf("redirect_out_ns%s.%zu %.1f\n", f->suffix, flows, median(out, ROUNDS) - base);
	printf("redirect_in_ns%s.%zu %.1f\n", f->suffix, flows, median(in, ROUNDS) - base);
}

/* Each packet of another flow: the worst that a gateway can meet. IPv4. */
static void measure_spread(size_t flows, const struct test_packet *p_out,
			   const struct test_packet *p_in)
{
	double empty[ROUNDS], out[ROUNDS], in[ROUNDS], base;

	skel->data->spread = flows;
	for (int i = 0; i < ROUNDS; i++) {
		empty[i] = run(skel->progs.spread_empty, p_out, -1);
		out[i] = run(skel->progs.spread_egress, p_out, TCPMIG_R_OUT_REWRITTEN);
		in[i] = run(skel->progs.spread_ingress, p_in, TCPMIG_R_IN_REWRITTEN);
	}
	base = median(empty, ROUNDS);
	printf("redirect_out_ns.spread.%zu %.1f\n", flows, median(out, ROUNDS) - base);
	printf("redirect_in_ns.spread.%zu %.1f\n", flows, median(in, ROUNDS) - base);
}

/* A flow that a gateway forwards is looked up for each packet that leaves. IPv4. */
static void measure_forwarded(const char *suffix)
{
	struct tcpmig_endpoint client, a = parse("10.9.0.2:5000"), b = parse("10.9.0.3:6000");
	double empty[ROUNDS], out[ROUNDS];
	struct test_packet p_out;

	fill(1, RULES_NAMED, &a, &b, &client);
	packet_build(&p_out, TCP_DATA, &client, &a);
	for (int i = 0; i < ROUNDS; i++) {
		empty[i] = run(skel->progs.bench_empty, &p_out, -1);
		out[i] = run(skel->progs.bench_egress, &p_out, TCPMIG_R_OUT_REWRITTEN);
	}
	printf("redirect_out_ns.forwarded%s %.1f\n", suffix,
	       median(out, ROUNDS) - median(empty, ROUNDS));
	rules_release(&tables, &a);
	rules_release(&tables, &b);
}

static struct tcpmig_prefix net_of(const struct tcpmig_endpoint *ep, int bits)
{
	struct tcpmig_prefix p = { .bits = bits, .family = ep->family, .port_max = 65535 };

	for (int bit = 0; bit < bits; bit++)
		p.addr[bit / 8] |= ep->addr[bit / 8] & 0x80 >> bit % 8;
	return p;
}

/* What matches is the last of as many entries as there can be. */
static void set_policy(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *other)
{
	struct tcpmig_policies list = { .generation = 1, .count = TCPMIG_POLICIES_MAX };
	int err;

	for (__u32 i = 0; i < list.count - 1; i++)
		list.list[i].old = net_of(other, 128);
	list.list[list.count - 1] = (struct tcpmig_policy){ net_of(a, 124), net_of(a, 124) };
	err = tables_set_policy(&policy, &list);
	if (err)
		fail("policy", err);
}

static void measure(size_t flows, const struct family *f)
{
	struct tcpmig_endpoint client, a = parse(f->a), b = parse(f->b), other = parse(f->other);
	struct test_packet p_miss, p_out, p_in;

	fill(flows, RULES_SOCKETS, &a, &b, &client);
	packet_build(&p_miss, TCP_DATA, &client, &other);
	packet_build(&p_out, TCP_DATA, &client, &a);
	packet_build(&p_in, TCP_DATA, &b, &client);
	measure_one(flows, f, &p_miss, &p_out, &p_in);
	if (!*f->suffix)
		measure_spread(flows, &p_out, &p_in);
	rules_release(&tables, &a);
	rules_release(&tables, &b);
}

/* What is remembered is not asked about again; what a gateway forwards is, each time. IPv4. */
static void measure_with_policy(const struct family *f)
{
	struct family with = { ".policy", f->a, f->b, f->other };
	struct tcpmig_endpoint a = parse(f->a), other = parse(f->other);

	set_policy(&a, &other);
	measure(1, &with);
	measure_forwarded(with.suffix);
}

static double now_us(void)
{
	return clock_mono_ns() / 1e3;
}

/* go: from armed to active, for a rule with @flows flows. */
static void measure_flip(size_t flows)
{
	struct tcpmig_endpoint a = parse("10.9.0.2:5000"), b = parse("10.9.0.3:6000");
	struct tcpmig_endpoint c = parse("10.9.0.4:6000"), client;
	struct tcpmig_owner next = { .peer = c };
	struct rules_flows none = {};
	struct rules_outcome outcome;
	double us[ROUNDS], start;
	int err;

	for (int i = 0; i < ROUNDS; i++) {
		fill(flows, RULES_SOCKETS, &a, &b, &client);
		err = rules_arm(&tables, &a, &next, 60000, &none, &outcome);
		start = now_us();
		if (!err)
			err = rules_go(&tables, &a, &c);
		us[i] = now_us() - start;
		if (err || outcome.flows != flows)
			fail("flip", err ? err : EPROTO);
		rules_release(&tables, &a);
		rules_release(&tables, &b);
	}
	printf("flip_us.%zu %.2f\n", flows, median(us, ROUNDS));
}

int main(int argc, char **argv)
{
	static const struct family families[] = {
		{ "", "10.9.0.2:5000", "10.9.0.3:6000", "10.9.0.9:5000" },
		{ ".v6", "[fd09::2]:5000", "[fd09::3]:6000", "[fd09::9]:5000" },
	};

	skel = datapath__open();
	if (!skel)
		return 1;
	/* A million flows to A, and as many to B. */
	bpf_map__set_max_entries(skel->maps.tcpmig_flows, 2 * FLOWS_MAX);
	bpf_map__set_max_entries(skel->maps.tcpmig_wires, 2 * FLOWS_MAX);
	if (datapath__load(skel) || tables_of_object(&tables, skel->obj) ||
	    tables_policy_of_object(&policy, skel->obj))
		return 1;
	for (int i = 1; i < argc; i++) {
		size_t flows = strtoul(argv[i], NULL, 10);

		if (flows < 1 || flows > FLOWS_MAX)
			fail(argv[i], EINVAL);
		measure(flows, &families[0]);
		if (flows > FLIP_MAX) /* the tables are made for a million flows of one family */
			continue;
		measure(flows, &families[1]);
		measure_flip(flows);
	}
	measure_forwarded("");
	measure_with_policy(&families[0]);
	tables_policy_close(&policy);
	tables_close(&tables);
	datapath__destroy(skel);
	return 0;
}
