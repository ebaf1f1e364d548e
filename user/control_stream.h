/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bytes over TLS, or over the control socket, never waiting longer than is said. */
#ifndef TCPMIG_CONTROL_STREAM_H
#define TCPMIG_CONTROL_STREAM_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls.h"

/**
 * struct control_stream - zeroed but for @fd and @read_ahead; stays where it is.
 * @fd:  non-blocking; owned
 * @read_ahead: bytes to have from it at once under TLS; 0: a record as it comes
 * @ssl: NULL: without TLS
 */
struct control_stream {
	int fd;
	size_t read_ahead;
	SSL *ssl;
	BIO_METHOD *method;
};

/**
 * control_stream_handshake() - from now on with TLS, as the role of @tls has it.
 * Return: 0; -ETIMEDOUT; -ECONNRESET: the other side has closed; -EPROTO: tls_failure() says
 * why; another -errno.
 */
int control_stream_handshake(struct control_stream *stream, struct tls *tls, uint64_t end_ms);

/** control_stream_write(), control_stream_read() - all of @len bytes. Return: likewise. */
int control_stream_write(struct control_stream *stream, const void *buf, size_t len,
			 uint64_t end_ms);
int control_stream_read(struct control_stream *stream, void *buf, size_t len, uint64_t end_ms);

/**
 * control_stream_why() - such an error as a phrase; of -EPROTO at once.
 * @name, @side: of the connection, and of what is at its other end: "agent"
 * @timeout_ms: that was over
 * @why: CONTROL_WHY_LEN bytes
 */
void control_stream_why(const struct control_stream *stream, int err, const char *name,
			const char *side, unsigned int timeout_ms, char *why);

/**
 * control_stream_close() - frees what it has, but not itself.
 * @failed: with an RST: what was not sent yet never is
 */
void control_stream_close(struct control_stream *stream, bool failed);

#endif
