// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clocks.h"
#include "log.h"
#include "migrate.h"
#include "migrate_settle.h"
#include "restart.h"
#include "unrepair.h"

#define STOP_MS 10000
/* In the middle of a dump it is let end it: killed there, it would leave its own code in the tree.
 */
#define CRIU_MS 60000
#define TELL_MS 3000

/* Whatever criu has done it takes back itself; if it cannot, somebody else does. */
static void stop_criu(struct migrate *m)
{
	if (!m->criu)
		return;
	if (m->dumped)
		criu_swrk_answer(m->criu, false);
	criu_swrk_stop(m->criu, clock_mono_ms() + CRIU_MS);
	criu_swrk_end(m->criu);
	m->criu = NULL;
}

/* The same steps as settling from the journal: see there for their order. */
static int wake(struct migrate *m)
{
	pid_t *pids = NULL;
	size_t count = 0;
	int err = 0;

	if (m->fenced)
		err = fence_set(&m->fence, FENCE_OPEN);
	if (err == -ENOENT) /* somebody has removed it */
		err = 0;
	stop_criu(m);
	if (!err && m->grouped && m->frozen_ns) {
		err = cgroup_freeze(&m->cgroup, STOP_MS);
		if (!err)
			err = cgroup_pids(&m->cgroup, &pids, &count);
		if (!err)
			err = repair_set(pids, count, REPAIR_OFF, NULL);
		free(pids);
	}
	/* Only what was frozen by us: a cgroup that was there before may be another migration's. */
	if (!err && m->grouped && m->frozen_ns)
		err = cgroup_thaw(&m->cgroup);
	if (!err && m->grouped)
		err = cgroup_put_back(&m->cgroup);
	return err;
}

/* Return: has B heard of it, or nothing to keep? */
static bool tell_target(struct migrate *m, const char *reason)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Abort order = TCPMIG_HOST__ABORT__INIT;
	const TcpmigHost__Answer *answer;
	uint64_t end_ms = clock_mono_ms() + TELL_MS;

	if (!m->link)
		return true;
	order.reason = (char *)reason;
	req.uuid = (ProtobufCBinaryData){ HOST_UUID_LEN, m->uuid };
	req.body_case = TCPMIG_HOST__REQUEST__BODY_ABORT;
	req.abort = &order;
	if (host_send_request(m->link, &req, end_ms, m->why))
		return false;
	/* The answer to RESTORE may still be on its way before it. */
	while (!host_receive_answer(m->link, &answer, end_ms, m->why)) {
		if (answer->id == req.id)
			return true;
	}
	return false;
}

void migrate_drop_images(struct migrate *m)
{
	if (m->images_lock_fd < 0)
		return;
	close(m->images_lock_fd);
	m->images_lock_fd = -1;
	host_record_wipe(m->files.conf.images, m->uuid);
}

int migrate_rollback(struct migrate *m, const char *reason)
{
	int err = wake(m);
	bool told;

	if (err)
		return log_errno(err,
				 "'%d': cannot be made to go on; 'tcpmig-bpf migrate --abort %s' "
				 "tries again",
				 m->opt->pid, m->uuid_text);
	move_orders_give_up(&m->orders, reason);
	told = tell_target(m, reason);
	if (m->fenced && fence_remove(&m->fence) == 0)
		m->fenced = false;
	told = told && !m->fenced; /* what is left of it settles the daemon */
	if (*m->restart_unit)
		restart_enable(m->restart_unit, m->uuid, m->why);
	migrate_drop_images(m);
	if (m->journal) {
		journal_append(m->journal, JOURNAL_ABORTED, reason);
		if (told)
			journal_remove(m->journal);
		else /* the daemon tells it later */
			journal_close(m->journal);
		m->journal = NULL;
	}
	return 0;
}

void migrate_free(struct migrate *m)
{
	criu_swrk_end(m->criu);
	image_send_free(m->send);
	if (m->images_fd >= 0)
		close(m->images_fd);
	if (m->images_lock_fd >= 0)
		close(m->images_lock_fd);
	if (m->fenced)
		fence_close(&m->fence);
	if (m->grouped)
		cgroup_free(&m->cgroup);
	journal_close(m->journal);
	host_link_close(m->link);
	move_agents_free(&m->orders.agents);
	move_file_free(&m->orders.file);
	if (m->known)
		tcpmig_host__record__free_unpacked(m->known, NULL);
	if (m->in_place)
		tree_place_close(&m->place);
	tree_files_free(&m->tree_files);
	tree_sockets_free(&m->sockets);
	tree_free(&m->tree);
	free(m->flows);
	free(m->move_of);
	host_files_free(&m->files);
}

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
	told_to_end = number;
}

/* A terminal that is closed, or ^C, must not leave the process frozen. */
static void take_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int migrate_told_to_end(void)
{
	return told_to_end ? log_error("%s; it goes on here", strsignal(told_to_end)) : 0;
}

/* Until the decision. Return: 0: it can be decided; 1: it must go back. */
static int run_phases(struct migrate *m)
{
	static const struct {
		enum phase phase;
		int (*run)(struct migrate *m);
	} steps[] = {
		{ PHASE_HOLD, migrate_hold },
		{ PHASE_DUMP, migrate_dump },
		{ PHASE_TRANSFER, migrate_transfer },
		{ PHASE_COMMIT, migrate_commit },
	};
	int status;

	take_signals();
	status = migrate_stand_by(m);
	for (size_t i = 0; !status && i < sizeof(steps) / sizeof(steps[0]); i++) {
		progress_phase(&m->progress, steps[i].phase);
		status = migrate_told_to_end() ?: steps[i].run(m);
	}
	return status;
}

static enum migrate_result run(struct migrate *m)
{
	int status = migrate_prepare(m);

	m->would_move = !status && m->opt->dry_run;
	if (m->would_move)
		return MIGRATE_STAYED;
	if (!status)
		status = run_phases(m);
	if (!status)
		return migrate_finish(m);
	if (m->undecided)
		return MIGRATE_UNSETTLED;
	return migrate_rollback(m, "the migration was given up") ? MIGRATE_UNSETTLED
								 : MIGRATE_STAYED;
}

int migrate_run(const struct migrate_options *opt)
{
	static struct migrate m; /* some of it is large */
	char why[HOST_FILES_WHY_LEN];
	enum migrate_result result;
	int status;

	m = (struct migrate){ .opt = opt, .images_fd = -1, .images_lock_fd = -1 };
	if (host_files_load(opt->config, &m.files, why))
		return log_error("%s", why);
	m.orders.who = "migrate";
	m.orders.need = opt->need;
	m.orders.agent_port = htons(m.files.conf.agent_port);
	m.orders.file.hold_ms = MIGRATE_LEASE_MS;
	m.orders.agents = (struct move_agents){ .tls = m.files.connects,
						.file = &m.orders.file,
						.hold_mode = opt->hold_mode,
						.timeout_ms = m.files.conf.agent_timeout_ms };
	signal(SIGPIPE, SIG_IGN);
	progress_begin(&m.progress, opt->json);
	result = run(&m);
	progress_end(&m.progress);
	status = migrate_report(&m, result);
	migrate_free(&m);
	return status;
}
