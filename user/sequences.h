/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Do an image of the server's socket and the client's own socket go together? Pure. */
#ifndef TCPMIG_SEQUENCES_H
#define TCPMIG_SEQUENCES_H

#include "control_message.h"

/**
 * sequences_misfit() - what would be lost if the server went on from @image.
 * @image, @client: each by the eyes of its own socket
 *
 * They fit if, modulo 2^32,
 *
 *	client.snd_una <= image.rcv_nxt <= client.snd_nxt and
 *	image.snd_una <= client.rcv_nxt <= image.snd_nxt
 *
 * FINs count on both sides alike. The first of the four is what a kernel breaks that goes on
 * acknowledging for a process whose queues were dumped already; the last one, what it has sent
 * meanwhile. The other two are of another connection with the same addresses.
 * Return: NULL: they fit; else a phrase (static storage).
 */
const char *sequences_misfit(const struct message_sequences *image,
			     const struct message_sequences *client);

#endif
