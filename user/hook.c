// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "hook.h"
#include "netlink.h"

/* Numbers of the UAPI that libbpf 1.1 and the 6.1 headers of Debian 12 do not name. */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };
#define TCX_PROGS_MAX 64 /* of the kernel */
enum { MPROG_BEFORE = 1 << 3, MPROG_AFTER = 1 << 4, MPROG_ID = 1 << 5 };

/**
 * struct direction - ingress or egress.
 * @tcx_flags: position among other TCX programs
 * @behind:    of these, the one to stand right behind if it is there
 * @priority:  the same for clsact filters
 */
struct direction {
	const char *name;
	int tcx_type;
	int tcx_flags;
	const char *behind;
	enum bpf_tc_attach_point tc_point;
	int priority;
};

/** struct hook_place - @taken: what is wrong where somebody else's filter has @handle. */
struct hook_place {
	__u32 handle;
	const char *taken;
	struct direction ingress;
	struct direction egress;
};

/* Handles: "|p" and the next; priorities next to the wire. */
const struct hook_place hook_redirector = {
	.handle = 0x7c70,
	.taken = "another filter has our priority and handle 0x7c70",
	.ingress = { "ingress", TCX_INGRESS, MPROG_BEFORE, NULL, BPF_TC_INGRESS, 1 },
	.egress = { "egress", TCX_EGRESS, MPROG_AFTER, NULL, BPF_TC_EGRESS, 49151 },
};

/*
 * The connections of this host's sockets, which is what the host's side of the redirector sees;
 * and before anybody else, who might hide packets from it.
 */
const struct hook_place hook_fence = {
	.handle = 0x7c71,
	.taken = "another filter has our priority and handle 0x7c71",
	.ingress = { "ingress", TCX_INGRESS, MPROG_BEFORE, "tcpmig_ingress", BPF_TC_INGRESS, 2 },
	.egress = { "egress", TCX_EGRESS, MPROG_BEFORE, NULL, BPF_TC_EGRESS, 1 },
};

static const struct hook_place *place_of(const struct hook *hook)
{
	return hook->place ? hook->place : &hook_redirector;
}

static const char *link_path(const struct hook *hook, const struct direction *dir, char *buf,
			     size_t size)
{
	snprintf(buf, size, "/proc/self/fd/%d/if%d_%s", hook->dir_fd, hook->ifindex, dir->name);
	return buf;
}

/* Replaces the program of a pinned link. -ENOENT: there is none, or its device is gone. */
static int tcx_update(const char *path, int prog_fd)
{
	_cleanup_close_ int link_fd = bpf_obj_get(path);
	int err;

	if (link_fd < 0)
		return -errno;
	if (!bpf_link_update(link_fd, prog_fd, NULL))
		return 0;
	err = -errno;
	if (err != -ENOLINK)
		return err;
	return unlink(path) ? -errno : -ENOENT;
}

/* Do the first @len bytes of its name say so? */
static bool prog_is_named(__u32 prog_id, const char *name, size_t len)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	       !strncmp(info.name, name, len);
}

/* The program of that name on the hook, or 0. */
static __u32 tcx_find(const struct hook *hook, const struct direction *dir, const char *name)
{
	__u32 ids[TCX_PROGS_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = TCX_PROGS_MAX);

	if (!name || bpf_prog_query_opts(hook->ifindex, (enum bpf_attach_type)dir->tcx_type, &opts))
		return 0;
	for (__u32 i = 0; i < opts.prog_cnt; i++) {
		if (prog_is_named(ids[i], name, strlen(name) + 1))
			return ids[i];
	}
	return 0;
}

/*
 * libbpf 1.1 has no options for TCX. In the kernel's struct the program that a position is
 * relative to stands where other kinds of links have this one.
 */
static void set_position(struct bpf_link_create_opts *opts, const struct hook *hook,
			 const struct direction *dir)
{
	__u32 behind = tcx_find(hook, dir, dir->behind);

	opts->flags = behind ? MPROG_AFTER | MPROG_ID : dir->tcx_flags;
	opts->target_btf_id = behind;
}

