// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "unrepair.h"

#define PORTS 65536

/* struct work - @reuse: SO_REUSEADDR of the listener of each port, in host order; -1: no listener
 */
struct work {
	enum repair value;
	struct repair_result result;
	int8_t reuse[PORTS];
};

static int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) ? -1 : value;
}

static bool is_tcp(int fd)
{
	int family = get_int(fd, SOL_SOCKET, SO_DOMAIN);

	return (family == AF_INET || family == AF_INET6) &&
	       get_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
}

static uint16_t local_port(int fd)
{
	struct sockaddr_in6 at = {}; /* the port is where that of IPv4 is */
	socklen_t len = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &len) ? 0 : ntohs(at.sin6_port);
}

static int note_listener(struct work *work, int fd)
{
	if (get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1)
		work->reuse[local_port(fd)] = get_int(fd, SOL_SOCKET, SO_REUSEADDR) > 0;
	return 0;
}

/* What the application had is lost; whoever was accepted had that of the listener. */
static void give_reuse_back(const struct work *work, int fd)
{
	int reuse = work->reuse[local_port(fd)] != 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
}

/* One that is as it shall be is left alone: the kernel would send a probe each time. */
static int change(struct work *work, int fd)
{
	int value = work->value;

	if (get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1)
		return 0;
	work->result.sockets++;
	if ((get_int(fd, IPPROTO_TCP, TCP_REPAIR) == 1) == (value == REPAIR_ON))
		return 0;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &value, sizeof(value))) {
		work->result.failed++;
		return -errno;
	}
	work->result.changed++;
	if (value != REPAIR_ON)
		give_reuse_back(work, fd);
	return 0;
}

/* Descriptor @name of a process. What is closed by now, and whoever has ended, needs nothing. */
static int with_socket(struct work *work, int pidfd, int fd_dir, const char *name,
		       int (*fn)(struct work *, int))
{
	_cleanup_close_ int fd = -1;
	char target[16];
	ssize_t n;

	n = readlinkat(fd_dir, name, target, sizeof(target));
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	if (n < 8 || memcmp(target, "socket:[", 8))
		return 0;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(name), 0);
	if (fd < 0)
		return errno == EBADF || errno == ESRCH ? 0 : -errno;
	return is_tcp(fd) ? fn(work, fd) : 0;
}

/* All are tried. Return: the first error. */
static int with_sockets_of(struct work *work, pid_t pid, int (*fn)(struct work *, int))
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	const struct dirent *entry;
	int err, first = 0;
	char path[32];
	DIR *dir;

	if (pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		err = *entry->d_name == '.'
			      ? 0
			      : with_socket(work, pidfd, dirfd(dir), entry->d_name, fn);
		first = first ? first : err;
	}
	closedir(dir);
	return first;
}

static int with_all(struct work *work, const pid_t *pids, size_t count,
		    int (*fn)(struct work *, int))
{
	int err, first = 0;

	for (size_t i = 0; i < count; i++) {
		err = with_sockets_of(work, pids[i], fn);
		first = first ? first : err;
	}
	return first;
}

int repair_set(const pid_t *pids, size_t count, enum repair value, struct repair_result *result)
{
	_cleanup_free_ struct work *work = malloc(sizeof(*work));
	int err;

	if (!work)
		return -ENOMEM;
	work->value = value;
	work->result = (struct repair_result){};
	memset(work->reuse, -1, sizeof(work->reuse));
	if (value != REPAIR_ON) /* what they are is needed while the others are changed */
		with_all(work, pids, count, note_listener);
	err = with_all(work, pids, count, change);
	if (result)
		*result = work->result;
	return err;
}
