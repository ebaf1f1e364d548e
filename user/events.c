// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "endpoint.h"
#include "events.h"
#include "pindir.h"
#include "rules.h"

/**
 * struct events - a reader.
 * @lock_fd: of pindir_lock_reader(), or -1
 * @begun:   what came before is over: from now on @fn sees the events
 */
struct events {
	const struct tables *tables;
	struct ring_buffer *ring;
	int lock_fd;
	bool begun;
	__u64 lost_before;
	int (*fn)(const struct tcpmig_event *event, void *ctx);
	void *ctx;
};

static const char *const names[] = {
#define X(name, json) json,
	TCPMIG_EVENTS(X)
#undef X
};

const char *events_name(__u32 type)
{
	return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct events *e = ctx;

	if (!e->begun || size < sizeof(struct tcpmig_event))
		return 0;
	return e->fn(data, e->ctx);
}

static __u64 lost_until_now(const struct tables *t)
{
	__u64 counters[TCPMIG_REASONS_COUNT];

	return tables_get_counters(t, counters) ? 0 : counters[TCPMIG_R_EVENT_LOST];
}

struct events *events_open(const struct tables *t, int dir_fd,
			   int (*fn)(const struct tcpmig_event *event, void *ctx), void *ctx)
{
	struct events *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return NULL;
	*e = (struct events){ .tables = t, .lock_fd = -1, .fn = fn, .ctx = ctx };
	if (dir_fd >= 0)
		e->lock_fd = pindir_lock_reader(dir_fd);
	err = dir_fd >= 0 && e->lock_fd < 0 ? e->lock_fd : 0;
	if (!err) {
		e->ring = ring_buffer__new(tables_events_fd(t), on_event, e, NULL);
		err = e->ring ? 0 : -errno;
	}
	if (!err)
		err = ring_buffer__consume(e->ring);
	if (err < 0) {
		events_close(e);
		errno = -err;
		return NULL;
	}
	e->lost_before = lost_until_now(t);
	e->begun = true;
	return e;
}

int events_wait(struct events *e, int ms, __u64 *lost)
{
	int err = ring_buffer__poll(e->ring, ms);
	__u64 now = lost_until_now(e->tables);

	*lost = now - e->lost_before;
	e->lost_before = now;
	return err < 0 ? err : 0;
}

void events_close(struct events *e)
{
	if (!e)
		return;
	ring_buffer__free(e->ring);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	free(e);
}

/* The kernel stamps with CLOCK_BOOTTIME, people read wall time. */
static void wall_time(__u64 boottime_ns, struct tm *tm, long *us)
{
	struct timespec wall;
	__s64 ns;
	time_t s;

	clock_gettime(CLOCK_REALTIME, &wall);
	ns = wall.tv_sec * 1000000000LL + wall.tv_nsec - (__s64)clock_boot_ns() +
	     (__s64)boottime_ns;
	s = ns / 1000000000;
	*us = ns % 1000000000 / 1000;
	localtime_r(&s, tm);
}

static const char *state_of(const struct tcpmig_event *event)
{
	return rules_state_text(tcpmig_word_state(event->word));
}

static void add_text(struct json_object *json, const char *key, const char *text)
{
	json_object_object_add(json, key, text ? json_object_new_string(text) : NULL);
}

struct json_object *events_json(const struct tcpmig_event *event)
{
	char old[ENDPOINT_STRLEN], peer[ENDPOINT_STRLEN];
	bool is_rule = event->type == TCPMIG_E_RULE, has_peer = event->key.local.family;
	struct json_object *json = json_object_new_object();

	endpoint_format(&event->key.remote, old);
	if (has_peer)
		endpoint_format(&event->key.local, peer);
	json_object_object_add(json, "boottime_ns", json_object_new_int64(event->time_ns));
	add_text(json, "event", events_name(event->type));
	add_text(json, "old", old);
	if (is_rule)
		add_text(json, "new",
			 has_peer && strcmp(peer, old) ? peer : NULL); /* as in `list -j` */
	else
		add_text(json, "client", has_peer ? peer : NULL);
	add_text(json, "state", state_of(event));
	json_object_object_add(json, "epoch",
			       json_object_new_int64(tcpmig_word_epoch(event->word)));
	return json;
}

const char *events_heading(void)
{
	return "TIME             EVENT         STATE     OLD                    NEW or CLIENT";
}

const char *events_text(const struct tcpmig_event *event, char *buf, size_t size)
{
	char old[ENDPOINT_STRLEN], peer[ENDPOINT_STRLEN] = "-";
	struct tm tm;
	long us;

	wall_time(event->time_ns, &tm, &us);
	endpoint_format(&event->key.remote, old);
	if (event->key.local.family)
		endpoint_format(&event->key.local, peer);
	snprintf(buf, size, "%02d:%02d:%02d.%06ld  %-12s  %-8s  %-21s  %s", tm.tm_hour, tm.tm_min,
		 tm.tm_sec, us, events_name(event->type), state_of(event), old, peer);
	return buf;
}
