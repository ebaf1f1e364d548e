// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Why not `criu check`: it says fine where a dump fails. So a process is dumped and
 * restored for real, as PID 2 of namespaces whose PID 1 watches: when that ends, by
 * itself or by our kill, everything in there ends, files and mounts included.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "checks.h"
#include "cleanup.h"
#include "criu_tested.h"

#define TEST_LIMIT_MS 40000 /* of all */
#define CRIU_LIMIT_MS 15000 /* of a dump or a restore */
#define STEP_LIMIT_MS 5000
#define TICK_MS	      5

#define WORK	      "/run"
#define IMAGES	      WORK "/images"
#define PROGRESS      WORK "/progress"

/** struct outcome - what PID 1 tells us. */
struct outcome {
	bool works;
	char text[400]; /* what failed, or the version */
};

static void tick(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000 }, NULL);
}

static void fail(struct outcome *outcome, const char *what, const char *why)
{
	snprintf(outcome->text, sizeof(outcome->text), "%s: %s", what, why);
}

/*
 * The process that is moved counts, in a file. It is a program of its own: CRIU looks for
 * what a process has mapped in its mount namespace, and ours came from outside.
 */
static void count_for_ever(void)
{
	setsid();
	close_range(3, ~0U, 0);
	execl("/bin/sh", "sh", "-c", "while :; do i=$((i + 1)); echo $i >" PROGRESS "; done", NULL);
	_exit(127);
}

static unsigned long progress(void)
{
	_cleanup_fclose_ FILE *file = fopen(PROGRESS, "re");
	unsigned long number = 0;

	return file && fscanf(file, "%lu", &number) == 1 ? number : 0;
}

static bool gets_further_than(unsigned long number)
{
	for (int waited = 0; waited < STEP_LIMIT_MS; waited += TICK_MS) {
		if (progress() > number)
			return true;
		tick();
	}
	return false;
}

/* Return: exit status; -1: by a signal; -ETIME: it goes on after @limit_ms. */
static int wait_for_exit(pid_t pid, int limit_ms)
{
	int status;

	for (int waited = 0; waited < limit_ms; waited += TICK_MS) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		tick();
	}
	return -ETIME;
}

/* The last error in the log of @action, and the one before it, which often says more. */
static void explain(struct outcome *outcome, const char *action, int status)
{
	char path[64], line[160], last[160] = "", both[340] = "";
	_cleanup_fclose_ FILE *log = NULL;
	const char *error;

	snprintf(path, sizeof(path), IMAGES "/%s.log", action);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log)) {
		error = strstr(line, "Error (");
		if (!error)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(both, sizeof(both), "%s%s%s", last, *last ? "; " : "", error);
		snprintf(last, sizeof(last), "%s", error);
	}
	if (status == -ETIME)
		snprintf(both, sizeof(both), "it did not end within %d s", CRIU_LIMIT_MS / 1000);
	else if (!*both)
		snprintf(both, sizeof(both), "exit status %d and no error in its log", status);
	fail(outcome, action, both);
}

/* argv: criu, action, then what all have, then @arg and @value (may be NULL). */
static bool run_criu(const char *criu, const char *action, const char *arg, const char *value,
		     struct outcome *outcome)
{
	char log[32];
	const char *argv[] = { criu, action, "-D",  IMAGES,
			       "-o", log,    "-v4", "--manage-cgroups=ignore",
			       arg,  value,  NULL };
	pid_t pid = fork();
	int status;

	snprintf(log, sizeof(log), "%s.log", action);
	if (!pid) {
		execv(criu, (char *const *)argv);
		_exit(127);
	}
	status = pid < 0 ? 127 : wait_for_exit(pid, CRIU_LIMIT_MS);
	if (status)
		explain(outcome, action, status);
	return !status;
}

static void read_version(struct outcome *outcome)
{
	_cleanup_fclose_ FILE *log = fopen(IMAGES "/dump.log", "re");
	char line[256], version[32];
	const char *found;

	outcome->text[0] = 0;
	while (log && fgets(line, sizeof(line), log)) {
		found = strstr(line, "Version: ");
		if (found && sscanf(found, "Version: %31s", version) == 1) {
			snprintf(outcome->text, sizeof(outcome->text), "%s", version);
			return;
		}
	}
}

