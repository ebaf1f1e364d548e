// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "control_frame.h"

int frame_payload(const uint8_t head[FRAME_HEAD_BYTES])
{
	return frame_payload_within(head, FRAME_PAYLOAD_BYTES);
}

int frame_payload_within(const uint8_t head[FRAME_HEAD_BYTES], uint32_t max)
{
	uint32_t len;

	memcpy(&len, head, sizeof(len));
	len = ntohl(len);
	return len < 1 || len > max ? -EMSGSIZE : (int)len;
}

void frame_put_head(uint8_t head[FRAME_HEAD_BYTES], size_t payload)
{
	uint32_t len = htonl(payload);

	memcpy(head, &len, sizeof(len));
}
