// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent_log.h"
#include "cgroup.h"
#include "cleanup.h"
#include "clocks.h"
#include "fence.h"
#include "host_link.h"
#include "host_record.h"
#include "host_session.h"
#include "log.h"
#include "migrate_settle.h"
#include "move_orders.h"
#include "proc.h"
#include "restart.h"
#include "unrepair.h"

#define CONNECT_MS 3000
#define COMMIT_MS  20000
#define KILL_MS	   5000
#define TRACER_MS  5000
/* So long a dump may go on, of which the tree must be told to be taken out again. */
#define DUMP_MS 60000

/* A migration as the journal has it. */
struct settle {
	struct host_files *files;
	const struct journal_state *state;
	struct journal *journal;
	struct move_orders orders;
	struct cgroup cgroup;
	bool in_cgroup;
	char *why;
};

static void take_end(const TcpmigJournal__Endpoint *from, struct tcpmig_endpoint *to)
{
	TcpmigHost__Endpoint host = TCPMIG_HOST__ENDPOINT__INIT;

	*to = (struct tcpmig_endpoint){};
	if (!from)
		return;
	host.addr = from->addr;
	host.port = from->port;
	host_endpoint_take(&host, to);
}

static int take_orders(struct settle *s)
{
	const TcpmigJournal__Prepared *p = s->state->prepared;
	struct move_file *file = &s->orders.file;

	s->orders.who = "migrate";
	s->orders.agents = (struct move_agents){ .tls = s->files->connects,
						 .file = file,
						 .timeout_ms = s->files->conf.agent_timeout_ms };
	file->hold_ms = p->lease_ms;
	for (; file->count < p->n_moves && file->count < MOVE_FILE_MOVES; file->count++) {
		struct move_record *move = &file->moves[file->count];

		memcpy(move->uuid, s->state->uuid, sizeof(move->uuid));
		take_end(p->moves[file->count]->old, &move->old);
		take_end(p->moves[file->count]->cur, &move->cur);
		take_end(p->moves[file->count]->next, &move->next);
	}
	for (size_t i = 0; i < p->n_agents; i++) {
		struct tcpmig_endpoint at;
		struct move_agent *agent;

		take_end(p->agents[i]->at, &at);
		agent = p->agents[i]->move < file->count
				? move_agents_add(&s->orders.agents, p->agents[i]->move, &at)
				: NULL;
		if (!agent)
			return -ENOMEM;
		agent->epoch = p->agents[i]->epoch;
		agent->begun = true;
	}
	return 0;
}

static int take_cgroup(struct settle *s)
{
	const TcpmigJournal__Prepared *p = s->state->prepared;
	struct cgroup *cg = &s->cgroup;
	int err;

	*cg = (struct cgroup){ .path = strdup(p->cgroup), .made = p->cgroup_made, .fd = -1 };
	cg->homes = calloc(p->n_homes + 1, sizeof(*cg->homes));
	if (!cg->path || !cg->homes)
		return -ENOMEM;
	for (; cg->home_count < p->n_homes; cg->home_count++) {
		const TcpmigJournal__Home *home = p->homes[cg->home_count];
		char *path = strdup(home->path);

		if (!path)
			return -ENOMEM;
		cg->homes[cg->home_count] = (struct cgroup_home){ home->pid, home->start_ticks,
								  path };
	}
	err = s->state->same_boot ? cgroup_open(cg) : -ENOENT;
	s->in_cgroup = !err;
	return err == -ENOENT ? 0 : err; /* it was not made yet, or is gone */
}

static pid_t tracer_of(pid_t pid)
{
	char status[PROC_STATUS_ROOM];
	const char *tracer;

	proc_read(pid, "status", status, sizeof(status));
	tracer = proc_field(status, "TracerPid");
	return tracer ? atoi(tracer) : 0;
}

/* criu takes back what it has done when nobody answers any more. If it cannot, it is ended. */
static void wait_for_criu(const pid_t *pids, size_t count, unsigned int timeout_ms)
{
	const struct timespec step = { .tv_nsec = 5000000 };
	uint64_t end_ms = clock_mono_ms() + timeout_ms;

	for (size_t i = 0; i < count; i++) {
		pid_t tracer;

		while ((tracer = tracer_of(pids[i])) > 0 && clock_mono_ms() < end_ms)
			nanosleep(&step, NULL);
		if (tracer > 0)
			kill(tracer, SIGKILL);
	}
}

