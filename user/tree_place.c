// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Making, entering and ending a place. What runs in it as PID 1 is in tree_place_init.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "clocks.h"
#include "poll_until.h"
#include "tree_place.h"
#include "tree_place_init.h"

/* PIDs that criu and its helpers may use up before the tree has its own. */
#define PID_ROOM 300

/* How long a new init may take to say that it is there. */
#define READY_MS 5000

enum step { STEP_MOUNTS, STEP_PROC, STEP_PID, STEP_FILES, STEP_EXEC, STEP_COUNT };

static const char *const step_text[STEP_COUNT] = {
	[STEP_MOUNTS] = "cannot separate its mounts",
	[STEP_PROC] = "cannot mount its /proc",
	[STEP_PID] = "cannot choose the next PID (/proc/sys/kernel/ns_last_pid)",
	[STEP_FILES] = "cannot open /dev/null",
	[STEP_EXEC] = "cannot execute its init (/proc/self/exe)",
};

/* What the child tells that did not become an init. */
struct failure {
	int step;
	int err;
};

static pid_t clone_into(uint64_t flags, int *pidfd, int cgroup_fd)
{
	struct clone_args args = {
		.flags = flags | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? cgroup_fd : 0,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : pid;
}

static bool is_wanted(const struct tree_place_want *want, pid_t first, pid_t end)
{
	for (size_t i = 0; i < want->pid_count; i++) {
		if (want->pids[i] >= first && want->pids[i] < end)
			return true;
	}
	return false;
}

static pid_t highest_pid(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/pid_max", "re");
	int max = 0;

	return f && fscanf(f, "%d", &max) == 1 ? max : 32768;
}

/* The first PID behind which PID_ROOM of them are not wanted: 2, or the one after a wanted one. */
static pid_t choose_first_pid(const struct tree_place_want *want)
{
	pid_t max = highest_pid();

	if (is_wanted(want, 1, 2))
		return -ERANGE; /* the init of something: no tree of ours */
	if (!is_wanted(want, 2, 2 + PID_ROOM))
		return 2;
	for (size_t i = 0; i < want->pid_count; i++) {
		pid_t first = want->pids[i] + 1;

		if (first + PID_ROOM < max && !is_wanted(want, first, first + PID_ROOM))
			return first;
	}
	return -ERANGE;
}

/* What is mounted here later comes in; nothing gets out. */
static int separate_mounts(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
}

static int set_first_pid(pid_t first)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	return fd < 0 || dprintf(fd, "%d", first - 1) < 0 ? -1 : 0;
}

/* 0 to 2 and, as TREE_PLACE_LEASH_FD, the leash: nothing else. */
static int arrange_files(int leash)
{
	int null = open("/dev/null", O_RDWR), fd;

	if (null < 0)
		return -1;
	leash = fcntl(leash, F_DUPFD, TREE_PLACE_LEASH_FD + 1);
	null = fcntl(null, F_DUPFD, TREE_PLACE_LEASH_FD + 1);
	for (fd = 0; fd < TREE_PLACE_LEASH_FD; fd++) {
		if (dup2(null, fd) < 0)
			return -1;
	}
	if (dup2(leash, fd) < 0)
		return -1;
	return close_range(fd + 1, ~0U, 0);
}

/* PID 1 of the place, before it is the program again, with a memory that knows nothing. */
static void __attribute__((noreturn)) become_init(int leash, pid_t first_pid, const char *name)
{
	char *const argv[] = { TREE_PLACE_COMM, (char *)name, NULL }, *const envp[] = { NULL };
	struct failure failure = { .step = STEP_MOUNTS };

	if (separate_mounts())
		goto failed;
	failure.step = STEP_PROC;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		goto failed;
	failure.step = STEP_PID;
	if (set_first_pid(first_pid))
		goto failed;
	failure.step = STEP_FILES;
	if (arrange_files(leash))
		goto failed;
	leash = TREE_PLACE_LEASH_FD;
	failure.step = STEP_EXEC;
	setsid();
	execve("/proc/self/exe", argv, envp);
failed:
	failure.err = errno;
	send(leash, &failure, sizeof(failure), MSG_NOSIGNAL);
	_exit(1);
}

