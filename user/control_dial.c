// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clocks.h"
#include "control_dial.h"
#include "control_link.h"
#include "endpoint.h"

#define RETRY_MS 20

int control_wait(int fd, short events, uint64_t end_ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t now;
	int ready;

	do {
		now = clock_mono_ms();
		if (now >= end_ms)
			return -ETIMEDOUT;
		ready = poll(&pfd, 1, end_ms - now);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return ready < 0 ? -errno : 0;
}

/* With the port left to connect(), any number of agents can be spoken to from one address. */
static int bind_from(int fd, const struct tcpmig_endpoint *from)
{
	struct tcpmig_endpoint any_port = *from;
	struct sockaddr_storage addr;
	socklen_t len;
	int on = 1;

	any_port.port = 0;
	len = endpoint_to_sockaddr(&any_port, &addr);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, len))
		return -errno;
	return 0;
}

static int connect_to(int fd, const struct tcpmig_endpoint *agent, uint64_t end_ms)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(agent, &addr);
	socklen_t size = sizeof(int);
	int on = 1, err = 0;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		return -errno;
	if (!connect(fd, (struct sockaddr *)&addr, len))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	err = control_wait(fd, POLLOUT, end_ms);
	if (err)
		return err;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) ? -errno : -err;
}

/* @hint: what to ask oneself */
static int say_why(int err, const char *name, unsigned int timeout_ms, const char *hint, char *why)
{
	switch (err) {
	case -ECONNREFUSED:
		snprintf(why, CONTROL_WHY_LEN, "%s: nobody listens there%s", name, hint);
		break;
	case -ETIMEDOUT:
		snprintf(why, CONTROL_WHY_LEN, "%s: nobody answers within %u ms%s", name,
			 timeout_ms, hint);
		break;
	default:
		snprintf(why, CONTROL_WHY_LEN, "%s: cannot connect: %s", name, strerror(-err));
	}
	return err;
}

static int dial(int fd, const struct tcpmig_endpoint *agent, const struct tcpmig_endpoint *from,
		const char *hint, unsigned int timeout_ms, uint64_t end_ms, char *why)
{
	char name[ENDPOINT_STRLEN], own[ENDPOINT_STRLEN];
	struct tcpmig_endpoint addr;
	int err = from ? bind_from(fd, from) : 0;

	endpoint_format(agent, name);
	if (!err) {
		err = connect_to(fd, agent, end_ms);
		return err ? say_why(err, name, timeout_ms, hint, why) : 0;
	}
	addr = *from;
	addr.port = 0;
	endpoint_format(&addr, own);
	*strrchr(own, ':') = 0; /* the port, which is none */
	if (err == -EADDRNOTAVAIL)
		snprintf(why, CONTROL_WHY_LEN,
			 "%s: the order must come from %s, which is no address of this host", name,
			 own);
	else
		snprintf(why, CONTROL_WHY_LEN, "%s: cannot connect from %s: %s", name, own,
			 strerror(-err));
	return err;
}

int control_dial(const struct tcpmig_endpoint *agent, const struct tcpmig_endpoint *from,
		 const char *hint, unsigned int timeout_ms, uint64_t end_ms, char *why)
{
	char name[ENDPOINT_STRLEN];
	int fd = socket(agent->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return say_why(-errno, endpoint_format(agent, name), timeout_ms, hint, why);
	err = dial(fd, agent, from, hint, timeout_ms, end_ms, why);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* A listener whose queue is full says EAGAIN, and cannot be waited for. */
static int connect_local(int fd, const struct sockaddr_un *addr, uint64_t end_ms)
{
	const struct timespec retry = { .tv_nsec = RETRY_MS * 1000000 };

	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr))) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_mono_ms() >= end_ms)
			return -ETIMEDOUT;
		nanosleep(&retry, NULL);
	}
	return 0;
}

int control_dial_local(const char *path, unsigned int timeout_ms, uint64_t end_ms, char *why)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return say_why(-ENAMETOOLONG, path, timeout_ms, "", why);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : connect_local(fd, &addr, end_ms);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return say_why(err, path, timeout_ms, "", why);
}

static int bio_write(BIO *bio, const char *buf, int len)
{
	const int *fd = BIO_get_data(bio);
	ssize_t done = send(*fd, buf, len, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return done < 0 && (errno == EPIPE || errno == ECONNRESET) ? len : (int)done;
}

static int bio_read(BIO *bio, char *buf, int len)
{
	const int *fd = BIO_get_data(bio);
	ssize_t done = recv(*fd, buf, len, 0);

	BIO_clear_retry_flags(bio);
	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return done;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data)
{
	(void)bio, (void)number, (void)data;
	return command == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static int bio_type;

static void get_bio_type(void)
{
	bio_type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
}

/* OpenSSL has some hundred types for a process: one for all connections, whose threads ask. */
BIO_METHOD *control_bio_method(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO_METHOD *method;

	pthread_once(&once, get_bio_type);
	method = BIO_meth_new(bio_type, "control socket");

	if (method && (BIO_meth_set_write(method, bio_write) != 1 ||
		       BIO_meth_set_read(method, bio_read) != 1 ||
		       BIO_meth_set_ctrl(method, bio_ctrl) != 1)) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}
