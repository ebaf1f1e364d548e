// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "notify.h"

static struct sockaddr_un address;
static socklen_t address_len; /* 0: nobody listens */

/* A path, or with @ in the place of its first byte, 0, an abstract name. */
static void read_address(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	address_len = 0;
	if (len < 2 || len >= sizeof(address.sun_path) || !strchr("/@", *text))
		return;
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, text, len + 1);
	if (*text == '@')
		address.sun_path[0] = '\0';
	address_len = offsetof(struct sockaddr_un, sun_path) + len + (*text == '/');
}

uint64_t notify_init(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t ms = usec && (!pid || atol(pid) == getpid()) ? strtoull(usec, NULL, 10) / 1000 : 0;

	read_address(getenv("NOTIFY_SOCKET"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return ms;
}

int notify(const char *text)
{
	_cleanup_close_ int fd = -1;

	if (!address_len)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	return sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
		      address_len) < 0
		       ? -errno
		       : 0;
}

int notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)clock_mono_ns() / 1000);
	return notify(text);
}
