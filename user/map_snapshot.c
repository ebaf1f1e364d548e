// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map_snapshot.h"

void map_snapshot_free(struct map_snapshot *s)
{
	free(s->keys);
	free(s->values);
}

static int snapshot_grow(struct map_snapshot *s, size_t room, size_t key_size, size_t value_size)
{
	void *keys = realloc(s->keys, room * key_size);
	void *values;

	if (!keys)
		return -ENOMEM;
	s->keys = keys;
	values = realloc(s->values, room * value_size);
	if (!values)
		return -ENOMEM;
	s->values = values;
	return 0;
}

int map_snapshot_take(struct map_snapshot *s, int fd, size_t key_size, size_t value_size)
{
	__u32 batch = 1024, count, next;
	void *in = NULL;
	int err;

	memset(s, 0, sizeof(*s));
	for (;;) {
		err = snapshot_grow(s, s->count + batch, key_size, value_size);
		if (err)
			return err;
		count = batch;
		err = bpf_map_lookup_batch(fd, in, &next, (char *)s->keys + s->count * key_size,
					   (char *)s->values + s->count * value_size, &count, NULL);
		if (err && errno == ENOSPC) { /* a bucket with more entries than the batch */
			batch *= 2;
			continue;
		}
		if (err && errno != ENOENT)
			return -errno;
		s->count += count;
		if (err) /* ENOENT: that was the last batch */
			return 0;
		in = &next;
	}
}
