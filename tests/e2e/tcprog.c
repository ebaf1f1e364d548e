// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaches a tc program as other tools do: by TCX, which nothing in Debian 12 can, or as
 * a clsact filter.
 *
 *	tcprog OBJECT PROGRAM IFACE ingress|egress first|last PIN	TCX link, pinned
 *	tcprog OBJECT PROGRAM IFACE ingress|egress PRIORITY		on a clsact qdisc
 *
 * Prints the number of the program.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };
enum { MPROG_BEFORE = 1 << 3, MPROG_AFTER = 1 << 4 };

static int fail(const char *what)
{
	fprintf(stderr, "tcprog: %s: %s\n", what, strerror(errno));
	return 1;
}

static int load(const char *path, const char *name)
{
	struct bpf_object *obj = bpf_object__open(path);
	struct bpf_program *prog, *wanted;

	wanted = obj ? bpf_object__find_program_by_name(obj, name) : NULL;
	if (!wanted)
		return -1;
	bpf_object__for_each_program(prog, obj)
		bpf_program__set_type(prog, BPF_PROG_TYPE_SCHED_CLS);
	return bpf_object__load(obj) ? -1 : bpf_program__fd(wanted);
}

static int attach_tcx(int prog_fd, int ifindex, bool out, bool first, const char *pin)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = first ? MPROG_BEFORE : MPROG_AFTER);
	int hook = out ? TCX_EGRESS : TCX_INGRESS;
	int link = bpf_link_create(prog_fd, ifindex, (enum bpf_attach_type)hook, &opts);

	return link < 0 ? link : bpf_obj_pin(link, pin);
}

static int attach_clsact(int prog_fd, int ifindex, bool out, const char *priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = out ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = 1, .priority = atoi(priority));
	int err = bpf_tc_hook_create(&hook);

	return err && err != -EEXIST ? err : bpf_tc_attach(&hook, &opts);
}

int main(int argc, char **argv)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd, ifindex, err;
	bool out;

	if (argc != 6 && argc != 7) {
		fputs("Usage: tcprog OBJECT PROGRAM IFACE ingress|egress first|last PIN\n"
		      "       tcprog OBJECT PROGRAM IFACE ingress|egress PRIORITY\n",
		      stderr);
		return 2;
	}
	out = !strcmp(argv[4], "egress");
	ifindex = if_nametoindex(argv[3]);
	if (!ifindex)
		return fail(argv[3]);
	fd = load(argv[1], argv[2]);
	if (fd < 0)
		return fail(argv[2]);
	err = argc == 7 ? attach_tcx(fd, ifindex, out, !strcmp(argv[5], "first"), argv[6])
			: attach_clsact(fd, ifindex, out, argv[5]);
	if (err || bpf_obj_get_info_by_fd(fd, &info, &len))
		return fail("attach");
	printf("%u\n", info.id);
	return 0;
}
