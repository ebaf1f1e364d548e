// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent_log.h"
#include "cleanup.h"
#include "clocks.h"
#include "control_message.h"
#include "criu_tested.h"
#include "endpoint.h"
#include "host_session.h"
#include "tree_files.h"

/* From one word of A to the next, before PREPARE says how long; and between it and the answer. */
#define FIRST_WORD_MS 10000
#define ANSWER_MS     5000
/* How long who has a migration may need to let go of it: the sweep, or a connection that broke. */
#define BUSY_MS	     2000
#define BUSY_STEP_NS 5000000

int host_fail(struct host_session *s, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, args);
	va_end(args);
	return err;
}

/* What the answers are made of; the lists live until it is sent. */
struct reply {
	TcpmigHost__Answer answer;
	struct file_differences differs;
	TcpmigHost__Difference *list;
	TcpmigHost__Difference **pointers;
	char text[MESSAGE_TEXT_MAX];
	char criu_version[40];
	struct utsname kernel;
};

static void reply_failure(struct host_session *s, struct reply *reply, TcpmigHost__Result result)
{
	message_text_set(reply->text, s->why);
	reply->answer.result = result;
	reply->answer.text = reply->text;
}

static TcpmigHost__State *state_of(struct host_session *s)
{
	return &s->record.r->state;
}

static int keep_state(struct host_session *s, TcpmigHost__State state)
{
	int err;

	*state_of(s) = state;
	err = host_record_save(&s->record);
	return err ? host_fail(s, err, "cannot write what is known of it: %s", strerror(-err)) : 0;
}

static int do_prepare(struct host_session *s, const TcpmigHost__Request *req)
{
	const TcpmigHost__Prepare *prepare = req->prepare;
	int err = host_check_prepare(s, prepare);

	s->unknown = true; /* unless it is made here, or was before */
	if (err)
		return err;
	err = host_record_make(&s->record, s->conf->images, req->uuid.data);
	s->unknown = err != -EEXIST;
	if (err)
		return host_fail(s, err, "cannot keep it below '%s': %s", s->conf->images,
				 strerror(-err));
	s->has_record = true;
	s->lease_end_ms = clock_mono_ms() + prepare->lease_ms;
	err = host_record_prepare(&s->record, prepare);
	return err ? host_fail(s, err, "no memory") : 0;
}

static void say_self(struct host_session *s, struct reply *reply)
{
	snprintf(reply->criu_version, sizeof(reply->criu_version), "%d.%d.%d",
		 s->criu_version / 10000, s->criu_version / 100 % 100, s->criu_version % 100);
	reply->answer.criu_version = reply->criu_version;
	if (!uname(&reply->kernel))
		reply->answer.kernel_release = reply->kernel.release;
}

static int do_files(struct host_session *s, const TcpmigHost__Request *req, struct reply *reply)
{
	struct file_differences *d = &reply->differs;
	int err = tree_files_compare(req->files, NULL, d);

	if (err < 0)
		return host_fail(s, err, "cannot compare the files: %s", strerror(-err));
	reply->list = calloc(d->count + 1, sizeof(*reply->list));
	reply->pointers = calloc(d->count + 1, sizeof(*reply->pointers));
	if (!reply->list || !reply->pointers)
		return host_fail(s, -ENOMEM, "no memory");
	for (size_t i = 0; i < d->count; i++) {
		TcpmigHost__Difference *one = &reply->list[i];

		tcpmig_host__difference__init(one);
		one->path = (char *)d->list[i].path;
		one->what = d->list[i].what;
		reply->pointers[i] = one;
	}
	reply->answer.differs = reply->pointers;
	reply->answer.n_differs = d->count;
	return 0;
}

static int do_restore(struct host_session *s, const TcpmigHost__Request *req, struct reply *reply)
{
	uint64_t began_ns = clock_boot_ns();
	int err;

	if (!s->images)
		return host_fail(s, -EBUSY, "there are no images");
	err = image_receive_digests(s->images, req->restore->images, req->restore->n_images,
				    s->why);
	if (!err)
		err = image_receive_done(s->images, s->why);
	if (err)
		return err;
	image_receive_free(s->images); /* what was checked nobody shall replace */
	s->images = NULL;
	s->record.r->images_complete = true;
	err = host_restore(s);
	if (!err)
		err = keep_state(s, TCPMIG_HOST__STATE__RESTORED);
	reply->answer.restored_us = (clock_boot_ns() - began_ns) / 1000;
	return err;
}

