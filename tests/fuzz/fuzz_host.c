// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A message between hosts that is taken is within all bounds, and is written as it was read. The
 * first byte says which of the two it is: 'q' a request, else an answer.
 */
#include <errno.h>
#include <string.h>

#include "endpoint.h"
#include "fuzz.h"
#include "host_message.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	const ProtobufCMessageDescriptor *type = size && *data == 'q'
							 ? &tcpmig_host__request__descriptor
							 : &tcpmig_host__answer__descriptor;

	if (!size || max < 2)
		return size;
	return 1 + mutate_message(type, data + 1, size - 1, max - 1, seed);
}

static void claim_endpoint(const TcpmigHost__Endpoint *from)
{
	struct tcpmig_endpoint ep;
	TcpmigHost__Endpoint to;

	CLAIM(from);
	host_endpoint_take(from, &ep);
	CLAIM(ep.port && !endpoint_check_routable(&ep));
	host_endpoint_put(&ep, &to);
	CLAIM(to.port == from->port && to.addr.len == from->addr.len);
	CLAIM(!memcmp(to.addr.data, from->addr.data, to.addr.len));
}

static void claim_digests(TcpmigHost__ImageDigest *const *digests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLAIM(host_name_is_valid(digests[i]->name) && !strchr(digests[i]->name, '/'));
		CLAIM(digests[i]->sha256.len == HOST_SHA256_LEN);
	}
}

static void claim_image(const TcpmigHost__Image *image)
{
	CLAIM(*image->name && strcmp(image->name, ".") && strcmp(image->name, ".."));
	CLAIM(!strchr(image->name, '/') && strlen(image->name) <= 255);
	CLAIM(image->offset + image->data.len >= image->offset);
	CLAIM(image->data.len <= HOST_FRAME_PAYLOAD);
}

static void claim_request(const TcpmigHost__Request *req)
{
	CLAIM(req->body_case != TCPMIG_HOST__REQUEST__BODY__NOT_SET);
	CLAIM(strcmp(host_request_name(req->body_case), "unknown"));
	CLAIM((req->body_case == TCPMIG_HOST__REQUEST__BODY_HELLO) == !req->uuid.len);
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_IMAGE)
		claim_image(req->image);
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_RESTORE)
		claim_digests(req->restore->images, req->restore->n_images);
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_DIGESTS)
		claim_digests(req->digests->images, req->digests->n_images);
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_AGENTS)
		for (size_t i = 0; i < req->agents->n_agents; i++)
			claim_endpoint(req->agents->agents[i]->at);
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_CONNECTIONS)
		for (size_t i = 0; i < req->connections->n_connections; i++)
			claim_endpoint(req->connections->connections[i]->remote);
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_PREPARE)
		for (size_t i = 0; i < req->prepare->n_moves; i++)
			claim_endpoint(req->prepare->moves[i]->next);
}

static uint8_t frame[HOST_FRAME_BYTES];

static void claim_frame(int len, const uint8_t *data, size_t size)
{
	CLAIM(len == (int)size + FRAME_HEAD_BYTES);
	CLAIM(host_frame_payload(frame) == (int)size);
	CLAIM(!memcmp(frame + FRAME_HEAD_BYTES, data, size));
}

static int try_request(struct arena *arena, const uint8_t *data, size_t size, const char **why)
{
	const TcpmigHost__Request *req;
	int err = host_request_decode(arena, data, size, &req, why);

	if (!err) {
		claim_request(req);
		claim_frame(host_request_encode(req, frame, why), data, size);
	}
	return err;
}

static int try_answer(struct arena *arena, const uint8_t *data, size_t size, const char **why)
{
	const TcpmigHost__Answer *answer;
	int err = host_answer_decode(arena, data, size, &answer, why);

	if (!err) {
		CLAIM(strcmp(host_result_name(answer->result), "unknown"));
		CLAIM(strcmp(host_state_name(answer->state), "unknown"));
		CLAIM(answer->result || !*answer->text);
		for (size_t i = 0; i < answer->n_differs; i++)
			CLAIM(answer->differs[i]->path[0] == '/');
		claim_frame(host_answer_encode(answer, frame, why), data, size);
	}
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct arena arena;
	int err;

	if (!size)
		return 0;
	arena_init(&arena);
	err = *data == 'q' ? try_request(&arena, data + 1, size - 1, &why)
			   : try_answer(&arena, data + 1, size - 1, &why);
	CLAIM(err == 0 || err == -EBADMSG);
	if (err)
		claim_phrase(why);
	arena_free(&arena);
	return 0;
}
