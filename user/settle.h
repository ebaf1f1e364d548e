/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Waiting for the BPF programs of tc that are at work. */
#ifndef TCPMIG_SETTLE_H
#define TCPMIG_SETTLE_H

#include <stdbool.h>

/** kernel_is_realtime() - PREEMPT_RT: softirqs, and with them tc programs, can be preempted. */
bool kernel_is_realtime(void);

/**
 * settle_programs() - wait until no tc program runs any more that had begun before the call: what
 * has been stored before it, all that run now see, and what they let pass, TCP has had.
 *
 * By running on each CPU once: some 0.05 ms each. The kernel's own way (membarrier) takes 5 to
 * 20 ms; that is taken where this is not possible: a CPU that the caller may not run on, or
 * PREEMPT_RT.
 */
void settle_programs(void);

#endif