/* In whatever state the images are complete: also those of an earlier connection, or daemon. */
static int do_commit(struct host_session *s, struct reply *reply)
{
	int err = 0;

	if (!s->criu)
		err = host_find_copy(s);
	if (err)
		return err;
	if (*state_of(s) == TCPMIG_HOST__STATE__RUNNING) {
		reply->answer.pid = s->record.r->pid;
		return 0;
	}
	if (*state_of(s) == TCPMIG_HOST__STATE__LOST)
		return host_fail(s, -EBUSY, "it was committed, and could not be made to run");
	if (*state_of(s) != TCPMIG_HOST__STATE__RESTORED || !s->record.r->images_complete)
		return host_fail(s, -EBUSY, "it is not restored");
	host_drop_dead_copy(s);
	if (!s->criu) {
		err = host_gate(s) ?: host_restore(s);
		if (err)
			host_unplace(s); /* COMMIT can come again */
	}
	if (!err)
		err = host_resume(s);
	if (err == -ENOTRECOVERABLE && !keep_state(s, TCPMIG_HOST__STATE__LOST))
		host_free_clients(s);
	reply->answer.pid = s->record.r->pid;
	return err;
}

static int do_abort(struct host_session *s, const TcpmigHost__Request *req)
{
	char name[MESSAGE_UUID_STRLEN];

	if (*state_of(s) == TCPMIG_HOST__STATE__RUNNING)
		return host_fail(s, -EBUSY, "it runs here");
	message_uuid_text(s->record.r->uuid.data, name);
	agent_log(AGENT_LOG_INFO, "aborted", "uuid", name, "why", req->abort->reason, NULL);
	host_undo(s, true);
	s->unknown = true; /* now */
	return 0;
}

static int open_record(struct host_session *s, const uint8_t *uuid)
{
	const struct timespec step = { .tv_nsec = BUSY_STEP_NS };
	uint64_t end_ms = clock_mono_ms() + BUSY_MS;
	int err;

	while ((err = host_record_open(&s->record, s->conf->images, uuid)) == -EBUSY &&
	       clock_mono_ms() < end_ms)
		nanosleep(&step, NULL);
	return err;
}

/* A migration that another connection, or daemon, has known. -EAGAIN: ask again, it is there. */
static int find_record(struct host_session *s, const TcpmigHost__Request *req)
{
	const struct tls_peer *peer = host_link_peer(s->link);
	const ProtobufCBinaryData *key;
	int err;

	if (s->has_record)
		return memcmp(s->record.r->uuid.data, req->uuid.data, HOST_UUID_LEN)
			       ? host_fail(s, -EBUSY, "another migration on the same connection")
			       : 0;
	err = open_record(s, req->uuid.data);
	s->unknown = err == -ENOENT;
	if (err)
		return host_fail(s, err == -EBUSY ? -EAGAIN : err,
				 err == -ENOENT	 ? "no such migration here"
				 : err == -EBUSY ? "another connection has it"
						 : "what is known of it cannot be read");
	key = &s->record.r->peer_key_sha256;
	if (key->len != TLS_KEY_LEN || memcmp(key->data, peer->key_sha256, TLS_KEY_LEN)) {
		host_record_close(&s->record);
		return host_fail(s, -EACCES, "it is another host's migration");
	}
	s->has_record = true;
	s->lease_end_ms = clock_mono_ms() + s->record.r->prepare->lease_ms;
	return 0;
}

static int keep_peer(struct host_session *s)
{
	ProtobufCBinaryData *key = &s->record.r->peer_key_sha256;

	key->data = malloc(TLS_KEY_LEN);
	if (!key->data)
		return host_fail(s, -ENOMEM, "no memory");
	key->len = TLS_KEY_LEN;
	memcpy(key->data, host_link_peer(s->link)->key_sha256, TLS_KEY_LEN);
	return 0;
}

static int add_to_record(struct host_session *s, const TcpmigHost__Request *req)
{
	bool connections = req->body_case == TCPMIG_HOST__REQUEST__BODY_CONNECTIONS;
	int err = connections ? host_check_connections(s, req->connections) : 0;

	if (err)
		return err;
	err = connections ? host_record_add(&s->record, req->connections)
			  : host_record_add_agents(&s->record, req->agents);

	return err ? host_fail(s, err, "more connections or agents than there may be") : 0;
}

/* What is restored may run, and have clients, whom a gate would cut off: it is not prepared anew.
 */