/* One that was not made yet, or is gone with the last boot, is open. */
static int fence_state_set(const struct settle *s, bool remove)
{
	struct fence fence;
	const char *why;
	int err = fence_reopen(&fence, s->state->prepared->fence_pins, s->state->uuid, &why);

	if (err)
		return err == -ENOENT || !s->state->same_boot ? 0 : err;
	err = remove ? fence_remove(&fence) : fence_set(&fence, FENCE_OPEN);
	if (!remove || err)
		fence_close(&fence);
	return err;
}

static void clean(struct settle *s, bool moved)
{
	const char *unit = s->state->prepared->restart_unit;
	char why[256];

	host_record_wipe(s->state->prepared->images_dir, s->state->uuid);
	if (*unit && moved)
		restart_enable_ended(unit, s->state->uuid, why);
	else if (*unit)
		restart_enable(unit, s->state->uuid, why);
}

static struct host_link *connect_to(struct settle *s)
{
	struct tcpmig_endpoint target;

	take_end(s->state->prepared->target, &target);
	return host_link_connect(s->files->connects, &target, NULL, CONNECT_MS, s->why);
}

/* Return: has B heard of it? In the end it gives up by itself. */
static bool abort_at_target(struct settle *s)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Abort order = TCPMIG_HOST__ABORT__INIT;
	const TcpmigHost__Answer *answer;
	struct host_link *link = connect_to(s);
	bool heard;

	if (!link)
		return false;
	order.reason = "its migrator has ended";
	req.uuid = (ProtobufCBinaryData){ HOST_UUID_LEN, (uint8_t *)s->state->uuid };
	req.body_case = TCPMIG_HOST__REQUEST__BODY_ABORT;
	req.abort = &order;
	heard = !host_call(link, &req, &answer, clock_mono_ms() + CONNECT_MS, s->why) &&
		(answer->result == TCPMIG_HOST__RESULT__OK ||
		 answer->state == TCPMIG_HOST__STATE__NONE);
	host_link_close(link);
	return heard;
}

/*
 * criu first: it needs the tree to go on to take back what it has done there, and killed in the
 * middle of a dump it would leave its own code in it. Then nobody is there but us.
 * Repair off before the thaw, or the server's next send() fails; the fence open before that, or
 * the window probe is lost and clients wait for their timers.
 */
static int wake_source(struct settle *s)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;
	int err = cgroup_pids(&s->cgroup, &pids, &count);

	if (err)
		return err;
	wait_for_criu(pids, count, DUMP_MS);
	err = cgroup_freeze(&s->cgroup, KILL_MS);
	if (!err)
		err = fence_state_set(s, false);
	if (!err)
		err = repair_set(pids, count, REPAIR_OFF, NULL);
	return err ? err : cgroup_thaw(&s->cgroup) ?: cgroup_put_back(&s->cgroup);
}

/* Whoever is in the cgroup goes on, even where the root has ended. */
static enum settle_end go_back(struct settle *s)
{
	int err = s->in_cgroup ? wake_source(s) : 0;

	if (err) {
		snprintf(s->why, HOST_FILES_WHY_LEN, "the process cannot be made to go on: %s",
			 strerror(-err));
		return SETTLE_FAILED;
	}
	move_orders_give_up(&s->orders, "its migrator has ended");
	fence_state_set(s, true);
	clean(s, false);
	journal_append(s->journal, JOURNAL_ABORTED, NULL);
	return abort_at_target(s) ? SETTLE_STAYED : SETTLE_STAYED_UNTOLD;
}

/* All is well here, and B keeps what it has in vain until it hears of it, or for HOST_KEEP_S. */
static enum settle_end tell_again(struct settle *s)
{
	uint64_t age_ns = clock_boot_ns() - s->state->boot_ns;

	if (s->state->prepared)
		fence_state_set(s, true);
	if (!s->state->prepared || !s->state->same_boot || age_ns > HOST_KEEP_S * 1000000000ULL)
		return SETTLE_STAYED;
	return abort_at_target(s) ? SETTLE_STAYED : SETTLE_STAYED_UNTOLD;
}

