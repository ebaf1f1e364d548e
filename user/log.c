// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

int log_verbosity;

static void log_line(const char *fmt, va_list args, int err)
{
	fputs("tcpmig-bpf: ", stderr);
	vfprintf(stderr, fmt, args);
	if (err)
		fprintf(stderr, ": %s", strerror(abs(err)));
	fputc('\n', stderr);
}

int log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args, 0);
	va_end(args);
	return 1;
}

int log_errno(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args, err);
	va_end(args);
	return 1;
}

int log_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args, 0);
	va_end(args);
	return 2;
}

void log_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(fmt, args, 0);
	va_end(args);
}

void log_verbose(const char *fmt, ...)
{
	va_list args;

	if (!log_verbosity)
		return;
	va_start(args, fmt);
	log_line(fmt, args, 0);
	va_end(args);
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (log_verbosity < 2 || (level == LIBBPF_DEBUG && log_verbosity < 3))
		return 0;
	fputs("  ", stderr);
	return vfprintf(stderr, fmt, args);
}

void log_init(void)
{
	libbpf_set_print(print_libbpf);
}
