// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* clang-format off */
/*
 * The fence of a server host by hand, one step a call: what is pinned is all that stays.
 *
 *	fencectl PIN_DIR NUMBER open [auto|tcx|clsact]	the record of migration NUMBER
 *	fencectl PIN_DIR NUMBER listener ENDPOINT [v6only]
 *	fencectl PIN_DIR NUMBER flows LOCAL		all connections of LOCAL; prints how many
 *	fencectl PIN_DIR NUMBER flow LOCAL REMOTE
 *	fencectl PIN_DIR NUMBER many COUNT LOCAL	made-up ones; prints how long each step takes
 *	fencectl PIN_DIR NUMBER set open|no-syn|closed	prints ms
 *	fencectl PIN_DIR NUMBER stats			in, out, SYN
 *	fencectl PIN_DIR NUMBER uncovered		interfaces
 *	fencectl PIN_DIR NUMBER remove
 *	fencectl PIN_DIR 0 each				number, state, flows
 *	fencectl PIN_DIR 0 all COMMAND...		for each record, whatever its number
 *	fencectl PIN_DIR 0 hooks IFACE			who is on its TCX hooks, in order
 */
/* clang-format on */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clocks.h"
#include "endpoint.h"
#include "fence.h"
#include "hook_query.h"
#include "netlink_socks.h"
#include "redirector.h"

static const char *const state_names[] = { "open", "no-syn", "closed" };
static const char *const mode_names[] = { "auto", "tcx", "clsact" };

static int index_of(const char *const names[3], const char *name)
{
	for (int i = 0; i < 3; i++) {
		if (!strcmp(names[i], name))
			return i;
	}
	fprintf(stderr, "fencectl: '%s': expected %s, %s or %s\n", name, names[0], names[1],
		names[2]);
	exit(2);
}

static struct tcpmig_endpoint endpoint(const char *text)
{
	struct tcpmig_endpoint ep;
	const char *wrong = endpoint_parse(text, &ep);

	if (!wrong)
		return ep;
	fprintf(stderr, "fencectl: '%s': %s\n", text, wrong);
	exit(2);
}

static double ms_since(uint64_t start)
{
	return (clock_mono_ns() - start) / 1e6;
}

static int add_all_of(struct fence *f, const struct tcpmig_endpoint *local)
{
	struct rules_flows found = {};
	_cleanup_free_ struct fence_flow *flows = NULL;
	int err = netlink_clients_of(local, false, &found);

	if (err)
		return err;
	flows = calloc(found.count + 1, sizeof(*flows));
	for (size_t i = 0; i < found.count; i++)
		flows[i] = (struct fence_flow){ .local = *local, .remote = found.local[i] };
	err = fence_add_flows(f, flows, found.count);
	printf("%zu\n", found.count);
	free(found.local);
	return err;
}

static int add_many(struct fence *f, size_t count, const struct tcpmig_endpoint *local)
{
	_cleanup_free_ struct fence_flow *flows = calloc(count, sizeof(*flows));
	uint64_t start;
	double add, again, closed, open;
	int err;

	for (size_t i = 0; i < count; i++) {
		flows[i].local = *local;
		endpoint_set4(&flows[i].remote, htonl(0xc6120000 + i % 65521), htons(1024 + i));
	}
	start = clock_mono_ns();
	err = fence_add_flows(f, flows, count);
	add = ms_since(start);
	start = clock_mono_ns();
	if (!err)
		err = fence_add_flows(f, flows, count);
	again = ms_since(start);
	start = clock_mono_ns();
	if (!err)
		err = fence_set(f, FENCE_CLOSED);
	closed = ms_since(start);
	start = clock_mono_ns();
	if (!err)
		err = fence_set(f, FENCE_OPEN);
	open = ms_since(start);
	printf("%zu flows: added in %.1f ms, again in %.1f, closed in %.3f, opened in %.4f\n",
	       count, add, again, closed, open);
	return err;
}

static int set(struct fence *f, const char *state)
{
	uint64_t start = clock_mono_ns();
	int err = fence_set(f, index_of(state_names, state));

	printf("%.3f\n", ms_since(start));
	return err;
}

