/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * System call filters (libseccomp) as the agent and its keeper have them: lists of what is
 * allowed. The rest fails with EPERM; what no library ever tries, and whoever tries it is not
 * our code any more, ends the process (SIGSYS, and a line in the audit log).
 */
#ifndef TCPMIG_SECCOMP_RULES_H
#define TCPMIG_SECCOMP_RULES_H

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

/**
 * seccomp_begin() - a filter that allows what both processes need: reading, writing, waiting,
 * memory that is not executable, time, random numbers, locks, signals to this process itself.
 * Of bpf(2) only the elements of maps.
 * Return: seccomp_release() it; NULL and errno: EOPNOTSUPP, EFAULT: the kernel, or a filter that
 * is there already, lets us have none.
 */
scmp_filter_ctx seccomp_begin(void);

/** seccomp_allow() - these system calls, whatever their arguments. Return: 0 or -errno. */
int seccomp_allow(scmp_filter_ctx ctx, const int *calls, size_t count);

/**
 * seccomp_allow_if() - @call where the lower 32 bits of argument @arg, under @mask, are one of
 * @values. Return: 0 or -errno.
 */
int seccomp_allow_if(scmp_filter_ctx ctx, int call, unsigned int arg, uint32_t mask,
		     const uint32_t *values, size_t count);

/** SECCOMP_ALLOW_IF() - the same, with the values in the argument list. */
#define SECCOMP_ALLOW_IF(ctx, call, arg, mask, ...)                               \
	seccomp_allow_if(ctx, call, arg, mask, (const uint32_t[]){ __VA_ARGS__ }, \
			 ARRAY_SIZE(((const uint32_t[]){ __VA_ARGS__ })))

#endif
