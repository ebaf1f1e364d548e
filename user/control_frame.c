// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "control_frame.h"

int frame_payload(const uint8_t head[FRAME_HEAD_BYTES])
{
	uint32_t len;

	memcpy(&len, head, sizeof(len));
	len = ntohl(len);
	return len < 1 || len > FRAME_PAYLOAD_BYTES ? -EMSGSIZE : (int)len;
}

void frame_put_head(uint8_t head[FRAME_HEAD_BYTES], size_t payload)
{
	uint32_t len = htonl(payload);

	memcpy(head, &len, sizeof(len));
}
