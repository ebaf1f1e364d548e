// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clocks.h"
#include "progress.h"

#define MIB	(1024.0 * 1024.0)
#define SHOW_NS 100000000

const char *phase_name(enum phase phase)
{
	static const char *const names[] = {
#define X(name, text) text,
		PHASES(X)
#undef X
	};

	return phase < PHASES_COUNT ? names[phase] : "done";
}

static void stop_for_test(enum phase phase)
{
	const char *wanted = getenv("TCPMIG_TEST_STOP");

	if (wanted && !strcmp(wanted, phase_name(phase)))
		raise(SIGSTOP);
}

static double seconds_since(uint64_t ns)
{
	return (clock_boot_ns() - ns) / 1e9;
}

/* On a terminal: the line that is there is written over. */
static void show(const struct progress *p, const char *more)
{
	if (p->quiet || !p->terminal)
		return;
	fprintf(stderr, "\r%-9s %zu connection%s  %.1f s%s\033[K", phase_name(p->phase),
		p->connections, p->connections == 1 ? "" : "s",
		seconds_since(p->began_ns[PHASE_PREPARE]), more);
	fflush(stderr);
}

void progress_begin(struct progress *p, bool quiet)
{
	*p = (struct progress){ .quiet = quiet, .terminal = isatty(STDERR_FILENO) };
	p->began_ns[PHASE_PREPARE] = clock_boot_ns();
	stop_for_test(PHASE_PREPARE);
	show(p, "");
}

static void close_phase(struct progress *p)
{
	if (p->phase >= PHASES_COUNT || p->took_ns[p->phase])
		return;
	p->took_ns[p->phase] = clock_boot_ns() - p->began_ns[p->phase];
	if (!p->quiet && !p->terminal)
		fprintf(stderr, "%-9s %9.1f ms\n", phase_name(p->phase),
			p->took_ns[p->phase] / 1e6);
}

void progress_phase(struct progress *p, enum phase phase)
{
	close_phase(p);
	p->phase = phase;
	p->began_ns[phase] = clock_boot_ns();
	stop_for_test(phase);
	show(p, "");
}

void progress_bytes(struct progress *p, uint64_t bytes)
{
	double mib = bytes / MIB;
	uint64_t now_ns = clock_boot_ns();
	char more[80];

	/* The process may be frozen meanwhile, and a terminal slow. */
	if (p->quiet || !p->terminal || now_ns < p->shown_ns + SHOW_NS)
		return;
	p->shown_ns = now_ns;
	snprintf(more, sizeof(more), "  %.1f MiB  %.0f MiB/s", mib,
		 mib / (seconds_since(p->began_ns[p->phase]) + 1e-9));
	show(p, more);
}

void progress_end(struct progress *p)
{
	close_phase(p);
	p->phase = PHASES_COUNT;
	if (!p->quiet && p->terminal)
		fputs("\r\033[K", stderr);
}
