// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "agent_files.h"
#include "agent_keeper.h"
#include "agent_log.h"
#include "agent_sandbox.h"
#include "cleanup.h"
#include "clocks.h"
#include "keeper_line.h"
#include "keeper_reload.h"
#include "keeper_sandbox.h"
#include "log.h"
#include "neighbours.h"
#include "netlink.h"
#include "notify.h"
#include "policy.h"
#include "session.h"

#define STOP_WAIT_MS 5000 /* then the agent is killed */
#define SYNC_GAP_MS  200  /* from one look at the neighbours to the next */
#define LOOK_GAP_MS  2000 /* are the pins still there? */
#define LOCK_WAIT_MS 50

/**
 * struct keeper - times in ms of CLOCK_MONOTONIC; 0: never
 * @line:         to the agent
 * @alive:        it has said so since the last WATCHDOG=1
 * @rules:        they have changed since the last look at the neighbours
 * @failed:       what it ends for is no order of the administrator's
 * @watchdog_ms:  half of what systemd waits
 */
struct keeper {
	struct agent_start *start;
	pid_t agent;
	int line;
	int signals;
	bool alive;
	bool rules;
	bool failed;
	uint64_t watchdog_ms;
	uint64_t watchdog_at;
	uint64_t sync_at;
	uint64_t look_at;
	uint64_t kill_at;
};

static void stop(struct keeper *k)
{
	int err;

	if (k->kill_at)
		return;
	k->kill_at = clock_mono_ms() + STOP_WAIT_MS;
	notify("STOPPING=1");
	err = keeper_order(k->line, KEEPER_STOP, NULL);
	if (err)
		agent_log(AGENT_LOG_WARNING, "stop-not-sent", "error", strerror(-err), NULL);
}

static void fail(struct keeper *k)
{
	k->failed = true;
	stop(k);
}

static bool may_touch(const struct tcpmig_endpoint *old, void *ctx)
{
	const struct keeper *k = ctx;

	return policy_knows_old(k->start->conf.policies, k->start->conf.policy_count, old);
}

static int lock_pins(void *ctx)
{
	struct keeper *k = ctx;

	return pindir_lock(&k->start->pins, LOCK_WAIT_MS);
}

static void unlock_pins(void *ctx)
{
	struct keeper *k = ctx;

	pindir_unlock(&k->start->pins);
}

static void sync_neighbours(struct keeper *k)
{
	const struct neighbours_caller caller = { may_touch, lock_pins, unlock_pins, k };
	int err;

	k->rules = false;
	err = k->start->our_netns ? neighbours_sync_for(&k->start->tables, &caller, NULL) : 0;
	k->sync_at = clock_mono_ms() + SYNC_GAP_MS;
	if (err == -EBUSY) /* a command is at work: later */
		k->rules = true;
	else if (err && err != -ENOENT)
		agent_log(AGENT_LOG_WARNING, "neighbours-not-set", "error", strerror(-err), NULL);
}

/* The agent cannot open what an attach has pinned anew: it has to be started again. */
static void look_for_pins(struct keeper *k)
{
	const struct session s = { .dir = k->start->pins, .tables = k->start->tables };

	k->look_at = clock_mono_ms() + LOOK_GAP_MS;
	if (k->kill_at || !session_is_gone(&s))
		return;
	agent_log(AGENT_LOG_ERROR, "pins-gone", "pins", k->start->pins.path, NULL);
	fail(k);
}

static void feed_watchdog(struct keeper *k)
{
	k->watchdog_at = clock_mono_ms() + k->watchdog_ms;
	if (k->alive)
		notify("WATCHDOG=1");
	k->alive = false;
}

static void take_note(struct keeper *k, enum keeper_note note)
{
	switch (note) {
	case KEEPER_READY:
		agent_log(AGENT_LOG_INFO, "ready", "pins", k->start->pins.path, "netns",
			  k->start->our_netns ? "own" : "other", NULL);
		notify("READY=1");
		k->alive = true;
		break;
	case KEEPER_ALIVE:
		k->alive = true;
		break;
	case KEEPER_RULES:
		k->rules = true;
		break;
	case KEEPER_RELOADED:
		agent_log(AGENT_LOG_INFO, "reloaded", NULL);
		notify("READY=1");
		break;
	}
}

/* So many at once: who sends without end does not keep us from the rest. */
static void read_notes(struct keeper *k)
{
	int note = 0;

	for (int i = 0; i < 64 && note >= 0; i++) {
		note = keeper_note(k->line);
		if (note >= 0)
			take_note(k, note);
	}
	if (note < 0 && note != -EAGAIN) { /* its end is closed; SIGCHLD says the rest */
		close(k->line);
		k->line = -1;
	}
}

static void log_end(int status)
{
	int number = WTERMSIG(status);

	if (!WIFSIGNALED(status))
		agent_log(AGENT_LOG_ERROR, "agent-ended", "status",
			  AGENT_LOG_NUM(WEXITSTATUS(status)), NULL);
	else if (number == SIGSYS)
		agent_log(AGENT_LOG_ERROR, "agent-ended", "signal", "SYS", "why",
			  "a system call that its sandbox forbids", NULL);
	else
		agent_log(AGENT_LOG_ERROR, "agent-ended", "signal", sigabbrev_np(number), NULL);
}

