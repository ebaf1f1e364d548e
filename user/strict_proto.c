// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "strict_proto.h"

/* As the descriptors of protobuf-c say where a member is. */
#define MEMBER(message, offset) ((const void *)((const char *)(message) + (offset)))

static bool has_unknown(const ProtobufCMessage *message);

static bool member_has_unknown(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessage *const *repeated, *single;
	size_t count;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		count = *(const size_t *)MEMBER(message, f->quantifier_offset);
		repeated = *(const ProtobufCMessage *const *const *)MEMBER(message, f->offset);
		for (size_t i = 0; i < count; i++)
			if (has_unknown(repeated[i]))
				return true;
		return false;
	}
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)MEMBER(message, f->quantifier_offset) != f->id)
		return false;
	single = *(const ProtobufCMessage *const *)MEMBER(message, f->offset);
	return single && has_unknown(single);
}

/* At any level: there are no more of them than the descriptor has. */
static bool has_unknown(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	if (message->n_unknown_fields)
		return true;
	for (unsigned int i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
		    member_has_unknown(message, &type->fields[i]))
			return true;
	return false;
}

/** struct comparison - a "buffer" that is not written to, but must be so already. */
struct comparison {
	ProtobufCBuffer base;
	const uint8_t *at, *end;
	bool differs;
};

static void compare(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	struct comparison *with = (struct comparison *)buffer;

	if (with->differs || len > (size_t)(with->end - with->at) || memcmp(with->at, data, len))
		with->differs = true;
	else
		with->at += len;
}

/* Without a copy: images come by in large pieces. */
static bool is_canonical(const ProtobufCMessage *message, const void *buf, size_t len)
{
	struct comparison with = { .base.append = compare,
				   .at = buf,
				   .end = (const uint8_t *)buf + len };

	protobuf_c_message_pack_to_buffer(message, &with.base);
	return !with.differs && with.at == with.end;
}

const ProtobufCMessage *strict_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type,
				      const void *buf, size_t len, size_t max, int *err,
				      const char **why)
{
	const ProtobufCMessage *message;

	*err = -EBADMSG;
	*why = len ? "longer than a frame may be" : "empty";
	if (len < 1 || len > max)
		return NULL;
	message = protobuf_c_message_unpack(type, &arena->allocator, len, buf);
	*why = "damaged";
	if (arena->failed)
		*err = -ENOMEM;
	if (!message || arena->failed)
		return NULL;
	*why = "a field that is not known";
	if (has_unknown(message))
		return NULL;
	*why = "not written in the one way that is right";
	return is_canonical(message, buf, len) ? message : NULL;
}
