/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the agent of a pin directory listens for local commands. */
#ifndef TCPMIG_CONTROL_PATH_H
#define TCPMIG_CONTROL_PATH_H

#include <stddef.h>

#define CONTROL_PATH_DIR "/run/tcpmig"
/* Of struct sockaddr_un: longer ones cannot be bound. */
#define CONTROL_PATH_LEN 108

/**
 * control_socket_path() - /run/tcpmig/agent.sock for the default pin directory, else
 * /run/tcpmig/agent-NAME.sock, NAME being the resolved path with '-' for '/'.
 * @pin_dir: must be there, unless it is the default one
 * @buf:     @size bytes, CONTROL_PATH_LEN are enough
 * Return: 0; -ENAMETOOLONG: no socket can have that name; another -errno of resolving.
 */
int control_socket_path(const char *pin_dir, char *buf, size_t size);

#endif
