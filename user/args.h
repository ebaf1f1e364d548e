/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the commands share in reading their arguments. Speaks: one line for a wrong one. */
#ifndef TCPMIG_ARGS_H
#define TCPMIG_ARGS_H

#include "commands.h"
#include "rules.h"
#include "tcpmig_shared.h"

/* Numbers of the long options of all commands; short ones are their letter. */
enum {
	ARG_PIN_DIR = 256,
	ARG_MODE,
	ARG_ALL,
	ARG_MAX,
	ARG_HOLD,
	ARG_NEXT,
	ARG_ESTABLISHED_ONLY,
	ARG_FLOW,
	ARG_IDLE,
	ARG_FROM,
	ARG_TO,
	ARG_DIR,
	ARG_NAME,
	ARG_DAYS,
	ARG_NET,
	ARG_IP,
	ARG_ROLE,
	ARG_OUT,
	ARG_CA,
	ARG_SUB_CA,
	ARG_CONFIG,
	ARG_PID,
	ARG_NEW,
	ARG_NEW_PORT,
	ARG_DRY_RUN,
	ARG_REQUIRE_AGENTS,
	ARG_MAX_FREEZE,
	ARG_FILES,
	ARG_RESUME,
	ARG_ABORT,
};

/* clang-format off */
#define ARGS_GLOBAL \
	{ "json", no_argument, NULL, 'j' }, \
	{ "verbose", no_argument, NULL, 'v' }, \
	{ "pin-dir", required_argument, NULL, ARG_PIN_DIR }, \
	{ "help", no_argument, NULL, 'h' }, \
	{ NULL, 0, NULL, 0 }
/* clang-format on */

/** Returned by args_next() when there is no further option. */
#define ARGS_END (-1)
/** Returned by args_next() when the command is to stop with exit status *@status. */
#define ARGS_STOP (-2)

/**
 * args_next() - the next option of a command; options that every command takes are done here.
 * @options: ends with ARGS_GLOBAL
 * Return: .val of the option, with its value in optarg; ARGS_END with optind at the
 * first operand; or ARGS_STOP.
 */
int args_next(struct globals *g, const struct command *self, int argc, char **argv,
	      const struct option *options, int *status);

/**
 * args_operands() - exactly @min..@max operands must be left at optind.
 * Return: true, or false after saying so.
 */
bool args_operands(const struct command *self, int argc, int min, int max);

/** args_endpoint() - a usable ADDR:PORT. Return: true, or false after saying what is wrong. */
bool args_endpoint(const char *text, struct tcpmig_endpoint *ep);

/**
 * args_flow() - a usable CLIENT, added to @flows, whose .local the caller frees.
 * Return: 0, or the exit status after saying what is wrong.
 */
int args_flow(const char *text, struct rules_flows *flows);

/** args_pair() - OLD and NEW fit together: not the same, one family. Return: as args_endpoint(). */
bool args_pair(const char *old_text, const struct tcpmig_endpoint *old, const char *new_text,
	       const struct tcpmig_endpoint *new);

/** args_seconds() - whole seconds, 1..@max. Return: seconds, or 0 after saying what is wrong. */
unsigned int args_seconds(const char *option, const char *text, unsigned int max);

#endif
