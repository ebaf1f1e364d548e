// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_dial.h"
#include "control_link.h"
#include "control_stream.h"

/* What SSL_*() returned, as progress (> 0), or 0 after waiting, or -errno. */
static int ssl_step(struct control_stream *stream, int ret, uint64_t end_ms)
{
	switch (SSL_get_error(stream->ssl, ret)) {
	case SSL_ERROR_NONE:
		return ret;
	case SSL_ERROR_WANT_READ:
		return control_wait(stream->fd, POLLIN, end_ms);
	case SSL_ERROR_WANT_WRITE:
		return control_wait(stream->fd, POLLOUT, end_ms);
	case SSL_ERROR_ZERO_RETURN:
		return -ECONNRESET;
	default: /* without a word in the queue it is the end of the stream, or an RST */
		return ERR_peek_error() ? -EPROTO : -ECONNRESET;
	}
}

static int socket_step(struct control_stream *stream, ssize_t ret, short events, uint64_t end_ms)
{
	if (ret > 0)
		return ret;
	if (ret < 0 && errno == EAGAIN)
		return control_wait(stream->fd, events, end_ms);
	return ret == 0 || errno == EPIPE ? -ECONNRESET : errno == EINTR ? 0 : -errno;
}

int control_stream_write(struct control_stream *stream, const void *buf, size_t len,
			 uint64_t end_ms)
{
	const uint8_t *bytes = buf;
	int done;

	for (size_t at = 0; at < len; at += done) {
		ERR_clear_error();
		done = stream->ssl
			       ? ssl_step(stream, SSL_write(stream->ssl, bytes + at, len - at),
					  end_ms)
			       : socket_step(stream,
					     send(stream->fd, bytes + at, len - at, MSG_NOSIGNAL),
					     POLLOUT, end_ms);
		if (done < 0)
			return done;
	}
	return 0;
}

int control_stream_read(struct control_stream *stream, void *buf, size_t len, uint64_t end_ms)
{
	uint8_t *bytes = buf;
	int done;

	for (size_t at = 0; at < len; at += done) {
		ERR_clear_error();
		done = stream->ssl ? ssl_step(stream, SSL_read(stream->ssl, bytes + at, len - at),
					      end_ms)
				   : socket_step(stream, recv(stream->fd, bytes + at, len - at, 0),
						 POLLIN, end_ms);
		if (done < 0)
			return done;
	}
	return 0;
}

int control_stream_handshake(struct control_stream *stream, struct tls *tls, uint64_t end_ms)
{
	BIO *bio;
	int done;

	stream->method = control_bio_method();
	stream->ssl = stream->method ? tls_session(tls) : NULL;
	bio = stream->ssl ? BIO_new(stream->method) : NULL;
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, &stream->fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(stream->ssl, bio, bio);
	if (stream->read_ahead) {
		SSL_set_read_ahead(stream->ssl, 1);
		SSL_set_default_read_buffer_len(stream->ssl, stream->read_ahead);
	}
	do {
		ERR_clear_error();
		done = ssl_step(stream, SSL_do_handshake(stream->ssl), end_ms);
	} while (done == 0);
	return done < 0 ? done : 0;
}

void control_stream_why(const struct control_stream *stream, int err, const char *name,
			const char *side, unsigned int timeout_ms, char *why)
{
	char reason[TLS_WHY_LEN];

	if (err == -ETIMEDOUT) {
		snprintf(why, CONTROL_WHY_LEN, "%s: no answer within %u ms", name, timeout_ms);
	} else if (err == -ECONNRESET) {
		snprintf(why, CONTROL_WHY_LEN, "%s: the %s has closed the connection", name, side);
	} else if (err == -EPROTO && stream->ssl) {
		tls_failure(stream->ssl, reason);
		snprintf(why, CONTROL_WHY_LEN, "%s: TLS: %s", name, reason);
	} else {
		snprintf(why, CONTROL_WHY_LEN, "%s: %s", name, strerror(-err));
	}
}

void control_stream_close(struct control_stream *stream, bool failed)
{
	const struct linger now = { .l_onoff = 1 };

	if (failed && stream->fd >= 0) /* else TCP would go on sending */
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	else if (stream->ssl && SSL_is_init_finished(stream->ssl))
		SSL_shutdown(stream->ssl); /* says that nothing was cut off; waits for nobody */
	SSL_free(stream->ssl);
	BIO_meth_free(stream->method);
	if (stream->fd >= 0)
		close(stream->fd);
	ERR_clear_error();
}