static bool fits(TcpmigHost__State state, TcpmigHost__Request__BodyCase type)
{
	switch (type) {
	case TCPMIG_HOST__REQUEST__BODY_FILES:
	case TCPMIG_HOST__REQUEST__BODY_CONNECTIONS:
	case TCPMIG_HOST__REQUEST__BODY_AGENTS:
	case TCPMIG_HOST__REQUEST__BODY_READY:
		return state == TCPMIG_HOST__STATE__NONE || state == TCPMIG_HOST__STATE__PREPARED;
	case TCPMIG_HOST__REQUEST__BODY_RESTORE:
		return state == TCPMIG_HOST__STATE__PREPARED;
	default:
		return true;
	}
}

/* What needs the migration. */
static int dispatch(struct host_session *s, const TcpmigHost__Request *req, struct reply *reply)
{
	int err = find_record(s, req);

	if (err)
		return err;
	if (!fits(*state_of(s), req->body_case))
		return host_fail(s, -EBUSY, "it is %s", host_state_name(*state_of(s)));
	switch (req->body_case) {
	case TCPMIG_HOST__REQUEST__BODY_FILES:
		return do_files(s, req, reply);
	case TCPMIG_HOST__REQUEST__BODY_CONNECTIONS:
	case TCPMIG_HOST__REQUEST__BODY_AGENTS:
		return add_to_record(s, req);
	case TCPMIG_HOST__REQUEST__BODY_READY:
		err = host_ready(s);
		return err ? err : keep_state(s, TCPMIG_HOST__STATE__PREPARED);
	case TCPMIG_HOST__REQUEST__BODY_RESTORE:
		return do_restore(s, req, reply);
	case TCPMIG_HOST__REQUEST__BODY_COMMIT:
		return do_commit(s, reply);
	case TCPMIG_HOST__REQUEST__BODY_ABORT:
		return do_abort(s, req);
	default: /* STATUS, ALIVE */
		return 0;
	}
}

static TcpmigHost__Result result_of(int err)
{
	switch (err) {
	case 0:
		return TCPMIG_HOST__RESULT__OK;
	case -EACCES:
		return TCPMIG_HOST__RESULT__DENIED;
	case -EBUSY:
	case -ENOENT:
		return TCPMIG_HOST__RESULT__CONFLICT;
	case -EADDRINUSE:
	case -EADDRNOTAVAIL:
	case -EPERM:
		return TCPMIG_HOST__RESULT__REFUSED;
	}
	return TCPMIG_HOST__RESULT__FAILED;
}

static int answer(struct host_session *s, const TcpmigHost__Request *req)
{
	struct reply reply = {};
	bool settle;
	int err;

	tcpmig_host__answer__init(&reply.answer);
	reply.answer.id = req->id;
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_PREPARE) {
		err = s->has_record ? host_fail(s, -EBUSY, "it is prepared") : do_prepare(s, req);
		if (!err)
			err = keep_peer(s);
		if (!err) /* whoever finds it knows then that there may be a gate */
			err = keep_state(s, TCPMIG_HOST__STATE__NONE);
		if (!err)
			say_self(s, &reply);
	} else {
		err = dispatch(s, req, &reply);
	}
	reply.answer.state = s->has_record ? *state_of(s)
			     : s->unknown  ? TCPMIG_HOST__STATE__NONE
					   : TCPMIG_HOST__STATE__BUSY;
	if (err) {
		agent_log(AGENT_LOG_WARNING, "order", "type", host_request_name(req->body_case),
			  "why", s->why, NULL);
		reply_failure(s, &reply, result_of(err));
	}
	settle = !err && req->body_case == TCPMIG_HOST__REQUEST__BODY_COMMIT && s->criu;
	err = host_send_answer(s->link, &reply.answer, clock_mono_ms() + ANSWER_MS, s->why);
	if (settle)
		host_settle(s);
	file_differences_free(&reply.differs);
	free(reply.list);
	free(reply.pointers);
	return err;
}

/* A piece or digests that cannot be taken: the first one is answered, others may be on their way.
 */
static int refuse_images(struct host_session *s, const TcpmigHost__Request *req)
{
	struct reply reply = {};

	agent_log(AGENT_LOG_WARNING, "image", "why", s->why, NULL);
	image_receive_free(s->images);
	s->images = NULL; /* RESTORE will fail, too */
	s->spoiled = true;
	tcpmig_host__answer__init(&reply.answer);
	reply.answer.id = req->id;
	reply.answer.state = *state_of(s);
	reply_failure(s, &reply, TCPMIG_HOST__RESULT__FAILED);
	return host_send_answer(s->link, &reply.answer, clock_mono_ms() + ANSWER_MS, s->why);
}

