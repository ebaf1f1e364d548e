/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bounds that all our configuration files have. */
#ifndef TCPMIG_CONF_H
#define TCPMIG_CONF_H

#define CONF_BYTES    (64 * 1024) /* of a file */
#define CONF_PATH_LEN 256	  /* of a path in it, with its NUL */
#define CONF_NAME_LEN 32	  /* of the NAME of a section, at most */
#define CONF_WHY_LEN  256

#endif
