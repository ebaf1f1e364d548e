/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who would start the server again once it has been moved away: the systemd service that it is in.
 * While a move is under way its policy is off, by a drop-in under /run, which ends with a reboot.
 */
#ifndef TCPMIG_RESTART_H
#define TCPMIG_RESTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RESTART_UNIT_LEN 256
#define RESTART_WHY_LEN	 256

/**
 * struct restart_unit - a systemd service.
 * @policy:      its Restart=; "no": it would not be started again
 * @triggers:    units that start it for another reason, with blanks between: sockets, timers,
 *               Upholds=; those we leave alone. Cut off where it is too long
 * @watchdog_ms: it is killed when it is silent for so long, and systemd lets nobody change that
 *               while it runs; 0: it may be silent
 * @user:        of a user's own systemd, to which we do not speak: only @unit is known
 */
struct restart_unit {
	char unit[RESTART_UNIT_LEN];
	char policy[32];
	char triggers[256];
	uint64_t watchdog_ms;
	bool user;
};

/**
 * restart_unit_of_cgroup() - the service that a path in /proc/PID/cgroup names. Pure.
 * @path: "/system.slice/nginx.service", "/user.slice/user-1000.slice/user@1000.service/..."
 * Return: is there one? @unit has unit and user then, and nothing else.
 */
bool restart_unit_of_cgroup(const char *path, struct restart_unit *unit);

/**
 * restart_find() - the service of @pid, and what it would do.
 * @why: RESTART_WHY_LEN bytes: on error, a phrase
 * Return: 0; -ENOENT: it is in none, or there is no systemd here; -ETIME: systemd does not answer;
 * -errno.
 */
int restart_find(pid_t pid, struct restart_unit *unit, char *why);

/**
 * restart_disable() - off, until restart_enable() or a reboot: restart, watchdog, and what a
 * failure would start. Nothing is stopped. That the server ends by SIGKILL counts as success.
 *
 * Takes as long as `systemctl daemon-reload`.
 * @uuid: of the migration, of which the drop-in bears the name
 * Return: 0, also where it is off already; -EPERM: systemd does not do it; -ETIME; -errno. On error
 * all is as it was.
 */
int restart_disable(const char *unit, const uint8_t uuid[16], char *why);

/**
 * restart_enable() - as it was. After the server has been killed first restart_wait_ended(), or
 * systemd may start it.
 * Return: 0, also where nothing was off; -ETIME; -errno.
 */
int restart_enable(const char *unit, const uint8_t uuid[16], char *why);

/** restart_enable_ended() - restart_enable() of a server that was killed, once systemd knows it. */
int restart_enable_ended(const char *unit, const uint8_t uuid[16], char *why);

/** restart_wait_ended() - until systemd knows that @unit has ended. Return: 0; -ETIME; -errno. */
int restart_wait_ended(const char *unit, int timeout_ms, char *why);

#endif