static int tcx_attach(const struct hook *hook, const struct direction *dir, int prog_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	_cleanup_close_ int link_fd = -1;
	char path[64];
	int err;

	link_path(hook, dir, path, sizeof(path));
	err = tcx_update(path, prog_fd);
	if (err != -ENOENT)
		return err;
	set_position(&opts, hook, dir);
	link_fd = bpf_link_create(prog_fd, hook->ifindex, (enum bpf_attach_type)dir->tcx_type,
				  &opts);
	if (link_fd < 0)
		return errno == EINVAL ? -EPROTONOSUPPORT : -errno;
	return bpf_obj_pin(link_fd, path) ? -errno : 0;
}

static int tcx_detach(const struct hook *hook, const struct direction *dir)
{
	char path[64];

	return unlink(link_path(hook, dir, path, sizeof(path))) && errno != ENOENT ? -errno : 0;
}

/* Return: 1: our filter is there; 0: nothing with our handle; -EEXIST: somebody else's. */
static int clsact_query(const struct hook *hook, const struct direction *dir)
{
	LIBBPF_OPTS(bpf_tc_hook, tc_hook, .ifindex = hook->ifindex, .attach_point = dir->tc_point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place_of(hook)->handle, .priority = dir->priority);
	int err = bpf_tc_query(&tc_hook, &opts);

	if (err == -ENOENT || err == -EINVAL || err == -ENODEV) /* no filter, no qdisc, no device */
		return 0;
	if (err)
		return err;
	return prog_is_named(opts.prog_id, "tcpmig_", strlen("tcpmig_")) ? 1 : -EEXIST;
}

