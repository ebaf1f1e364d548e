/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages for people, on stderr, one line each. Only cmd_*.c and main.c speak. */
#ifndef TCPMIG_LOG_H
#define TCPMIG_LOG_H

/** log_verbosity - 0: errors and notes; 1 (-v): what is done; 2: libbpf's own messages too. */
extern int log_verbosity;

/** log_error() - "tcpmig-bpf: ..." on stderr. Return: 1, the exit status of a failure. */
int log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * log_errno() - as log_error(), with the text of an errno appended.
 * @err: positive or negative errno
 * Return: 1, the exit status of a failure.
 */
int log_errno(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** log_usage() - as log_error(). Return: 2, the exit status of wrong usage. */
int log_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** log_note() - something that the user should know, on stderr. */
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** log_verbose() - printed with -v only. */
void log_verbose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** log_init() - routes libbpf's messages through here: silent unless log_verbosity > 1. */
void log_init(void);

#endif
