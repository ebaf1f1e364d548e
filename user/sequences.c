// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>

#include "sequences.h"

/* A window has at most 1 GiB (RFC 7323), so what is farther apart is in the other order. */
static bool is_after(uint32_t a, uint32_t b)
{
	return (int32_t)(b - a) < 0;
}

const char *sequences_misfit(const struct message_sequences *image,
			     const struct message_sequences *client)
{
	if (is_after(image->snd_una, image->snd_nxt))
		return "what it has sent ends before it begins";
	if (is_after(client->snd_una, image->rcv_nxt))
		return "the client has seen bytes acknowledged that are not in the image";
	if (is_after(image->rcv_nxt, client->snd_nxt))
		return "the image has bytes that the client has not sent";
	if (is_after(image->snd_una, client->rcv_nxt))
		return "the client lacks bytes that the image holds for received";
	if (is_after(client->rcv_nxt, image->snd_nxt))
		return "the client has received bytes that the image holds for unsent";
	return NULL;
}
