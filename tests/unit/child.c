// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#define LIMIT_MS 10000

/* The child's end of the pipe by which it says that it is ready, or why not. */
static int report = -1;

void must_be(int ok, const char *what, int line)
{
	char text[200];
	int len;

	if (ok)
		return;
	len = snprintf(text, sizeof(text), "line %d: %s: %s", line, what, strerror(errno));
	_exit(write(report, text, len) < 0 ? 2 : 1);
}

/* Far away, so that the numbers of what the test opens are the usual ones. */
static void be_alone(int end)
{
	int null = open("/dev/null", O_RDWR);

	report = fcntl(end, F_DUPFD_CLOEXEC, 500);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, report - 1, 0);
	close_range(report + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
}

pid_t child_start(void (*fn)(void *arg), void *arg)
{
	char text[200] = "";
	struct pollfd said = { .events = POLLIN };
	int ends[2];
	pid_t pid;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* for child_stop() */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		be_alone(ends[1]);
		fn(arg);
		if (write(report, "ready", 5) != 5)
			_exit(1);
		close(report);
		for (;;)
			pause();
	}
	close(ends[1]);
	said.fd = ends[0];
	assert_int_equal(poll(&said, 1, LIMIT_MS), 1);
	if (read(ends[0], text, sizeof(text) - 1) <= 0 || strcmp(text, "ready"))
		fail_msg("the child: %s", *text ? text : "it ended");
	close(ends[0]);
	return pid;
}

void child_stop(pid_t pid)
{
	kill(-pid, SIGKILL);
	/* Also its children: as long as they are there their ports are taken. */
	while (waitpid(-pid, NULL, 0) > 0)
		;
}

int own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = ioctl(fd, SIOCSIFFLAGS, &lo) ? -errno : 0;
	close(fd);
	return err;
}
