// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Settings, and the side that gets the process. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_conf.h"
#include "args.h"
#include "cleanup.h"
#include "criu_net.h"
#include "endpoint.h"
#include "log.h"

#define SEPARATORS	   " ,\t\n"
#define TIMEOUT_DEFAULT_MS 2000
#define TIMEOUT_MAX_MS	   60000

/* The number in the environment variable @name. Return: 0, or 2 after saying what is wrong. */
static int env_number(const char *name, unsigned int unset, unsigned int max, unsigned int *value)
{
	const char *text = getenv(name);
	unsigned long number = 0;
	char *end = NULL;

	*value = unset;
	if (!text || !*text)
		return 0;
	errno = 0;
	if (*text >= '0' && *text <= '9')
		number = strtoul(text, &end, 10);
	if (!end || *end || errno || number < 1 || number > max)
		return log_usage("'%s': expected a number, 1..%u, for %s", text, max, name);
	*value = number;
	return 0;
}

static int env_need(enum move_need *need)
{
	const char *text = getenv("TCPMIG_REQUIRE_AGENTS");

	*need = MOVE_NEED_ALL;
	if (!text || !*text || move_need_parse(text, need))
		return 0;
	return log_usage("'%s': expected all, any or none for TCPMIG_REQUIRE_AGENTS", text);
}

static int settings(struct criu_net *n)
{
	unsigned int port, hold_s;
	int status = env_number("TCPMIG_AGENT_PORT", AGENT_PORT, UINT16_MAX, &port);

	if (!status)
		status = env_number("TCPMIG_TIMEOUT_MS", TIMEOUT_DEFAULT_MS, TIMEOUT_MAX_MS,
				    &n->orders.agents.timeout_ms);
	if (!status)
		status = env_number("TCPMIG_HOLD_S", RULES_HOLD_DEFAULT_MS / 1000,
				    RULES_HOLD_MAX_MS / 1000, &hold_s);
	if (!status)
		status = env_need(&n->orders.need);
	if (status)
		return status;
	n->orders.agent_port = htons(port);
	n->orders.file.hold_ms = hold_s * 1000;
	return 0;
}

/* A list of addresses in the environment. Return: how many; 0 after saying what is wrong. */
static size_t env_list(const char *name, const char *text, struct tcpmig_endpoint *list)
{
	_cleanup_free_ char *copy = strdup(text);
	char *word, *save;
	size_t count = 0;

	for (word = copy ? strtok_r(copy, SEPARATORS, &save) : NULL;
	     word && count < MOVE_FILE_MOVES; word = strtok_r(NULL, SEPARATORS, &save)) {
		if (!args_endpoint(word, &list[count++]))
			return 0;
	}
	if (word)
		count = 0;
	if (!count)
		log_usage("%s: expected 1 to %d addresses", name, MOVE_FILE_MOVES);
	return count;
}

int criu_net_lists(struct move_file *file)
{
	const char *old_text = getenv("TCPMIG_OLD"), *new_text = getenv("TCPMIG_NEW");
	const char *cur_text = getenv("TCPMIG_CUR");
	struct tcpmig_endpoint old[MOVE_FILE_MOVES], cur[MOVE_FILE_MOVES], next[MOVE_FILE_MOVES];
	char text[ENDPOINT_STRLEN], next_is[ENDPOINT_STRLEN];
	size_t count;

	if (!old_text || !new_text)
		return log_usage("%s: not set; expected ADDR:PORT, or a list of them",
				 old_text ? "TCPMIG_NEW" : "TCPMIG_OLD");
	if (!cur_text || !*cur_text)
		cur_text = old_text;
	count = env_list("TCPMIG_OLD", old_text, old);
	if (!count || !env_list("TCPMIG_NEW", new_text, next))
		return 2;
	if (env_list("TCPMIG_CUR", cur_text, cur) != count ||
	    env_list("TCPMIG_NEW", new_text, next) != count)
		return log_usage("'%s': expected TCPMIG_OLD, TCPMIG_NEW and TCPMIG_CUR to have the "
				 "same number of addresses",
				 old_text);
	for (file->count = 0; file->count < count; file->count++) {
		struct move_record *move = &file->moves[file->count];

		*move = (struct move_record){ .old = old[file->count],
					      .cur = cur[file->count],
					      .next = next[file->count] };
		endpoint_format(&move->cur, text);
		if (!args_pair(text, &move->cur, endpoint_format(&move->next, next_is),
			       &move->next) ||
		    move->old.family != move->cur.family)
			return 2;
	}
	return 0;
}

static int open_tls(struct criu_net *n, const char *dir)
{
	_cleanup_free_ char *ca = NULL, *crl = NULL, *cert = NULL, *key = NULL;
	const char *failed;
	struct tls_paths paths;
	struct tls_fds fds;
	char why[TLS_WHY_LEN];
	int err;

	if (asprintf(&ca, "%s/ca.crt", dir) < 0 || asprintf(&crl, "%s/ca.crl", dir) < 0 ||
	    asprintf(&cert, "%s/host.crt", dir) < 0 || asprintf(&key, "%s/host.key", dir) < 0)
		return log_errno(ENOMEM, "criu-hook");
	paths = (struct tls_paths){ ca, access(crl, F_OK) ? NULL : crl, cert, key };
	err = tls_open(&fds, &paths, &failed);
	if (err)
		return log_errno(err, "'%s': cannot open it; expected it in TCPMIG_TLS", failed);
	n->tls = n->orders.agents.tls = tls_new(TLS_HOST, &fds, why);
	tls_fds_close(&fds);
	return n->tls ? 0 : log_error("'%s': %s", dir, why);
}

