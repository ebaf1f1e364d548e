// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "arena.h"

/* Under a sanitizer every piece is a block of its own, so that it sees the bounds. */
#ifndef ARENA_BLOCK_BYTES
#define ARENA_BLOCK_BYTES (32 * 1024)
#endif

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t room;
	max_align_t data[];
};

static void *alloc_for_protobuf(void *data, size_t size)
{
	return arena_alloc(data, size);
}

static void free_for_protobuf(void *data, void *piece)
{
	(void)data, (void)piece;
}

void arena_init(struct arena *arena)
{
	*arena = (struct arena){ .allocator = { .alloc = alloc_for_protobuf,
						.free = free_for_protobuf,
						.allocator_data = arena } };
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
	size_t room = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
	struct arena_block *block = malloc(sizeof(*block) + room);

	if (!block) {
		arena->failed = true;
		return NULL;
	}
	block->next = arena->blocks;
	block->used = 0;
	block->room = room;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t whole = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	struct arena_block *block = arena->blocks;
	void *piece;

	if (!block || block->room - block->used < whole) {
		block = add_block(arena, ARENA_BLOCK_BYTES ? whole : size);
		if (!block)
			return NULL;
	}
	piece = (char *)block->data + block->used;
	block->used = block->used + whole < block->room ? block->used + whole : block->room;
	return memset(piece, 0, size);
}

void arena_free(struct arena *arena)
{
	struct arena_block *block = arena->blocks, *next;

	for (; block; block = next) {
		next = block->next;
		free(block);
	}
	arena->blocks = NULL;
}
