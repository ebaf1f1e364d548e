// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "control_path.h"
#include "pindir.h"

int control_socket_path(const char *pin_dir, char *buf, size_t size)
{
	_cleanup_free_ char *resolved = NULL;
	int len;

	if (!strcmp(pin_dir, PINDIR_DEFAULT))
		resolved = strdup(pin_dir);
	else
		resolved = realpath(pin_dir, NULL);
	if (!resolved)
		return -errno;
	if (!strcmp(resolved, PINDIR_DEFAULT)) {
		len = snprintf(buf, size, CONTROL_PATH_DIR "/agent.sock");
	} else {
		for (char *slash = resolved + 1; (slash = strchr(slash, '/')); slash++)
			*slash = '-';
		len = snprintf(buf, size, CONTROL_PATH_DIR "/agent-%s.sock", resolved + 1);
	}
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}
