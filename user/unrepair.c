// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "proc.h"
#include "tree_fds.h"
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

/* struct walk - @fn for each TCP socket of process @pid. @first: the first error of all processes
 */
struct walk {
	struct work *work;
	int (*fn)(struct work *, int);
	struct tree_getfd from;
	pid_t pid;
	int first;
};

static int with_descriptor(struct walk *walk, int number)
{
	_cleanup_close_ int fd = -1;
	char name[24], link[32];
	ssize_t len;

	snprintf(name, sizeof(name), "fd/%d", number);
	len = proc_link(walk->pid, name, link, sizeof(link));
	if (len < 0 || !proc_link_inode(link, "socket"))
		return len < 0 ? (int)len : 0;
	fd = tree_getfd(&walk->from, walk->pid, number);
	if (fd < 0)
		return fd == -EBADF ? 0 : fd;
	return is_tcp(fd) ? walk->fn(walk->work, fd) : 0;
}

/* What is closed by now, and whoever has ended, needs nothing. */
static void note_error(struct walk *walk, int err)
{
	if (err != -ESRCH && !walk->first)
		walk->first = err;
}

/* All are tried. */
static int on_descriptor(int number, void *ctx)
{
	struct walk *walk = ctx;

	note_error(walk, with_descriptor(walk, number));
	return 0;
}

static int with_all(struct work *work, const pid_t *pids, size_t count,
		    int (*fn)(struct work *, int))
{
	struct walk walk = { .work = work, .fn = fn };

	for (size_t i = 0; i < count; i++) {
		walk.pid = pids[i];
		note_error(&walk, proc_each(walk.pid, "fd", on_descriptor, &walk));
	}
	tree_getfd_close(&walk.from);
	return walk.first;
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
