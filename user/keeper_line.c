// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "keeper_line.h"

/* Of KEEPER_RELOAD: conf, CA, certificate, key, and the CRL if there is one. */
#define FILES_MIN 4
#define FILES_MAX 5

union control {
	char buf[CMSG_SPACE(FILES_MAX * sizeof(int))];
	struct cmsghdr align;
};

int keeper_line(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) ? -errno
											   : 0;
}

int keeper_order(int line, enum keeper_order order, const struct keeper_files *files)
{
	unsigned char byte = order;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = {};
	struct cmsghdr *head;

	if (files) {
		int fds[FILES_MAX] = { files->conf, files->tls.ca, files->tls.cert, files->tls.key,
				       files->tls.crl };
		size_t count = files->tls.crl >= 0 ? FILES_MAX : FILES_MIN;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	return sendmsg(line, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int keeper_note(int line)
{
	unsigned char byte;
	ssize_t len = recv(line, &byte, sizeof(byte), MSG_DONTWAIT);

	if (len < 0)
		return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
	if (!len)
		return -EPIPE;
	return byte <= KEEPER_RELOADED ? byte : -EPROTO;
}

int keeper_tell(int keeper_fd, enum keeper_note note)
{
	unsigned char byte = note;

	return send(keeper_fd, &byte, sizeof(byte), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Return: how many, in @fds. */
static size_t received(struct msghdr *msg, int fds[FILES_MAX])
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(msg);
	size_t len;

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return 0;
	len = head->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(head), len);
	return len / sizeof(int);
}

int keeper_hear(int keeper_fd, struct keeper_files *files)
{
	unsigned char byte;
	struct iovec iov = { &byte, sizeof(byte) };
	union control control = {};
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	int fds[FILES_MAX] = { -1, -1, -1, -1, -1 };
	ssize_t len = recvmsg(keeper_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t count;

	*files = (struct keeper_files){ -1, { -1, -1, -1, -1 } };
	if (len < 0)
		return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
	if (!len)
		return -EPIPE;
	count = received(&msg, fds);
	if (byte == KEEPER_STOP && !count)
		return byte;
	if (byte != KEEPER_RELOAD || count < FILES_MIN) {
		for (size_t i = 0; i < count; i++)
			close(fds[i]);
		return -EPROTO;
	}
	*files = (struct keeper_files){
		fds[0], { .ca = fds[1], .cert = fds[2], .key = fds[3], .crl = fds[4] }
	};
	return byte;
}
