// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "fence.h"
#include "fence_record.h"

static bool has_v4_prefix(const struct tcpmig_endpoint *ep)
{
	return !ep->addr32[0] && !ep->addr32[1] && ep->addr32[2] == htobe32(0xffff);
}

/* What is a hash key must be the one way to say it. */
static bool is_right(const struct tcpmig_endpoint *ep)
{
	if (!ep->port || ep->zero)
		return false;
	return has_v4_prefix(ep) ? ep->family == TCPMIG_AF_INET : ep->family == TCPMIG_AF_INET6;
}

static int key_of(const struct fence_flow *flow, struct tcpmig_flow_key *key)
{
	*key = (struct tcpmig_flow_key){ .local = flow->local, .remote = flow->remote };
	return is_right(&key->local) && is_right(&key->remote) &&
			       key->local.family == key->remote.family
		       ? 0
		       : -EINVAL;
}

/* Return: 1: it is in this record; 0: in none; -EBUSY: in another; -errno. A ref that no record
 * has any more is nobody's: what a killed fence_remove() had left. */
static int owner(const struct fence *f, int err, __u32 ref)
{
	if (err)
		return err == -ENOENT ? 0 : err;
	if (ref == f->ref)
		return 1;
	return fence_record_has_ref(&f->tables, ref) ? -EBUSY : 0;
}

static int owner_of_listener(const struct fence *f, const struct tcpmig_endpoint *local)
{
	__u32 ref = 0;
	int err = fence_tables_get_listener(&f->tables, local, &ref);

	return owner(f, err, ref);
}

static int full(int err)
{
	return err == -E2BIG ? -ENOSPC : err;
}

/* The address first: once the flow can be dropped, its fragments can be. */
static int add_addr(const struct fence *f, const struct tcpmig_endpoint *local)
{
	struct tcpmig_endpoint addr = *local;
	__u64 slots;
	int err;

	addr.port = 0;
	err = fence_tables_get_addr(&f->tables, &addr, &slots);
	if (err || slots >> f->slot & 1)
		return err;
	return fence_tables_set_addr(&f->tables, &addr, slots | 1ULL << f->slot);
}

/* By the key, which an entry begins with. */
static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tcpmig_flow_key));
}

/* Those of @flows that are in no record yet. All records are read at once: one call. */
static int new_keys(const struct fence *f, const struct fence_flow *flows, size_t count,
		    struct tcpmig_flow_key *keys, size_t *n_keys)
{
	_cleanup_free_ struct fence_entry *entries = NULL;
	const struct fence_entry *entry;
	size_t n_entries;
	int err = fence_tables_all_flows(&f->tables, &entries, &n_entries), mine;

	if (err)
		return err;
	qsort(entries, n_entries, sizeof(*entries), compare);
	for (size_t i = 0; i < count; i++) {
		err = key_of(&flows[i], &keys[*n_keys]);
		if (err)
			return err;
		entry = bsearch(&keys[*n_keys], entries, n_entries, sizeof(*entries), compare);
		mine = entry ? owner(f, 0, entry->ref) : 0;
		if (mine < 0)
			return mine;
		*n_keys += !mine;
	}
	return 0;
}

/* All or none. */
static int insert(const struct fence *f, const struct tcpmig_flow_key *keys, size_t count)
{
	const struct tcpmig_endpoint *last = NULL;
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		if (!last || !endpoint_same_addr(last, &keys[i].local))
			err = add_addr(f, &keys[i].local);
		last = &keys[i].local;
	}
	if (!err)
		err = fence_tables_set_flows(&f->tables, keys, count, f->ref);
	for (size_t i = 0; err && i < count; i++)
		fence_tables_del_flow(&f->tables, &keys[i]);
	return full(err);
}

static int add_flows(const struct fence *f, const struct fence_flow *flows, size_t count)
{
	_cleanup_free_ struct tcpmig_flow_key *keys = calloc(count + 1, sizeof(*keys));
	size_t n_keys = 0;
	int err = keys ? new_keys(f, flows, count, keys, &n_keys) : -ENOMEM;

	return err ? err : insert(f, keys, n_keys);
}

int fence_add_flows(struct fence *f, const struct fence_flow *flows, size_t count)
{
	int err = fence_record_lock(f);

	if (err)
		return err;
	err = add_flows(f, flows, count);
	fence_record_unlock(f);
	return err;
}

/* As which it is looked for: one, or with "::" two, of which the second is IPv4's. */
static size_t listener_keys(const struct tcpmig_endpoint *local, bool v6_only,
			    struct tcpmig_endpoint keys[2])
{
	keys[0] = *local;
	if (local->family != TCPMIG_AF_INET6 || !endpoint_is_any(local) || v6_only)
		return 1;
	endpoint_set4(&keys[1], 0, local->port);
	return 2;
}

int fence_add_listener(struct fence *f, const struct tcpmig_endpoint *local, bool v6_only)
{
	struct tcpmig_endpoint keys[2];
	size_t count = listener_keys(local, v6_only, keys);
	int err = is_right(local) ? fence_record_lock(f) : -EINVAL;

	if (err)
		return err;
	for (size_t i = 0; i < count && err >= 0; i++)
		err = owner_of_listener(f, &keys[i]);
	for (size_t i = 0; i < count && err >= 0; i++)
		err = fence_tables_set_listener(&f->tables, &keys[i], f->ref);
	fence_record_unlock(f);
	return full(err < 0 ? err : 0);
}
