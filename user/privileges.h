/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a process gives up for good: capabilities, core dumps, the gain of others by execve. */
#ifndef TCPMIG_PRIVILEGES_H
#define TCPMIG_PRIVILEGES_H

#include <stdint.h>

/**
 * privileges_bound() - nothing but @kept can be had any more, by whatever means.
 * @kept: bits 1 << CAP_*. Needs CAP_SETPCAP, if there is anything to be given up.
 * Return: 0 or -errno.
 */
int privileges_bound(uint64_t kept);

/**
 * privileges_keep() - the capabilities of this process are @kept, permitted and effective; none
 * is inheritable or ambient. Return: 0 or -errno.
 */
int privileges_keep(uint64_t kept);

/**
 * privileges_seal() - no new privileges, no core dump, no trace by others of the same user, no
 * memory that is or becomes both writable and executable (where the kernel has that, 6.3).
 * Call it after the last change of user. Return: 0 or -errno.
 */
int privileges_seal(void);

#endif
