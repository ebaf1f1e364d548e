/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the TCP connections in CRIU's images stand: the addresses of files.img joined with the
 * sequence numbers of tcp-stream-INO.img, INO in hex.
 *
 * What CRIU writes, of the server's socket (SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, TCP_QUEUE_SEQ):
 *
 *	inq_seq  = rcv_nxt, the client's FIN included where it has come
 *	outq_seq = write_seq, its own FIN included where it has closed
 *	outq_len = write_seq - snd_una, unsq_len = write_seq - snd_nxt, each less one for an own FIN
 *		   among them, but never below 0
 *
 * So with one FIN in the states FIN_WAIT1, CLOSING and LAST_ACK (not acknowledged yet; 0 else)
 *
 *	rcv_nxt = inq_seq
 *	snd_una = outq_seq - outq_len - FIN
 *	snd_nxt = outq_seq - unsq_len - (unsq_len ? FIN : 0)
 *
 * An unsq_len of 0 does not tell whether the FIN has been sent; it is taken as sent, which allows
 * the client one number more. inq_len and the queues behind the entry are not needed.
 */
#ifndef TCPMIG_TCP_STREAM_IMG_H
#define TCPMIG_TCP_STREAM_IMG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control_message.h"

struct bytes;

/**
 * struct tcp_stream - a connection.
 * @local, @remote: v4-mapped ones as IPv4; as in files.img, so before a rewrite those of A
 * @seq:   of its socket
 */
struct tcp_stream {
	struct tcpmig_endpoint local;
	struct tcpmig_endpoint remote;
	struct message_sequences seq;
};

struct tcp_streams {
	struct tcp_stream *at;
	size_t count;
};

/**
 * tcp_streams_read() - every connection in the images of @dir_fd.
 * @streams: in the order of files.img; tcp_streams_free() it, also after an error
 * @why:     on error: what is wrong, as a phrase (static storage)
 *
 * Not those that listen, are closed, or still connect: they have no stream.
 * Return: 0; -ENOENT: no files.img, or the stream of a connection is missing; -EBADMSG: damaged;
 * -ENOMEM; another -errno.
 */
int tcp_streams_read(int dir_fd, struct tcp_streams *streams, const char **why);

/** tcp_streams_free() - harmless on a zeroed one. */
void tcp_streams_free(struct tcp_streams *streams);

/**
 * tcp_stream_clear_usec() - clear bit 0 of each timestamp in the images of @dir_fd.
 * @changed: how many had it set
 * @why:     as above
 *
 * From Linux 6.7 on that bit of TCP_TIMESTAMP says "in microseconds"; an older kernel has dumped
 * whatever its clock had there. So for images of an older one, before they are restored on a newer
 * one. Changes one byte of a file at a time, in place: done again it changes nothing.
 * Return: 0; -EBADMSG: an image is damaged; another -errno.
 */
int tcp_stream_clear_usec(int dir_fd, size_t *changed, const char **why);

/* Of one tcp-stream image as bytes; pure. */

/* What of the file is enough: the entry is some 60 bytes, the queues behind it are not looked at.
 */
#define TCP_STREAM_HEAD_BYTES 512

/**
 * tcp_stream_img_read() - the numbers in an image.
 * @image: of its beginning TCP_STREAM_HEAD_BYTES or more, or all of it
 * @state: of the socket, as files.img has it
 * Return: 0; -EBADMSG: damaged.
 */
int tcp_stream_img_read(const struct bytes *image, int state, struct message_sequences *seq);

/**
 * tcp_stream_img_clear_usec() - clear the bit in @image.
 * @offset: of the byte that has changed
 * Return: 1: changed; 0: it was clear, or there is no timestamp; -EBADMSG: damaged.
 */
int tcp_stream_img_clear_usec(struct bytes *image, size_t *offset);

#endif
