// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The hook programs that live in the kernel and serve one network namespace, attached or
 * not, by their numbers: what a test counts that wants to know that none is left. Those of
 * other labs, which may run at the same time, are told apart by what attach wrote into
 * tcpmig_meta.
 *
 *	hookprogs NETNS_INODE
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "tcpmig_shared.h"

#define MAPS_MAX 64

/* Return: 1: it is the map of that namespace; 0: it is not. */
static int is_meta_of(__u32 map_id, __u64 netns_ino)
{
	_cleanup_close_ int fd = bpf_map_get_fd_by_id(map_id);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), key = 0;
	struct tcpmig_meta meta;

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strcmp(info.name, "tcpmig_meta") && info.value_size == sizeof(meta) &&
	       !bpf_map_lookup_elem(fd, &key, &meta) && meta.netns_ino == netns_ino;
}

static int serves(__u32 prog_id, __u64 netns_ino)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
	__u32 maps[MAPS_MAX], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = (__u64)(long)maps };

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ||
	    strncmp(info.name, "tcpmig_", strlen("tcpmig_")))
		return 0;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		if (is_meta_of(maps[i], netns_ino))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	__u64 netns_ino = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
	__u32 id = 0;

	if (!netns_ino)
		return 2;
	while (!bpf_prog_get_next_id(id, &id)) {
		if (serves(id, netns_ino))
			printf("%u\n", id);
	}
	return errno == ENOENT ? 0 : 1;
}
