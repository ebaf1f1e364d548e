/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One migration, driven from the host that gives the process up. Phases in order; what each has
 * done is undone in migrate_rollback(), until the journal says COMMIT. After it migrate_settle.h
 * can finish from the journal alone, and so can whoever comes later.
 *
 * Speaks: it is the command.
 */
#ifndef TCPMIG_MIGRATE_H
#define TCPMIG_MIGRATE_H

#include "cgroup.h"
#include "criu_swrk.h"
#include "fence.h"
#include "host_files.h"
#include "host_link.h"
#include "host_record.h"
#include "image_send.h"
#include "journal.h"
#include "move_orders.h"
#include "progress.h"
#include "tree.h"
#include "tree_files.h"
#include "tree_place.h"
#include "tree_sockets.h"

/* Agents may hold this long; B and the agents act by themselves when it is over. */
#define MIGRATE_LEASE_MS 30000
/*
 * From the fence to the decision, unless the user says otherwise: a socket whose segments all are
 * dropped gives up after 7.9 s, and must not, if it goes on here.
 */
#define MIGRATE_FREEZE_MS 5000
/* What an agent may take for an answer in the freeze. */
#define MIGRATE_ANSWER_MS 1000
/* So much of every lease must be left when it is decided. */
#define MIGRATE_MARGIN_MS 5000

/**
 * struct migrate_options - what the user asked for.
 * @to:       of B's daemon
 * @new:      for IPv4 and IPv6; family 0: the address of @to, if it is of that family
 * @new_port: network byte order; 0: ports stay
 * @max_freeze_ms: from the fence to the decision
 */
struct migrate_options {
	const char *config;
	pid_t pid;
	const char *to_text;
	struct tcpmig_endpoint to;
	struct tcpmig_endpoint new[2];
	__be16 new_port;
	bool dry_run;
	bool ignore_files;
	bool json;
	enum move_need need;
	enum tcpmig_hold_mode hold_mode;
	unsigned int max_freeze_ms;
};

/** enum migrate_result - how it has ended. */
enum migrate_result {
	MIGRATE_STAYED,	   /* as if nothing had been */
	MIGRATE_MOVED,	   /* all of it */
	MIGRATE_UNSETTLED, /* decided, but somebody does not know yet: migrate --resume, or the
			      daemon */
	MIGRATE_LOST,	   /* decided, and B could not make it run */
};

/**
 * struct migrate - all of it.
 * @pid_there: the root's PID where criu runs
 * @known:     what this host keeps of the migration by which the tree came; NULL: it began here
 * @flows, @flow_count: its connections, as the fence has them
 * @move_of:   for each of @flows its index in .orders.file.moves
 * @undecided: nobody can tell whether COMMIT is in the journal: it stays frozen until somebody can
 * @lease_end_ms: clock_mono_ms() at which the first lease ends
 * @frozen_ms, @running_ms: clock_mono_ms(); 0: not yet
 */
struct migrate {
	const struct migrate_options *opt;
	struct host_files files;
	uint8_t uuid[HOST_UUID_LEN];
	char uuid_text[MESSAGE_UUID_STRLEN];
	struct progress progress;
	struct tree tree;
	struct tree_sockets sockets;
	struct tree_files tree_files;
	bool in_place;
	struct tree_place place;
	pid_t pid_there;
	TcpmigHost__Record *known;
	char criu_version[40];
	struct host_link *link;
	struct move_orders orders;
	struct fence_flow *flows;
	size_t *move_of;
	size_t flow_count;
	bool fenced;
	struct fence fence;
	bool grouped;
	struct cgroup cgroup;
	char restart_unit[256];
	struct criu_swrk *criu;
	bool dumped; /* criu waits at post-dump */
	bool undecided;
	bool would_move; /* that is all that --dry-run asks */
	int images_fd;
	int images_lock_fd; /* or the daemon would sweep them away */
	struct image_send *send;
	struct journal *journal;
	uint64_t lease_end_ms;
	uint64_t fenced_ns;
	uint64_t frozen_ns;
	uint64_t running_ns;
	uint64_t memory_bytes; /* resident, at PREPARE */
	uint64_t image_bytes;
	uint32_t pid_at_target;
	char why[1024];
};

/** migrate_run() - the whole of it, or with --dry-run its first phase. Return: exit status. */
int migrate_run(const struct migrate_options *opt);

/* What follows is for migrate_*.c. Each phase returns 0, or 1 after saying what is wrong. */

int migrate_prepare(struct migrate *m);	 /* nothing is changed that anybody could notice */
int migrate_stand_by(struct migrate *m); /* cgroup, fence, journal, criu: all that can wait */
int migrate_hold(struct migrate *m);
int migrate_dump(struct migrate *m);
int migrate_transfer(struct migrate *m); /* images, RESTORE; agents armed and asked meanwhile */
int migrate_commit(struct migrate *m);	 /* 1: it was not decided */
enum migrate_result migrate_finish(struct migrate *m);

/** migrate_find_moves() - OLD, CUR and NEXT of all listeners and connections; the flows. */
int migrate_find_moves(struct migrate *m);

/** migrate_next_of() - where a socket at @local shall be at B. Return: 0; 1 after saying so. */
int migrate_next_of(const struct migrate *m, const struct tcpmig_endpoint *local,
		    struct tcpmig_endpoint *next);

/** migrate_find_newcomers() - those that came since. @added: how many. */
int migrate_find_newcomers(struct migrate *m, size_t *added);

/** migrate_tell_connections(), migrate_tell_agents() - B's part of it; from the @from-th on. */
int migrate_tell_connections(struct migrate *m, size_t from);
int migrate_tell_agents(struct migrate *m, size_t from);

/** migrate_write_down() - all that is known of it now, in the journal. */
int migrate_write_down(struct migrate *m);

/** migrate_call() - ask B. @cure: behind what is wrong. Return: 0, or 1 after saying so. */
int migrate_call(struct migrate *m, TcpmigHost__Request *req, const TcpmigHost__Answer **answer,
		 unsigned int timeout_ms);

/** migrate_told_to_end() - by a signal? Return: 0, or 1 after saying so. */
int migrate_told_to_end(void);

/** migrate_rollback() - everything back to where it was. Return: 0, or 1 after saying so. */
int migrate_rollback(struct migrate *m, const char *reason);

/** migrate_drop_images() - those here, if there are any. */
void migrate_drop_images(struct migrate *m);

/** migrate_report() - for the user. Return: exit status. */
int migrate_report(const struct migrate *m, enum migrate_result result);

void migrate_free(struct migrate *m);

#endif
