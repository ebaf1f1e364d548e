// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Hangs somebody else's program on an interface by a TCX link, which tc and bpftool of
 * Debian 12 cannot. It stays until PIN is removed.
 *
 *	othertcx OBJECT PROGRAM IFACE ingress|egress first|last PIN
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "hook.h"

enum { MPROG_BEFORE = 1 << 3, MPROG_AFTER = 1 << 4 };

static int load(const char *path, const char *name)
{
	struct bpf_object *obj = bpf_object__open(path);
	struct bpf_program *prog = obj ? bpf_object__find_program_by_name(obj, name) : NULL;

	if (!prog || bpf_object__load(obj))
		return -1;
	return bpf_program__fd(prog);
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int prog_fd, link_fd;

	if (argc != 7)
		return 2;
	opts.flags = strcmp(argv[5], "first") ? MPROG_AFTER : MPROG_BEFORE;
	prog_fd = load(argv[1], argv[2]);
	link_fd = bpf_link_create(prog_fd, if_nametoindex(argv[3]),
				  (enum bpf_attach_type)hook_tcx_type(!strcmp(argv[4], "egress")),
				  &opts);
	if (prog_fd < 0 || link_fd < 0 || bpf_obj_pin(link_fd, argv[6])) {
		perror("othertcx");
		return 1;
	}
	return 0;
}
