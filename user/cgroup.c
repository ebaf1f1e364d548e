// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cgroup_fs.h"
#include "cleanup.h"
#include "clocks.h"

/* The root holds everything. */
static int check_open(const struct cgroup *cg)
{
	return cg->fd < 0 ? -EBADF : !*cg->path || !strcmp(cg->path, "/") ? -EINVAL : 0;
}

int cgroup_open(struct cgroup *cg)
{
	int fd = cgroup_open_dir(cg->path);

	if (fd < 0)
		return fd;
	if (cg->fd >= 0)
		close(cg->fd);
	cg->fd = fd;
	return check_open(cg);
}

static int write_file(const struct cgroup *cg, const char *name, const char *text)
{
	int err = check_open(cg);

	return err ? err : cgroup_write(cg->fd, name, text);
}

int cgroup_freeze_begin(const struct cgroup *cg)
{
	return write_file(cg, "cgroup.freeze", "1");
}

int cgroup_thaw(const struct cgroup *cg)
{
	return write_file(cg, "cgroup.freeze", "0");
}

/* @line of cgroup.events, as "frozen 1". Return: 1: it says so; 0; -errno. */
static int events_say(int fd, const char *line)
{
	char text[128] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	return !!strstr(text, line);
}

static int open_events(const struct cgroup *cg)
{
	int err = check_open(cg);
	int fd = err ? err : openat(cg->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return err ? err : fd < 0 ? -errno : fd;
}

/* The kernel wakes whoever polls the file when it changes. Return: 0; -ETIME; -errno. */
static int wait_for(const struct cgroup *cg, const char *line, int timeout_ms)
{
	uint64_t end = clock_mono_ms() + (uint64_t)timeout_ms;
	_cleanup_close_ int fd = open_events(cg);
	struct pollfd changed = { .fd = fd, .events = POLLPRI };
	int said = fd < 0 ? fd : events_say(fd, line);
	uint64_t now;

	while (!said && (now = clock_mono_ms()) < end) {
		if (poll(&changed, 1, (int)(end - now)) < 0 && errno != EINTR)
			return -errno;
		said = events_say(fd, line);
	}
	return said < 0 ? said : said ? 0 : -ETIME;
}

int cgroup_freeze(const struct cgroup *cg, int timeout_ms)
{
	int err = cgroup_freeze_begin(cg);

	return err ? err : wait_for(cg, "frozen 1", timeout_ms);
}

int cgroup_is_frozen(const struct cgroup *cg)
{
	_cleanup_close_ int fd = open_events(cg);

	return fd < 0 ? fd : events_say(fd, "frozen 1");
}

int cgroup_pids(const struct cgroup *cg, pid_t **pids, size_t *count)
{
	int err = check_open(cg);

	*pids = NULL;
	*count = 0;
	return err ? err : cgroup_add_pids(cg->fd, pids, count);
}

/* Kernels before 5.14 kill one by one: what is frozen does not fork meanwhile. */
static int kill_each(const struct cgroup *cg)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count;
	int err = cgroup_freeze(cg, 1000);

	if (err != -ETIME)
		err = err ? err : cgroup_pids(cg, &pids, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = pids[i] > 0 && !kill(pids[i], SIGKILL) ? 0 : errno == ESRCH ? 0 : -EPERM;
	return err;
}

int cgroup_kill(const struct cgroup *cg, int timeout_ms)
{
	int err = write_file(cg, "cgroup.kill", "1");

	if (err == -ENOENT)
		err = kill_each(cg);
	if (!err)
		err = wait_for(cg, "populated 0", timeout_ms);
	if (!err)
		cgroup_thaw(cg); /* one that is not ours may be used again */
	/* Removed since, by systemd for one, so it was empty. */
	return err == -ENODEV || err == -ENOENT ? 0 : err;
}

int cgroup_remove(struct cgroup *cg, int timeout_ms)
{
	uint64_t end = clock_mono_ms() + (uint64_t)timeout_ms;
	char full[PATH_MAX];
	int err = cgroup_full_path(cg->path, full);

	if (err || !cg->made)
		return err ? err : -EINVAL;
	if (cg->fd >= 0)
		close(cg->fd);
	cg->fd = -1;
	/* Of a process that was just killed the kernel may hold it for another moment. */
	while (rmdir(full)) {
		if (errno != EBUSY || clock_mono_ms() >= end)
			return errno == ENOENT ? 0 : -errno;
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return 0;
}

void cgroup_free(struct cgroup *cg)
{
	if (cg->fd >= 0)
		close(cg->fd);
	for (size_t i = 0; i < cg->home_count; i++)
		free(cg->homes[i].path);
	free(cg->homes);
	free(cg->path);
	*cg = (struct cgroup){ .fd = -1 };
}
