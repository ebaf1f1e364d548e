// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Before anything is frozen: what there is, whether it can move, and who has to agree. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "cleanup.h"
#include "clocks.h"
#include "criu_tested.h"
#include "endpoint.h"
#include "findings.h"
#include "log.h"
#include "migrate.h"
#include "preflight.h"
#include "proc.h"

#define NOTHING_DONE "nothing is frozen, all goes on as it was"
#define CONNECT_MS   5000
#define READY_MS     20000
#define RETRIES	     3
#define RETRY_MS     60
/* In one message. */
#define FILES_AT_ONCE	    256
#define CONNECTIONS_AT_ONCE 2048

int migrate_call(struct migrate *m, TcpmigHost__Request *req, const TcpmigHost__Answer **answer,
		 unsigned int timeout_ms)
{
	const TcpmigHost__Answer *a;
	int err;

	req->uuid = (ProtobufCBinaryData){ HOST_UUID_LEN, m->uuid };
	err = host_call(m->link, req, &a, clock_mono_ms() + timeout_ms, m->why);
	if (err)
		return log_error("%s; " NOTHING_DONE, m->why);
	if (a->result != TCPMIG_HOST__RESULT__OK)
		return log_error("'%s': refuses %s: %s; " NOTHING_DONE, m->opt->to_text,
				 host_request_name(req->body_case), a->text);
	if (answer)
		*answer = a;
	return 0;
}

/* What is fatal is an error, what is not a note. Return: 0, or 1 if something is fatal. */
static int say_findings(struct findings *f)
{
	int status = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *one = &f->list[i];

		if (one->result == FINDING_FAIL)
			status = log_error("%s: %s%s%s", one->check, one->detail,
					   one->cure ? "; " : "", one->cure ?: "");
		else if (one->result == FINDING_WARN)
			log_note("note: %s: %s%s%s", one->check, one->detail, one->cure ? "; " : "",
				 one->cure ?: "");
	}
	findings_free(f);
	return status;
}

static int read_has(struct migrate *m)
{
	int err;

	tree_sockets_free(&m->sockets);
	tree_files_free(&m->tree_files);
	err = tree_sockets_read(&m->tree, &m->sockets);
	if (!err)
		err = tree_sockets_mark_foreign(&m->tree, &m->sockets);
	if (!err)
		err = tree_files_read(&m->tree, true, &m->tree_files);
	if (!err)
		err = tree_files_find_outside(&m->tree, &m->tree_files);
	return err ? log_errno(err, "'%d': cannot list its files and sockets", m->opt->pid) : 0;
}

static int read_tree(struct migrate *m)
{
	char why[TREE_WHY] = "";
	int err = tree_read(&m->tree, m->opt->pid, why);

	if (err)
		return *why ? log_error("'%d': %s", m->opt->pid, why)
			    : log_errno(err, "'%d': cannot read this process", m->opt->pid);
	err = tree_place_of(&m->place, m->opt->pid, &m->pid_there);
	if (err == -EXDEV)
		return log_error("'%d': is in a PID namespace whose init is not one of tcpmig-bpf; "
				 "expected a process of this host, or one that was moved here",
				 m->opt->pid);
	if (err < 0)
		return log_errno(err, "'%d': cannot see where it runs", m->opt->pid);
	m->in_place = err == 1;
	m->known = host_record_of(m->files.conf.images, m->opt->pid, m->tree.tasks[0].start);
	return read_has(m);
}

/* A connection that is just ending belongs to nobody for a moment. */
static int check_tree(struct migrate *m)
{
	const struct preflight p = { .tree = &m->tree,
				     .sockets = &m->sockets,
				     .files = &m->tree_files,
				     .target = &m->opt->to };
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000 };
	struct findings f = {};

	for (int tries = 0;; tries++) {
		bool fatal = false;

		preflight_all(&p, &f);
		for (size_t i = 0; i < f.count; i++)
			fatal = fatal || f.list[i].result == FINDING_FAIL;
		if (!fatal || tries == RETRIES)
			return say_findings(&f);
		findings_free(&f);
		f = (struct findings){};
		nanosleep(&pause, NULL);
		if (read_has(m))
			return 1;
	}
}

static int check_criu(struct migrate *m)
{
	const char *criu = *m->files.conf.criu ? m->files.conf.criu : "criu";
	char why[CRIU_TESTED_WHY];
	int version;

	if (criu_tested(criu, &version, why))
		return log_error("%s", why);
	snprintf(m->criu_version, sizeof(m->criu_version), "%d.%d.%d", version / 10000,
		 version / 100 % 100, version % 100);
	return 0;
}

static int open_link(struct migrate *m)
{
	m->link = host_link_connect(m->files.connects, &m->opt->to, NULL, CONNECT_MS, m->why);
	return m->link ? 0 : log_error("%s; is 'tcpmig-bpf host' running there?", m->why);
}