static int take_images(struct host_session *s, const TcpmigHost__Request *req)
{
	int err;

	if (s->spoiled)
		return 0;
	if (!s->images || memcmp(s->record.r->uuid.data, req->uuid.data, HOST_UUID_LEN))
		return host_fail(s, -EPROTO, "an image before READY, or after RESTORE");
	err = req->body_case == TCPMIG_HOST__REQUEST__BODY_IMAGE
		      ? image_receive_piece(s->images, req->image, s->why)
		      : image_receive_digests(s->images, req->digests->images,
					      req->digests->n_images, s->why);
	return err ? refuse_images(s, req) : 0;
}

static int take(struct host_session *s, const TcpmigHost__Request *req)
{
	return req->body_case == TCPMIG_HOST__REQUEST__BODY_IMAGE ||
			       req->body_case == TCPMIG_HOST__REQUEST__BODY_DIGESTS
		       ? take_images(s, req)
		       : answer(s, req);
}

/* What has not been committed goes; what may have been is kept as images. */
static void end(struct host_session *s)
{
	TcpmigHost__State state = s->has_record ? *state_of(s) : TCPMIG_HOST__STATE__NONE;

	if (state == TCPMIG_HOST__STATE__RUNNING || state == TCPMIG_HOST__STATE__LOST)
		host_record_close(&s->record);
	else if (s->has_record)
		host_undo(s, state != TCPMIG_HOST__STATE__RESTORED);
	image_receive_free(s->images);
	if (s->gated)
		fence_close(&s->gate);
}

void host_session_run(const struct host_conf *conf, struct tls *tls, struct host_link *link)
{
	struct host_session s = { .conf = conf, .tls = tls, .link = link };
	_cleanup_free_ char *criu = criu_find(conf->criu);
	const TcpmigHost__Request *req;
	int err = 0;

	snprintf(s.criu_path, sizeof(s.criu_path), "%s", criu ?: "criu");
	s.record.dir_fd = s.record.images_fd = s.tree_cgroup_fd = -1;
	s.lease_end_ms = clock_mono_ms() + FIRST_WORD_MS;
	while (!err) {
		err = host_receive_request(link, &req, s.lease_end_ms, s.why);
		if (err)
			break;
		err = take(&s, req);
		if (s.has_record)
			s.lease_end_ms = clock_mono_ms() + s.record.r->prepare->lease_ms;
	}
	if (err != -ECONNRESET)
		agent_log(AGENT_LOG_WARNING, "closed", "why", s.why, NULL);
	end(&s);
}

/* May it be that what is left is needed still? */
static bool is_needed(struct host_session *s)
{
	struct stat st;

	switch (*state_of(s)) {
	case TCPMIG_HOST__STATE__RUNNING:
	case TCPMIG_HOST__STATE__LOST:
		return host_tree_is_there(s);
	case TCPMIG_HOST__STATE__RESTORED:
		return !fstat(s->record.dir_fd, &st) && time(NULL) - st.st_mtime < HOST_KEEP_S;
	default:
		return false;
	}
}

/* Made by who was killed before there was anything to write down, but perhaps a gate. */
static void sweep_unreadable(const struct host_conf *conf, const uint8_t uuid[HOST_UUID_LEN])
{
	struct fence gate;
	const char *why;

	if (!host_record_wipe(conf->images, uuid) && !fence_reopen(&gate, conf->pins, uuid, &why) &&
	    fence_remove(&gate))
		agent_log(AGENT_LOG_WARNING, "gate", "why", "cannot be removed", NULL);
}

static int sweep_one(const uint8_t uuid[HOST_UUID_LEN], void *ctx)
{
	struct host_session s = { .conf = ctx, .tree_cgroup_fd = -1 };
	int err = host_record_open(&s.record, s.conf->images, uuid);

	if (err == -ENOENT || err == -EBADMSG)
		sweep_unreadable(s.conf, uuid);
	if (err)
		return 0; /* or somebody has it */
	s.has_record = true;
	if (s.record.r->state == TCPMIG_HOST__STATE__LOST)
		host_find_copy(&s);
	if (s.record.r->state == TCPMIG_HOST__STATE__RUNNING && s.record.images_fd >= 0)
		host_settle(&s); /* whoever had it was killed before he could */
	if (!is_needed(&s)) {
		host_undo(&s, true);
		return 0;
	}
	if (s.record.r->state == TCPMIG_HOST__STATE__RESTORED)
		host_cgroup_remove(&s); /* the copy is gone, its images are kept */
	host_record_close(&s.record);
	return 0;
}

int host_session_sweep(const struct host_conf *conf)
{
	return host_record_each(conf->images, sweep_one, (void *)conf);
}
