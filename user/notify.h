/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What systemd is told: sd_notify(3) without its library. Nothing happens where nobody listens. */
#ifndef TCPMIG_NOTIFY_H
#define TCPMIG_NOTIFY_H

#include <stdint.h>

/**
 * notify_init() - read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and take them out of the
 * environment. Return: after how many ms at the latest WATCHDOG=1 is expected; 0: it is not.
 */
uint64_t notify_init(void);

/** notify() - send @text: lines of VARIABLE=value. Return: 0, also if nobody listens; -errno. */
int notify(const char *text);

/** notify_reloading() - RELOADING=1, with the time that Type=notify-reload wants. As notify(). */
int notify_reloading(void);

#endif
