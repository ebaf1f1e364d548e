/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The time since some beginning, as a number. Not the time of day. */
#ifndef TCPMIG_CLOCKS_H
#define TCPMIG_CLOCKS_H

#include <stdint.h>

/** clock_boot_ns() - CLOCK_BOOTTIME: goes on while the host sleeps; that of deadlines in the maps.
 */
uint64_t clock_boot_ns(void);

/** clock_mono_ns() - CLOCK_MONOTONIC. */
uint64_t clock_mono_ns(void);

/** clock_mono_ms() - the same, in milliseconds. */
uint64_t clock_mono_ms(void);

#endif
