// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who would start a second server here once the first is gone. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "preflight.h"
#include "proc.h"
#include "restart.h"
#include "tree.h"

/** struct manager - a program that starts others again; a name with '*' begins so. */
static const struct manager {
	const char *comm, *what, *cure;
} managers[] = {
	{ "conmon", "podman or CRI-O",
	  "podman update --restart=no CONTAINER, or stop its pod's restarts" },
	{ "containerd-shim*", "containerd (Docker, Kubernetes)",
	  "docker update --restart=no CONTAINER" },
	{ "supervisord", "supervisord", "set autorestart=false for it" },
	{ "runsv", "runit", "sv once SERVICE" },
	{ "s6-supervise", "s6", "s6-svc -O SERVICE" },
	{ "supervise", "daemontools", "svc -o SERVICE" },
	{ "monit", "monit", "monit unmonitor SERVICE" },
	{ "circusd", "circus", "circusctl set WATCHER respawn False" },
	{ "PM2*", "pm2", "start it without pm2" },
};

/** struct container - how cgroups of containers are called. */
static const struct container {
	const char *part, *what, *cure;
} containers[] = {
	{ "libpod-", "a container of podman",
	  "move it with podman, or run the server outside of it" },
	{ "/docker", "a container of Docker", "run the server outside of it" },
	{ "docker-", "a container of Docker", "run the server outside of it" },
	{ "cri-containerd-", "a container of Kubernetes", "run the server outside of it" },
	{ "crio-", "a container of CRI-O", "run the server outside of it" },
	{ "/lxc", "a container of LXC", "run the server outside of it" },
	{ "machine-", "a machine of systemd-nspawn", "run the server outside of it" },
};

static bool is_named(const char *comm, const char *name)
{
	const char *star = strchr(name, '*');

	return star ? !strncmp(comm, name, star - name) : !strcmp(comm, name);
}

static void check_parent(const struct tree *t, struct findings *f)
{
	const struct tree_task *root = &t->tasks[0];
	char comm[32];

	proc_comm(root->parent, comm, sizeof(comm));
	for (size_t i = 0; i < ARRAY_SIZE(managers); i++) {
		if (!is_named(comm, managers[i].comm))
			continue;
		findings_add(
			f, "restart", FINDING_FAIL,
			"%d (%s) is a child of %d (%s): %s would start it again once it is moved",
			root->pid, root->comm, root->parent, comm, managers[i].what);
		findings_cure(f, "%s", managers[i].cure);
		return;
	}
}

/* We may be in one ourselves: then it is the server's host. */
static void check_container(const struct tree *t, struct findings *f)
{
	const struct tree_task *root = &t->tasks[0];
	char theirs[PATH_MAX], ours[PATH_MAX];

	proc_read(root->pid, "cgroup", theirs, sizeof(theirs));
	proc_read(getpid(), "cgroup", ours, sizeof(ours));
	for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
		if (!strstr(theirs, containers[i].part) || strstr(ours, containers[i].part))
			continue;
		findings_add(f, "restart", FINDING_FAIL, "%d (%s) is in %s, which would see it end",
			     root->pid, root->comm, containers[i].what);
		findings_cure(f, "%s", containers[i].cure);
		return;
	}
}

static void say_service(const struct restart_unit *unit, struct findings *f)
{
	if (unit->user) {
		findings_add(f, "restart", FINDING_WARN,
			     "it is %s of a user's own systemd, which may start it again: nobody "
			     "asks that one",
			     unit->unit);
		findings_cure(f, "systemctl --user edit %s: [Service] Restart=no", unit->unit);
		return;
	}
	if (*unit->triggers) {
		findings_add(f, "restart", FINDING_WARN, "%s is started again by %s, too",
			     unit->unit, unit->triggers);
		findings_cure(f, "systemctl stop %s", unit->triggers);
	}
	if (strcmp(unit->policy, "no")) {
		findings_add(f, "restart", FINDING_WARN,
			     "%s has Restart=%s, which is off while it is moved, and until it has "
			     "ended here",
			     unit->unit, unit->policy);
		findings_cure(f, "systemctl edit %s: [Service] Restart=no, to have it off for good",
			      unit->unit);
	}
}

static void check_service(const struct tree *t, struct findings *f)
{
	struct restart_unit unit;
	char why[RESTART_WHY_LEN] = "";
	int err = restart_find(t->tasks[0].pid, &unit, why);

	if (!err) {
		say_service(&unit, f);
	} else if (err != -ENOENT) {
		findings_add(f, "restart", FINDING_FAIL,
			     "whether systemd would start it again is not known: %s",
			     *why ? why : strerror(-err));
		findings_cure(f, "see systemctl status %d", t->tasks[0].pid);
	}
}

void preflight_restart(const struct preflight *p, struct findings *f)
{
	check_parent(p->tree, f);
	check_container(p->tree, f);
	check_service(p->tree, f);
}
