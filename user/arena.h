/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory that is freed all at once: thousands of small pieces of a message cost little. */
#ifndef TCPMIG_ARENA_H
#define TCPMIG_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;

/**
 * struct arena - to be made by arena_init().
 * @allocator: for protobuf-c; its free does nothing
 * @failed:    some allocation has failed
 */
struct arena {
	ProtobufCAllocator allocator;
	struct arena_block *blocks;
	bool failed;
};

/** arena_init() - empty. arena_free() it. */
void arena_init(struct arena *arena);

/** arena_alloc() - @size bytes, zeroed, aligned for anything. Return: NULL: no memory. */
void *arena_alloc(struct arena *arena, size_t size);

/** arena_free() - all of it. */
void arena_free(struct arena *arena);

#define _cleanup_arena_ __attribute__((cleanup(arena_free)))

#endif
