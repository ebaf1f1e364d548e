// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "poll_until.h"
#include "run.h"

static void child(const char *const argv[], int out, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL); /* what is ignored stays so over exec */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || null < 0 ||
	    dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	close_range(3, ~0U, 0);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

/* Until it closes its end. What there is no room for is read all the same: it shall not wait. */
static bool read_until(int fd, uint64_t end, char *output, size_t size)
{
	char rest[4096];
	size_t used = 0;
	ssize_t n = 1;

	output[0] = 0;
	while (n > 0 && !poll_until(fd, POLLIN, end)) {
		bool room = used < size - 1;

		n = read(fd, room ? output + used : rest, room ? size - 1 - used : sizeof(rest));
		if (n > 0 && room)
			used += (size_t)n;
		output[used] = 0;
	}
	return n <= 0;
}

/* @pid is not waited for by anybody else, so its number is its own. */
static int wait_until(pid_t pid, uint64_t end)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	bool in_time = pidfd >= 0 && !poll_until(pidfd, POLLIN, end);
	int status;

	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return !in_time ? -ETIME : WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

int run_program(const char *const argv[], int timeout_ms, char *output, size_t size)
{
	uint64_t end = clock_mono_ms() + (uint64_t)timeout_ms;
	pid_t parent = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		child(argv, fds[1], parent);
	close(fds[1]);
	if (pid > 0 && !read_until(fds[0], end, output, size))
		end = 0;
	close(fds[0]);
	return pid < 0 ? -errno : wait_until(pid, end);
}
