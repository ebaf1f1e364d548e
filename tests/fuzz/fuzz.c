// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

void claim_phrase(const char *why)
{
	CLAIM(why && *why);
	for (; *why; why++)
		CLAIM(*why >= ' ' && *why <= '~');
}

/* Members of a message, as protobuf-c's descriptors tell. */
#define MEMBER(message, offset) ((void *)((char *)(message) + (offset)))

static unsigned int next(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

/* Some value that is at the bounds of something, or is not. */
static uint64_t number(unsigned int *seed)
{
	static const uint64_t bounds[] = { 0,	       1,	   2,	  127,	   128,
					   255,	       1023,	   1024,  1025,	   16383,
					   16384,      65535,	   65536, 1 << 31, UINT32_MAX,
					   1ULL << 32, UINT64_MAX, 5 };

	return bounds[next(seed) % (sizeof(bounds) / sizeof(bounds[0]))] + (next(seed) % 8 == 0);
}

static void mutate_scalar(const ProtobufCFieldDescriptor *f, void *at, unsigned int *seed)
{
	ProtobufCBinaryData *bytes = at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		*(uint64_t *)at = number(seed);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		if (bytes->len)
			bytes->len = LLVMFuzzerMutate(bytes->data, bytes->len, bytes->len);
		break;
	case PROTOBUF_C_TYPE_STRING:
		if (**(char **)at)
			LLVMFuzzerMutate(*(uint8_t **)at, strlen(*(char **)at),
					 strlen(*(char **)at));
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = next(seed) % 2;
		break;
	default: /* uint32 and enums: 4 bytes */
		*(uint32_t *)at = number(seed);
	}
}

static void mutate_inside(ProtobufCMessage *message, unsigned int *seed);

static void mutate_repeated(const ProtobufCFieldDescriptor *f, ProtobufCMessage *message,
			    unsigned int *seed)
{
	size_t *count = MEMBER(message, f->quantifier_offset), i;
	void *array = *(void **)MEMBER(message, f->offset);

	if (!*count)
		return;
	i = next(seed) % *count;
	if (next(seed) % 8 == 0)
		*count = i; /* the others leak, were it not for the caller */
	else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		mutate_inside(((ProtobufCMessage **)array)[i], seed);
	else if (f->type == PROTOBUF_C_TYPE_STRING)
		mutate_scalar(f, (char **)array + i, seed);
	else
		((uint32_t *)array)[i] = next(seed) % 2 ? number(seed) : next(seed) % 65536;
}

/* One field, at some level. */
static void mutate_inside(ProtobufCMessage *message, unsigned int *seed)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	const ProtobufCFieldDescriptor *f;
	void *at;

	if (!type->n_fields)
		return;
	f = &type->fields[next(seed) % type->n_fields];
	at = MEMBER(message, f->offset);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(uint32_t *)MEMBER(message, f->quantifier_offset) != f->id)
		return;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		mutate_repeated(f, message, seed);
	else if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		mutate_scalar(f, at, seed);
	else if (*(ProtobufCMessage **)at)
		mutate_inside(*(ProtobufCMessage **)at, seed);
}

/* Freed all at once, whatever a mutation has cut off. */
static char heap[1 << 20];
static size_t heap_used;

static void *heap_alloc(void *data, size_t size)
{
	size_t whole = (size + 15) / 16 * 16;
	char *piece = heap + heap_used;

	(void)data;
	if (whole > sizeof(heap) - heap_used)
		return NULL;
	heap_used += whole;
	return piece;
}

static void heap_free(void *data, void *piece)
{
	(void)data, (void)piece;
}

static ProtobufCAllocator allocator = { .alloc = heap_alloc, .free = heap_free };

size_t mutate_message(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t size,
		      size_t max, unsigned int seed)
{
	ProtobufCMessage *message;
	size_t len;

	if (seed % 4 == 0)
		return LLVMFuzzerMutate(data, size, max);
	if (seed % 4 == 1)
		size = LLVMFuzzerMutate(data, size, max);
	heap_used = 0;
	message = protobuf_c_message_unpack(type, &allocator, size, data);
	if (!message)
		return seed % 4 == 1 ? size : LLVMFuzzerMutate(data, size, max);
	for (unsigned int n = seed % 4 == 1 ? 0 : 1 + next(&seed) % 5; n; n--)
		mutate_inside(message, &seed);
	len = protobuf_c_message_get_packed_size(message);
	if (len > max)
		return size;
	protobuf_c_message_pack(message, data);
	return len;
}