/* Return: exit status of the command; -1: the agent goes on. */
static int reap(struct keeper *k)
{
	int status;

	if (waitpid(k->agent, &status, WNOHANG) != k->agent)
		return -1;
	if (k->kill_at && WIFEXITED(status) && !WEXITSTATUS(status)) {
		agent_log(AGENT_LOG_INFO, "stopped", NULL);
		return k->failed;
	}
	log_end(status);
	return 1;
}

static int take_signal(struct keeper *k)
{
	struct signalfd_siginfo info;

	if (read(k->signals, &info, sizeof(info)) != sizeof(info))
		return -1;
	switch (info.ssi_signo) {
	case SIGHUP:
		if (!k->kill_at)
			keeper_reload(k->start, k->line);
		break;
	case SIGCHLD:
		return reap(k);
	default:
		agent_log(AGENT_LOG_INFO, "stopping", "signal", sigabbrev_np(info.ssi_signo), NULL);
		stop(k);
	}
	return -1;
}

static void earlier(uint64_t *at, uint64_t other)
{
	if (other && (!*at || other < *at))
		*at = other;
}

static int wait_ms(const struct keeper *k)
{
	uint64_t at = 0, now = clock_mono_ms();

	earlier(&at, k->look_at);
	earlier(&at, k->watchdog_at);
	earlier(&at, k->kill_at);
	if (k->rules)
		earlier(&at, k->sync_at ?: now);
	return at > now ? at - now : 0;
}

static void do_what_is_due(struct keeper *k)
{
	uint64_t now = clock_mono_ms();

	if (k->watchdog_at && k->watchdog_at <= now)
		feed_watchdog(k);
	if (k->look_at <= now)
		look_for_pins(k);
	if (k->rules && k->sync_at <= now)
		sync_neighbours(k);
	if (k->kill_at && k->kill_at <= now) {
		agent_log(AGENT_LOG_ERROR, "agent-does-not-stop", "killed-after-ms",
			  AGENT_LOG_NUM(STOP_WAIT_MS), NULL);
		kill(k->agent, SIGKILL);
		k->kill_at = now + STOP_WAIT_MS;
	}
}

static int keep(struct keeper *k)
{
	int status = -1;

	k->look_at = clock_mono_ms() + LOOK_GAP_MS;
	k->watchdog_at = k->watchdog_ms ? clock_mono_ms() + k->watchdog_ms : 0;
	while (status < 0) {
		struct pollfd fds[] = { { .fd = k->signals, .events = POLLIN },
					{ .fd = k->line, .events = POLLIN } };

		if (poll(fds, ARRAY_SIZE(fds), wait_ms(k)) < 0 && errno != EINTR) {
			agent_log(AGENT_LOG_ERROR, "poll-failed", "error", strerror(errno), NULL);
			return 1;
		}
		if (fds[1].revents)
			read_notes(k);
		if (fds[0].revents)
			status = take_signal(k);
		if (status < 0)
			do_what_is_due(k);
	}
	return status;
}

/* What only root needs is not there any more when the agent begins. */
static int run_agent(struct agent_start *start, int line,
		     int (*agent)(struct agent_start *start, int keeper_fd))
{
	const char *why = "open the netlink sockets, and a map to read only";
	sigset_t none;
	int err;

	signal(SIGPIPE, SIG_IGN);
	/* Of the terminal, or for both of us: the keeper says when. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	tables_policy_close(&start->policy);
	err = netlink_keep_open();
	if (!err) {
		why = "open some maps for reading only";
		err = tables_narrow(&start->tables, start->pins.fd);
	}
	if (!err)
		err = sandbox_enter(start->conf.user, &why);
	if (err) {
		agent_log(AGENT_LOG_ERROR, "sandbox-failed", "user", start->conf.user, "what", why,
			  "error", strerror(-err), NULL);
		return 1;
	}
	return agent(start, line);
}

/* It speaks to no network, so it keeps no socket, and no key. */
static int become_keeper(struct keeper *k)
{
	struct agent_start *start = k->start;
	const char *why = "open the pin directory again";
	int err;

	for (size_t i = 0; i < AGENT_LISTEN_MAX; i++) {
		cleanup_closep(&start->listen_fds[i]);
		start->listen_fds[i] = -1;
	}
	cleanup_closep(&start->control_fd);
	cleanup_closep(&start->state_fd);
	start->control_fd = start->state_fd = -1;
	tls_free(start->tls);
	start->tls = NULL;
	err = pindir_reopen(&start->pins);
	if (!err)
		err = keeper_confine(k->agent, &why);
	if (err)
		agent_log(AGENT_LOG_ERROR, "keeper-failed", "what", why, "error", strerror(-err),
			  NULL);
	return err;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int keeper_run(struct agent_start *start, int (*agent)(struct agent_start *start, int keeper_fd))
{
	struct keeper k = { .start = start, .watchdog_ms = notify_init() / 2 };
	int ends[2], status = 1;
	int err = keeper_line(ends);

	if (err)
		return log_errno(err, "make a line to the agent");
	k.line = ends[0];
	k.signals = open_signals();
	fflush(NULL);
	k.agent = k.signals < 0 ? -1 : fork();
	if (!k.agent) {
		close(ends[0]);
		close(k.signals);
		_exit(run_agent(start, ends[1], agent));
	}
	close(ends[1]);
	if (k.agent < 0)
		log_errno(errno, "start the agent");
	else if (become_keeper(&k)) /* it ends with us */
		kill(k.agent, SIGKILL);
	else
		status = keep(&k);
	cleanup_closep(&k.line);
	cleanup_closep(&k.signals);
	return status;
}
