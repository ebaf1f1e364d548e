/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host.conf and the TLS files it names, for migrator and host daemon. */
#ifndef TCPMIG_HOST_FILES_H
#define TCPMIG_HOST_FILES_H

#include "conf_file.h"
#include "host_conf.h"

#define HOST_FILES_WHY_LEN CONF_FILE_WHY_LEN

/**
 * struct host_files - all of it; host_files_free() it.
 * @accepts:  TLS_AGENT, for host_link_accept()
 * @connects: TLS_HOST, for host_link_connect() and control_link_tls()
 */
struct host_files {
	struct host_conf conf;
	struct tls *accepts;
	struct tls *connects;
};

/**
 * host_files_load() - read them, and see whether a host can work with them.
 * @why: HOST_FILES_WHY_LEN bytes; on error: which file, what is wrong, what was expected
 *
 * Who may write host.conf may have processes sent here, and who may read the key may be this
 * host: both are refused if others may. Return: 0 or -errno, with nothing to be freed.
 */
int host_files_load(const char *conf_path, struct host_files *files, char *why);

/** host_files_free() - what host_files_load() has made. Harmless on a zeroed one. */
void host_files_free(struct host_files *files);

#endif
