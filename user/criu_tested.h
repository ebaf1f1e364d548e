/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Does CRIU work on this host? Tried once for each program and kernel; what was found is kept until
 * the next reboot. */
#ifndef TCPMIG_CRIU_TESTED_H
#define TCPMIG_CRIU_TESTED_H

#define CRIU_TESTED_WHY 512
/* Older ones do not start, or do not dump, on newer kernels; or have no `network_lock skip`. */
#define CRIU_OLDEST 40000

/** criu_find() - path of it: "", which is "criu", and names without '/' are sought in PATH and
 * where root's programs are. Return: free() it; NULL: not there. */
char *criu_find(const char *criu);

/**
 * criu_tested() - has it dumped and restored a process here? Tries it if need be: up to a second.
 * @criu:    path, or a name in PATH
 * @version: major * 10000 + minor * 100 + sublevel
 * @why:     CRIU_TESTED_WHY bytes; on error: what is wrong, and the cure, as a phrase
 * Return: 0; -ENOEXEC: it does not work; -errno.
 */
int criu_tested(const char *criu, int *version, char *why);

#endif
