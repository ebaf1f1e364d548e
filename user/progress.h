/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How far a migration is, for people: a line that changes on a terminal, plain lines elsewhere. */
#ifndef TCPMIG_PROGRESS_H
#define TCPMIG_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, "name"): the phases of a migration, in order. */
#define PHASES(X)               \
	X(PREPARE, "prepare")   \
	X(HOLD, "hold")         \
	X(DUMP, "dump")         \
	X(TRANSFER, "transfer") \
	X(RESTORE, "restore")   \
	X(ARM, "arm")           \
	X(COMMIT, "commit")     \
	X(RESUME, "resume")     \
	X(RETIRE, "retire")

enum phase {
#define X(name, text) PHASE_##name,
	PHASES(X)
#undef X
		PHASES_COUNT,
};

/**
 * struct progress - zero it, and set .quiet where nothing is to be printed.
 * @began_ns: of each phase, clock_boot_ns(); 0: it has not begun
 * @took_ns:  of each that has ended
 * @phase:    the latest; PHASES_COUNT: all have ended
 */
struct progress {
	bool quiet;
	bool terminal;
	size_t connections;
	uint64_t began_ns[PHASES_COUNT];
	uint64_t took_ns[PHASES_COUNT];
	uint64_t shown_ns; /* progress_bytes() */
	enum phase phase;
};

/** progress_begin() - the first phase. */
void progress_begin(struct progress *p, bool quiet);

/**
 * progress_phase() - the one before has ended. Where TCPMIG_TEST_STOP names @phase the process
 * stops itself (SIGSTOP), for tests of what happens when it is killed there.
 */
void progress_phase(struct progress *p, enum phase phase);

/** progress_bytes() - so many so far, in this phase; shown now and then. */
void progress_bytes(struct progress *p, uint64_t bytes);

/** progress_end() - the last one has ended, well or not: what comes next is on a new line. */
void progress_end(struct progress *p);

/** phase_name() - static storage. */
const char *phase_name(enum phase phase);

#endif
