// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "host_check.h"
#include "strict_proto.h"

int host_request_decode(struct arena *arena, const void *buf, size_t len,
			const TcpmigHost__Request **req, const char **why)
{
	int err;

	*req = (const TcpmigHost__Request *)strict_unpack(arena, &tcpmig_host__request__descriptor,
							  buf, len, HOST_FRAME_PAYLOAD, &err, why);
	if (!*req)
		return err;
	*why = host_check_request(*req);
	return *why ? -EBADMSG : 0;
}

int host_answer_decode(struct arena *arena, const void *buf, size_t len,
		       const TcpmigHost__Answer **answer, const char **why)
{
	int err;

	*answer = (const TcpmigHost__Answer *)strict_unpack(
		arena, &tcpmig_host__answer__descriptor, buf, len, HOST_FRAME_PAYLOAD, &err, why);
	if (!*answer)
		return err;
	*why = host_check_answer(*answer);
	return *why ? -EBADMSG : 0;
}

static int put_frame(const ProtobufCMessage *message, uint8_t *buf, const char **why)
{
	size_t len = protobuf_c_message_get_packed_size(message);

	*why = "more than a frame may have";
	if (len > HOST_FRAME_PAYLOAD)
		return -EMSGSIZE;
	*why = "an answer to request 0 that says nothing";
	if (!len)
		return -EINVAL;
	frame_put_head(buf, len);
	protobuf_c_message_pack(message, buf + FRAME_HEAD_BYTES);
	return FRAME_HEAD_BYTES + (int)len;
}

int host_request_encode(const TcpmigHost__Request *req, void *buf, const char **why)
{
	*why = host_check_request(req);
	return *why ? -EINVAL : put_frame(&req->base, buf, why);
}

int host_answer_encode(const TcpmigHost__Answer *answer, void *buf, const char **why)
{
	*why = host_check_answer(answer);
	return *why ? -EINVAL : put_frame(&answer->base, buf, why);
}

int host_frame_payload(const uint8_t head[FRAME_HEAD_BYTES])
{
	return frame_payload_within(head, HOST_FRAME_PAYLOAD);
}

void host_endpoint_take(const TcpmigHost__Endpoint *from, struct tcpmig_endpoint *to)
{
	__be32 v4;

	memset(to, 0, sizeof(*to));
	if (!from)
		return;
	if (from->addr.len == sizeof(v4)) {
		memcpy(&v4, from->addr.data, sizeof(v4));
		endpoint_set4(to, v4, htons(from->port));
	} else {
		endpoint_set6(to, from->addr.data, htons(from->port));
	}
}

TcpmigHost__Endpoint *host_endpoint_put(const struct tcpmig_endpoint *from,
					TcpmigHost__Endpoint *to)
{
	bool v4 = from->family == TCPMIG_AF_INET;

	tcpmig_host__endpoint__init(to);
	to->addr.len = v4 ? 4 : 16;
	to->addr.data = (uint8_t *)from->addr + (v4 ? 12 : 0);
	to->port = ntohs(from->port);
	return to;
}

bool host_name_is_valid(const char *name)
{
	size_t len = strnlen(name, HOST_IMAGE_NAME_MAX + 1);

	if (!len || len > HOST_IMAGE_NAME_MAX || *name == '.')
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == '/')
			return false;
	return true;
}

const char *host_request_name(TcpmigHost__Request__BodyCase body)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(&tcpmig_host__request__descriptor, body);

	return field && body >= TCPMIG_HOST__REQUEST__BODY_HELLO ? field->name : "unknown";
}

const char *host_result_name(TcpmigHost__Result result)
{
	static const char *const names[] = {
		[TCPMIG_HOST__RESULT__OK] = "ok",
		[TCPMIG_HOST__RESULT__DENIED] = "denied",
		[TCPMIG_HOST__RESULT__REFUSED] = "refused",
		[TCPMIG_HOST__RESULT__CONFLICT] = "conflict",
		[TCPMIG_HOST__RESULT__FAILED] = "failed",
		[TCPMIG_HOST__RESULT__INVALID] = "invalid",
	};

	return (unsigned int)result < ARRAY_SIZE(names) ? names[result] : "unknown";
}

const char *host_state_name(TcpmigHost__State state)
{
	static const char *const names[] = {
		[TCPMIG_HOST__STATE__NONE] = "none",
		[TCPMIG_HOST__STATE__PREPARED] = "prepared",
		[TCPMIG_HOST__STATE__RESTORED] = "restored",
		[TCPMIG_HOST__STATE__RUNNING] = "running",
		[TCPMIG_HOST__STATE__LOST] = "lost",
		[TCPMIG_HOST__STATE__BUSY] = "busy",
	};

	return (unsigned int)state < ARRAY_SIZE(names) && names[state] ? names[state] : "unknown";
}
