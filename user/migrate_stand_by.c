// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* All that can be made ready while the process runs on: cgroup, fence, journal, images, CRIU. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "criu_tested.h"
#include "endpoint.h"
#include "log.h"
#include "migrate.h"
#include "restart.h"

#define STAND_BY_MS 20000
/* Of a file without a name: it goes along in the images. */
#define GHOST_BYTES (64 << 20)

/* Written down first: whoever takes it up later must know what to enable again. */
static int disable_restart(struct migrate *m)
{
	struct restart_unit unit;
	char why[256] = "";
	int err = restart_find(m->opt->pid, &unit, why), status;

	if (err || unit.user || !strcmp(unit.policy, "no"))
		return 0; /* nobody would start it again, or preflight has told of him */
	snprintf(m->restart_unit, sizeof(m->restart_unit), "%s", unit.unit);
	status = migrate_write_down(m);
	if (status)
		return status;
	err = restart_disable(unit.unit, m->uuid, why);
	return err ? log_error("'%s': Restart=%s would start a second server here: %s; expected "
			       "Restart=no for the time of the move",
			       unit.unit, unit.policy, why)
		   : 0;
}

static int make_images_dir(struct migrate *m)
{
	struct host_record record;
	int err = host_record_make(&record, m->files.conf.images, m->uuid);

	if (err)
		return log_errno(err, "'%s': cannot make a directory for the images there",
				 m->files.conf.images);
	m->images_fd = fcntl(record.images_fd, F_DUPFD_CLOEXEC, 3);
	m->images_lock_fd = fcntl(record.dir_fd, F_DUPFD_CLOEXEC, 3);
	host_record_close(&record);
	m->send = m->images_fd < 0 || m->images_lock_fd < 0 ? NULL
							    : image_send_new(m->images_fd, m->uuid);
	return m->send ? 0
		       : log_errno(errno, "'%s/%s': cannot watch it", m->files.conf.images,
				   m->uuid_text);
}

static int note_uncovered(int ifindex, const char *name, void *ctx)
{
	(void)ifindex;
	(void)ctx;
	log_note("'%s': an interface of a kind that cannot be fenced; what comes by it is not "
		 "kept from connections that move",
		 name);
	return 0;
}

static int make_fence(struct migrate *m)
{
	const char *why = "";
	int err = fence_open(&m->fence, m->files.conf.pins, m->uuid, &why);

	if (err)
		return log_errno(err, "cannot fence the connections: %s", why);
	m->fenced = true;
	err = fence_uncovered(&m->fence, note_uncovered, NULL);
	for (size_t i = 0; !err && i < m->sockets.listener_count; i++)
		err = fence_add_listener(&m->fence, &m->sockets.listeners[i].local,
					 m->sockets.listeners[i].v6only);
	if (!err)
		err = fence_add_flows(&m->fence, m->flows, m->flow_count);
	if (err == -EBUSY)
		return log_error("'%d': another migration has some of its connections",
				 m->opt->pid);
	return err ? log_errno(err, "cannot fence the connections") : 0;
}

/* The parts of the journal's first record that are lists. */
struct prepared {
	TcpmigJournal__Prepared msg;
	TcpmigJournal__Move moves[MOVE_FILE_MOVES], *move_pointers[MOVE_FILE_MOVES];
	TcpmigJournal__Endpoint ends[MOVE_FILE_MOVES][3];
	TcpmigJournal__Agent *agents, **agent_pointers;
	TcpmigJournal__Endpoint *agent_ends;
	TcpmigJournal__Home *homes, **home_pointers;
	TcpmigJournal__Endpoint target;
};

static TcpmigJournal__Endpoint *put_end(const struct tcpmig_endpoint *from,
					TcpmigJournal__Endpoint *to)
{
	TcpmigHost__Endpoint host;

	host_endpoint_put(from, &host);
	tcpmig_journal__endpoint__init(to);
	to->addr = host.addr;
	to->port = host.port;
	return to;
}

static void put_moves(const struct migrate *m, struct prepared *p)
{
	const struct move_file *file = &m->orders.file;

	for (size_t i = 0; i < file->count; i++) {
		TcpmigJournal__Move *move = &p->moves[i];

		tcpmig_journal__move__init(move);
		move->uuid = (ProtobufCBinaryData){ HOST_UUID_LEN, (uint8_t *)file->moves[i].uuid };
		move->old = put_end(&file->moves[i].old, &p->ends[i][0]);
		move->cur = put_end(&file->moves[i].cur, &p->ends[i][1]);
		move->next = put_end(&file->moves[i].next, &p->ends[i][2]);
		p->move_pointers[i] = move;
	}
	p->msg.moves = p->move_pointers;
	p->msg.n_moves = file->count;
}

static int put_agents(const struct migrate *m, struct prepared *p)
{
	const struct move_agents *a = &m->orders.agents;

	p->agents = calloc(a->count + 1, sizeof(*p->agents));
	p->agent_pointers = calloc(a->count + 1, sizeof(*p->agent_pointers));
	p->agent_ends = calloc(a->count + 1, sizeof(*p->agent_ends));
	if (!p->agents || !p->agent_pointers || !p->agent_ends)
		return -ENOMEM;
	for (size_t i = 0; i < a->count; i++) {
		TcpmigJournal__Agent *agent = &p->agents[p->msg.n_agents];

		if (a->list[i].skipped)
			continue;
		tcpmig_journal__agent__init(agent);
		agent->move = a->list[i].move;
		agent->epoch = a->list[i].epoch;
		agent->at = put_end(&a->list[i].at, &p->agent_ends[p->msg.n_agents]);
		p->agent_pointers[p->msg.n_agents++] = agent;
	}
	p->msg.agents = p->agent_pointers;
	return 0;
}