static uint64_t bytes_of(const struct tree *tree)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < tree->count; i++) {
		unsigned long long rss;
		char statm[128];

		proc_read(tree->tasks[i].pid, "statm", statm, sizeof(statm));
		if (sscanf(statm, "%*u %llu", &rss) == 1)
			pages += rss;
	}
	return pages * sysconf(_SC_PAGESIZE);
}

/* The pointers that protobuf-c wants, and what they point to. */
struct moves_message {
	TcpmigHost__Move moves[MOVE_FILE_MOVES];
	TcpmigHost__Move *pointers[MOVE_FILE_MOVES];
	TcpmigHost__Endpoint ends[MOVE_FILE_MOVES][3];
};

static void put_moves(const struct move_file *file, struct moves_message *msg,
		      TcpmigHost__Prepare *prepare)
{
	for (size_t i = 0; i < file->count; i++) {
		TcpmigHost__Move *move = &msg->moves[i];

		tcpmig_host__move__init(move);
		move->old = host_endpoint_put(&file->moves[i].old, &msg->ends[i][0]);
		move->cur = host_endpoint_put(&file->moves[i].cur, &msg->ends[i][1]);
		move->next = host_endpoint_put(&file->moves[i].next, &msg->ends[i][2]);
		msg->pointers[i] = move;
	}
	prepare->moves = msg->pointers;
	prepare->n_moves = file->count;
}

static int tell_prepare(struct migrate *m)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Prepare prepare = TCPMIG_HOST__PREPARE__INIT;
	static struct moves_message moves;
	struct cpu_flags flags = {};
	struct findings f = {};
	const TcpmigHost__Answer *answer;
	struct utsname kernel;
	int status;

	if (uname(&kernel))
		return log_errno(errno, "uname");
	put_moves(&m->orders.file, &moves, &prepare);
	prepare.kernel_release = kernel.release;
	prepare.criu_version = m->criu_version;
	m->memory_bytes = bytes_of(&m->tree);
	prepare.image_bytes = m->memory_bytes;
	prepare.lease_ms = MIGRATE_LEASE_MS;
	if (!cpu_flags_read(&flags)) {
		prepare.cpu_flags = flags.names;
		prepare.n_cpu_flags = flags.count;
	}
	prepare.pids = m->tree.ids;
	prepare.n_pids = m->tree.id_count;
	req.body_case = TCPMIG_HOST__REQUEST__BODY_PREPARE;
	req.prepare = &prepare;
	status = migrate_call(m, &req, &answer, READY_MS);
	if (!status) {
		preflight_kernels(kernel.release, answer->kernel_release, &f);
		status = say_findings(&f);
	}
	cpu_flags_free(&flags);
	return status;
}

static int tell_files(struct migrate *m)
{
	TcpmigHost__Files *all = tree_files_message(&m->tree_files);
	const TcpmigHost__Answer *answer;
	size_t differ = 0;
	int status = all ? 0 : log_errno(ENOMEM, "migrate");

	for (size_t at = 0; !status && at < all->n_files; at += FILES_AT_ONCE) {
		TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
		TcpmigHost__Files some = TCPMIG_HOST__FILES__INIT;
		size_t left = all->n_files - at;

		some.files = all->files + at;
		some.n_files = left < FILES_AT_ONCE ? left : FILES_AT_ONCE;
		req.body_case = TCPMIG_HOST__REQUEST__BODY_FILES;
		req.files = &some;
		status = migrate_call(m, &req, &answer, READY_MS);
		for (size_t i = 0; !status && i < answer->n_differs; i++, differ++)
			log_note("%s'%s': at '%s' %s", m->opt->ignore_files ? "note: " : "",
				 answer->differs[i]->path, m->opt->to_text,
				 answer->differs[i]->what);
	}
	if (!status && differ && !m->opt->ignore_files)
		status = log_error("%zu file%s not the same at '%s'; expected the process to find "
				   "there what it has here, or --files ignore; " NOTHING_DONE,
				   differ, differ == 1 ? " is" : "s are", m->opt->to_text);
	tree_files_message_free(all);
	return status;
}

/* Connections of one message. */
struct connections_message {
	TcpmigHost__Connection list[CONNECTIONS_AT_ONCE];
	TcpmigHost__Connection *pointers[CONNECTIONS_AT_ONCE];
	TcpmigHost__Endpoint ends[CONNECTIONS_AT_ONCE][2];
};

static size_t put_connections(const struct migrate *m, size_t from, struct connections_message *msg)
{
	size_t count = 0;

	for (; from < m->flow_count && count < CONNECTIONS_AT_ONCE; from++, count++) {
		const struct move_record *move = &m->orders.file.moves[m->move_of[from]];
		TcpmigHost__Connection *one = &msg->list[count];

		tcpmig_host__connection__init(one);
		one->local = host_endpoint_put(&move->next, &msg->ends[count][0]);
		one->remote = host_endpoint_put(&m->flows[from].remote, &msg->ends[count][1]);
		one->move = m->move_of[from];
		msg->pointers[count] = one;
	}
	return count;
}

