// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What comes by a connection: frames, one behind the other, with requests and answers. */
#include <errno.h>
#include <string.h>

#include "control_frame.h"
#include "control_message.h"
#include "fuzz.h"

static void decode(const uint8_t *payload, int len)
{
	struct message_request req;
	struct message_answer answer;
	const char *why;

	if (message_request_decode(&req, payload, len, &why))
		claim_phrase(why);
	message_request_free(&req);
	if (message_answer_decode(&answer, payload, len, &why))
		claim_phrase(why);
	message_answer_free(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t head[FRAME_HEAD_BYTES];
	int len;

	while (size >= FRAME_HEAD_BYTES) {
		len = frame_payload(data);
		CLAIM(len == -EMSGSIZE || (len >= 1 && len <= FRAME_PAYLOAD_BYTES));
		if (len < 0 || size - FRAME_HEAD_BYTES < (size_t)len)
			return 0;
		frame_put_head(head, len);
		CLAIM(!memcmp(head, data, sizeof(head)));
		decode(data + FRAME_HEAD_BYTES, len);
		data += FRAME_HEAD_BYTES + len;
		size -= FRAME_HEAD_BYTES + len;
	}
	return 0;
}
