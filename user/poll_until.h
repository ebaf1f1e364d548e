/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Waiting for one descriptor, whatever signals come. */
#ifndef TCPMIG_POLL_UNTIL_H
#define TCPMIG_POLL_UNTIL_H

#include <stdint.h>

/**
 * poll_until() - wait until @fd has one of @events (poll.h), an error or a hang-up.
 * @end_ms: one of clock_mono_ms(); @fd is looked at once even if that is over, so 0 is no wait
 *
 * For who must not be kept by whoever goes on talking after @end_ms: control_wait().
 * Return: 0; -ETIMEDOUT; -errno.
 */
int poll_until(int fd, short events, uint64_t end_ms);

#endif
