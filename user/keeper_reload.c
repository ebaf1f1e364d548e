// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "agent_files.h"
#include "agent_log.h"
#include "keeper_line.h"
#include "keeper_reload.h"
#include "notify.h"

#define LOCK_WAIT_MS 2000

static bool same_listen(const struct agent_conf *a, const struct agent_conf *b)
{
	return a->listen_count == b->listen_count &&
	       !memcmp(a->listen, b->listen, a->listen_count * sizeof(*a->listen));
}

static void warn_of_restart(const char *what)
{
	agent_log(AGENT_LOG_WARNING, "restart-needed", "for", what, NULL);
}

/* What was opened or become at the start stays; @conf is made to say so. */
static void keep_what_stays(struct agent_conf *conf, const struct agent_conf *running)
{
	if (!same_listen(conf, running))
		warn_of_restart("listen");
	if (strcmp(conf->user, running->user))
		warn_of_restart("user");
	if (strcmp(conf->state, running->state))
		warn_of_restart("state");
	conf->listen_count = running->listen_count;
	memcpy(conf->listen, running->listen, sizeof(conf->listen));
	memcpy(conf->user, running->user, sizeof(conf->user));
	memcpy(conf->state, running->state, sizeof(conf->state));
}

static int write_policy(struct agent_start *start, const struct agent_conf *conf)
{
	int err = pindir_lock(&start->pins, LOCK_WAIT_MS);

	if (err)
		return err;
	err = agent_start_policy(start, conf);
	pindir_unlock(&start->pins);
	return err;
}

/* BPF first: what the agent may do from now on is allowed there already. */
static int hand_over(struct agent_start *start, const struct agent_conf *conf, int line,
		     const struct keeper_files *files)
{
	const char *what = "write the policy";
	int err = write_policy(start, conf);

	if (!err) {
		start->conf = *conf;
		what = "tell the agent";
		err = keeper_order(line, KEEPER_RELOAD, files);
	}
	if (err)
		agent_log(AGENT_LOG_ERROR, "reload-failed", "what", what, "error", strerror(-err),
			  NULL);
	else
		agent_log(AGENT_LOG_INFO, "reloading", "policies",
			  AGENT_LOG_NUM(conf->policy_count), NULL);
	return err;
}

void keeper_reload(struct agent_start *start, int line)
{
	static struct agent_conf conf;
	char why[AGENT_FILES_WHY_LEN];
	struct keeper_files files;
	struct tls *tls;
	int err;

	notify_reloading();
	err = agent_files_open(start->conf_path, &conf, &files, &tls, why);
	if (err) {
		agent_log(AGENT_LOG_ERROR, "reload-refused", "why", why, NULL);
	} else {
		tls_free(tls); /* the agent makes its own */
		keep_what_stays(&conf, &start->conf);
		err = hand_over(start, &conf, line, &files);
		agent_files_close(&files);
	}
	if (err)
		notify("READY=1"); /* as before */
}
