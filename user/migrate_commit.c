// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The decision, and all that follows from it: from here on there is only forward. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "log.h"
#include "migrate.h"
#include "migrate_settle.h"
#include "restart.h"
#include "unrepair.h"

#define RESUME_MS 20000
#define RETIRE_MS 10000

int migrate_commit(struct migrate *m)
{
	int err;

	if (clock_mono_ms() + MIGRATE_MARGIN_MS > m->lease_end_ms)
		return log_error("clients hold no longer; it goes on here");
	if (cgroup_is_frozen(&m->cgroup) != 1)
		return log_error("'%s': somebody has thawed this cgroup; it goes on here",
				 m->cgroup.path);
	/* It has nothing to say now: that can only be its end. */
	if (host_link_readable(m->link))
		return log_error("'%s': is gone; it goes on here", m->opt->to_text);
	if (migrate_told_to_end())
		return 1;
	err = journal_append(m->journal, JOURNAL_COMMIT, NULL);
	m->undecided = err == -ENOTRECOVERABLE;
	return err ? log_errno(err, "cannot write the decision into the journal") : 0;
}

static int send_commit(struct migrate *m)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Commit order = TCPMIG_HOST__COMMIT__INIT;

	req.uuid = (ProtobufCBinaryData){ HOST_UUID_LEN, m->uuid };
	req.body_case = TCPMIG_HOST__REQUEST__BODY_COMMIT;
	req.commit = &order;
	return host_send_request(m->link, &req, clock_mono_ms() + RESUME_MS, m->why);
}

/* B and the agents learn it at the same time; GO needs both. */
static int resume(struct migrate *m)
{
	const TcpmigHost__Answer *answer;
	int err = send_commit(m);
	size_t left;

	if (err)
		return err;
	left = move_agents_order(&m->orders.agents, MESSAGE_COMMIT);
	err = host_receive_answer(m->link, &answer, clock_mono_ms() + RESUME_MS, m->why);
	if (err)
		return err;
	if (answer->result != TCPMIG_HOST__RESULT__OK) {
		snprintf(m->why, sizeof(m->why), "%s", answer->text);
		return -EREMOTEIO;
	}
	m->running_ns = clock_boot_ns();
	m->pid_at_target = answer->pid;
	left += move_agents_order(&m->orders.agents, MESSAGE_GO);
	journal_append(m->journal, JOURNAL_RUNNING, NULL);
	return left ? -EAGAIN : 0;
}

/* criu ends the tree while its sockets are in repair, without a word to anybody; so do we. */
static int end_source(struct migrate *m)
{
	struct criu_event event = {};
	pid_t *pids = NULL;
	size_t count = 0;
	int err = criu_swrk_answer(m->criu, true);

	if (!err)
		err = criu_swrk_next(m->criu, &event, clock_mono_ms() + RETIRE_MS);
	criu_swrk_end(m->criu);
	m->criu = NULL;
	if (!err && event.kind == CRIU_DONE)
		return 0;
	err = cgroup_pids(&m->cgroup, &pids, &count);
	if (!err)
		repair_set(pids, count, REPAIR_ON, NULL); /* else the fence has the last word */
	free(pids);
	return err;
}

static int retire(struct migrate *m)
{
	int err = end_source(m);

	if (!err)
		err = cgroup_kill(&m->cgroup, RETIRE_MS);
	if (!err && m->cgroup.made)
		err = cgroup_remove(&m->cgroup, RETIRE_MS);
	if (!err) {
		err = fence_remove(&m->fence);
		m->fenced = err;
	}
	if (!err && *m->restart_unit)
		restart_enable_ended(m->restart_unit, m->uuid, m->why);
	if (!err)
		err = journal_append(m->journal, JOURNAL_RETIRED, NULL);
	return err;
}

/* By the journal alone, as if somebody else took it up. It stays ours all the time. */
static enum migrate_result settle(struct migrate *m)
{
	char why[HOST_FILES_WHY_LEN] = "";
	struct journal_state state;
	enum settle_end end;

	criu_swrk_end(m->criu);
	m->criu = NULL;
	if (m->fenced)
		fence_close(&m->fence);
	m->fenced = false;
	host_link_close(m->link);
	m->link = NULL;
	migrate_drop_images(m); /* B has them all */
	if (journal_open_read(m->files.conf.state, m->uuid, &state)) {
		journal_state_free(&state);
		return MIGRATE_UNSETTLED;
	}
	end = migrate_settle(&m->files, m->journal, &state, why);
	m->journal = NULL;
	journal_state_free(&state);
	if (end != SETTLE_MOVED)
		log_error("%s", *why ? why : m->why);
	return end == SETTLE_MOVED  ? MIGRATE_MOVED
	       : end == SETTLE_LOST ? MIGRATE_LOST
				    : MIGRATE_UNSETTLED;
}

enum migrate_result migrate_finish(struct migrate *m)
{
	int err;

	progress_phase(&m->progress, PHASE_RESUME);
	err = resume(m);
	progress_phase(&m->progress, PHASE_RETIRE);
	if (!err)
		err = retire(m);
	if (err)
		return settle(m);
	migrate_drop_images(m);
	journal_remove(m->journal);
	m->journal = NULL;
	return MIGRATE_MOVED;
}
