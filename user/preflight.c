// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preflight.h"
#include "proc.h"
#include "tree.h"

#define CAP_SYS_RESOURCE_BIT 24
#define SECCOMP_FILTERS	     2

void preflight_all(const struct preflight *p, struct findings *f)
{
	preflight_tree(p, f);
	preflight_sockets(p, f);
	preflight_peers(p, f);
	preflight_files(p, f);
	preflight_restart(p, f);
}

static void check_namespaces(const struct tree *t, struct findings *f)
{
	const struct tree_task *root = &t->tasks[0];

	if (!t->pidns_is_ours && root->inner == 1) {
		findings_add(f, "pids", FINDING_FAIL,
			     "%d (%s) is the init of a PID namespace, as in a container", root->pid,
			     root->comm);
		findings_cure(f, "move the process below it, or the container with its own tools");
	}
	if (!t->one_pidns || !t->one_mntns) {
		findings_add(f, "namespaces", FINDING_FAIL,
			     "the processes below %d (%s) are in several %s namespaces", root->pid,
			     root->comm, t->one_pidns ? "mount" : "PID");
		findings_cure(f, "start them without namespaces of their own");
	}
}

static void check_session(const struct tree *t, struct findings *f)
{
	const struct tree_task *root = &t->tasks[0];

	if (root->session == root->pid)
		return;
	findings_add(f, "session", FINDING_FAIL, "%d (%s) is not the leader of its session",
		     root->pid, root->comm);
	findings_cure(f, "start it with setsid, or as a service; or move the leader, %d",
		      root->session);
}

static unsigned long long our_capabilities(const char *status)
{
	const char *field = proc_field(status, "CapEff");

	return field ? strtoull(field, NULL, 16) : 0;
}

static void check_users(const struct tree *t, const char *status, struct findings *f)
{
	if (our_capabilities(status) >> CAP_SYS_RESOURCE_BIT & 1)
		return;
	for (size_t i = 0; i < t->count; i++) {
		if (t->tasks[i].uid == getuid() || t->tasks[i].state == 'Z')
			continue;
		findings_add(f, "user", FINDING_FAIL,
			     "%d (%s) runs as user %u, and without CAP_SYS_RESOURCE its limits "
			     "cannot be read",
			     t->tasks[i].pid, t->tasks[i].comm, t->tasks[i].uid);
		findings_cure(f, "run tcpmig-bpf with CAP_SYS_RESOURCE, or the server as user %u",
			      getuid());
		return;
	}
}

static void check_tracers(const struct tree *t, struct findings *f)
{
	char comm[32];

	for (size_t i = 0; i < t->count; i++) {
		if (!t->tasks[i].tracer)
			continue;
		proc_comm(t->tasks[i].tracer, comm, sizeof(comm));
		findings_add(f, "traced", FINDING_FAIL, "%d (%s) is traced by %d (%s)",
			     t->tasks[i].pid, t->tasks[i].comm, t->tasks[i].tracer, comm);
		findings_cure(f, "end the debugger or strace, %d", t->tasks[i].tracer);
		return;
	}
}

/* The kernel shows filters only to who has none. */
static void check_seccomp(const struct tree *t, const char *status, struct findings *f)
{
	const char *ours = proc_field(status, "Seccomp");

	if (!ours || !atoi(ours))
		return;
	for (size_t i = 0; i < t->count; i++) {
		if (t->tasks[i].seccomp != SECCOMP_FILTERS)
			continue;
		findings_add(f, "seccomp", FINDING_FAIL,
			     "%d (%s) has seccomp filters, and so has tcpmig-bpf, which therefore "
			     "may not read them",
			     t->tasks[i].pid, t->tasks[i].comm);
		findings_cure(
			f, "run tcpmig-bpf outside of a container, and without SystemCallFilter=");
		return;
	}
}

void preflight_tree(const struct preflight *p, struct findings *f)
{
	char status[4096];

	proc_read(getpid(), "status", status, sizeof(status));
	check_namespaces(p->tree, f);
	check_session(p->tree, f);
	check_users(p->tree, status, f);
	check_tracers(p->tree, f);
	check_seccomp(p->tree, status, f);
}
