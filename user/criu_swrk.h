/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One run of CRIU, as `criu swrk`: it takes a request over a socket and tells, at each of its
 * stages, where it is; there it waits for our answer. Nothing of it is a hook process.
 *
 * It does not die with us, but notices at its next stage that nobody answers: then it takes
 * back what it has done. Killed in the middle of a dump it would leave sockets in repair mode and
 * its own code in the tree; killed after the last stage of a restore, a tree that never runs.
 * In a place that is not kept (tree_place.h) it ends with the place, and so with us.
 *
 * Times: @end_ms is one of clock_mono_ms(). That criu has ended, say, by a signal, is told by
 * criu_swrk_next() alone: until then all else succeeds.
 */
#ifndef TCPMIG_CRIU_SWRK_H
#define TCPMIG_CRIU_SWRK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tree_place.h"

/** Bytes of a reason, with the 0 behind it. */
#define CRIU_WHY_BYTES 256

struct criu_swrk;

/**
 * struct criu_dump - what to dump, and how. All zero but @pid is a usual one.
 * @pid:       root of the tree, as seen in the place where criu runs
 * @log_level: 0: as CRIU has it (2, warnings); 4: all, which takes a third longer where there are
 *             1,000 connections
 * @leave_running: the tree goes on after the dump instead of being killed
 * @shell_job: its session or group leader, or its terminal, are outside the tree
 * @ghost_limit: bytes of a file without a name that go into the images; 0: as CRIU has it (1 MiB)
 * The network is never locked by CRIU: that is the fence's part. cgroups are ignored.
 */
struct criu_dump {
	pid_t pid;
	int log_level;
	bool leave_running;
	bool shell_job;
	bool file_locks;
	bool link_remap;
	uint32_t ghost_limit;
};

/** struct criu_restore - as struct criu_dump. */
struct criu_restore {
	bool shell_job;
	bool file_locks;
	bool link_remap;
};

/** enum criu_at - the stages of CRIU, in their order. */
enum criu_at {
	CRIU_AT_OTHER,	   /* one that we do not know: answer true */
	CRIU_AT_PRE_DUMP,  /* nothing is frozen yet */
	CRIU_AT_POST_DUMP, /* all is dumped and frozen; true ends the tree, false lets it go on */
	CRIU_AT_PRE_RESTORE,
	CRIU_AT_SETUP_NAMESPACES,
	CRIU_AT_POST_SETUP_NAMESPACES,
	CRIU_AT_POST_RESTORE, /* all is there; false ends the copy, the last time that it can */
	CRIU_AT_PRE_RESUME,   /* sockets have left repair mode; the answer changes nothing */
	CRIU_AT_POST_RESUME,  /* it runs */
};

enum criu_event_kind {
	CRIU_STAGE, /* it waits for criu_swrk_answer() */
	CRIU_DONE,
	CRIU_FAILED,
};

/**
 * struct criu_event - what CRIU has to say.
 * @at:  CRIU_STAGE: which
 * @pid: root of the restored tree, as seen where criu runs: CRIU_DONE of a restore, and
 *       CRIU_AT_SETUP_NAMESPACES, CRIU_AT_POST_RESTORE; else 0
 * @why: CRIU_FAILED: what its log says, as a phrase in one line
 */
struct criu_event {
	enum criu_event_kind kind;
	enum criu_at at;
	pid_t pid;
	char why[CRIU_WHY_BYTES];
};

/**
 * criu_swrk_start() - start `@criu swrk`; it waits for a request.
 * @criu:      path of the program, as seen in @place
 * @place:     where it runs; NULL: here
 * @for_restore: it begins in the place's cgroup for the tree, which inherits it
 * @images_fd: images directory; may be closed afterwards. Also one that @place cannot see
 * @why:       CRIU_WHY_BYTES; on error: what is wrong, as a phrase
 *
 * It has descriptors 0 to 2, its socket and the images directory, and no others.
 * Only for processes of one thread. Return: to be ended by criu_swrk_end(); NULL.
 */
struct criu_swrk *criu_swrk_start(const char *criu, const struct tree_place *place,
				  bool for_restore, int images_fd, char why[CRIU_WHY_BYTES]);

/**
 * criu_swrk_dump() - begin a dump, into an empty images directory, where its log is dump.log.
 * Return: 0 or -errno.
 */
int criu_swrk_dump(struct criu_swrk *w, const struct criu_dump *dump);

/**
 * criu_swrk_restore() - begin a restore, from the images directory, where its log is restore.log.
 * Return: 0 or -errno.
 */
int criu_swrk_restore(struct criu_swrk *w, const struct criu_restore *restore);

/**
 * criu_swrk_hold_restore() - before criu_swrk_restore(): let it get ready, and wait where it needs
 * the images. Makes inventory.img a FIFO, which nobody writes to: none of that name may be there.
 * Should the images never come: criu_swrk_end() and tree_place_end().
 * Return: 0 or -errno.
 */
int criu_swrk_hold_restore(struct criu_swrk *w);

/**
 * criu_swrk_release_restore() - the images are all there: go on.
 * @inventory, @len: what inventory.img is to hold; then also as a file of that name
 * Return: 0; -EMSGSIZE: it is more than CRIU would ever write; -errno.
 */
int criu_swrk_release_restore(struct criu_swrk *w, const void *inventory, size_t len);

/** criu_swrk_fd() - readable when criu_swrk_next() has something. Owned by @w. */
int criu_swrk_fd(const struct criu_swrk *w);

/** criu_swrk_pid() - the process, a child of the caller, as seen here. */
pid_t criu_swrk_pid(const struct criu_swrk *w);

/**
 * criu_swrk_next() - wait for what criu says next.
 * After CRIU_DONE and CRIU_FAILED there is nothing more.
 * Return: 0; -ETIMEDOUT: nothing until @end_ms; -EBADMSG: not understood; -errno.
 */
int criu_swrk_next(struct criu_swrk *w, struct criu_event *event, uint64_t end_ms);

/** criu_swrk_answer() - at a stage: go on, or take everything back. Return: 0 or -errno. */
int criu_swrk_answer(struct criu_swrk *w, bool go_on);

/**
 * criu_swrk_version() - ask @criu for its version; starts it.
 * @version: major * 10000 + minor * 100 + sublevel
 * Return: 0; -ETIMEDOUT; -ENOEXEC: it is no criu that speaks our language; -errno.
 */
int criu_swrk_version(const char *criu, int *version, uint64_t end_ms, char why[CRIU_WHY_BYTES]);

/**
 * criu_swrk_stop() - have it take back what it has done, as if we had ended, and wait for it.
 * Return: 0: it has ended; -ETIMEDOUT: it has not until @end_ms. Then still criu_swrk_end().
 */
int criu_swrk_stop(struct criu_swrk *w, uint64_t end_ms);

/** criu_swrk_end() - kill it unless it has ended, reap it, free @w. NULL is fine. */
void criu_swrk_end(struct criu_swrk *w);

#endif
