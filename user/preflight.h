/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Can this tree be moved, and if not: why, and what to do? Before anything is frozen. Each part
 * adds findings: FINDING_FAIL is fatal, FINDING_WARN is to be told, nothing is added where all is
 * well.
 */
#ifndef TCPMIG_PREFLIGHT_H
#define TCPMIG_PREFLIGHT_H

#include <stddef.h>

#include "findings.h"
#include "tcpmig_shared.h"

struct tree;
struct tree_files;
struct tree_sockets;

/**
 * struct preflight - what is looked at; all read before, also tree_sockets_mark_foreign() and
 * tree_files_find_outside().
 * @target: address of B; NULL or family 0: not known
 */
struct preflight {
	const struct tree *tree;
	const struct tree_sockets *sockets;
	const struct tree_files *files;
	const struct tcpmig_endpoint *target;
};

/** preflight_all() - all of these but kernels and CPU, which need what B says. */
void preflight_all(const struct preflight *p, struct findings *f);

/*
 * The parts. Findings have these names: pids, namespaces, session, user, traced, seccomp; sockets;
 * peers; files; restart; kernel; cpu.
 */

/** preflight_tree() - PIDs, namespaces, sessions, users, tracers, threads' seccomp. */
void preflight_tree(const struct preflight *p, struct findings *f);

/** preflight_sockets() - kinds of sockets, what they have that CRIU does not carry, who else has
 * them. */
void preflight_sockets(const struct preflight *p, struct findings *f);

/** preflight_peers() - listeners and connections with ends that a move cannot carry: loopback,
 * link-local, this host, @p->target. */
void preflight_peers(const struct preflight *p, struct findings *f);

/** preflight_files() - devices, terminals, anonymous inodes, what is shared with others. */
void preflight_files(const struct preflight *p, struct findings *f);

/** preflight_restart() - who would start it again once it is gone: systemd, container managers. */
void preflight_restart(const struct preflight *p, struct findings *f);

/**
 * preflight_kernels() - by uname's release, can sockets go from @source to @target? From 6.7 on TCP
 * timestamps may be in microseconds, which an older kernel does not know.
 */
void preflight_kernels(const char *source, const char *target, struct findings *f);

/** preflight_source_is_old() - is the kernel @release older than 6.7, so that bit 0 of TCP
 * timestamps in images means nothing? */
bool preflight_source_is_old(const char *release);

/** struct cpu_flags - names of features, sorted. */
struct cpu_flags {
	char **names;
	size_t count;
};

/** cpu_flags_read() - of this host, as /proc/cpuinfo ("flags", "Features") has them. Return: 0 or
 * -errno. */
int cpu_flags_read(struct cpu_flags *flags);
void cpu_flags_free(struct cpu_flags *flags);

/**
 * preflight_cpu() - does @target have all that a program may have found at @source? Features of
 * the kernel's own use are left out.
 */
void preflight_cpu(char *const *source, size_t source_count, char *const *target,
		   size_t target_count, struct findings *f);

#endif
