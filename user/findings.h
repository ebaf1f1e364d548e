/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the checks have found, in order: a growing list of results in plain words. */
#ifndef TCPMIG_FINDINGS_H
#define TCPMIG_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

enum finding_result {
	FINDING_OK,   /* as it should be, or for information */
	FINDING_WARN, /* works, but not in every case */
	FINDING_FAIL, /* does not work */
};

/**
 * struct finding - one result.
 * @check:  stable name (static storage)
 * @detail: what was found; names its subject
 * @cure:   what to do, as a command or a sentence; NULL where there is nothing to do
 */
struct finding {
	const char *check;
	enum finding_result result;
	char *detail;
	char *cure;
};

/** struct findings - zero it to begin; findings_free() it. */
struct findings {
	struct finding *list;
	size_t count;
	bool incomplete; /* no memory for some */
};

/** findings_add() - append; the text is formatted and copied. */
void findings_add(struct findings *f, const char *check, enum finding_result result,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** findings_cure() - give the last one its cure. */
void findings_cure(struct findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** finding_result_name() - "ok", "warn" or "fail" (static storage). */
const char *finding_result_name(enum finding_result result);

void findings_free(struct findings *f);

#endif
