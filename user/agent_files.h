/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration and the TLS files it names: opened, read and checked together, as root. */
#ifndef TCPMIG_AGENT_FILES_H
#define TCPMIG_AGENT_FILES_H

#include "agent_conf.h"
#include "agent_keeper.h"
#include "conf_file.h"
#include "tls.h"

#define AGENT_FILES_WHY_LEN CONF_FILE_WHY_LEN

/**
 * agent_files_open() - open all of them, and see whether an agent can work with them.
 * @files: open for reading; agent_files_close() it
 * @tls:   as tls_new() made it of @files; tls_free() it
 * @why:   AGENT_FILES_WHY_LEN bytes; on error: which file, what is wrong, what was expected
 *
 * Who may write the configuration may send connections away, and who may read the key may be
 * this host: both are refused if others may. Return: 0 or -errno, with nothing left open.
 */
int agent_files_open(const char *conf_path, struct agent_conf *conf, struct keeper_files *files,
		     struct tls **tls, char *why);

/**
 * agent_files_parse() - read them again through @files, wherever they are by now.
 * For a process that can open nothing. Arguments as of agent_files_open().
 */
int agent_files_parse(const char *conf_path, const struct keeper_files *files,
		      struct agent_conf *conf, struct tls **tls, char *why);

/** agent_files_close() - harmless on what is closed. */
void agent_files_close(struct keeper_files *files);

#endif