static int put_homes(const struct migrate *m, struct prepared *p)
{
	const struct cgroup *cg = &m->cgroup;

	p->homes = calloc(cg->home_count + 1, sizeof(*p->homes));
	p->home_pointers = calloc(cg->home_count + 1, sizeof(*p->home_pointers));
	if (!p->homes || !p->home_pointers)
		return -ENOMEM;
	for (size_t i = 0; i < cg->home_count; i++) {
		tcpmig_journal__home__init(&p->homes[i]);
		p->homes[i].pid = cg->homes[i].pid;
		p->homes[i].start_ticks = cg->homes[i].start_ticks;
		p->homes[i].path = cg->homes[i].path;
		p->home_pointers[i] = &p->homes[i];
	}
	p->msg.homes = p->home_pointers;
	p->msg.n_homes = cg->home_count;
	return 0;
}

static void put_rest(const struct migrate *m, struct prepared *p)
{
	TcpmigJournal__Prepared *msg = &p->msg;

	msg->target = put_end(&m->opt->to, &p->target);
	msg->pid = m->opt->pid;
	msg->start_ticks = m->tree.tasks[0].start;
	msg->cgroup = m->cgroup.path;
	msg->cgroup_made = m->cgroup.made;
	msg->fence_pins = (char *)m->files.conf.pins;
	msg->images_dir = (char *)m->files.conf.images;
	msg->restart_unit = (char *)m->restart_unit;
	msg->lease_ms = MIGRATE_LEASE_MS;
	msg->name = (char *)m->tree.tasks[0].comm;
}

/* A new one, or again with what is known by now. */
int migrate_write_down(struct migrate *m)
{
	struct prepared *p = calloc(1, sizeof(*p));
	int err = p ? 0 : -ENOMEM;

	if (!err) {
		tcpmig_journal__prepared__init(&p->msg);
		put_moves(m, p);
		put_rest(m, p);
		err = put_agents(m, p) ?: put_homes(m, p);
	}
	if (!err)
		err = m->journal
			      ? journal_prepare(m->journal, &p->msg)
			      : journal_create(m->files.conf.state, m->uuid, &p->msg, &m->journal);
	if (p) {
		free(p->agents);
		free(p->agent_pointers);
		free(p->agent_ends);
		free(p->homes);
		free(p->home_pointers);
	}
	free(p);
	return err ? log_errno(err, "'%s': cannot write the journal", m->files.conf.state) : 0;
}

/* Another migration of the same process: fenced, frozen, or decided already. */
static int is_of_ours(const struct journal_state *other, int err, void *ctx)
{
	const struct migrate *m = ctx;
	const TcpmigJournal__Prepared *p = other->prepared;
	char uuid[MESSAGE_UUID_STRLEN];

	if (err || !p || !other->same_boot || !memcmp(other->uuid, m->uuid, HOST_UUID_LEN) ||
	    p->start_ticks != m->tree.tasks[0].start || p->pid != (uint32_t)m->opt->pid ||
	    other->type >= JOURNAL_RETIRED)
		return 0;
	return log_error("'%d': another migration has it, %s; expected that to end before",
			 m->opt->pid, message_uuid_text(other->uuid, uuid));
}

/* After our own journal is there: of two at once at least one sees the other. */
static int check_alone(struct migrate *m)
{
	int status = journal_each(m->files.conf.state, is_of_ours, m);

	return status < 0 ? log_errno(status, "'%s': cannot read it", m->files.conf.state) : status;
}

static int make_cgroup(struct migrate *m)
{
	const char *why = "";
	int err = cgroup_plan(&m->cgroup, m->opt->pid, m->uuid, &why);
	int status;

	if (err)
		return log_errno(err, "'%d': cannot find a cgroup for it: %s", m->opt->pid, why);
	m->grouped = true;
	if (m->cgroup.homes[0].start_ticks != m->tree.tasks[0].start)
		return log_error("'%d': is another process by now", m->opt->pid);
	status = migrate_write_down(m) ?: check_alone(m);
	if (status)
		return status;
	err = cgroup_enter(&m->cgroup, m->opt->pid, &why);
	return err ? log_errno(err, "'%d': cannot give it a cgroup of its own: %s", m->opt->pid,
			       why)
		   : 0;
}

/* Until it is at its first stage, where nothing is frozen yet. */
static int start_criu(struct migrate *m)
{
	struct criu_dump dump = { .pid = m->pid_there,
				  .log_level = log_verbosity > 1 ? 4 : 0,
				  .file_locks = true,
				  .link_remap = true,
				  .ghost_limit = GHOST_BYTES };
	struct criu_event event;
	_cleanup_free_ char *criu = criu_find(m->files.conf.criu);
	int err;

	m->criu = criu_swrk_start(criu ?: "criu", m->in_place ? &m->place : NULL, false,
				  m->images_fd, m->why);
	if (!m->criu)
		return log_error("%s", m->why);
	err = criu_swrk_dump(m->criu, &dump);
	if (!err)
		err = criu_swrk_next(m->criu, &event, clock_mono_ms() + STAND_BY_MS);
	if (err)
		return log_errno(err, "criu does not begin");
	if (event.kind == CRIU_FAILED)
		return log_error("criu dump: %s", event.why);
	return event.kind == CRIU_STAGE && event.at == CRIU_AT_PRE_DUMP
		       ? 0
		       : log_error("criu dump: is not where it was expected, before the dump");
}

int migrate_stand_by(struct migrate *m)
{
	int status = make_images_dir(m);

	if (!status)
		status = make_cgroup(m);
	if (!status)
		status = disable_restart(m);
	if (!status)
		status = make_fence(m);
	return status ? status : start_criu(m);
}
