// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * As `criu --action-script`: CRIU calls it at each stage with CRTOOLS_SCRIPT_ACTION.
 *   pre-restore               no socket yet: name NEW, so that what its sockets say
 *                             while they are being made is dropped, not answered by RST
 *   post-restore              everything exists, sockets still silent: arm. A failure
 *                             here makes CRIU kill the copy: the last free abort.
 *   pre-resume, post-resume   sockets live: go. Twice is once; the second stage is for
 *                             a first that could not (CRIU ignores the status of both).
 * Every other stage is none of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cleanup.h"
#include "endpoint.h"
#include "images.h"
#include "log.h"
#include "session.h"

enum stage { STAGE_NONE, STAGE_PREPARE, STAGE_ARM, STAGE_GO };

#define SEPARATORS " ,\t\n"

static enum stage stage_of_action(const char *action)
{
	if (!strcmp(action, "pre-restore"))
		return STAGE_PREPARE;
	if (!strcmp(action, "post-restore"))
		return STAGE_ARM;
	if (!strcmp(action, "pre-resume") || !strcmp(action, "post-resume"))
		return STAGE_GO;
	return STAGE_NONE;
}

/* One move, as one pair of the lists in TCPMIG_OLD and TCPMIG_NEW says. */
struct move {
	const char *old_text;
	const char *new_text;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint new;
	struct rules_flows flows;
};

/* A connection of the image whose local end is NEW: its client is a flow of OLD. */
static int add_client(const struct tcpmig_endpoint *local, const struct tcpmig_endpoint *remote,
		      void *ctx)
{
	struct move *move = ctx;
	struct tcpmig_endpoint *grown;

	if (!endpoint_same(local, &move->new))
		return 0;
	grown = realloc(move->flows.local, (move->flows.count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	move->flows.local = grown;
	grown[move->flows.count++] = *remote;
	return 0;
}

/* STAGE_PREPARE and STAGE_ARM. */
static int arm(struct session *s, struct move *move, enum stage stage)
{
	const char *dir = getenv("CRTOOLS_IMAGE_DIR");
	_cleanup_close_ int dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct rules_outcome outcome = {};
	struct tcpmig_owner next;
	int err;

	if (dir_fd < 0)
		return log_error("CRTOOLS_IMAGE_DIR '%s': cannot open it; "
				 "expected to be called by criu --action-script",
				 dir ?: "");
	err = images_each_connection(dir_fd, add_client, move);
	if (err)
		return log_errno(err, "'%s': cannot read the connections in files.img", dir);
	session_owner(s, &move->new, &next);
	err = rules_sweep(&s->tables);
	if (!err)
		err = (stage == STAGE_ARM ? rules_arm : rules_prepare)(&s->tables, &move->old,
								       &next, RULES_HOLD_DEFAULT_MS,
								       &move->flows, &outcome);
	if (err)
		return log_errno(err, "'%s': cannot arm it for '%s'", move->old_text,
				 move->new_text);
	if (outcome.taken)
		return log_error("'%s': %zu of %zu flows cannot be redirected to '%s': the client "
				 "has other connections there; expected a free NEW port",
				 move->old_text, outcome.taken, outcome.flows, move->new_text);
	return 0;
}

static int go(struct session *s, const struct move *move)
{
	int err = rules_go(&s->tables, &move->old, &move->new);

	if (err == -ENOENT && endpoint_same(&move->old, &move->new))
		return 0;
	return err ? log_errno(err, "'%s': cannot redirect it to '%s'", move->old_text,
			       move->new_text)
		   : 0;
}

/* Return: exit status. */
static int make_move(const char *pin_dir, enum stage stage, struct move *move)
{
	struct session s;
	int status;

	if (!args_endpoint(move->old_text, &move->old) ||
	    !args_endpoint(move->new_text, &move->new))
		return 2;
	if (move->old.family != move->new.family)
		return args_pair(move->old_text, &move->old, move->new_text, &move->new) ? 0 : 2;
	if (session_open(&s, pin_dir))
		return 1;
	status = stage == STAGE_GO ? go(&s, move) : arm(&s, move, stage);
	session_close(&s);
	return status;
}

/* @olds and @news are lists of the same length; both are cut up. */
static int make_moves(const char *pin_dir, enum stage stage, char *olds, char *news)
{
	char *old_save, *new_save;
	char *old = strtok_r(olds, SEPARATORS, &old_save);
	char *new = strtok_r(news, SEPARATORS, &new_save);
	int status = 0;

	if (!old)
		return log_usage("TCPMIG_OLD: empty; expected ADDR:PORT, or a list of them");
	while (!status && old && new) {
		struct move move = { .old_text = old, .new_text = new };

		status = make_move(pin_dir, stage, &move);
		free(move.flows.local);
		old = strtok_r(NULL, SEPARATORS, &old_save);
		new = strtok_r(NULL, SEPARATORS, &new_save);
	}
	if (!status && (old || new))
		return log_usage("TCPMIG_OLD and TCPMIG_NEW: '%s' has no partner; "
				 "expected two lists of the same length",
				 old ?: new);
	return status;
}

static int run_stage(const struct globals *g, enum stage stage)
{
	const char *old = getenv("TCPMIG_OLD"), *new = getenv("TCPMIG_NEW");
	const char *pin_dir = getenv("TCPMIG_PIN_DIR");
	_cleanup_free_ char *olds = NULL, *news = NULL;

	if (!old || !new)
		return log_usage("%s: not set; expected ADDR:PORT, or a list of them",
				 old ? "TCPMIG_NEW" : "TCPMIG_OLD");
	olds = strdup(old);
	news = strdup(new);
	if (!olds || !news)
		return log_errno(ENOMEM, "criu-hook");
	return make_moves(pin_dir ?: g->pin_dir, stage, olds, news);
}

int cmd_criu_hook(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	const char *action = getenv("CRTOOLS_SCRIPT_ACTION");
	enum stage stage;
	int c, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	if (!action)
		return log_usage("CRTOOLS_SCRIPT_ACTION: not set; "
				 "expected to be called by criu --action-script");
	stage = stage_of_action(action);
	return stage == STAGE_NONE ? 0 : run_stage(g, stage);
}
