// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clocks.h"
#include "control_dial.h"
#include "control_stream.h"
#include "endpoint.h"
#include "host_link.h"

/* What is queued waits until there is so much of it. */
#define QUEUE_BYTES (64 * 1024)
/* From the socket at once: some records of TLS, so that not each needs two system calls. */
#define READ_AHEAD_BYTES (128 * 1024)

/**
 * struct host_link - an open connection.
 * @name:   what messages call it
 * @peer:   the other side's certificate
 * @failed: part of a message may be on its way, in either direction
 * @start_ms: of what is being done now
 * @sent, @answered: ids of our latest request, and of the latest answer: they come in order
 * @arena:  of the message received last
 * @queued: bytes in @out
 */
struct host_link {
	char name[ENDPOINT_STRLEN];
	struct control_stream stream;
	struct tls_peer peer;
	struct tcpmig_endpoint remote, local;
	bool failed;
	uint64_t start_ms;
	uint64_t sent;
	uint64_t answered;
	struct arena arena;
	size_t queued;
	uint8_t in[HOST_FRAME_BYTES];
	uint8_t out[QUEUE_BYTES + HOST_FRAME_BYTES];
};

static int fail(struct host_link *link, int err, char *why)
{
	link->failed = true;
	control_stream_why(&link->stream, err, link->name, "other host",
			   clock_mono_ms() - link->start_ms, why);
	return err;
}

