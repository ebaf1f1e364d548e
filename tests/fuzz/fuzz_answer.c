// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An answer that is taken is within all bounds, and is written as it was read. */
#include <errno.h>
#include <string.h>

#include "control_frame.h"
#include "control_wire.h"
#include "endpoint.h"
#include "fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	return mutate_message(&tcpmig__answer__descriptor, data, size, max, seed);
}

static void claim_end(const struct tcpmig_endpoint *ep)
{
	CLAIM(!ep->family || (ep->port && !ep->zero && !endpoint_check_routable(ep)));
}

static void claim_move(const struct message_move *move)
{
	CLAIM((unsigned int)move->state < MESSAGE_STATES_COUNT);
	claim_end(&move->old);
	claim_end(&move->cur);
	claim_end(&move->next);
}

static void claim_listed(const struct message_flows *flows, uint32_t counted)
{
	CLAIM(flows->count <= MESSAGE_FLOWS_MAX && flows->count <= counted);
	for (size_t i = 0; i < flows->count; i++) {
		CLAIM(flows->at[i].family);
		claim_end(&flows->at[i]);
		CLAIM(!i || wire_flow_order(&flows->at[i - 1], &flows->at[i]) < 0);
	}
}

static void claim_answer(const struct message_answer *answer)
{
	CLAIM((unsigned int)answer->result < MESSAGE_RESULTS_COUNT);
	CLAIM(message_text_is_valid(answer->text));
	CLAIM(answer->move_count <= MESSAGE_MOVES_MAX);
	claim_move(&answer->move);
	for (size_t i = 0; i < answer->move_count; i++)
		claim_move(&answer->moves[i]);
	claim_listed(&answer->missing, answer->missing_count);
	claim_listed(&answer->lost, answer->lost_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[FRAME_BYTES];
	struct message_answer answer;
	const char *why = NULL;
	int err = message_answer_decode(&answer, data, size, &why);

	CLAIM(err == 0 || err == -EBADMSG);
	if (err) {
		claim_phrase(why);
	} else {
		claim_answer(&answer);
		CLAIM(message_answer_encode(&answer, frame) == (int)size + FRAME_HEAD_BYTES);
		CLAIM(!memcmp(frame + FRAME_HEAD_BYTES, data, size));
	}
	message_answer_free(&answer);
	return 0;
}
