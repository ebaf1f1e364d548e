/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Run another program to its end, by its arguments (no shell), and never wait for ever. */
#ifndef TCPMIG_RUN_H
#define TCPMIG_RUN_H

#include <stddef.h>

/**
 * run_program() - run @argv[0], looked for in PATH, and wait for it.
 *
 * It gets /dev/null and our environment, none of our other descriptors, and dies with us.
 * @output: @size bytes: the beginning of what it says, on stdout and stderr
 * Return: its exit status, 127: there is no such program; -ETIME: it was killed after @timeout_ms;
 * -ECHILD: it was killed by somebody else; -errno.
 */
int run_program(const char *const argv[], int timeout_ms, char *output, size_t size);

#endif
