// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A request that is taken is within all bounds, and is written as it was read. */
#include <errno.h>
#include <string.h>

#include "control_frame.h"
#include "control_wire.h"
#include "endpoint.h"
#include "fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	return mutate_message(&tcpmig__request__descriptor, data, size, max, seed);
}

static void claim_flows(const struct message_request *req)
{
	const struct message_flows *flows = &req->flows;

	CLAIM(flows->count <= MESSAGE_FLOWS_MAX);
	CLAIM(!flows->count == !flows->at);
	for (size_t i = 0; i < flows->count; i++) {
		CLAIM(flows->at[i].family == req->old.family);
		CLAIM(flows->at[i].port && !flows->at[i].zero);
		CLAIM(!endpoint_check_routable(&flows->at[i]));
		CLAIM(!i || wire_flow_order(&flows->at[i - 1], &flows->at[i]) < 0);
	}
}

static void claim_fields(const struct message_request *req)
{
	unsigned int has = wire_types[req->type].has;
	static const uint8_t nil[MESSAGE_KEY_LEN];

	CLAIM(!(has & WIRE_MIGRATION) == !req->epoch);
	CLAIM(!(has & WIRE_MIGRATION) == !memcmp(req->uuid, nil, sizeof(req->uuid)));
	CLAIM(!(has & WIRE_OLD) == !req->old.family);
	CLAIM(!(has & WIRE_MS) == !req->max_ms);
	CLAIM(!(has & WIRE_VERSION) == !req->version);
	CLAIM(has & WIRE_NEXT || !req->next.family);
	CLAIM(!req->next.family || req->next.family == req->old.family);
	CLAIM(has & WIRE_FLOWS || !req->flows.count);
	CLAIM((has & WIRE_SEQUENCES && req->flows.count) == !!req->sequences);
	CLAIM(has & WIRE_TEXT || !*req->text);
	CLAIM(req->hold_mode <= TCPMIG_HOLD_SWALLOW);
	CLAIM(message_text_is_valid(req->text));
}

/* There is one way to write it: what was read. */
static bool message_request_encodes_as(const struct message_request *req, const uint8_t *data,
				       size_t size)
{
	static uint8_t frame[FRAME_BYTES];

	return message_request_encode(req, frame) == (int)size + FRAME_HEAD_BYTES &&
	       frame_payload(frame) == (int)size && !memcmp(frame + FRAME_HEAD_BYTES, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_request req;
	const char *why = NULL;
	int err = message_request_decode(&req, data, size, &why);

	CLAIM(err == 0 || err == -EBADMSG);
	if (err) {
		claim_phrase(why);
	} else {
		CLAIM((unsigned int)req.type < MESSAGE_TYPES_COUNT);
		claim_fields(&req);
		claim_flows(&req);
		CLAIM(message_request_encodes_as(&req, data, size));
	}
	message_request_free(&req);
	return 0;
}
