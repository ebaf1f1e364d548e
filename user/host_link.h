/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TLS connection between a migrator and a host daemon, from either side: requests one way,
 * answers the other, and never without a deadline. Blocking, for one thread.
 *
 * Deadlines are times of clock_mono_ms(). All that is written to @why is one phrase that names
 * the other side (HOST_WHY_LEN bytes).
 */
#ifndef TCPMIG_HOST_LINK_H
#define TCPMIG_HOST_LINK_H

#include "control_link.h"
#include "host_message.h"
#include "tls.h"

#define HOST_WHY_LEN CONTROL_WHY_LEN

struct host_link;

/**
 * host_link_connect() - connect to a host daemon, shake hands, say HELLO.
 * @tls:  TLS_HOST
 * @host: address and port; its certificate must be a host's, with that address as IP SAN
 * @from: address to connect from (its port is ignored); NULL: whatever the route says
 * @timeout_ms: for all of it
 * Return: to be closed by host_link_close(); NULL and @why.
 */
struct host_link *host_link_connect(struct tls *tls, const struct tcpmig_endpoint *host,
				    const struct tcpmig_endpoint *from, unsigned int timeout_ms,
				    char *why);

/**
 * host_link_accept() - the other side of it: shake hands, answer HELLO.
 * @tls: TLS_AGENT
 * @fd:  an accepted TCP connection; owned from now on, also on error. Its peer's certificate
 *       must be a host's, and speak for the address that the connection comes from
 * Return: as host_link_connect().
 */
struct host_link *host_link_accept(struct tls *tls, int fd, unsigned int timeout_ms, char *why);

/** host_link_peer(), host_link_remote(), host_link_local() - whose certificate it is, and both
 * ends of the connection. As long as @link. */
const struct tls_peer *host_link_peer(const struct host_link *link);
const struct tcpmig_endpoint *host_link_remote(const struct host_link *link);
const struct tcpmig_endpoint *host_link_local(const struct host_link *link);

/** host_link_fd() - to poll() for POLLIN, unless host_link_pending(). */
int host_link_fd(const struct host_link *link);

/** host_link_pending() - has something arrived that poll() does not tell of any more? */
bool host_link_pending(const struct host_link *link);

/** host_link_readable() - is there something to receive, now? */
bool host_link_readable(const struct host_link *link);

/**
 * host_send_request() - send, with all that was queued before it.
 * @req: its id is set here
 * Return: 0; -ETIMEDOUT; -errno. After an error the link is good for nothing but to be closed,
 * but for -EINVAL and -EMSGSIZE: it cannot be sent, and nothing was.
 */
int host_send_request(struct host_link *link, TcpmigHost__Request *req, uint64_t end_ms, char *why);

/** host_queue_request() - the same, but it may wait in memory for more: of many small ones. */
int host_queue_request(struct host_link *link, TcpmigHost__Request *req, uint64_t end_ms,
		       char *why);

/** host_link_flush() - send what waits. */
int host_link_flush(struct host_link *link, uint64_t end_ms, char *why);

/**
 * host_receive_request() - wait for one.
 * @req: on success: valid until the next host_receive_*() of this link
 * Return: 0; -ETIMEDOUT, and the link is still good if nothing of it had come; -ECONNRESET: the
 * other side has closed; -EBADMSG: not our protocol; another -errno.
 */
int host_receive_request(struct host_link *link, const TcpmigHost__Request **req, uint64_t end_ms,
			 char *why);

/** host_send_answer() - as host_send_request(); the id is the caller's. */
int host_send_answer(struct host_link *link, const TcpmigHost__Answer *answer, uint64_t end_ms,
		     char *why);

/**
 * host_receive_answer() - wait for that to the earliest request that waits for one.
 * As host_receive_request(); one with another id is -EBADMSG.
 */
int host_receive_answer(struct host_link *link, const TcpmigHost__Answer **answer, uint64_t end_ms,
			char *why);

/** host_call() - host_send_request() and host_receive_answer(). Not while others wait. */
int host_call(struct host_link *link, TcpmigHost__Request *req, const TcpmigHost__Answer **answer,
	      uint64_t end_ms, char *why);

/** host_link_close() - after a failure with an RST. Closes the descriptor. NULL is all right. */
void host_link_close(struct host_link *link);

#endif
