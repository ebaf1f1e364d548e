/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What CRIU's log says to people. Pure. */
#ifndef TCPMIG_CRIU_LOG_H
#define TCPMIG_CRIU_LOG_H

#include <stdbool.h>
#include <stddef.h>

/**
 * criu_log_reason() - why a CRIU with this log has failed.
 * @text: the log, or the end of it
 * @why, @room: out: a phrase in one line
 * Return: false: the log does not say, @why is as it was.
 */
bool criu_log_reason(const char *text, char *why, size_t room);

/** criu_log_phrase() - the first line of @text, without control characters, cut to @room. */
void criu_log_phrase(const char *text, char *why, size_t room);

#endif
