/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the commands below `pki` share. */
#ifndef TCPMIG_CMD_PKI_H
#define TCPMIG_CMD_PKI_H

#include "commands.h"
#include "pki_dir.h"

/* As in commands.h; argv[0] is the word behind `pki`. */
int cmd_pki_init(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_pki_issue(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_pki_revoke(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_pki_show(struct globals *g, const struct command *self, int argc, char **argv);

/** struct pki_args - the options of all of them; unset: NULL, 0. */
struct pki_args {
	const char *dir, *name, *ca, *sub_ca, *out;
	enum cert_role role;
	unsigned int days;
	struct tcpmig_endpoint addrs[CERT_NAMES_MAX];
	size_t addr_count;
	struct tcpmig_prefix nets[CERT_NAMES_MAX];
	size_t net_count;
};

/**
 * cmd_pki_parse() - read all options; they speak for themselves where they are wrong.
 * Return: -1 to go on, with optind at the first operand; else the exit status.
 */
int cmd_pki_parse(struct globals *g, const struct command *self, int argc, char **argv,
		  const struct option *options, struct pki_args *args);

/** cmd_pki_iso() - "2026-11-24T09:18:00Z". @buf: 24 bytes. Return: @buf. */
const char *cmd_pki_iso(time_t when, char *buf);

#endif
