// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * As `criu --action-script`: CRIU calls it at each stage with CRTOOLS_SCRIPT_ACTION.
 *   pre-restore               no socket yet: name NEW, so that what its sockets say
 *                             while they are being made is dropped, not answered by RST
 *   post-restore              everything exists, sockets still silent: arm. A failure
 *                             here makes CRIU kill the copy: the last free abort.
 *   pre-resume, post-resume   sockets live: go. Twice is once; the second stage is for
 *                             a first that could not (CRIU ignores the status of both).
 * Every other stage is none of ours. With TCPMIG_TLS it is all up to criu_net.h, which takes
 * part in the dump, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cleanup.h"
#include "criu_net.h"
#include "endpoint.h"
#include "images.h"
#include "log.h"
#include "session.h"

#define SEPARATORS " ,\t\n"
#define MOVES_MAX  16

static enum criu_stage stage_of_action(const char *action)
{
	static const struct {
		const char *action;
		enum criu_stage stage;
	} stages[] = {
		{ "pre-dump", CRIU_PRE_DUMP },	     { "post-dump", CRIU_POST_DUMP },
		{ "pre-restore", CRIU_PRE_RESTORE }, { "post-restore", CRIU_POST_RESTORE },
		{ "pre-resume", CRIU_RESUME },	     { "post-resume", CRIU_RESUME },
	};

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		if (!strcmp(action, stages[i].action))
			return stages[i].stage;
	}
	return CRIU_NONE;
}

/* One move, as one pair of the lists in TCPMIG_OLD and TCPMIG_NEW says. */
struct move {
	const char *old_text;
	const char *new_text;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint new;
	bool back; /* to OLD itself */
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

static int read_clients(struct move *move)
{
	const char *dir = getenv("CRTOOLS_IMAGE_DIR");
	_cleanup_close_ int dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int err;

	if (dir_fd < 0)
		return log_error("CRTOOLS_IMAGE_DIR '%s': cannot open it; "
				 "expected to be called by criu --action-script",
				 dir ?: "");
	move->flows.origin = RULES_IMAGE;
	err = images_each_connection(dir_fd, add_client, move);
	return err ? log_errno(err, "'%s': cannot read the connections in files.img", dir) : 0;
}

static int prepare(struct session *s, struct move *move)
{
	struct rules_outcome outcome = {};
	struct tcpmig_owner next;
	int err;

	if (read_clients(move))
		return 1;
	session_owner(s, &move->new, &next);
	err = rules_prepare(&s->tables, &move->old, &next, RULES_HOLD_DEFAULT_MS, &move->flows,
			    &outcome);
	if (!err && outcome.taken)
		return log_error("'%s': %zu of %zu flows cannot be redirected to '%s': the client "
				 "has other connections there; expected a free NEW port",
				 move->old_text, outcome.taken, outcome.flows, move->new_text);
	return err ? log_errno(err, "'%s': cannot prepare it for '%s'", move->old_text,
			       move->new_text)
		   : 0;
}

static int arm(struct session *s, struct move *move)
{
	struct rules_flows none = {};
	struct rules_outcome outcome = {};
	struct tcpmig_owner next;
	int err;

	session_owner(s, &move->new, &next);
	err = rules_arm(&s->tables, &move->old, &next, RULES_HOLD_DEFAULT_MS, &none, &outcome);
	return err ? log_errno(err, "'%s': cannot arm it for '%s'", move->old_text, move->new_text)
		   : 0;
}

static int go(struct session *s, struct move *move)
{
	int err = rules_go(&s->tables, &move->old, &move->new);

	if (err == -ENOENT && move->back)
		return 0; /* the first of the two stages that go has ended the rule */
	return err ? log_errno(err, "'%s': cannot redirect it to '%s'", move->old_text,
			       move->new_text)
		   : 0;
}

/* Each step for all moves before the next; an armed half of a move is put back to held. */
static int run_moves(struct session *s, enum criu_stage stage, struct move *moves, size_t count)
{
	size_t armed = 0;
	int status = 0;

	if (stage != CRIU_RESUME && rules_sweep(&s->tables))
		return log_error("cannot read the rules");
	for (size_t i = 0; !status && stage != CRIU_RESUME && i < count; i++)
		status = prepare(s, &moves[i]);
	for (; !status && stage == CRIU_POST_RESTORE && armed < count; armed++)
		status = arm(s, &moves[armed]);
	for (size_t i = 0; !status && stage == CRIU_RESUME && i < count; i++)
		status = go(s, &moves[i]);
	for (size_t i = 0; status && i < armed; i++)
		rules_disarm(&s->tables, &moves[i].old, RULES_HOLD_DEFAULT_MS);
	return status;
}

/* Cuts the two lists up into pairs. Return: how many, or 0 after saying what is wrong. */
static size_t parse_moves(char *olds, char *news, struct move moves[MOVES_MAX])
{
	char *old_save, *new_save;
	char *old = strtok_r(olds, SEPARATORS, &old_save);
	char *new = strtok_r(news, SEPARATORS, &new_save);
	size_t count = 0;

	if (!old)
		log_usage("TCPMIG_OLD: empty; expected ADDR:PORT, or a list of them");
	for (; old && new &&count < MOVES_MAX; count++) {
		struct move *move = &moves[count];

		*move = (struct move){ .old_text = old, .new_text = new };
		if (!args_endpoint(old, &move->old) || !args_endpoint(new, &move->new))
			return 0;
		move->back = endpoint_same(&move->old, &move->new);
		if (!move->back && !args_pair(old, &move->old, new, &move->new))
			return 0;
		old = strtok_r(NULL, SEPARATORS, &old_save);
		new = strtok_r(NULL, SEPARATORS, &new_save);
	}
	if (old || new) {
		log_usage("'%s': has no partner; expected TCPMIG_OLD and TCPMIG_NEW to have the "
			  "same number of addresses, at most %d",
			  old ?: new, MOVES_MAX);
		return 0;
	}
	return count;
}

/* Return: exit status. */
static int make_moves(const char *pin_dir, enum criu_stage stage, char *olds, char *news)
{
	struct move moves[MOVES_MAX];
	size_t count = parse_moves(olds, news, moves);
	struct session s;
	int status;

	if (!count)
		return 2;
	if (session_open(&s, pin_dir))
		return 1;
	status = run_moves(&s, stage, moves, count);
	session_settle(&s);
	session_close(&s);
	for (size_t i = 0; i < count; i++)
		free(moves[i].flows.local);
	return status;
}

static int run_stage(const struct globals *g, enum criu_stage stage)
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
	const char *action = getenv("CRTOOLS_SCRIPT_ACTION"), *tls_dir = getenv("TCPMIG_TLS");
	enum criu_stage stage;
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
	if (stage == CRIU_NONE)
		return 0;
	if (tls_dir && *tls_dir)
		return criu_net_run(tls_dir, stage);
	return stage == CRIU_PRE_DUMP || stage == CRIU_POST_DUMP ? 0 : run_stage(g, stage);
}
