// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * PID 1 of a place: waits for whoever becomes its child, and ends when it is told to, when
 * nobody holds its leash, or, kept, when it is alone. With it the kernel ends all in the place.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"
#include "tree_place.h"
#include "tree_place_init.h"

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
	if (number == SIGTERM)
		told_to_end = 1;
}

/* Both are blocked but while we wait, so that none comes between a look and the wait. */
static void take_signals(sigset_t *while_waiting)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigaction(SIGCHLD, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(while_waiting);
	sigfillset(&blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Return: is there still a child? */
static bool reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return !pid;
}

static int is_another(int pid, void *ctx)
{
	(void)ctx;
	return pid != 1;
}

/* criu and what it restores become children of ours only when criu has ended. */
static bool is_alone(void)
{
	return !proc_each(0, "", is_another, NULL);
}

/* Return: 1: still on the leash; 0: kept; -1: let go. */
static int read_leash(void)
{
	char text[sizeof(TREE_PLACE_KEEP)];
	ssize_t len = recv(TREE_PLACE_LEASH_FD, text, sizeof(text), MSG_DONTWAIT);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -1;
	return len == sizeof(text) && !memcmp(text, TREE_PLACE_KEEP, sizeof(text)) ? 0 : -1;
}

/* Nobody tells when the child of somebody outside has gone: look again. */
static void wait_for_something(bool leashed, bool has_child, const sigset_t *while_waiting)
{
	struct pollfd leash = { .fd = TREE_PLACE_LEASH_FD, .events = POLLIN };
	struct timespec second = { .tv_sec = 1 };

	ppoll(&leash, leashed, leashed || has_child ? NULL : &second, while_waiting);
}

static int live(const sigset_t *while_waiting)
{
	bool leashed = true;

	while (!told_to_end) {
		bool has_child = reap();

		if (!leashed && !has_child && is_alone())
			break;
		wait_for_something(leashed, has_child, while_waiting);
		if (leashed) {
			int state = read_leash();

			if (state < 0)
				return 0;
			if (!state)
				close(TREE_PLACE_LEASH_FD);
			leashed = state;
		}
	}
	return 0;
}

bool tree_place_is_init(int argc, char **argv)
{
	return argc > 0 && getpid() == 1 && !strcmp(argv[0], TREE_PLACE_COMM);
}

int tree_place_init(void)
{
	sigset_t while_waiting;

	prctl(PR_SET_NAME, TREE_PLACE_COMM);
	take_signals(&while_waiting);
	if (send(TREE_PLACE_LEASH_FD, TREE_PLACE_READY, TREE_PLACE_READY_BYTES, MSG_NOSIGNAL) < 0)
		return 0; /* nobody waits for us */
	return live(&while_waiting);
}
