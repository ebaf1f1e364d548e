// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How a criu begins and ends, and what it has left in its log. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "clocks.h"
#include "criu_log.h"
#include "criu_swrk_start.h"
#include "poll_until.h"

/* Descriptors of criu. */
enum { FD_OUT = 1, FD_ERR, FD_SOCKET, FD_IMAGES, FD_END };

/* The end of a log, which is what is read of it. */
#define TAIL_BYTES 16384

/* A tree is frozen while it works: on a busy host it comes first. What it restores has its own. */
#define CRIU_NICE (-15)

/* How long it may take to end after it has said that it is done. */
#define EXIT_MS 1000

static void default_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Above all targets first: none is overwritten before it is copied. @fds[i] -1: none. */
static int arrange_files(int fds[FD_END])
{
	for (int fd = 0; fd < FD_END; fd++) {
		if (fds[fd] < 0)
			continue;
		fds[fd] = fcntl(fds[fd], F_DUPFD_CLOEXEC, FD_END + 1);
		if (fds[fd] < 0)
			return -1;
	}
	for (int fd = 0; fd < FD_END; fd++) {
		if (fds[fd] < 0)
			close(fd);
		else if (dup2(fds[fd], fd) < 0)
			return -1;
	}
	return close_range(FD_END, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* The child. @report: where its errno goes if it does not become a criu. */
static void __attribute__((noreturn))
become_criu(const char *criu, const struct criu_swrk *w, int socket, int report)
{
	/* What an administrator has set for other uses of criu is not for this. */
	char *const argv[] = { "criu", "--no-default-config", "swrk", "3", NULL };
	char *const envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			       "LC_ALL=C", NULL };
	int fds[FD_END] = { open("/dev/null", O_RDONLY | O_CLOEXEC), w->output_fd, w->output_fd,
			    socket, w->images_fd };
	int err;

	default_signals();
	setpriority(PRIO_PROCESS, 0, CRIU_NICE); /* if we may */
	/* Of a terminal's signals it knows nothing; and a tree without a session of its own is
	 * restored into this one, where it can be dumped again: ours it could not see from its
	 * place. */
	setsid();
	report = fcntl(report, F_DUPFD_CLOEXEC, FD_END + FD_END + 2);
	if (fds[0] >= 0 && report >= 0 && !arrange_files(fds) && !chdir("/"))
		execve(criu, argv, envp);
	err = errno;
	if (report >= 0 && write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/*
 * criu stops a task at the end of its own code by a hardware breakpoint, which is a perf event. The
 * first such event of a host makes the kernel wait for all CPUs, 10 to 25 ms: in a restore between
 * the sockets' way out of repair mode and the first instruction of the tree. So here is another
 * one, which counts nothing. -1: there is none; it is slower then, that is all.
 */
static int open_perf_event(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Waits until it has become a criu, or has not. Return: 0 or -errno. */
static int read_report(int report)
{
	int err = 0;
	ssize_t len;

	do
		len = read(report, &err, sizeof(err));
	while (len < 0 && errno == EINTR);
	return len == sizeof(err) ? -err : 0;
}

static int fork_criu(struct criu_swrk *w, const char *criu, const struct tree_place *place,
		     bool for_restore)
{
	_cleanup_close_ int theirs = -1, report = -1, report_end = -1;
	int pair[2], pipe_fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	w->socket = pair[0];
	theirs = pair[1];
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	report = pipe_fds[0];
	report_end = pipe_fds[1];
	w->pid = tree_place_fork(place, for_restore);
	if (!w->pid)
		become_criu(criu, w, theirs, report_end);
	if (w->pid < 0)
		return w->pid;
	close(report_end);
	report_end = -1;
	w->pid_fd = pidfd_open(w->pid, 0);
	return w->pid_fd < 0 ? -errno : read_report(report);
}

struct criu_swrk *criu_swrk_start(const char *criu, const struct tree_place *place,
				  bool for_restore, int images_fd, char why[CRIU_WHY_BYTES])
{
	struct criu_swrk *w = malloc(sizeof(*w));
	int err = -ENOMEM;

	if (w) {
		*w = (struct criu_swrk){
			.pid_fd = -1, .socket = -1, .hold_fd = -1, .reader_fd = -1
		};
		w->images_fd = images_fd < 0 ? -1 : fcntl(images_fd, F_DUPFD_CLOEXEC, 0);
		w->perf_fd = open_perf_event();
		w->output_fd = memfd_create("tcpmig-criu", MFD_CLOEXEC);
		err = w->output_fd < 0 || (images_fd >= 0 && w->images_fd < 0)
			      ? -errno
			      : fork_criu(w, criu, place, for_restore);
	}
	if (!err)
		return w;
	snprintf(why, CRIU_WHY_BYTES, "'%.180s': cannot start it: %s", criu, strerror(-err));
	criu_swrk_end(w);
	return NULL;
}

/* Return: has it ended? */
static bool wait_for_end(struct criu_swrk *w, uint64_t end_ms)
{
	if (w->pid <= 0)
		return true;
	if (poll_until(w->pid_fd, POLLIN, end_ms))
		return false;
	waitpid(w->pid, &w->status, 0);
	w->pid = 0;
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* It reads nothing more from either. */
static void hang_up(struct criu_swrk *w)
{
	close_fd(&w->socket);
	close_fd(&w->hold_fd);
	close_fd(&w->reader_fd);
}

int criu_swrk_stop(struct criu_swrk *w, uint64_t end_ms)
{
	hang_up(w);
	return wait_for_end(w, end_ms) ? 0 : -ETIMEDOUT;
}

void criu_swrk_end(struct criu_swrk *w)
{
	if (!w)
		return;
	hang_up(w);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	close_fd(&w->pid_fd);
	close_fd(&w->perf_fd);
	close_fd(&w->images_fd);
	close_fd(&w->output_fd);
	free(w);
}

/* The end of a file as text. Return: bytes. */
static size_t read_tail(int fd, char text[TAIL_BYTES + 1])
{
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t len = 0;

	if (size > 0)
		len = pread(fd, text, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
	text[len > 0 ? len : 0] = '\0';
	return len > 0 ? len : 0;
}

static bool why_by_log(const struct criu_swrk *w, char why[CRIU_WHY_BYTES])
{
	_cleanup_close_ int fd = w->log_file ? openat(w->images_fd, w->log_file,
						      O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
					     : -1;
	char text[TAIL_BYTES + 1];

	return read_tail(fd, text) && criu_log_reason(text, why, CRIU_WHY_BYTES);
}

static bool why_by_output(const struct criu_swrk *w, char why[CRIU_WHY_BYTES])
{
	char text[TAIL_BYTES + 1], *end;
	size_t len = read_tail(w->output_fd, text);

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	end = strrchr(text, '\n');
	criu_log_phrase(end ? end + 1 : text, why, CRIU_WHY_BYTES);
	return *why;
}

/* Has it not even answered? */
static bool why_by_signal(struct criu_swrk *w, char why[CRIU_WHY_BYTES])
{
	if (!wait_for_end(w, clock_mono_ms() + EXIT_MS) || !WIFSIGNALED(w->status))
		return false;
	snprintf(why, CRIU_WHY_BYTES, "it was killed by signal %d", WTERMSIG(w->status));
	return true;
}

void criu_swrk_why(struct criu_swrk *w, const char *message, char why[CRIU_WHY_BYTES])
{
	if (!message && why_by_signal(w, why))
		return;
	if (why_by_log(w, why))
		return;
	if (message && *message)
		criu_log_phrase(message, why, CRIU_WHY_BYTES);
	else if (!why_by_output(w, why))
		snprintf(why, CRIU_WHY_BYTES, "it does not say why");
}
