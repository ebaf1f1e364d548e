/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Scope-bound release of memory, descriptors and streams. */
#ifndef TCPMIG_CLEANUP_H
#define TCPMIG_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_	 __attribute__((cleanup(cleanup_freep)))
#define _cleanup_close_	 __attribute__((cleanup(cleanup_closep)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclosep)))

#define ARRAY_SIZE(a)	 (sizeof(a) / sizeof((a)[0]))

#endif
