/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running kernel can do, found out another way than by loading our programs. */
#ifndef TCPMIG_TEST_KERNEL_H
#define TCPMIG_TEST_KERNEL_H

#include <stdbool.h>

/** kernel_shows_skb() - must it take the full build? It needs BTF with bpf_cast_to_kern_ctx(). */
bool kernel_shows_skb(void);

/** kernel_has_timers() - does the verifier take bpf_timer? Not with PREEMPT_RT. */
bool kernel_has_timers(void);

#endif
