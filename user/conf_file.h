/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A configuration file and the TLS files it names: opened, read and checked, as root. */
#ifndef TCPMIG_CONF_FILE_H
#define TCPMIG_CONF_FILE_H

#include <stddef.h>

#include "conf.h"
#include "tls.h"

/* @why of all of these: which file, what is wrong, what was expected. */
#define CONF_FILE_WHY_LEN 768

/**
 * conf_file_open() - for reading, if nobody but root may write it.
 * @expected: what it should be: "the configuration of the agent, see tcpmig-bpf(8)"
 * Return: descriptor, -errno.
 */
int conf_file_open(const char *path, const char *expected, char *why);

/**
 * conf_file_read() - all of it, from the beginning.
 * @path: for messages
 * @text: CONF_BYTES + 1 bytes
 * Return: length, at most CONF_BYTES; -errno.
 */
int conf_file_read(const char *path, int fd, char *text, char *why);

/** conf_file_say() - "'@path': @what" into @why. Return: @err. */
int conf_file_say(char *why, int err, const char *path, const char *what);

/**
 * conf_file_open_tls() - open them; the key must be root's alone.
 * @fds: tls_fds_close() it, also after an error
 * Return: 0 or -errno.
 */
int conf_file_open_tls(const struct tls_paths *paths, struct tls_fds *fds, char *why);

/** conf_file_make_tls() - tls_new(). @cert: for messages. Return: 0; -EINVAL. */
int conf_file_make_tls(enum tls_role role, const struct tls_fds *fds, const char *cert,
		       struct tls **tls, char *why);

#endif
