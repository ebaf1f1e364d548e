// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "settle.h"

bool kernel_is_realtime(void)
{
	struct utsname name;

	return uname(&name) || strstr(name.version, "PREEMPT_RT");
}

/* Nobody runs on a CPU before the softirq that it is in has ended. */
static bool run_on_each_cpu(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN), seen = 0;
	cpu_set_t one, before;

	if (sched_getaffinity(0, sizeof(before), &before))
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE && seen < online; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		seen += !sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(before), &before);
	return seen == online;
}

/* Before the other tasks of a busy CPU, if we may. */
static bool run_on_each_cpu_at_once(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	int policy = sched_getscheduler(0);
	struct sched_param before;
	bool raised = policy >= 0 && !sched_getparam(0, &before) &&
		      !sched_setscheduler(0, SCHED_FIFO, &first);
	bool seen = run_on_each_cpu();

	if (raised)
		sched_setscheduler(0, policy, &before);
	return seen;
}

void settle_programs(void)
{
	if (kernel_is_realtime() || !run_on_each_cpu_at_once())
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}
