// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "fence.h"
#include "fence_ifaces.h"
#include "fence_record.h"
#include "hook.h"
#include "programs.h"
#include "redirector.h"

#define ETHERNET_LEN 14

/* The pinned maps, made by a load of the programs where they, or some of them, are not there. */
static int open_tables(struct fence *f, struct fence_ifaces *w)
{
	struct fence_programs *programs;
	int err = fence_tables_open(&f->tables, f->dir.fd);

	*w->why = "open the pinned maps of the fence";
	if (err == -ENOENT) {
		err = fence_ifaces_load(w, ETHERNET_LEN, &programs);
		if (!err)
			err = fence_tables_open(&f->tables, f->dir.fd);
	}
	if (err == -EPROTO)
		*w->why = "the pinned fence is of another version of tcpmig-bpf; end its "
			  "migrations with that version";
	return err;
}

static void begin(struct fence *f)
{
	memset(f, 0, sizeof(*f));
	f->dir.fd = -1;
}

static void set_up_table(struct fence_table *table)
{
	__atomic_store_n(&table->layout, FENCE_LAYOUT, __ATOMIC_RELEASE);
	if (!table->netns_ino)
		__atomic_store_n(&table->netns_ino, redirector_netns_ino(), __ATOMIC_RELEASE);
}

static int check_netns(const struct fence *f, const char **why)
{
	*why = "the pin directory serves another network namespace; choose another one";
	return f->tables.table->netns_ino == redirector_netns_ino() ? 0 : -EXDEV;
}

/*
 * With no record left nothing stays. Closes @f's directory then; else the pins are as they were.
 * What cannot be opened is not removed, it may be in use; but where a map is missing, it is not.
 */
static int unpin_if_unused(struct fence *f)
{
	int err = f->tables.table ? 0 : fence_tables_open(&f->tables, f->dir.fd);

	if (!err && fence_record_count(&f->tables))
		return 0;
	if (err && err != -ENOENT)
		return err;
	fence_tables_close(&f->tables);
	err = hook_unpin_all(f->dir.fd);
	if (!err)
		err = fence_tables_unpin(f->dir.fd);
	return err ? err : pindir_remove(&f->dir);
}

/* The programs before the last record: whatever a kill leaves, a record tells of it. */
static int end_record(struct fence *f)
{
	int err = fence_record_empty(f);

	if (!err && fence_record_count(&f->tables) == 1)
		err = fence_ifaces_detach_all(&f->tables, f->dir.fd);
	if (err)
		return err;
	fence_record_free(f);
	return unpin_if_unused(f);
}

/* And made before them. */
static int set_up(struct fence *f, struct fence_ifaces *w, const uint8_t uuid[16])
{
	bool made = false;
	int err;

	set_up_table(f->tables.table);
	err = check_netns(f, w->why);
	if (!err && fence_record_find(f, uuid)) {
		*w->why = "no room for another migration on this host";
		err = fence_record_make(f, uuid);
		made = !err;
	}
	if (!err)
		err = fence_ifaces_cover(w);
	if (err && made)
		end_record(f);
	return err;
}

int fence_open_as(struct fence *f, const char *pin_dir, const uint8_t uuid[16], int mode,
		  const char **why)
{
	static const uint8_t none[16];
	struct fence_ifaces w = { .dir = &f->dir, .tables = &f->tables, .mode = mode, .why = why };
	int err;

	begin(f);
	*why = "a migration needs a number that is not 0";
	if (!memcmp(uuid, none, sizeof(none)))
		return -EINVAL;
	*why = "open the pin directory of the fence";
	err = pindir_open(&f->dir, pin_dir ? pin_dir : FENCE_PIN_DIR, true);
	if (err)
		return err;
	err = open_tables(f, &w);
	if (!err)
		err = set_up(f, &w, uuid);
	fence_ifaces_end(&w);
	if (err && f->dir.fd >= 0 && err != -EXDEV)
		unpin_if_unused(f);
	if (err)
		fence_close(f);
	else
		pindir_unlock(&f->dir);
	return err;
}

int fence_open(struct fence *f, const char *pin_dir, const uint8_t uuid[16], const char **why)
{
	return fence_open_as(f, pin_dir, uuid, REDIRECTOR_AUTO, why);
}

int fence_reopen(struct fence *f, const char *pin_dir, const uint8_t uuid[16], const char **why)
{
	int err;

	begin(f);
	*why = "open the pinned fence";
	err = pindir_open(&f->dir, pin_dir ? pin_dir : FENCE_PIN_DIR, false);
	if (err)
		return err;
	err = fence_tables_open(&f->tables, f->dir.fd);
	if (!err)
		err = check_netns(f, why);
	if (!err) {
		*why = "no such migration has a fence here";
		err = fence_record_find(f, uuid);
	}
	if (err)
		fence_close(f);
	else
		pindir_unlock(&f->dir);
	return err;
}

int fence_uncovered(const struct fence *f, int (*fn)(int ifindex, const char *name, void *ctx),
		    void *ctx)
{
	return fence_ifaces_each_uncovered(&f->tables, f->dir.fd, fn, ctx);
}

int fence_remove(struct fence *f)
{
	int err = fence_record_lock(f);

	if (err == -ENOENT) { /* removed by another process: what there is is not ours */
		fence_close(f);
		return 0;
	}
	if (err)
		return err;
	err = end_record(f);
	if (err)
		fence_record_unlock(f);
	else
		fence_close(f);
	return err;
}

void fence_close(struct fence *f)
{
	fence_tables_close(&f->tables);
	if (f->dir.path)
		pindir_close(&f->dir);
	begin(f);
}

/* What fence_each() tells, copied under the lock: the records may be removed meanwhile. */
struct listed {
	uint8_t uuid[16];
	enum fence_state state;
	size_t flows;
};

static int list(const struct fence_tables *t, struct listed listed[FENCE_RECORDS_MAX])
{
	size_t flows[FENCE_RECORDS_MAX];
	int count = 0, err = fence_tables_count_flows(t, flows);

	for (__u32 slot = 0; !err && slot < FENCE_RECORDS_MAX; slot++) {
		if (!t->table->record[slot].ref)
			continue;
		memcpy(listed[count].uuid, t->table->record[slot].uuid, 16);
		listed[count].state = t->table->state[slot];
		listed[count++].flows = flows[slot];
	}
	return err ? err : count;
}

int fence_each(const char *pin_dir,
	       int (*fn)(const uint8_t uuid[16], enum fence_state state, size_t flows, void *ctx),
	       void *ctx)
{
	struct listed listed[FENCE_RECORDS_MAX];
	struct fence_tables t = {};
	struct pindir dir;
	int count, err = pindir_open(&dir, pin_dir ? pin_dir : FENCE_PIN_DIR, false);

	if (err)
		return err == -ENOENT ? 0 : err;
	count = fence_tables_open(&t, dir.fd);
	if (!count)
		count = list(&t, listed);
	fence_tables_close(&t);
	pindir_close(&dir);
	for (int i = 0; !err && i < count; i++)
		err = fn(listed[i].uuid, listed[i].state, listed[i].flows, ctx);
	return count < 0 && count != -ENOENT ? count : err;
}
