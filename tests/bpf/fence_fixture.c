// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "endpoint.h"
#include "fence_fixture.h"

static const char *const addresses[][2] = {
	[SERVER] = { "8.0.9.2:5000", "[2001:db8:86dd::2]:5000" },
	[OTHER_ADDR] = { "8.0.9.3:5000", "[2001:db8:86dd::3]:5000" },
	[OTHER_PORT] = { "8.0.9.2:5001", "[2001:db8:86dd::2]:5001" },
	[PEER] = { "8.0.9.1:40000", "[2001:db8:86dd::1]:40000" },
	[PEER2] = { "8.0.9.1:40001", "[2001:db8:86dd::1]:40001" },
	[STRANGER] = { "8.0.9.9:40000", "[2001:db8:86dd::9]:40000" },
};

struct fence_programs programs[2];
struct fence_tables tables;
int family;
size_t runs;

struct tcpmig_endpoint endpoint_of(enum who who)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(addresses[who][family], &ep));
	return ep;
}

struct fence_flow flow_of(enum who local, enum who remote)
{
	return (struct fence_flow){ .local = endpoint_of(local), .remote = endpoint_of(remote) };
}

struct fence make(uint8_t number)
{
	struct fence f = { .dir.fd = -1, .tables = tables };
	uint8_t uuid[16] = { number };

	assert_int_equal(fence_record_make(&f, uuid), 0);
	return f;
}

int erase(struct fence *f)
{
	int err = fence_record_empty(f);

	assert_int_equal(tables.table->state[f->slot], FENCE_OPEN);
	if (!err)
		fence_record_free(f);
	return err;
}

struct tcpmig_endpoint any_of(bool v6)
{
	struct tcpmig_endpoint ep = endpoint_of(SERVER);

	if (v6)
		endpoint_set6(&ep, (unsigned char[16]){}, ep.port);
	else
		endpoint_set4(&ep, 0, ep.port);
	ep.family = v6 ? TCPMIG_AF_INET6 : TCPMIG_AF_INET;
	return ep;
}

void add_listener(struct fence *f, enum bound bound)
{
	struct tcpmig_endpoint local = endpoint_of(SERVER);

	if (bound != TO_ADDR)
		local = any_of(family == 1 || bound != TO_ANY);
	assert_int_equal(fence_add_listener(f, &local, false), 0);
}

/* Every packet must come out as it went in. */
int run_packet(bool ethernet, enum direction direction, const struct test_packet *in)
{
	const struct fence_programs *p = &programs[ethernet];
	size_t skip = ethernet ? 0 : in->l3;
	unsigned char out[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->data + skip,
		    .data_size_in = in->len - skip, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1);

	assert_int_equal(
		bpf_prog_test_run_opts(direction == IN ? p->ingress_fd : p->egress_fd, &run), 0);
	assert_int_equal(run.data_size_out, in->len - skip);
	assert_memory_equal(out, in->data + skip, in->len - skip);
	runs++;
	return run.retval;
}

int verdict_of(enum direction direction, enum shape shape, enum who src, enum who dst)
{
	struct tcpmig_endpoint from = endpoint_of(src), to = endpoint_of(dst);
	struct test_packet packet;

	packet_build(&packet, shape, &from, &to);
	return run_packet(true, direction, &packet);
}

bool counts(const struct fence *f, enum what what)
{
	struct fence_stats stats;

	assert_int_equal(fence_stats(f, &stats), 0);
	return stats.ingress_dropped == (what == INGRESS) &&
	       stats.egress_dropped == (what == EGRESS) && stats.syn_dropped == (what == SYN);
}

/* SERVER's and PEER2's addresses, on lo of a network namespace of our own. */
static int make_addresses(void)
{
	if (unshare(CLONE_NEWNET))
		return -errno;
	return system("ip link set lo up && ip addr add 8.0.9.2/32 dev lo && "
		      "ip addr add 8.0.9.1/32 dev lo && "
		      "ip addr add 2001:db8:86dd::2/128 dev lo nodad && "
		      "ip addr add 2001:db8:86dd::1/128 dev lo nodad")
		       ? -EIO
		       : 0;
}

int load(void **state)
{
	char dir[] = "/tmp/test_fence.XXXXXX";
	int err;

	(void)state;
	err = make_addresses();
	if (err)
		return err;
	/* Two loads, one set of maps: by pins in a bpffs that nobody else sees. */
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(dir) || mount("bpf", dir, "bpf", 0, "mode=0700"))
		return -errno;
	err = fence_programs_load(&programs[1], dir, ETHERNET_LEN);
	if (!err)
		err = fence_programs_load(&programs[0], dir, 0);
	umount(dir);
	rmdir(dir);
	return err ? err : fence_tables_of_object(&tables, programs[1].obj);
}

int unload(void **state)
{
	(void)state;
	printf("# runs: %zu\n", runs);
	fence_tables_close(&tables);
	for (int i = 0; i < 2; i++)
		fence_programs_unload(&programs[i]);
	return 0;
}