static int print_stats(const struct fence *f)
{
	struct fence_stats stats;
	int err = fence_stats(f, &stats);

	if (!err)
		printf("%llu %llu %llu\n", stats.ingress_dropped, stats.egress_dropped,
		       stats.syn_dropped);
	return err;
}

static int print_name(int ifindex, const char *name, void *ctx)
{
	(void)ifindex, (void)ctx;
	puts(name);
	return 0;
}

static int print_record(const uint8_t uuid[16], enum fence_state state, size_t flows, void *ctx)
{
	(void)ctx;
	printf("%d %s %zu\n", uuid[0], state_names[state], flows);
	return 0;
}

static int print_hooks(const char *ifname)
{
	struct hook hook = { .ifname = ifname, .ifindex = if_nametoindex(ifname), .dir_fd = -1 };
	struct tcpmig_iface iface = { .mode = TCPMIG_ATTACH_CLSACT };
	struct hook_order order;
	char text[512];
	int err = 0;

	for (int egress = 0; !err && egress < 2; egress++) {
		err = hook_query(&hook, &iface, egress, &order);
		printf("%s: %s\n", egress ? "egress" : "ingress",
		       hook_order_text(&order, text, sizeof(text)));
	}
	return err;
}

static int run(struct fence *f, int argc, char **argv)
{
	struct tcpmig_endpoint local;
	struct fence_flow flow;

	if (!strcmp(argv[0], "open"))
		return 0;
	if (!strcmp(argv[0], "stats"))
		return print_stats(f);
	if (!strcmp(argv[0], "remove"))
		return fence_remove(f);
	if (!strcmp(argv[0], "uncovered"))
		return fence_uncovered(f, print_name, NULL);
	if (argc < 2)
		return -EINVAL;
	if (!strcmp(argv[0], "set"))
		return set(f, argv[1]);
	local = endpoint(argv[!strcmp(argv[0], "many") && argc > 2 ? 2 : 1]);
	if (!strcmp(argv[0], "many"))
		return add_many(f, strtoul(argv[1], NULL, 10), &local);
	if (!strcmp(argv[0], "listener"))
		return fence_add_listener(f, &local, argc > 2);
	if (!strcmp(argv[0], "flows"))
		return add_all_of(f, &local);
	if (strcmp(argv[0], "flow") || argc < 3)
		return -EINVAL;
	flow = (struct fence_flow){ .local = local, .remote = endpoint(argv[2]) };
	return fence_add_flows(f, &flow, 1);
}

struct command {
	const char *pin_dir;
	int argc;
	char **argv;
};

static int run_on(const uint8_t uuid[16], enum fence_state state, size_t flows, void *ctx)
{
	const struct command *c = ctx;
	const char *why;
	struct fence f;
	int err = fence_reopen(&f, c->pin_dir, uuid, &why);

	(void)state, (void)flows;
	if (!err)
		err = run(&f, c->argc, c->argv);
	fence_close(&f);
	return err;
}

int main(int argc, char **argv)
{
	struct command all = { argv[1], argc - 4, argv + 4 };
	uint8_t uuid[16] = {};
	const char *why = "";
	struct fence f = {};
	int mode, err;

	libbpf_set_print(NULL);
	if (argc < 4) {
		fputs("Usage: fencectl PIN_DIR NUMBER COMMAND...; see its source\n", stderr);
		return 2;
	}
	uuid[0] = atoi(argv[2]);
	if (!strcmp(argv[3], "each")) {
		err = fence_each(argv[1], print_record, NULL);
	} else if (!strcmp(argv[3], "all") && argc > 4) {
		err = fence_each(argv[1], run_on, &all);
	} else if (!strcmp(argv[3], "hooks") && argc > 4) {
		err = print_hooks(argv[4]);
	} else {
		mode = argc > 4 && !strcmp(argv[3], "open") ? index_of(mode_names, argv[4]) : 0;
		err = strcmp(argv[3], "open") ? fence_reopen(&f, argv[1], uuid, &why)
					      : fence_open_as(&f, argv[1], uuid, mode, &why);
		if (!err)
			err = run(&f, argc - 3, argv + 3);
		fence_close(&f);
	}
	if (err)
		fprintf(stderr, "fencectl: %s: %s (%s)\n", argv[3], strerror(-err), why);
	return err ? 1 : 0;
}
