/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon of a server host: takes connections of migrators, each served by a process of its
 * own, and settles the migrations from this host whose migrator has ended before its time. It
 * holds no state of its own: whatever counts is in journals, records and pins.
 */
#ifndef TCPMIG_HOST_DAEMON_H
#define TCPMIG_HOST_DAEMON_H

/** host_daemon_run() - with the configuration in @path. Return: exit status; has spoken. */
int host_daemon_run(const char *path);

#endif
