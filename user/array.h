/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists that grow by one at their end. */
#ifndef TCPMIG_ARRAY_H
#define TCPMIG_ARRAY_H

#include <stdlib.h>

/**
 * array_grow() - room for one more behind @count elements; twice as much where it is full.
 * @list: of an earlier call with the same @size, or NULL where @count is 0
 * Return: the list, perhaps elsewhere; NULL: no memory, and @list is as it was.
 */
static inline void *array_grow(void *list, size_t count, size_t size)
{
	if (count & (count - 1) || (!count && list))
		return list; /* full where it is a power of two */
	return reallocarray(list, count ? count * 2 : 1, size);
}

#endif