static int tell_listeners(struct migrate *m)
{
	size_t count = m->sockets.listener_count;
	_cleanup_free_ struct tcpmig_endpoint *at = calloc(count + 1, sizeof(*at));
	_cleanup_free_ TcpmigHost__Endpoint *ends = calloc(count + 1, sizeof(*ends));
	_cleanup_free_ TcpmigHost__Endpoint **pointers = calloc(count + 1, sizeof(*pointers));
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Connections msg = TCPMIG_HOST__CONNECTIONS__INIT;

	if (!at || !ends || !pointers)
		return log_errno(ENOMEM, "migrate");
	for (size_t i = 0; i < count; i++) {
		if (migrate_next_of(m, &m->sockets.listeners[i].local, &at[i]))
			return 1;
		pointers[i] = host_endpoint_put(&at[i], &ends[i]);
		ends[i].v6only = at[i].family == TCPMIG_AF_INET6 && m->sockets.listeners[i].v6only;
	}
	msg.listeners = pointers;
	msg.n_listeners = count;
	req.body_case = TCPMIG_HOST__REQUEST__BODY_CONNECTIONS;
	req.connections = &msg;
	return migrate_call(m, &req, NULL, READY_MS);
}

int migrate_tell_connections(struct migrate *m, size_t from)
{
	struct connections_message *some = malloc(sizeof(*some));
	int status = some ? 0 : log_errno(ENOMEM, "migrate");

	while (!status && from < m->flow_count) {
		TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
		TcpmigHost__Connections msg = TCPMIG_HOST__CONNECTIONS__INIT;

		msg.n_connections = put_connections(m, from, some);
		msg.connections = some->pointers;
		from += msg.n_connections;
		req.body_case = TCPMIG_HOST__REQUEST__BODY_CONNECTIONS;
		req.connections = &msg;
		status = migrate_call(m, &req, NULL, READY_MS);
	}
	free(some);
	return status;
}

int migrate_tell_agents(struct migrate *m, size_t from)
{
	const struct move_agents *a = &m->orders.agents;
	_cleanup_free_ TcpmigHost__Agent *list = calloc(a->count + 1, sizeof(*list));
	_cleanup_free_ TcpmigHost__Agent **pointers = calloc(a->count + 1, sizeof(*pointers));
	_cleanup_free_ TcpmigHost__Endpoint *ends = calloc(a->count + 1, sizeof(*ends));
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Request ready = TCPMIG_HOST__REQUEST__INIT;
	TcpmigHost__Agents msg = TCPMIG_HOST__AGENTS__INIT;
	TcpmigHost__Ready nothing = TCPMIG_HOST__READY__INIT;
	int status;

	if (!list || !pointers || !ends)
		return log_errno(ENOMEM, "migrate");
	for (size_t i = from; i < a->count; i++) {
		TcpmigHost__Agent *one = &list[msg.n_agents];

		if (a->list[i].skipped)
			continue;
		tcpmig_host__agent__init(one);
		one->move = a->list[i].move;
		one->at = host_endpoint_put(&a->list[i].at, &ends[msg.n_agents]);
		one->epoch = a->list[i].epoch;
		pointers[msg.n_agents++] = one;
	}
	msg.agents = pointers;
	req.body_case = TCPMIG_HOST__REQUEST__BODY_AGENTS;
	req.agents = &msg;
	status = msg.n_agents ? migrate_call(m, &req, NULL, READY_MS) : 0;
	ready.body_case = TCPMIG_HOST__REQUEST__BODY_READY;
	ready.ready = &nothing;
	return status ? status : migrate_call(m, &ready, NULL, READY_MS);
}

/* By which name its client knows a connection, its agent has said now. */
static void settle_names(struct migrate *m)
{
	for (size_t i = 0; i < m->flow_count; i++) {
		const struct move_record *moves = m->orders.file.moves;

		for (size_t k = 0; k < m->orders.agents.count; k++) {
			const struct move_agent *agent = &m->orders.agents.list[k];

			if (!agent->skipped &&
			    endpoint_same(&moves[agent->move].cur, &m->flows[i].local) &&
			    move_agent_knows(agent, &m->flows[i].remote))
				m->move_of[i] = agent->move;
		}
	}
}

static int agree(struct migrate *m)
{
	int status = move_orders_reserve(&m->orders, NOTHING_DONE);

	if (status)
		return status;
	settle_names(m);
	status = migrate_tell_connections(m, 0);
	return status ? status : migrate_tell_agents(m, 0);
}

int migrate_prepare(struct migrate *m)
{
	int status = move_orders_uuid(&m->orders, m->uuid);

	message_uuid_text(m->uuid, m->uuid_text);
	if (!status)
		status = read_tree(m);
	if (!status)
		status = check_tree(m);
	if (!status)
		status = check_criu(m);
	if (!status)
		status = open_link(m);
	if (!status)
		status = migrate_find_moves(m);
	if (!status)
		status = tell_prepare(m);
	if (!status)
		status = tell_files(m);
	if (!status)
		status = tell_listeners(m);
	if (status || m->opt->dry_run)
		return status ? status : move_orders_give(&m->orders, MESSAGE_QUERY, NOTHING_DONE);
	return agree(m);
}
