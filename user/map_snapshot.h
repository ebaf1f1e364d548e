/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything in a hash map, read in batches: one call for thousands of entries. For tables. */
#ifndef TCPMIG_MAP_SNAPSHOT_H
#define TCPMIG_MAP_SNAPSHOT_H

#include <stddef.h>

/** struct map_snapshot - @count keys and values, each as large as in the map, one after another. */
struct map_snapshot {
	void *keys;
	void *values;
	size_t count;
};

/**
 * map_snapshot_take() - what is in a hash map now; what comes or goes meanwhile may be missing.
 * @s:  to fill, whatever it was; map_snapshot_free() it, after an error too
 * @fd: the map, whose keys and values have @key_size and @value_size bytes
 * Return: 0 or -errno.
 */
int map_snapshot_take(struct map_snapshot *s, int fd, size_t key_size, size_t value_size);

/** map_snapshot_free() - what map_snapshot_take() has got. */
void map_snapshot_free(struct map_snapshot *s);

#define _cleanup_snapshot_ __attribute__((cleanup(map_snapshot_free)))

#endif