static void dump_and_restore(const char *criu, struct outcome *outcome)
{
	unsigned long reached;
	char pid_text[16];
	pid_t pid = fork();

	if (!pid)
		count_for_ever();
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	if (pid < 0 || !gets_further_than(2)) {
		fail(outcome, "start a process", "it does not run");
		return;
	}
	if (!run_criu(criu, "dump", "-t", pid_text, outcome))
		return;
	if (wait_for_exit(pid, STEP_LIMIT_MS) == -ETIME) { /* its PID must be free */
		fail(outcome, "dump", "the process is still there");
		return;
	}
	reached = progress();
	if (!run_criu(criu, "restore", "-d", NULL, outcome))
		return;
	if (!gets_further_than(reached + 2)) {
		fail(outcome, "restore", "the restored process does not run");
		return;
	}
	outcome->works = true;
	read_version(outcome);
}

/* CRIU tries TCP on loopback before anything else. */
static int loopback_up(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) ? -errno : 0;
}

static int set_up_namespace(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL) || mount("tmpfs", WORK, "tmpfs", 0, NULL) ||
	    mkdir(IMAGES, 0700))
		return -errno;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	return loopback_up();
}

/* Between us and PID 1: only who is outside can make its namespaces. */
static void run_inside(const char *criu, int report_fd)
{
	struct outcome outcome = {};
	pid_t pid;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC)) {
		fail(&outcome, "make namespaces for the test", strerror(errno));
		_exit(write(report_fd, &outcome, sizeof(outcome)) < 0);
	}
	pid = fork();
	if (pid)
		_exit(waitpid(pid, NULL, 0) < 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	err = set_up_namespace();
	if (err)
		fail(&outcome, "set up namespaces for the test", strerror(-err));
	else
		dump_and_restore(criu, &outcome);
	_exit(write(report_fd, &outcome, sizeof(outcome)) < 0);
}

static void self_test(const char *criu, struct outcome *outcome)
{
	struct pollfd report = { .events = POLLIN };
	int ends[2];
	pid_t pid;

	*outcome = (struct outcome){};
	fail(outcome, "self-test", "it did not end in time");
	if (pipe2(ends, O_CLOEXEC))
		return;
	pid = fork();
	if (!pid)
		run_inside(criu, ends[1]);
	close(ends[1]);
	report.fd = ends[0];
	if (pid > 0 && poll(&report, 1, TEST_LIMIT_MS) == 1 &&
	    read(ends[0], outcome, sizeof(*outcome)) != sizeof(*outcome))
		fail(outcome, "self-test", "it ended without an answer");
	close(ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

bool checks_criu_works(const char *criu, char *text, size_t size)
{
	struct outcome outcome;

	self_test(criu, &outcome);
	snprintf(text, size, "%s", outcome.text);
	return outcome.works;
}

/* Return: path to free, or NULL. */
void checks_criu(const char *named, struct findings *f)
{
	const char *name = getenv("CRIU") ?: named;
	_cleanup_free_ char *criu = criu_find(name);
	struct outcome outcome;

	if (!criu) {
		findings_add(f, "criu", FINDING_WARN, "%s: not found; needed on server hosts only",
			     *name ? name : "criu");
		findings_cure(f, "install criu 4.2 or later, or set CRIU to its path");
		return;
	}
	if (geteuid()) {
		findings_add(f, "criu", FINDING_WARN, "%s: not tried: that needs root", criu);
		findings_cure(f, "run as root");
		return;
	}
	self_test(criu, &outcome);
	if (outcome.works) {
		findings_add(f, "criu", FINDING_OK, "%s %s dumps and restores a process", criu,
			     outcome.text);
		return;
	}
	findings_add(f, "criu", FINDING_FAIL, "%s fails: %s", criu, outcome.text);
	findings_cure(f,
		      "a newer criu (3.17 fails from Linux 6.13 on, 4.1 from 6.16 on); set CRIU to "
		      "its path");
}
