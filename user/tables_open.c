// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "tables.h"
#include "tables_maps.h"

static const char *const map_names[] = {
	[RULES] = "tcpmig_rules",	[REMOTES] = "tcpmig_remotes", [FILTER] = "tcpmig_filter",
	[FLOWS] = "tcpmig_flows",	[WIRES] = "tcpmig_wires",     [EVENTS] = "tcpmig_events",
	[COUNTERS] = "tcpmig_counters", [STATS] = "tcpmig_stats",     [IFACES] = "tcpmig_ifaces",
	[META] = "tcpmig_meta",
};
#define ANNOUNCE "tcpmig_announce"
#define CHECK	 "tcpmig_check"

/* Pinned programs, with the name that each has until it takes the place of an older one. */
static const struct {
	const char *name, *fresh;
} programs[] = {
	{ ANNOUNCE, ANNOUNCE "_new" },
	{ CHECK, CHECK "_new" },
};

_Static_assert(ARRAY_SIZE(map_names) == ARRAY_SIZE(((struct tables *)0)->fd), "one fd a map");

#define RULES_BYTES (sizeof(struct tcpmig_rule) * TCPMIG_RULES_MAX)
#define META_BYTES  sizeof(struct tcpmig_meta)

/* bpf_obj_get() takes paths only; the directory is open, so it cannot change under us. */
static int get_pinned(int dir_fd, const char *name, __u32 flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = flags);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	return bpf_obj_get_opts(path, &opts);
}

int tables_get_pinned(int dir_fd, const char *name)
{
	return get_pinned(dir_fd, name, 0);
}

int tables_narrow(struct tables *t, int dir_fd)
{
	static const int read_only[] = { IFACES, COUNTERS, EVENTS };

	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
		int fd = get_pinned(dir_fd, map_names[read_only[i]], BPF_F_RDONLY);

		if (fd < 0)
			return -errno;
		close(t->fd[read_only[i]]);
		t->fd[read_only[i]] = fd;
	}
	return 0;
}

static int map_shared(struct tables *t)
{
	const int prot = PROT_READ | PROT_WRITE;
	void *rules = mmap(NULL, RULES_BYTES, prot, MAP_SHARED, t->fd[RULES], 0);
	void *meta = mmap(NULL, META_BYTES, prot, MAP_SHARED, t->fd[META], 0);
	int err = rules == MAP_FAILED || meta == MAP_FAILED ? -errno : 0;

	t->rules = rules == MAP_FAILED ? NULL : rules;
	t->meta = meta == MAP_FAILED ? NULL : meta;
	return err;
}

static void tables_init(struct tables *t)
{
	memset(t, 0, sizeof(*t));
	memset(t->fd, 0xff, sizeof(t->fd));
	t->announce_fd = t->check_fd = -1;
}

int tables_layout_pinned(int dir_fd)
{
	_cleanup_close_ int fd = tables_get_pinned(dir_fd, map_names[META]);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct tcpmig_meta meta;
	__u32 key = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.value_size != sizeof(meta))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &key, &meta))
		return -errno;
	return meta.layout;
}

static int open_pins(struct tables *t, int dir_fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		t->fd[i] = tables_get_pinned(dir_fd, map_names[i]);
		if (t->fd[i] < 0)
			return -errno;
	}
	t->check_fd = tables_get_pinned(dir_fd, CHECK);
	t->announce_fd = tables_get_pinned(dir_fd, ANNOUNCE);
	return t->announce_fd < 0 ? -errno : 0;
}

int tables_open(struct tables *t, int dir_fd)
{
	int layout = tables_layout_pinned(dir_fd);
	int err;

	tables_init(t);
	if (layout < 0)
		return layout;
	if (layout == 0)
		return -ENOENT;
	if (layout != TCPMIG_LAYOUT)
		return -EPROTO;
	t->owned = true;
	err = open_pins(t, dir_fd);
	if (!err)
		err = map_shared(t);
	/* libbpf reads a file for this once, and then knows: the agent will not be let to. */
	if (!err && libbpf_num_possible_cpus() < 0)
		err = -EIO;
	if (err)
		tables_close(t);
	return err;
}

int tables_of_object(struct tables *t, struct bpf_object *obj)
{
	tables_init(t);
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		t->fd[i] = bpf_object__find_map_fd_by_name(obj, map_names[i]);
		if (t->fd[i] < 0)
			return t->fd[i];
	}
	t->announce_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, ANNOUNCE));
	t->check_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, CHECK));
	return map_shared(t);
}

void tables_close(struct tables *t)
{
	if (t->rules)
		munmap(t->rules, RULES_BYTES);
	if (t->meta)
		munmap(t->meta, META_BYTES);
	for (size_t i = 0; t->owned && i < ARRAY_SIZE(t->fd); i++) {
		if (t->fd[i] >= 0)
			close(t->fd[i]);
	}
	if (t->owned && t->announce_fd >= 0)
		close(t->announce_fd);
	if (t->owned && t->check_fd >= 0)
		close(t->check_fd);
	tables_init(t);
}

int tables_set_pin_path(struct bpf_object *obj, const char *dir, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);
	char path[4096];

	if (!map)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_map__set_pin_path(map, path);
}

int tables_set_pin_paths(struct bpf_object *obj, const char *dir)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(map_names); i++)
		err = tables_set_pin_path(obj, dir, map_names[i]);
	for (size_t i = 0; !err && i < POLICY_MAPS; i++)
		err = tables_set_pin_path(obj, dir, tables_policy_names[i]);
	return err;
}

/* Renamed over the older one, so that there always is one. */
static int pin_program(struct bpf_object *obj, int dir_fd, const char *name, const char *fresh)
{
	int fd = bpf_program__fd(bpf_object__find_program_by_name(obj, name));
	char path[64];

	if (unlinkat(dir_fd, fresh, 0) && errno != ENOENT)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, fresh);
	if (bpf_obj_pin(fd, path))
		return -errno;
	return renameat(dir_fd, fresh, dir_fd, name) ? -errno : 0;
}

int tables_pin_programs(struct bpf_object *obj, int dir_fd)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(programs); i++)
		err = pin_program(obj, dir_fd, programs[i].name, programs[i].fresh);
	return err;
}

static int unpin(int dir_fd, const char *name)
{
	return unlinkat(dir_fd, name, 0) && errno != ENOENT ? -errno : 0;
}

int tables_unpin(int dir_fd)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(programs); i++)
		err = unpin(dir_fd, programs[i].fresh) ?: unpin(dir_fd, programs[i].name);
	for (size_t i = 0; !err && i < ARRAY_SIZE(map_names); i++)
		err = unpin(dir_fd, map_names[i]);
	for (size_t i = 0; !err && i < POLICY_MAPS; i++)
		err = unpin(dir_fd, tables_policy_names[i]);
	return err;
}
