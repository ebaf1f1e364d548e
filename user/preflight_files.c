// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "preflight.h"
#include "tree_files.h"

#define MAJOR_MEM  1 /* null, zero, random and so on */
#define MAJOR_MISC 10
#define MINOR_TUN  200
#define MAJOR_PTS  136 /* to 143 */

/* Of this size and more, a deleted file is worth a word: it is dumped while all is frozen. */
#define DELETED_BYTES (16 << 20)

/* What CRIU 4.2 carries. */
static const char *const carried[] = { "[eventfd]",  "[eventpoll]", "inotify", "[fanotify]",
				       "[signalfd]", "[timerfd]",   "[pidfd]", "bpf-map" };

/** struct remedy - how to do without. */
static const struct remedy {
	const char *name, *cure;
} remedies[] = {
	{ "[io_uring]",
	  "switch io_uring off in the program, or with sysctl kernel.io_uring_disabled=2 "
	  "before it starts" },
	{ "[perf_event]", "end the profiling" },
	{ "[userfaultfd]", "it cannot be moved while it serves page faults itself" },
	{ "bpf-prog", "move it without its BPF programs" },
	{ "bpf_link", "move it without its BPF programs" },
};

static bool is_carried(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(carried); i++) {
		if (!strcmp(name, carried[i]))
			return true;
	}
	return false;
}

static const char *cure_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(remedies); i++) {
		if (!strcmp(name, remedies[i].name))
			return remedies[i].cure;
	}
	return "let the program close it before the move";
}

static void cannot(const struct tree_special *special, const char *what, const char *cure,
		   struct findings *f)
{
	if (special->fd >= 0)
		findings_add(f, "files", FINDING_FAIL, "descriptor %d of %d is %s: %s", special->fd,
			     special->pid, special->name, what);
	else
		findings_add(f, "files", FINDING_FAIL, "%d has mapped %s: %s", special->pid,
			     special->name, what);
	findings_cure(f, "%s", cure);
}

static bool device_is_carried(dev_t dev)
{
	return major(dev) == MAJOR_MEM || (major(dev) == MAJOR_MISC && minor(dev) == MINOR_TUN);
}

static void check_outside(const struct tree_special *special, const char *what, struct findings *f)
{
	if (!special->outside)
		return;
	findings_add(f, "files", FINDING_FAIL,
		     "descriptor %d of %d is %s %s, which %d (%s) outside of the tree has too",
		     special->fd, special->pid, what, special->name, special->outside,
		     special->outside_comm);
	findings_cure(
		f, "start it with descriptors 0 to 2 only: setsid COMMAND </dev/null >LOG 2>&1; or "
		   "as a service");
}

static void check_tty(const struct tree_special *special, struct findings *f)
{
	if (special->outside)
		check_outside(special, "the terminal", f);
	else if (major(special->dev) < MAJOR_PTS && !strstr(special->name, "ptmx"))
		cannot(special, "a terminal of this host", "start it with </dev/null >LOG 2>&1", f);
}

static void check_shared_memory(const struct tree_special *special, struct findings *f)
{
	if (!strncmp(special->name, "/SYSV", strlen("/SYSV")))
		cannot(special,
		       "shared memory of System V, which CRIU takes from an IPC namespace only",
		       "let it use mmap or shm_open", f);
	if (strncmp(special->name, "/dev/shm/", strlen("/dev/shm/")))
		return;
	findings_add(f, "files", FINDING_WARN,
		     "%s, in memory, does not go along: the same has to be there at the target",
		     special->name);
	findings_cure(f, "let it be unlinked after it is open: then it goes along in the images");
}

static void check_deleted(const struct tree_special *special, struct findings *f)
{
	if (special->size < DELETED_BYTES)
		return;
	findings_add(f, "files", FINDING_WARN,
		     "%s goes along in the images: %llu MiB more while it is frozen", special->name,
		     (unsigned long long)special->size >> 20);
}

/* A namespace, such as "net:[4026531840]", or a pidfd where these have inodes of their own. */
static bool is_namespace(const char *name)
{
	static const char *const kinds[] = { "net:[",  "mnt:[",	   "pid:[",  "uts:[",  "ipc:[",
					     "user:[", "cgroup:[", "time:[", "pidfd:[" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strncmp(name, kinds[i], strlen(kinds[i])))
			return true;
	}
	return false;
}

static void check_special(const struct tree_special *special, struct findings *f)
{
	switch (special->kind) {
	case TREE_DEVICE:
		if (!device_is_carried(special->dev))
			cannot(special, "a device, which CRIU does not carry",
			       "let the program close it before the move", f);
		break;
	case TREE_TTY:
		check_tty(special, f);
		break;
	case TREE_PIPE:
	case TREE_FIFO:
		check_outside(special, "the pipe", f);
		break;
	case TREE_ANON:
		if (!is_carried(special->name))
			cannot(special, "CRIU does not carry it", cure_of(special->name), f);
		break;
	case TREE_SHM:
		check_shared_memory(special, f);
		break;
	case TREE_DELETED:
		check_deleted(special, f);
		break;
	case TREE_UNKNOWN:
		if (!is_namespace(special->name))
			cannot(special, "of a kind that is not known here",
			       "let the program close it before the move", f);
		break;
	case TREE_MEMFD:
		break;
	}
}

void preflight_files(const struct preflight *p, struct findings *f)
{
	for (size_t i = 0; i < p->files->special_count; i++)
		check_special(&p->files->specials[i], f);
}
