// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "tables.h"
#include "tables_maps.h"

const char *const tables_policy_names[] = { "tcpmig_policy", "tcpmig_policy_a", "tcpmig_policy_b" };

static const __u32 first; /* key of the only entry of each of them */

static void policy_init(struct tables_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->fd = p->list_fd[0] = p->list_fd[1] = -1;
}

/* By the order of tables_policy_names[]. */
static int *fd_of(struct tables_policy *p, size_t i)
{
	return i ? &p->list_fd[i - 1] : &p->fd;
}

int tables_policy_open(struct tables_policy *p, int dir_fd)
{
	int layout = tables_layout_pinned(dir_fd);
	int err = 0;

	policy_init(p);
	if (layout <= 0)
		return layout ? layout : -ENOENT;
	if (layout != TCPMIG_LAYOUT)
		return -EPROTO;
	p->owned = true;
	for (size_t i = 0; !err && i < POLICY_MAPS; i++) {
		*fd_of(p, i) = tables_get_pinned(dir_fd, tables_policy_names[i]);
		err = *fd_of(p, i) < 0 ? -errno : 0;
	}
	if (err)
		tables_policy_close(p);
	return err;
}

int tables_policy_of_object(struct tables_policy *p, struct bpf_object *obj)
{
	policy_init(p);
	for (size_t i = 0; i < POLICY_MAPS; i++) {
		*fd_of(p, i) = bpf_object__find_map_fd_by_name(obj, tables_policy_names[i]);
		if (*fd_of(p, i) < 0)
			return *fd_of(p, i);
	}
	return 0;
}

void tables_policy_close(struct tables_policy *p)
{
	for (size_t i = 0; p->owned && i < POLICY_MAPS; i++) {
		if (*fd_of(p, i) >= 0)
			close(*fd_of(p, i));
	}
	policy_init(p);
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Which list is in the slot: 0 or 1; -ENOENT: none; another -errno. */
static int list_in_use(const struct tables_policy *p)
{
	__u32 id;

	if (bpf_map_lookup_elem(p->fd, &first, &id))
		return -errno;
	if (id == map_id(p->list_fd[0]))
		return 0;
	return id == map_id(p->list_fd[1]) ? 1 : -ESTALE;
}

static int read_list(const struct tables_policy *p, int which, struct tcpmig_policies *policies)
{
	return bpf_map_lookup_elem(p->list_fd[which], &first, policies) ? -errno : 0;
}

int tables_get_policy(const struct tables_policy *p, struct tcpmig_policies *policies)
{
	int which = list_in_use(p);

	memset(policies, 0, sizeof(*policies));
	if (which < 0)
		return which == -ENOENT ? 0 : which;
	return read_list(p, which, policies);
}

/*
 * Larger than that of any list that was ever in use: what BPF remembers carries it. Both lists
 * together know it, for a list that says "no policy" never follows another such.
 */
static int next_generation(const struct tables_policy *p, __u32 *next)
{
	struct tcpmig_policies list;
	int err = 0;

	*next = 0;
	for (int i = 0; !err && i < 2; i++) {
		err = read_list(p, i, &list);
		if (!err && list.generation > *next)
			*next = list.generation;
	}
	++*next;
	return err;
}

/*
 * The list that is not in the slot is written, then it takes the other's place. The kernel lets
 * that call return when no program can be reading the other one any more, so the next change
 * may write there.
 */
int tables_set_policy(const struct tables_policy *p, const struct tcpmig_policies *policies)
{
	struct tcpmig_policies list = { .count = policies->count };
	int which = list_in_use(p), spare = which == 0;
	struct tcpmig_policies now;
	int err;

	if (policies->count > TCPMIG_POLICIES_MAX)
		return -E2BIG;
	if (which < 0 && which != -ENOENT)
		return which;
	memcpy(list.list, policies->list, policies->count * sizeof(list.list[0]));
	err = tables_get_policy(p, &now);
	if (!err && !policies->generation && !now.generation)
		return 0;
	if (!err && policies->generation)
		err = next_generation(p, &list.generation);
	if (!err && bpf_map_update_elem(p->list_fd[spare], &first, &list, BPF_ANY))
		err = -errno;
	if (!err && bpf_map_update_elem(p->fd, &first, &p->list_fd[spare], BPF_ANY))
		err = -errno;
	return err;
}
