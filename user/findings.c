// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "findings.h"

void findings_add(struct findings *f, const char *check, enum finding_result result,
		  const char *fmt, ...)
{
	struct finding *grown = realloc(f->list, (f->count + 1) * sizeof(*grown));
	struct finding *finding;
	va_list args;

	if (!grown) {
		f->incomplete = true;
		return;
	}
	f->list = grown;
	finding = &grown[f->count];
	*finding = (struct finding){ .check = check, .result = result };
	va_start(args, fmt);
	if (vasprintf(&finding->detail, fmt, args) < 0)
		f->incomplete = true;
	else
		f->count++;
	va_end(args);
}

void findings_cure(struct findings *f, const char *fmt, ...)
{
	struct finding *last = &f->list[f->count - 1];
	va_list args;

	if (f->incomplete || last->cure)
		return;
	va_start(args, fmt);
	if (vasprintf(&last->cure, fmt, args) < 0) {
		last->cure = NULL;
		f->incomplete = true;
	}
	va_end(args);
}

const char *finding_result_name(enum finding_result result)
{
	static const char *const names[] = { "ok", "warn", "fail" };

	return names[result];
}

void findings_free(struct findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->list[i].detail);
		free(f->list[i].cure);
	}
	free(f->list);
	*f = (struct findings){};
}