static int clsact_attach(const struct hook *hook, const struct direction *dir, int prog_fd,
			 const char **why)
{
	LIBBPF_OPTS(bpf_tc_hook, tc_hook, .ifindex = hook->ifindex, .attach_point = dir->tc_point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place_of(hook)->handle, .priority = dir->priority,
		    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	int ours = clsact_query(hook, dir);

	if (ours < 0) {
		*why = place_of(hook)->taken;
		return ours;
	}
	return bpf_tc_attach(&tc_hook, &opts);
}

static int clsact_detach(const struct hook *hook, const struct direction *dir)
{
	LIBBPF_OPTS(bpf_tc_hook, tc_hook, .ifindex = hook->ifindex, .attach_point = dir->tc_point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place_of(hook)->handle, .priority = dir->priority);
	int ours = clsact_query(hook, dir);

	if (ours <= 0)
		return ours == -EEXIST ? 0 : ours;
	return bpf_tc_detach(&tc_hook, &opts);
}

/*
 * Makes the qdisc unless it is there. Recorded before it is made: a kill in
 * between leaves a record that is wrong only if somebody else makes the next one.
 */
static int clsact_make_qdisc(const struct hook_notes *notes, const struct hook *hook,
			     struct tcpmig_iface *iface)
{
	LIBBPF_OPTS(bpf_tc_hook, tc_hook, .ifindex = hook->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	bool ours_before = iface->made_clsact;
	int err;

	iface->made_clsact = true;
	err = notes->save(notes->ctx, hook->ifindex, iface);
	if (err)
		return err;
	err = bpf_tc_hook_create(&tc_hook);
	if (err != -EEXIST)
		return err;
	iface->made_clsact = ours_before;
	return notes->save(notes->ctx, hook->ifindex, iface);
}

static int clsact_remove_qdisc(const struct hook *hook)
{
	LIBBPF_OPTS(bpf_tc_hook, tc_hook, .ifindex = hook->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int used = netlink_clsact_in_use(hook->ifindex);

	if (!used)
		used = bpf_tc_hook_destroy(&tc_hook);
	/* In use by others; or the qdisc, or its device, is gone: somebody was there before us. */
	return used == -ENOENT || used == -ENODEV || used == -EINVAL || used > 0 ? 0 : used;
}

static int attach_tcx(const struct hook_notes *notes, const struct hook *hook,
		      struct tcpmig_iface *iface, int ingress_fd, int egress_fd)
{
	int err;

	iface->mode = TCPMIG_ATTACH_TCX;
	err = notes->save(notes->ctx, hook->ifindex, iface);
	if (!err)
		err = tcx_attach(hook, &place_of(hook)->ingress, ingress_fd);
	return err ? err : tcx_attach(hook, &place_of(hook)->egress, egress_fd);
}

static int attach_clsact(const struct hook_notes *notes, const struct hook *hook,
			 struct tcpmig_iface *iface, int ingress_fd, int egress_fd,
			 const char **why)
{
	int err;

	iface->mode = TCPMIG_ATTACH_CLSACT;
	err = clsact_make_qdisc(notes, hook, iface);
	if (!err)
		err = clsact_attach(hook, &place_of(hook)->ingress, ingress_fd, why);
	return err ? err : clsact_attach(hook, &place_of(hook)->egress, egress_fd, why);
}

int hook_attach(const struct hook_notes *notes, const struct hook *hook, struct tcpmig_iface *iface,
		int ingress_fd, int egress_fd, const char **why)
{
	bool any = !iface->mode;
	int err;

	if (iface->mode != TCPMIG_ATTACH_CLSACT) {
		err = attach_tcx(notes, hook, iface, ingress_fd, egress_fd);
		if (err != -EPROTONOSUPPORT)
			return err;
		*why = "the kernel has no TCX (Linux 6.6); expected --mode clsact or auto";
		if (!any)
			return err;
	}
	return attach_clsact(notes, hook, iface, ingress_fd, egress_fd, why);
}

int hook_detach(const struct hook *hook, const struct tcpmig_iface *iface)
{
	int err;

	if (iface->mode == TCPMIG_ATTACH_TCX) {
		err = tcx_detach(hook, &place_of(hook)->egress);
		return err ? err : tcx_detach(hook, &place_of(hook)->ingress);
	}
	err = clsact_detach(hook, &place_of(hook)->egress);
	if (!err)
		err = clsact_detach(hook, &place_of(hook)->ingress);
	if (!err && iface->made_clsact)
		err = clsact_remove_qdisc(hook);
	return err;
}

int hook_unpin_all(int dir_fd)
{
	DIR *dir = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int ifindex, end, err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		end = 0;
		if (sscanf(entry->d_name, "if%d_%*[a-z]%n", &ifindex, &end) == 1 && end &&
		    !entry->d_name[end] && unlinkat(dir_fd, entry->d_name, 0))
			err = -errno;
	}
	closedir(dir);
	return err;
}

int hook_tcx_type(bool out)
{
	return out ? TCX_EGRESS : TCX_INGRESS;
}

static int tcx_prog_id(const struct hook *hook, const struct direction *dir, __u32 *prog_id)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[64];
	_cleanup_close_ int fd = bpf_obj_get(link_path(hook, dir, path, sizeof(path)));

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*prog_id = info.prog_id;
	return 0;
}

int hook_prog_id(const struct hook *hook, const struct tcpmig_iface *iface, bool out,
		 __u32 *prog_id)
{
	const struct direction *dir = out ? &place_of(hook)->egress : &place_of(hook)->ingress;
	LIBBPF_OPTS(bpf_tc_hook, tc_hook, .ifindex = hook->ifindex, .attach_point = dir->tc_point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place_of(hook)->handle, .priority = dir->priority);

	*prog_id = 0;
	if (iface->mode == TCPMIG_ATTACH_TCX)
		return tcx_prog_id(hook, dir, prog_id);
	if (clsact_query(hook, dir) == 1 && !bpf_tc_query(&tc_hook, &opts))
		*prog_id = opts.prog_id;
	return 0;
}