__attribute__((format(printf, 4, 5))) static int refuse(const struct host_link *link, int err,
							char *why, const char *fmt, ...)
{
	char what[HOST_WHY_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	snprintf(why, HOST_WHY_LEN, "%s: %.*s", link->name, HOST_WHY_LEN - ENDPOINT_STRLEN - 3,
		 what);
	return err;
}

int host_link_flush(struct host_link *link, uint64_t end_ms, char *why)
{
	size_t len = link->queued;
	int err;

	if (!len)
		return 0;
	link->start_ms = clock_mono_ms();
	link->queued = 0;
	err = control_stream_write(&link->stream, link->out, len, end_ms);
	return err ? fail(link, err, why) : 0;
}

/* Of what is encoded behind what waits already. */
static int queue(struct host_link *link, int len, const char *what, const char *wrong,
		 uint64_t end_ms, char *why)
{
	if (len < 0)
		return refuse(link, len, why, "this %s cannot be sent: %s", what, wrong);
	link->queued += len;
	return link->queued >= QUEUE_BYTES ? host_link_flush(link, end_ms, why) : 0;
}

int host_queue_request(struct host_link *link, TcpmigHost__Request *req, uint64_t end_ms, char *why)
{
	const char *wrong;
	int len;

	req->id = link->sent + 1;
	len = host_request_encode(req, link->out + link->queued, &wrong);
	if (len > 0)
		link->sent++;
	return queue(link, len, host_request_name(req->body_case), wrong, end_ms, why);
}

int host_send_request(struct host_link *link, TcpmigHost__Request *req, uint64_t end_ms, char *why)
{
	int err = host_queue_request(link, req, end_ms, why);

	return err ? err : host_link_flush(link, end_ms, why);
}

int host_send_answer(struct host_link *link, const TcpmigHost__Answer *answer, uint64_t end_ms,
		     char *why)
{
	const char *wrong;
	int len = host_answer_encode(answer, link->out + link->queued, &wrong);
	int err = queue(link, len, "answer", wrong, end_ms, why);

	return err ? err : host_link_flush(link, end_ms, why);
}

bool host_link_pending(const struct host_link *link)
{
	return SSL_has_pending(link->stream.ssl);
}

bool host_link_readable(const struct host_link *link)
{
	struct pollfd pfd = { .fd = link->stream.fd, .events = POLLIN };

	return host_link_pending(link) || poll(&pfd, 1, 0) > 0;
}

/* Return: bytes of the payload in link->in, or -errno. */
static int receive(struct host_link *link, uint64_t end_ms, char *why)
{
	struct control_stream *stream = &link->stream;
	int err = 0, len;

	link->start_ms = clock_mono_ms();
	if (!host_link_pending(link))
		err = control_wait(stream->fd, POLLIN, end_ms);
	if (err == -ETIMEDOUT)
		return refuse(link, err, why, "no word within %llu ms",
			      (unsigned long long)(clock_mono_ms() - link->start_ms));
	if (!err)
		err = control_stream_read(stream, link->in, FRAME_HEAD_BYTES, end_ms);
	if (err)
		return fail(link, err, why);
	len = host_frame_payload(link->in);
	if (len < 0) {
		link->failed = true;
		return refuse(link, -EBADMSG, why, "what it says is not our protocol");
	}
	err = control_stream_read(stream, link->in, len, end_ms);
	return err ? fail(link, err, why) : len;
}

/* The arena of the latest message, empty again. */
static struct arena *clean_arena(struct host_link *link)
{
	arena_free(&link->arena);
	arena_init(&link->arena);
	return &link->arena;
}

static int wrong_message(struct host_link *link, int err, const char *what, const char *wrong,
			 char *why)
{
	link->failed = true;
	return refuse(link, err, why, "a wrong %s: %s", what, err == -ENOMEM ? "no memory" : wrong);
}

int host_receive_request(struct host_link *link, const TcpmigHost__Request **req, uint64_t end_ms,
			 char *why)
{
	int len = receive(link, end_ms, why);
	const char *wrong;
	int err;

	if (len < 0)
		return len;
	err = host_request_decode(clean_arena(link), link->in, len, req, &wrong);
	return err ? wrong_message(link, err, "request", wrong, why) : 0;
}

int host_receive_answer(struct host_link *link, const TcpmigHost__Answer **answer, uint64_t end_ms,
			char *why)
{
	int len = receive(link, end_ms, why);
	const char *wrong;
	int err;

	if (len < 0)
		return len;
	err = host_answer_decode(clean_arena(link), link->in, len, answer, &wrong);
	if (!err && ((*answer)->id > link->sent || (*answer)->id <= link->answered)) {
		wrong = "it is that to another request";
		err = -EBADMSG;
	}
	if (!err)
		link->answered = (*answer)->id;
	return err ? wrong_message(link, err, "answer", wrong, why) : 0;
}

int host_call(struct host_link *link, TcpmigHost__Request *req, const TcpmigHost__Answer **answer,
	      uint64_t end_ms, char *why)
{
	int err = host_send_request(link, req, end_ms, why);

	if (!err)
		err = host_receive_answer(link, answer, end_ms, why);
	if (!err && (*answer)->id != req->id)
		err = wrong_message(link, -EBADMSG, "answer", "it is that to another request", why);
	return err;
}

static int call_hello(struct host_link *link, uint64_t end_ms, char *why)
{
	TcpmigHost__Hello hello = TCPMIG_HOST__HELLO__INIT;
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	const TcpmigHost__Answer *answer;
	int err;

	hello.version = HOST_VERSION;
	hello.software = "tcpmig-bpf " TCPMIG_VERSION;
	req.body_case = TCPMIG_HOST__REQUEST__BODY_HELLO;
	req.hello = &hello;
	err = host_call(link, &req, &answer, end_ms, why);
	if (err)
		return err;
	if (answer->version && answer->version != HOST_VERSION)
		return refuse(link, -EPROTONOSUPPORT, why,
			      "it speaks version %u of the protocol, we %d", answer->version,
			      HOST_VERSION);
	if (answer->result != TCPMIG_HOST__RESULT__OK)
		return refuse(link, -EACCES, why, "%.200s", answer->text);
	return 0;
}

/*
 * @denied: why it is, else empty: so that it need not guess
 */
static int answer_hello(struct host_link *link, const char *denied, uint64_t end_ms, char *why)
{
	TcpmigHost__Answer answer = TCPMIG_HOST__ANSWER__INIT;
	const TcpmigHost__Request *req;
	char text[MESSAGE_TEXT_MAX] = "";
	uint32_t version;
	int err = host_receive_request(link, &req, end_ms, why);

	if (err)
		return err;
	if (req->body_case != TCPMIG_HOST__REQUEST__BODY_HELLO)
		return wrong_message(link, -EBADMSG, "request", "expected HELLO", why);
	version = req->hello->version;
	answer.id = req->id;
	answer.version = HOST_VERSION;
	answer.software = "tcpmig-bpf " TCPMIG_VERSION;
	message_text_set(text, version != HOST_VERSION ? "expected another version of the protocol"
						       : denied);
	if (*text)
		answer.result = version != HOST_VERSION ? TCPMIG_HOST__RESULT__INVALID
							: TCPMIG_HOST__RESULT__DENIED;
	answer.text = text;
	err = host_send_answer(link, &answer, end_ms, why);
	if (!err && version != HOST_VERSION)
		return refuse(link, -EPROTONOSUPPORT, why,
			      "it speaks version %u of the protocol, we %d", version, HOST_VERSION);
	return err;
}

/* Is it a host, and the one at that address? */
static int check_peer(struct host_link *link, struct tls *tls, char *why)
{
	char reason[TLS_WHY_LEN], addr[ENDPOINT_STRLEN];
	int err = tls_peer_of(link->stream.ssl, &link->peer, reason);

	if (!err)
		err = tls_peer_check(tls, &link->peer, reason);
	if (!err)
		err = tls_peer_is_host(tls, &link->peer, reason);
	if (err)
		return refuse(link, err, why, "TLS: %s", reason);
	if (tls_peer_speaks_for(&link->peer, &link->remote))
		return 0;
	return refuse(link, -EACCES, why,
		      "its certificate %s is not for %s; expected that as IP in subjectAltName",
		      link->peer.name, endpoint_format_addr(&link->remote, addr));
}

static int learn_ends(struct host_link *link)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(link->stream.fd, (struct sockaddr *)&addr, &len))
		return -errno;
	endpoint_of_sockaddr(&link->local, (struct sockaddr *)&addr);
	len = sizeof(addr);
	if (getpeername(link->stream.fd, (struct sockaddr *)&addr, &len))
		return -errno;
	if (addr.ss_family != AF_INET && addr.ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	endpoint_of_sockaddr(&link->remote, (struct sockaddr *)&addr);
	return 0;
}