static enum settle_end commit_at_target(struct settle *s)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Commit order = TCPMIG_HOST__COMMIT__INIT;
	const TcpmigHost__Answer *answer;
	struct host_link *link = connect_to(s);
	enum settle_end end = SETTLE_MOVED;

	if (!link)
		return SETTLE_WAITING;
	req.uuid = (ProtobufCBinaryData){ HOST_UUID_LEN, (uint8_t *)s->state->uuid };
	req.body_case = TCPMIG_HOST__REQUEST__BODY_COMMIT;
	req.commit = &order;
	if (host_call(link, &req, &answer, clock_mono_ms() + COMMIT_MS, s->why)) {
		end = SETTLE_WAITING;
	} else if (answer->result != TCPMIG_HOST__RESULT__OK) {
		snprintf(s->why, HOST_FILES_WHY_LEN, "%s", answer->text);
		/* Nothing else than that B itself says so makes it lost. */
		end = answer->state == TCPMIG_HOST__STATE__LOST ||
				      answer->state == TCPMIG_HOST__STATE__NONE
			      ? SETTLE_LOST
			      : SETTLE_WAITING;
	}
	host_link_close(link);
	return end;
}

/* Once it is committed no agent hears of another migration before this one is over. */
static bool is_over(const struct move_agent *agent)
{
	return !agent->err || (agent->err == -EACCES && agent->answer.result == MESSAGE_STALE);
}

/* Those that have it already say so; the others are armed anew: their lease may be over. */
static size_t go_at_agents(struct settle *s)
{
	struct move_agents *a = &s->orders.agents;
	size_t left = 0;

	move_agents_order(a, MESSAGE_GO);
	for (size_t i = 0; i < a->count; i++) {
		a->list[i].skipped = a->list[i].skipped || is_over(&a->list[i]);
		left += !a->list[i].skipped;
	}
	if (!left)
		return 0;
	move_agents_order(a, MESSAGE_ARM);
	move_agents_order(a, MESSAGE_COMMIT);
	return move_agents_order(a, MESSAGE_GO);
}

/* Sockets in repair end without a word. */
static int kill_source(struct settle *s)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t count = 0;
	int err;

	if (!s->in_cgroup)
		return 0;
	err = cgroup_pids(&s->cgroup, &pids, &count);
	if (err)
		return err;
	wait_for_criu(pids, count, TRACER_MS);
	repair_set(pids, count, REPAIR_ON, NULL); /* else the fence has the last word */
	err = cgroup_kill(&s->cgroup, KILL_MS);
	return err || !s->cgroup.made ? err : cgroup_remove(&s->cgroup, KILL_MS);
}

static enum settle_end go_forward(struct settle *s)
{
	enum settle_end end = s->state->type == JOURNAL_RUNNING ? SETTLE_MOVED
								: commit_at_target(s);
	int err;

	if (end == SETTLE_WAITING)
		return end;
	if (end == SETTLE_MOVED && s->state->type != JOURNAL_RUNNING)
		journal_append(s->journal, JOURNAL_RUNNING, NULL);
	err = kill_source(s);
	if (err) {
		snprintf(s->why, HOST_FILES_WHY_LEN, "the copy here cannot be ended: %s",
			 strerror(-err));
		return SETTLE_FAILED;
	}
	if (end == SETTLE_MOVED && go_at_agents(s)) {
		snprintf(s->why, HOST_FILES_WHY_LEN, "it runs there, but an agent does not answer");
		return SETTLE_WAITING;
	}
	err = fence_state_set(s, true);
	if (err) { /* closed, it would keep clients off whoever listens here next */
		snprintf(s->why, HOST_FILES_WHY_LEN, "the fence cannot be removed: %s",
			 strerror(-err));
		return SETTLE_FAILED;
	}
	clean(s, true);
	journal_append(s->journal, end == SETTLE_MOVED ? JOURNAL_RETIRED : JOURNAL_LOST, NULL);
	return end;
}

/* For another time, or for a person. */
static bool is_kept(enum settle_end end)
{
	return end == SETTLE_STAYED_UNTOLD || end == SETTLE_WAITING || end == SETTLE_FAILED;
}

static enum settle_end end_again(struct settle *s)
{
	enum journal_type type = s->state->type;
	enum settle_end end = type == JOURNAL_RETIRED	? SETTLE_MOVED
			      : type == JOURNAL_ABORTED ? tell_again(s)
			      : type == JOURNAL_LOST	? SETTLE_LOST
							: SETTLE_STAYED;

	if (s->state->prepared) /* or whoever ended it was killed before */
		clean(s, type != JOURNAL_ABORTED);
	return end;
}

static enum settle_end go_on(struct settle *s)
{
	int err = s->state->prepared ? 0 : -EBADMSG;

	if (!err)
		err = take_orders(s) ?: take_cgroup(s);
	if (!err)
		return s->state->committed ? go_forward(s) : go_back(s);
	snprintf(s->why, HOST_FILES_WHY_LEN, "its journal: %s", strerror(-err));
	return SETTLE_FAILED;
}