/* Return: 0, or -errno with *@why. */
static int wait_until_ready(int leash, const char **why)
{
	int err = poll_until(leash, POLLIN, clock_mono_ms() + READY_MS);
	struct failure failure = {};
	ssize_t len;

	*why = "its init does not answer";
	if (err)
		return err;
	len = recv(leash, &failure, sizeof(failure), 0);
	if (len == TREE_PLACE_READY_BYTES)
		return 0;
	if (len != sizeof(failure))
		return -ECHILD;
	*why = step_text[failure.step];
	return -failure.err;
}

static int start_init(struct tree_place *place, const struct tree_place_want *want, pid_t first_pid,
		      const char **why)
{
	int leash[2];
	pid_t pid;

	*why = "cannot make a socket pair";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, leash))
		return -errno;
	*why = "cannot make a PID and a mount namespace";
	pid = clone_into(CLONE_NEWPID | CLONE_NEWNS | CLONE_PIDFD, &place->init_fd,
			 want->init_cgroup_fd);
	if (!pid)
		become_init(leash[1], first_pid, place->name);
	close(leash[1]);
	if (pid < 0) {
		close(leash[0]);
		return pid;
	}
	place->init = pid;
	place->leash_fd = leash[0];
	return wait_until_ready(leash[0], why);
}

int tree_place_make(struct tree_place *place, const struct tree_place_want *want, const char **why)
{
	pid_t first_pid = choose_first_pid(want);
	int err;

	*place = (struct tree_place){ .init_fd = -1, .leash_fd = -1 };
	place->tree_cgroup_fd = want->tree_cgroup_fd;
	*why = "the tree's PIDs leave no room for others";
	if (first_pid < 0)
		return first_pid;
	*why = "its name is too long";
	if (want->name && strlen(want->name) >= sizeof(place->name))
		return -ENAMETOOLONG;
	strcpy(place->name, want->name ?: "");
	err = start_init(place, want, first_pid, why);
	if (err && place->init_fd >= 0)
		tree_place_end(place, READY_MS);
	return err;
}

int tree_place_keep(struct tree_place *place)
{
	ssize_t sent;

	if (place->leash_fd < 0)
		return -EALREADY;
	sent = send(place->leash_fd, TREE_PLACE_KEEP, sizeof(TREE_PLACE_KEEP), MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EPIPE || errno == ECONNRESET ? -ESRCH : -errno;
	close(place->leash_fd);
	place->leash_fd = -1;
	return 0;
}

/* The children that this process makes from now on are in the PID namespace of @pidfd. */
static int aim_children(int pidfd)
{
	return setns(pidfd, CLONE_NEWPID) ? -errno : 0;
}

static pid_t fork_in_place(const struct tree_place *place, int cgroup_fd)
{
	_cleanup_close_ int self = pidfd_open(getpid(), 0);
	pid_t pid;
	int err;

	if (self < 0)
		return -errno;
	err = aim_children(place->init_fd);
	if (err)
		return err;
	pid = clone_into(0, NULL, cgroup_fd);
	if (!pid && setns(place->init_fd, CLONE_NEWNS))
		_exit(126);
	if (!pid)
		return 0;
	err = aim_children(self);
	if (err && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return err ?: pid;
}

pid_t tree_place_fork(const struct tree_place *place, bool into_tree_cgroup)
{
	if (!place)
		return clone_into(0, NULL, -1);
	return fork_in_place(place, into_tree_cgroup ? place->tree_cgroup_fd : -1);
}

int tree_place_end(struct tree_place *place, int timeout_ms)
{
	int err = 0;

	if (pidfd_send_signal(place->init_fd, SIGKILL, NULL, 0) && errno != ESRCH)
		err = -errno;
	if (!err)
		err = poll_until(place->init_fd, POLLIN, clock_mono_ms() + timeout_ms);
	if (!err)
		waitid(P_PIDFD, place->init_fd, &(siginfo_t){}, WEXITED); /* if it is our child */
	tree_place_close(place);
	return err;
}

void tree_place_close(struct tree_place *place)
{
	if (place->init_fd >= 0)
		close(place->init_fd);
	if (place->leash_fd >= 0)
		close(place->leash_fd);
	place->init_fd = place->leash_fd = -1;
}
