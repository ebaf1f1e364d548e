/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The events that BPF and the commands send: read from the ring buffer, as text and as JSON. */
#ifndef TCPMIG_EVENTS_H
#define TCPMIG_EVENTS_H

#include <stddef.h>

#include "tables.h"

struct json_object;
struct events;

/**
 * events_open() - begin to read. What was sent before is not seen.
 * @dir_fd: pin directory, locked by the caller; -1: there is none, and nobody else is kept out
 * @fn:     called for each event by events_wait(); not 0 ends that
 * Return: reader, to be closed by events_close(); or NULL and errno; EBUSY: somebody else
 * reads (an event is given to one reader only).
 */
struct events *events_open(const struct tables *t, int dir_fd,
			   int (*fn)(const struct tcpmig_event *event, void *ctx), void *ctx);

/**
 * events_wait() - handle what is there; wait for it if need be.
 * @ms:   at most
 * @lost: how many events have found no room since the last call
 * Return: 0, what @fn returned, or -errno; -EINTR: a signal.
 */
int events_wait(struct events *e, int ms, __u64 *lost);

/** events_close() - harmless on NULL. */
void events_close(struct events *e);

/** events_name() - of an enum tcpmig_event_type (static storage). */
const char *events_name(__u32 type);

/** events_json() - one flat object, to be put by the caller; see tcpmig-bpf(8). */
struct json_object *events_json(const struct tcpmig_event *event);

/** events_text() - one line without its end. @buf: at least 256 bytes. Return: @buf. */
const char *events_text(const struct tcpmig_event *event, char *buf, size_t size);

/** events_heading() - what stands above the columns of events_text() (static storage). */
const char *events_heading(void);

#endif
