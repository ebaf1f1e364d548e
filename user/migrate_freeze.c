// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From the fence to the copy that waits at B: what the clients notice happens here. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clocks.h"
#include "log.h"
#include "migrate.h"
#include "tcp_stream_img.h"

/* How long new connections are kept off until those that wait have been accepted. */
#define DRAIN_MS      200
#define DRAIN_STEP_MS 2
/* What was on its way when the clients were held has this long to arrive, at least and at most. */
#define SETTLE_MIN_US 1000
#define SETTLE_MAX_US 200000
#define FREEZE_MS     2000
#define DUMP_MS	      60000

#define GOES_ON	      "it goes on here"

static void sleep_us(unsigned int us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

/* With SYNs fenced nothing more comes in; what has come the server accepts, or will not. */
static int drain(struct migrate *m)
{
	uint64_t end_ms = clock_mono_ms() + DRAIN_MS;
	int pending;

	while ((pending = tree_sockets_pending(&m->sockets)) > 0 && clock_mono_ms() < end_ms)
		sleep_us(DRAIN_STEP_MS * 1000);
	if (pending < 0)
		return log_errno(pending, "cannot see what waits to be accepted");
	if (pending)
		return log_error("'%d': %d connection%s waited for accept() for %d ms and would be "
				 "lost; expected a server that accepts; " GOES_ON,
				 m->opt->pid, pending, pending == 1 ? "" : "s", DRAIN_MS);
	return 0;
}

/* Who has come between PREPARE and the fence takes part like all others. */
static int take_in_newcomers(struct migrate *m)
{
	size_t flows = m->flow_count, agents = m->orders.agents.count, added;
	int err, status;

	tree_sockets_free(&m->sockets);
	err = tree_sockets_read_tcp(&m->tree, &m->sockets);
	if (err)
		return log_errno(err, "'%d': cannot list its sockets", m->opt->pid);
	status = migrate_find_newcomers(m, &added);
	if (status || !added)
		return status;
	status = move_orders_reserve_more(&m->orders, agents, GOES_ON);
	if (!status)
		status = migrate_tell_connections(m, flows);
	if (!status)
		status = migrate_tell_agents(m, agents);
	if (!status)
		status = migrate_write_down(m);
	if (status)
		return status;
	err = fence_add_flows(&m->fence, m->flows + flows, added);
	return err ? log_errno(err, "cannot fence new connections") : 0;
}

static unsigned int settle_us(const struct migrate *m)
{
	unsigned int us = SETTLE_MIN_US;

	for (size_t i = 0; i < m->sockets.connection_count; i++) {
		if (m->sockets.connections[i].srtt_us > us)
			us = m->sockets.connections[i].srtt_us;
	}
	return us < SETTLE_MAX_US ? us : SETTLE_MAX_US;
}

/* With the fence closed no handshake ends any more: the list is what CRIU will find. */
static int check_complete(struct migrate *m)
{
	size_t added;
	int err, status;

	tree_sockets_free(&m->sockets);
	err = tree_sockets_read_tcp(&m->tree, &m->sockets);
	if (err)
		return log_errno(err, "'%d': cannot list its sockets", m->opt->pid);
	status = migrate_find_newcomers(m, &added);
	if (!status && added)
		status = log_error("'%d': a connection came when none could any more; " GOES_ON,
				   m->opt->pid);
	return status;
}

int migrate_hold(struct migrate *m)
{
	int err = fence_set(&m->fence, FENCE_NO_SYN);
	int status = err ? log_errno(err, "cannot fence new connections") : drain(m);

	if (!status)
		status = take_in_newcomers(m);
	if (status)
		return status;
	m->lease_end_ms = clock_mono_ms() + MIGRATE_LEASE_MS;
	status = move_orders_give_all(&m->orders, MESSAGE_HOLD, GOES_ON);
	if (status)
		return status;
	sleep_us(settle_us(m));
	m->fenced_ns = clock_boot_ns();
	err = fence_set(&m->fence, FENCE_CLOSED);
	return err ? log_errno(err, "cannot close the fence") : check_complete(m);
}

static uint64_t fenced_ms(const struct migrate *m)
{
	return (clock_boot_ns() - m->fenced_ns) / 1000000;
}

/* Has it taken longer than the user would have it, or than the leases last? */
static int too_long(struct migrate *m)
{
	if (fenced_ms(m) > m->opt->max_freeze_ms)
		return log_error(
			"frozen for %llu ms already, expected at most %u (--max-freeze); " GOES_ON,
			(unsigned long long)fenced_ms(m), m->opt->max_freeze_ms);
	if (clock_mono_ms() + MIGRATE_MARGIN_MS > m->lease_end_ms)
		return log_error("frozen for %llu ms already, and clients hold no longer; " GOES_ON,
				 (unsigned long long)fenced_ms(m));
	return 0;
}

static uint64_t freeze_end_ms(const struct migrate *m)
{
	uint64_t lease_end_ms = m->lease_end_ms - MIGRATE_MARGIN_MS, gone_ms = fenced_ms(m);
	uint64_t end_ms = clock_mono_ms();

	if (gone_ms < m->opt->max_freeze_ms)
		end_ms += m->opt->max_freeze_ms - gone_ms;
	return end_ms < lease_end_ms ? end_ms : lease_end_ms;
}

static int send_some(struct migrate *m)
{
	int err = image_send_some(m->send, m->link, freeze_end_ms(m), m->why);

	progress_bytes(&m->progress, image_send_bytes(m->send));
	return err ? log_error("%s; " GOES_ON, m->why) : 0;
}

/* Images leave while criu still writes others. Return: 0 at post-dump; 1 after saying why not. */
static int dump_and_send(struct migrate *m)
{
	struct pollfd fds[] = { { .fd = criu_swrk_fd(m->criu), .events = POLLIN },
				{ .fd = image_send_fd(m->send), .events = POLLIN } };
	struct criu_event event;
	int status = 0, err;

	while (!status) {
		if (poll(fds, 2, 100) < 0 && errno != EINTR)
			return log_errno(errno, "poll");
		if (fds[1].revents)
			status = send_some(m);
		if (!status)
			status = too_long(m);
		if (status || !fds[0].revents)
			continue;
		err = criu_swrk_next(m->criu, &event, clock_mono_ms() + DUMP_MS);
		if (err)
			return log_errno(err, "criu dump");
		if (event.kind != CRIU_STAGE)
			return log_error("criu dump: %s; " GOES_ON, event.why);
		if (event.at == CRIU_AT_POST_DUMP)
			return 0;
		err = criu_swrk_answer(m->criu, true);
		if (err)
			return log_errno(err, "criu dump");
	}
	return status;
}

/* CRIU lets the tree go on if it dies now. This does not. */
static int freeze(struct migrate *m)
{
	int err = cgroup_freeze(&m->cgroup, FREEZE_MS);

	if (err)
		return log_errno(err, "'%s': cannot freeze this cgroup", m->cgroup.path);
	if (cgroup_has_only(&m->cgroup, m->opt->pid) != 1)
		return log_error("'%d': a process has left its cgroup; " GOES_ON, m->opt->pid);
	m->dumped = true;
	return 0;
}

int migrate_dump(struct migrate *m)
{
	int err, status;

	m->frozen_ns = clock_boot_ns();
	err = criu_swrk_answer(m->criu, true);
	if (err)
		return log_errno(err, "criu dump");
	status = dump_and_send(m);
	return status ? status : freeze(m);
}

/* What goes on at the agents while B restores. */
static void *arm_and_check(void *ctx)
{
	struct migrate *m = ctx;

	if (m->orders.agents.timeout_ms > MIGRATE_ANSWER_MS)
		m->orders.agents.timeout_ms = MIGRATE_ANSWER_MS;
	if (move_agents_order(&m->orders.agents, MESSAGE_ARM) == 0)
		move_agents_order(&m->orders.agents, MESSAGE_CHECK);
	return NULL;
}

static int read_sequences(struct migrate *m)
{
	struct tcp_streams streams = {};
	const char *why = "";
	size_t unasked;
	int err = tcp_streams_read(m->images_fd, &streams, &why);

	if (!err)
		err = move_agents_add_streams(&m->orders.agents, &streams, &unasked);
	tcp_streams_free(&streams);
	if (err)
		return log_errno(err, "cannot read the connections in the images: %s", why);
	if (unasked && m->opt->need == MOVE_NEED_ALL)
		return log_error("%zu connections in the images have no agent that could check "
				 "them; " GOES_ON,
				 unasked);
	return 0;
}

static int await_copy(struct migrate *m)
{
	const TcpmigHost__Answer *answer;
	int err = host_receive_answer(m->link, &answer, freeze_end_ms(m), m->why);

	if (err)
		return log_error("%s; " GOES_ON, m->why);
	if (answer->result != TCPMIG_HOST__RESULT__OK)
		return log_error("'%s': %s; " GOES_ON, m->opt->to_text, answer->text);
	return 0;
}

static int send_all(struct migrate *m)
{
	int err = image_send_all(m->send, m->link, freeze_end_ms(m), m->why);

	m->image_bytes = image_send_stats(m->send).bytes;
	/* It had something to say before it was asked: await_copy() tells what. */
	return err && err != -ECANCELED ? log_error("%s; " GOES_ON, m->why) : 0;
}

int migrate_transfer(struct migrate *m)
{
	pthread_t agents;
	int status = send_all(m), err;

	if (status)
		return status;
	progress_phase(&m->progress, PHASE_RESTORE);
	status = read_sequences(m);
	if (status)
		return status;
	err = pthread_create(&agents, NULL, arm_and_check, m);
	if (err)
		return log_errno(err, "migrate");
	status = await_copy(m);
	progress_phase(&m->progress, PHASE_ARM);
	pthread_join(agents, NULL);
	if (!status)
		status = move_orders_judge_all(&m->orders, GOES_ON);
	return status ? status : too_long(m);
}
