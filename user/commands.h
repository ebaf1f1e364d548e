/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one list of commands: help is printed from it; man page and completion
 * are checked against it (scripts/check-sync).
 */
#ifndef TCPMIG_COMMANDS_H
#define TCPMIG_COMMANDS_H

#include <getopt.h>
#include <stdbool.h>

/** struct globals - options that every command takes. */
struct globals {
	bool json;
	const char *pin_dir;
};

struct command {
	const char *name;
	const char *args;
	const char *summary;
	int (*run)(struct globals *g, const struct command *self, int argc, char **argv);
};

/* Each: argv[0] is the command's name. Return: exit status 0, 1 or 2; has already spoken. */
int cmd_attach(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_detach(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_hold(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_redirect(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_release(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_list(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_watch(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_gc(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_stats(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_doctor(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_agent(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_host(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_migrate(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_pki(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_criu_hook(struct globals *g, const struct command *self, int argc, char **argv);
int cmd_rewrite_images(struct globals *g, const struct command *self, int argc, char **argv);

#endif