static int open_images(struct criu_net *n)
{
	const char *dir = getenv("CRTOOLS_IMAGE_DIR");

	n->dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (n->dir_fd < 0)
		return log_error("CRTOOLS_IMAGE_DIR '%s': cannot open it; "
				 "expected to be called by criu --action-script",
				 dir ?: "");
	return 0;
}

static int read_file(struct criu_net *n)
{
	const char *why;
	int err = move_file_read(n->dir_fd, &n->orders.file, &why);

	if (err == -ENOENT)
		return log_error("'" MOVE_FILE "': not beside the images; expected a dump with "
				 "criu-hook and TCPMIG_TLS");
	if (err == -EBADMSG)
		return log_error("'" MOVE_FILE "': %s; expected the file of the dump", why);
	if (err)
		return log_errno(err, "'" MOVE_FILE "': cannot read it");
	return move_orders_from_file(&n->orders);
}

/* Are the images those of the move that the environment speaks of, if it does? */
static int check_lists(const struct criu_net *n)
{
	struct move_file said = {};
	char is[ENDPOINT_STRLEN], expected[ENDPOINT_STRLEN];
	int status;

	if (!getenv("TCPMIG_OLD") && !getenv("TCPMIG_NEW"))
		return 0;
	status = criu_net_lists(&said);
	if (status)
		return status;
	for (size_t i = 0; i < n->orders.file.count || i < said.count; i++) {
		const struct move_record *a = &n->orders.file.moves[i], *b = &said.moves[i];

		if (said.count == n->orders.file.count && endpoint_same(&a->old, &b->old) &&
		    endpoint_same(&a->next, &b->next))
			continue;
		return log_error("'" MOVE_FILE "': the images are those of a move of %s to %s; "
				 "expected TCPMIG_OLD and TCPMIG_NEW to say the same",
				 endpoint_format(&n->orders.file.moves[0].old, is),
				 endpoint_format(&n->orders.file.moves[0].next, expected));
	}
	return 0;
}

static int consent(struct criu_net *n)
{
	int status = check_lists(n);

	if (status)
		return status;
	if (!n->orders.file.committed)
		return log_error("'" MOVE_FILE "': the dump was given up, or is not complete; "
				 "expected a new one");
	if (n->orders.file.gone)
		return log_error("'" MOVE_FILE "': these images have been restored before, and the "
				 "connections are there");
	return move_orders_give(&n->orders, MESSAGE_CONSENT,
				"the connections go back to where they were when they are held no "
				"longer, if they have not yet");
}

/* The last free abort: whatever is armed would hold for ever, as nobody will say go. */
static int arm(struct criu_net *n)
{
	if (!move_orders_give(&n->orders, MESSAGE_ARM, "the copy is given up; has the hold ended?"))
		return 0;
	n->orders.agents.reason = "another agent could not be armed";
	move_agents_order(&n->orders.agents, MESSAGE_ABORT);
	return 1;
}

/* The second stage that goes is for what the first could not. */
static int go(struct criu_net *n)
{
	int err;

	if (n->orders.file.gone)
		return 0;
	if (move_orders_give(
		    &n->orders, MESSAGE_GO,
		    "the copy runs, but its connections wait there; run criu-hook again with "
		    "CRTOOLS_SCRIPT_ACTION=post-resume"))
		return 1;
	n->orders.file.gone = true;
	err = move_file_write(n->dir_fd, &n->orders.file);
	return err ? log_errno(err, "'" MOVE_FILE "': cannot write it") : 0;
}

static int run_stage(struct criu_net *n, enum criu_stage stage)
{
	int status;

	if (stage == CRIU_PRE_DUMP)
		return criu_net_pre_dump(n);
	status = read_file(n);
	if (status)
		return status;
	if (stage == CRIU_POST_DUMP)
		return criu_net_post_dump(n);
	n->orders.agents.by_next = true;
	if (stage == CRIU_PRE_RESTORE)
		return consent(n);
	return stage == CRIU_POST_RESTORE ? arm(n) : go(n);
}

int criu_net_run(const char *tls_dir, enum criu_stage stage)
{
	struct criu_net n = { .dir_fd = -1 };
	int status;

	n.orders.who = "criu-hook";
	n.orders.agents.file = &n.orders.file;
	status = settings(&n);
	if (!status)
		status = open_images(&n);
	if (!status)
		status = open_tls(&n, tls_dir);
	if (!status)
		status = run_stage(&n, stage);
	move_agents_free(&n.orders.agents);
	move_file_free(&n.orders.file);
	tls_free(n.tls);
	if (n.dir_fd >= 0)
		close(n.dir_fd);
	return status;
}
