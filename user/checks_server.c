// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A host of servers: could trees move here and from here, and is any move left half done? */
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cgroup.h"
#include "checks.h"
#include "control_message.h"
#include "fence.h"
#include "host_files.h"
#include "host_record.h"
#include "journal.h"

static void check_cgroup(struct findings *f)
{
	char dir[PATH_MAX];
	int err = cgroup_mount(dir);

	if (!err) {
		findings_add(f, "cgroup", FINDING_OK, "%s: cgroup v2", dir);
		return;
	}
	findings_add(f, "cgroup", FINDING_FAIL,
		     "no cgroup v2 is mounted (%s), in which a tree could be frozen",
		     strerror(-err));
	findings_cure(f, "mount -t cgroup2 cgroup2 /sys/fs/cgroup; where v1 is there: mkdir "
			 "/sys/fs/cgroup/unified and mount it there");
}

/* The directory, or the nearest above that is there: it is made when it is needed. */
static int statfs_above(const char *path, struct statfs *fs)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	while (statfs(part, fs)) {
		char *slash = strrchr(part, '/');

		if (errno != ENOENT || !slash)
			return -errno;
		slash[slash == part] = 0; /* "/" is the last that is tried */
	}
	return 0;
}

static void check_images(const char *dir, struct findings *f)
{
	unsigned long long free_mib;
	struct statfs fs;
	int err = statfs_above(dir, &fs);

	if (err) {
		findings_add(f, "images", FINDING_FAIL, "%s: %s", dir, strerror(-err));
		findings_cure(f, "images = /run/tcpmig/images in host.conf");
		return;
	}
	free_mib = (unsigned long long)fs.f_bavail * fs.f_bsize >> 20;
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC) {
		findings_add(f, "images", FINDING_OK, "%s: in memory, room for %llu MiB", dir,
			     free_mib);
		return;
	}
	findings_add(f, "images", FINDING_WARN,
		     "%s: on a disk: a process stands still for as long as it takes to write it",
		     dir);
	findings_cure(f,
		      "mount -t tmpfs -o mode=0700 tmpfs %s, or images = /run/tcpmig/images in "
		      "host.conf",
		      dir);
}

static int check_journal(const struct journal_state *state, int err, void *ctx)
{
	struct findings *f = ctx;
	char uuid[MESSAGE_UUID_STRLEN];

	message_uuid_text(state->uuid, uuid);
	if (err) {
		findings_add(f, "migration", FINDING_FAIL, "%s: its journal: %s", uuid,
			     err == -EBADMSG ? "damaged" : strerror(-err));
		findings_cure(f, "see where the process runs, then remove the file %s.journal",
			      uuid);
	} else if (state->busy) {
		findings_add(f, "migration", FINDING_OK, "%s: under way, %s", uuid,
			     journal_type_name(state->type));
	} else if (!journal_has_ended(state->type)) {
		findings_add(f, "migration", FINDING_WARN,
			     "%s: of %s (%u), %s, and nobody is at work on it", uuid,
			     state->prepared ? state->prepared->name : "?",
			     state->prepared ? state->prepared->pid : 0,
			     state->committed ? "decided" : "not decided");
		findings_cure(f,
			      "tcpmig-bpf migrate --resume %s; or start 'tcpmig-bpf host', which "
			      "does it",
			      uuid);
	}
	return 0;
}

/** struct locks - what check_lock() compares with. */
struct locks {
	const struct host_conf *conf;
	struct findings *f;
};

/* One of A has a journal, one of B a record. */
static bool is_known(const struct host_conf *conf, const uint8_t uuid[HOST_UUID_LEN])
{
	struct journal_state state;
	int err = journal_open_read(conf->state, uuid, &state);

	journal_state_free(&state);
	return err != -ENOENT || host_record_is_known(conf->images, uuid);
}

static int check_lock(const uint8_t uuid[HOST_UUID_LEN], enum fence_state state, size_t flows,
		      void *ctx)
{
	const struct locks *l = ctx;
	char text[MESSAGE_UUID_STRLEN];

	if (is_known(l->conf, uuid))
		return 0;
	message_uuid_text(uuid, text);
	findings_add(l->f, "fence", FINDING_WARN,
		     "%s: %zu connections are %s, for a migration that nobody knows of", text,
		     flows, state == FENCE_CLOSED ? "dropped" : "noted");
	findings_cure(l->f, "tcpmig-bpf migrate --abort %s", text);
	return 0;
}

static void check_locks(const struct host_conf *conf, struct findings *f)
{
	struct locks l = { conf, f };
	int err = fence_each(conf->pins, check_lock, &l);

	if (err >= 0)
		return;
	findings_add(f, "fence", FINDING_FAIL, "%s: %s", conf->pins,
		     err == -EXDEV    ? "serves another network namespace"
		     : err == -EPROTO ? "maps of another version"
				      : strerror(-err));
	findings_cure(f, err == -EXDEV ? "run doctor in that one, or another pins = in host.conf"
			 : geteuid()   ? "run as root"
				       : "end what moves; then remove the directory");
}

/* As daemon and migrator read it, with the certificates that it names. */
static void check_conf(const char *path, struct host_files *files, struct findings *f)
{
	char why[HOST_FILES_WHY_LEN];

	if (host_files_load(path, files, why)) {
		findings_add(f, "host_conf", FINDING_FAIL, "%s", why);
		findings_cure(f, geteuid() ? "run as root" : "man tcpmig-host.conf");
		return;
	}
	if (files->conf.accept_count)
		findings_add(f, "host_conf", FINDING_OK, "%s: %zu [accept], %s is good", path,
			     files->conf.accept_count, files->conf.cert);
	else
		findings_add(f, "host_conf", FINDING_OK,
			     "%s: without an [accept]: nothing may move here", path);
}

void checks_server(const char *path, char criu[PATH_MAX], struct findings *f)
{
	struct host_files files = {};

	*criu = 0;
	if (access(path, F_OK) && errno == ENOENT)
		return;
	check_conf(path, &files, f);
	check_cgroup(f);
	if (!files.accepts)
		return;
	snprintf(criu, PATH_MAX, "%s", files.conf.criu);
	check_images(files.conf.images, f);
	journal_each(files.conf.state, check_journal, f);
	check_locks(&files.conf, f);
	host_files_free(&files);
}