static int shake_and_call(struct host_link *link, struct tls *tls, uint64_t end_ms, char *why)
{
	int err = control_stream_handshake(&link->stream, tls, end_ms);

	if (err)
		return fail(link, err, why);
	err = check_peer(link, tls, why);
	return err ? err : call_hello(link, end_ms, why);
}

static int shake_and_answer(struct host_link *link, struct tls *tls, uint64_t end_ms, char *why)
{
	int err = control_stream_handshake(&link->stream, tls, end_ms);
	char denied[HOST_WHY_LEN] = "", ignored[HOST_WHY_LEN];

	if (err)
		return fail(link, err, why);
	err = check_peer(link, tls, denied);
	if (!err)
		return answer_hello(link, "", end_ms, why);
	strcpy(why, denied);
	answer_hello(link, denied, end_ms, ignored);
	return err;
}

static struct host_link *link_new(int fd, char *why)
{
	struct host_link *link = calloc(1, sizeof(*link));

	if (!link) {
		snprintf(why, HOST_WHY_LEN, "no memory");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	link->stream.fd = fd;
	link->stream.read_ahead = READ_AHEAD_BYTES;
	link->start_ms = clock_mono_ms();
	arena_init(&link->arena);
	return link;
}

struct host_link *host_link_connect(struct tls *tls, const struct tcpmig_endpoint *host,
				    const struct tcpmig_endpoint *from, unsigned int timeout_ms,
				    char *why)
{
	uint64_t end_ms = clock_mono_ms() + timeout_ms;
	struct host_link *link = link_new(-1, why);
	int err;

	if (!link)
		return NULL;
	endpoint_format(host, link->name);
	link->stream.fd = control_dial(host, from, "; is 'tcpmig-bpf host' running there?",
				       timeout_ms, end_ms, why);
	if (link->stream.fd >= 0) {
		err = learn_ends(link);
		if (err)
			fail(link, err, why);
		else if (!shake_and_call(link, tls, end_ms, why))
			return link;
	}
	host_link_close(link);
	return NULL;
}

static int set_up_accepted(int fd)
{
	int flags = fcntl(fd, F_GETFL), on = 1;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		return -errno;
	return 0;
}

struct host_link *host_link_accept(struct tls *tls, int fd, unsigned int timeout_ms, char *why)
{
	uint64_t end_ms = clock_mono_ms() + timeout_ms;
	struct host_link *link = link_new(fd, why);
	int err;

	if (!link)
		return NULL;
	strcpy(link->name, "a connection");
	err = learn_ends(link);
	if (!err) {
		endpoint_format(&link->remote, link->name);
		err = set_up_accepted(fd);
	}
	if (err)
		fail(link, err, why);
	else if (!shake_and_answer(link, tls, end_ms, why))
		return link;
	host_link_close(link);
	return NULL;
}

const struct tls_peer *host_link_peer(const struct host_link *link)
{
	return &link->peer;
}

const struct tcpmig_endpoint *host_link_remote(const struct host_link *link)
{
	return &link->remote;
}

const struct tcpmig_endpoint *host_link_local(const struct host_link *link)
{
	return &link->local;
}

int host_link_fd(const struct host_link *link)
{
	return link->stream.fd;
}

void host_link_close(struct host_link *link)
{
	if (!link)
		return;
	control_stream_close(&link->stream, link->failed);
	tls_peer_free(&link->peer);
	arena_free(&link->arena);
	free(link);
}