enum settle_end migrate_settle(struct host_files *files, struct journal *j,
			       const struct journal_state *state, char *why)
{
	struct settle s = { .files = files, .state = state, .journal = j, .why = why };
	enum settle_end end;

	s.cgroup.fd = -1;
	end = journal_has_ended(state->type) ? end_again(&s) : go_on(&s);
	move_agents_free(&s.orders.agents);
	cgroup_free(&s.cgroup);
	if (is_kept(end))
		journal_close(j);
	else
		journal_remove(j);
	return end;
}

static const char *const end_names[] = { "moved", "stayed", "stayed", "lost", "waiting", "failed" };

struct settle_all {
	struct host_files *files;
	enum settle_end end;
};

static int settle_if_left(const struct journal_state *seen, int err, void *ctx)
{
	struct settle_all *all = ctx;
	struct host_files *files = all->files;
	char why[HOST_FILES_WHY_LEN] = "", name[MESSAGE_UUID_STRLEN];
	struct journal_state state;
	enum settle_end end;
	struct journal *j;

	if (err || seen->busy)
		return 0;
	if (journal_open(files->conf.state, seen->uuid, &j, &state)) {
		journal_state_free(&state);
		return 0;
	}
	end = migrate_settle(files, j, &state, why);
	agent_log(end <= SETTLE_STAYED ? AGENT_LOG_NOTICE
		  : end == SETTLE_WAITING || journal_has_ended(seen->type)
			  ? AGENT_LOG_DEBUG /* some times a second */
			  : AGENT_LOG_WARNING,
		  "settled", "uuid", message_uuid_text(seen->uuid, name), "end", end_names[end],
		  "why", why, NULL);
	journal_state_free(&state);
	if (end == SETTLE_WAITING)
		all->end = end;
	else if (all->end != SETTLE_WAITING && is_kept(end))
		all->end = SETTLE_FAILED;
	return 0;
}

enum settle_end migrate_settle_all(struct host_files *files)
{
	struct settle_all all = { .files = files, .end = SETTLE_STAYED };

	journal_each(files->conf.state, settle_if_left, &all);
	return all.end;
}

/* A lock on connections that neither a journal nor a record names. Return: was there one? */
static bool remove_orphan(const struct host_conf *conf, const uint8_t uuid[HOST_UUID_LEN])
{
	struct fence fence;
	const char *why;

	if (host_record_is_known(conf->images, uuid) ||
	    fence_reopen(&fence, conf->pins, uuid, &why))
		return false;
	if (fence_remove(&fence)) {
		fence_close(&fence);
		return false;
	}
	host_record_wipe(conf->images, uuid);
	return true;
}

static int say_end(const char *name, enum settle_end end, const char *why)
{
	switch (end) {
	case SETTLE_MOVED:
		printf("%s: moved\n", name);
		return 0;
	case SETTLE_STAYED:
	case SETTLE_STAYED_UNTOLD:
		printf("%s: stayed\n", name);
		return 0;
	case SETTLE_LOST:
		return log_error("'%s': lost: %s", name, why);
	case SETTLE_WAITING:
		return log_error("'%s': decided, but not known everywhere: %s; try again", name,
				 why);
	default:
		return log_error("'%s': %s", name, why);
	}
}

static int settle_one(struct host_files *files, struct journal **j,
		      const struct journal_state *state, const char *name)
{
	char why[HOST_FILES_WHY_LEN] = "";
	enum settle_end end = migrate_settle(files, *j, state, why);

	*j = NULL;
	return say_end(name, end, why);
}

int migrate_settle_uuid(struct host_files *files, const uint8_t uuid[HOST_UUID_LEN], bool back)
{
	char name[MESSAGE_UUID_STRLEN];
	struct journal_state state;
	struct journal *j;
	int err = journal_open(files->conf.state, uuid, &j, &state), status;

	message_uuid_text(uuid, name);
	if (err == -ENOENT && back && remove_orphan(&files->conf, uuid))
		status = say_end(name, SETTLE_STAYED, "");
	else if (err == -ENOENT)
		status = log_error("'%s': no such migration is open here", name);
	else if (err == -EBUSY)
		status = log_error("'%s': its migrator is at work; expected one that has ended",
				   name);
	else if (err)
		status = log_errno(err, "'%s': cannot read its journal", name);
	else if (back && state.committed)
		status = log_error("'%s': is committed, the process is the other host's; expected "
				   "--resume",
				   name);
	else
		status = settle_one(files, &j, &state, name);
	journal_close(j);
	journal_state_free(&state);
	return status;
}
