/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One connection of a migrator to the host daemon: the migration that it speaks of, step by step.
 * A process of its own; speaks by agent_log.h.
 *
 *	PREPARE .. AGENTS   written down, checked
 *	READY               gate closed, agents told, a place made, criu waiting
 *	IMAGE .. RESTORE    restored; criu waits at post-restore
 *	COMMIT              gate open, running
 *
 * Until COMMIT everything goes when the connection ends or A is silent for too long, but for
 * the images of a complete restore: as A may have decided in that moment, they are kept for
 * HOST_KEEP_S, and a COMMIT on another connection restores them again. That is no second copy:
 * the first one was killed, behind a gate that never opened.
 */
#ifndef TCPMIG_HOST_SESSION_H
#define TCPMIG_HOST_SESSION_H

#include "criu_swrk.h"
#include "fence.h"
#include "host_conf.h"
#include "host_link.h"
#include "host_record.h"
#include "image_receive.h"
#include "tree_place.h"

/* How long what may be committed is kept when nobody asks for it. */
#define HOST_KEEP_S 600
/* The name that inventory.img has while criu waits for it: under its own is a FIFO. */
#define HOST_INVENTORY "inventory.img.tcpmig"

/** struct host_session - all of it. @tls: TLS_HOST, for agents; not owned, nor are @conf, @link. */
struct host_session {
	const struct host_conf *conf;
	struct tls *tls;
	struct host_link *link;
	char criu_path[4096];
	int criu_version;
	bool has_record;
	bool unknown; /* there is no record of the UUID that was asked for */
	struct host_record record;
	bool gated;
	struct fence gate;
	int tree_cgroup_fd;
	bool has_place;
	struct tree_place place;
	struct criu_swrk *criu;
	struct image_receive *images; /* from READY until all have come */
	bool spoiled;		      /* one could not be taken, which has been said */
	uint64_t lease_end_ms;
	char why[1024];
};

/** host_session_run() - serve @link until it ends. @link is closed by the caller. */
void host_session_run(const struct host_conf *conf, struct tls *tls, struct host_link *link);

/**
 * host_session_sweep() - after a restart, and now and then: what nobody will commit any more goes.
 * Return: 0 or -errno.
 */
int host_session_sweep(const struct host_conf *conf);

/* What follows is for host_*.c. All return 0, or -errno with .why. */

/** host_fail() - a reason for the answer. Return: @err. */
int host_fail(struct host_session *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** host_check_prepare() - may it come here, and can it? Nothing is changed. */
int host_check_prepare(struct host_session *s, const TcpmigHost__Prepare *prepare);

/** host_check_connections() - are they where PREPARE said that it goes? */
int host_check_connections(struct host_session *s, const TcpmigHost__Connections *msg);

/** host_check_free() - are the ports of its listeners and connections free here? */
int host_check_free(struct host_session *s);

/** host_ready() - gate, consents, place, criu. Again, when there are more connections. */
int host_ready(struct host_session *s);

/** host_gate() - the gate is there and knows all of the record. */
int host_gate(struct host_session *s);

/** host_place() - an empty place for the tree. */
int host_place(struct host_session *s);

/** host_cgroup_remove() - that of its tree, when it is empty; some of it may be dying. */
void host_cgroup_remove(const struct host_session *s);

/** host_await() - criu is started in it, and waits for the images. */
int host_await(struct host_session *s);

/** host_restore() - from the images of the record, which are complete. Ends at post-restore. */
int host_restore(struct host_session *s);

/** host_tree_is_there() - the root that .record names: at post-restore, or running. */
bool host_tree_is_there(const struct host_session *s);

/**
 * host_find_copy() - of a connection that was killed: RUNNING if it was let go. One that was not
 * ends with it. -EAGAIN: it has not yet.
 */
int host_find_copy(struct host_session *s);

/** host_drop_dead_copy() - a copy whose criu has ended meanwhile is none: host_restore() again. */
void host_drop_dead_copy(struct host_session *s);

/** host_resume() - opens the gate and lets it run. -ENOTRECOVERABLE: the gate was open. */
int host_resume(struct host_session *s);

/** host_free_clients() - it is lost: agents are told to hold no longer. Reported already. */
void host_free_clients(struct host_session *s);

/** host_settle() - it runs: what was only for the move goes. */
void host_settle(struct host_session *s);

/** host_unplace() - criu, and all that is in the place, end: images and gate are as they were. */
void host_unplace(struct host_session *s);

/** host_undo() - gate, place and criu go, and with @all the record and its images too. */
void host_undo(struct host_session *s, bool all);

#endif
