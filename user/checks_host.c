// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "checks.h"
#include "cleanup.h"

#define BPF_FS_MAGIC 0xcafe4a11

/* One line of a file in /proc or /sys, without its end. Return: false if there is none. */
static bool read_line(const char *path, char *buf, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	if (!file || !fgets(buf, size, file))
		return false;
	buf[strcspn(buf, "\n")] = 0;
	return true;
}

static unsigned long long effective_caps(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	}
	return caps;
}

/* CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON, as the kernel has it. */
static void list_missing(char *missing, size_t size, unsigned long long caps)
{
	static const struct {
		int number;
		const char *name;
		bool by_admin;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN", false },
		{ CAP_BPF, "CAP_BPF", true },
		{ CAP_PERFMON, "CAP_PERFMON", true },
	};
	size_t used = 0;

	*missing = 0;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (caps >> needed[i].number & 1 ||
		    (needed[i].by_admin && caps >> CAP_SYS_ADMIN & 1))
			continue;
		used += snprintf(missing + used, size - used, "%s%s", used ? ", " : "",
				 needed[i].name);
	}
}

static void check_capabilities(struct findings *f)
{
	unsigned long long caps = effective_caps();
	char missing[64];

	list_missing(missing, sizeof(missing), caps);
	if (*missing) {
		findings_add(f, "capabilities", FINDING_FAIL, "missing: %s", missing);
		findings_cure(f, "run as root");
	} else if (!(caps >> CAP_SYS_RESOURCE & 1)) {
		findings_add(f, "capabilities", FINDING_WARN,
			     "CAP_SYS_RESOURCE is missing: on server hosts a process of another "
			     "user than root cannot be dumped");
		findings_cure(f, "give the container or virtual machine CAP_SYS_RESOURCE, or run "
				 "the server as root");
	} else {
		findings_add(f, "capabilities", FINDING_OK, "all that is needed");
	}
}

static void check_unprivileged(struct findings *f)
{
	char value[16];

	if (!read_line("/proc/sys/kernel/unprivileged_bpf_disabled", value, sizeof(value)))
		return; /* no such switch: nothing to say */
	if (strcmp(value, "0")) {
		findings_add(f, "unprivileged_bpf", FINDING_OK, "unprivileged BPF is disabled");
		return;
	}
	findings_add(f, "unprivileged_bpf", FINDING_WARN,
		     "every user may load BPF programs on this host");
	findings_cure(f, "sysctl -w kernel.unprivileged_bpf_disabled=1");
}

static void check_lockdown(struct findings *f)
{
	char value[64];

	if (!read_line("/sys/kernel/security/lockdown", value, sizeof(value)))
		findings_add(f, "lockdown", FINDING_OK, "not there, or not readable");
	else
		findings_add(f, "lockdown", FINDING_OK, "%s (BPF for tc works in all of them)",
			     value);
}

static void check_bpffs(struct findings *f)
{
	struct statfs fs;

	if (!statfs(PINDIR_BPFFS, &fs) && (unsigned int)fs.f_type == BPF_FS_MAGIC) {
		findings_add(f, "bpffs", FINDING_OK, "mounted on " PINDIR_BPFFS);
		return;
	}
	findings_add(f, "bpffs", FINDING_WARN,
		     "none is mounted on " PINDIR_BPFFS "; attach mounts one");
	findings_cure(f, "mount -t bpf -o mode=0700 bpf " PINDIR_BPFFS);
}

void checks_host(struct findings *f)
{
	check_capabilities(f);
	check_unprivileged(f);
	check_lockdown(f);
	check_bpffs(f);
}

static void pin_dir_refused(const char *path, struct findings *f)
{
	struct stat st = {};

	if (stat(path, &st))
		st.st_mode = 0;
	findings_add(f, "pin_dir", FINDING_FAIL,
		     "%s: others may write there (mode %04o, user %u): they could redirect every "
		     "connection",
		     path, st.st_mode & 07777, st.st_uid);
	findings_cure(f, "chown root %s; chmod 0700 %s", path, path);
}

void checks_pin_dir(const char *path, int err, struct findings *f)
{
	struct stat st;

	if (!err && !stat(path, &st)) {
		findings_add(f, "pin_dir", FINDING_OK, "%s: mode %04o, user %u, maps as expected",
			     path, st.st_mode & 07777, st.st_uid);
	} else if (err == -ENOENT) {
		findings_add(f, "pin_dir", FINDING_OK, "%s: nothing is attached", path);
	} else if (err == -ENOTUNIQ) {
		pin_dir_refused(path, f);
	} else if (err == -EMEDIUMTYPE) {
		findings_add(f, "pin_dir", FINDING_FAIL, "%s: not in a BPF file system", path);
		findings_cure(f, "mount -t bpf -o mode=0700 bpf " PINDIR_BPFFS
				 ", or --pin-dir with a directory as " PINDIR_DEFAULT);
	} else if (err == -EPROTO) {
		findings_add(f, "pin_dir", FINDING_FAIL, "%s: maps of another version", path);
		findings_cure(f, "'tcpmig-bpf detach --all' with that version");
	} else if (err == -EBUSY) {
		findings_add(f, "pin_dir", FINDING_WARN,
			     "%s: another command has had it locked for 10 s", path);
		findings_cure(f, "wait for it, or end it: 'fuser %s' says who", path);
	} else {
		findings_add(f, "pin_dir", FINDING_FAIL, "%s: cannot open it (%s)", path,
			     strerror(-err));
		findings_cure(f, "run as root");
	}
}
