// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>

#include "clocks.h"
#include "poll_until.h"

int poll_until(int fd, short events, uint64_t end_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int ready;

	do {
		uint64_t now = clock_mono_ms();

		ready = poll(&poll_fd, 1, now < end_ms ? (int)(end_ms - now) : 0);
	} while (ready < 0 && errno == EINTR);
	return ready > 0 ? 0 : ready ? -errno : -ETIMEDOUT;
}
