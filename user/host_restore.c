// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The copy: its place, CRIU, and from the images to a running tree, or to nothing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent_log.h"
#include "cgroup.h"
#include "cleanup.h"
#include "clocks.h"
#include "endpoint.h"
#include "host_session.h"
#include "images.h"
#include "preflight.h"
#include "proc_tree.h"
#include "tcp_stream_img.h"

#define RESTORE_MS 60000
#define LOOK_MS	   200 /* whether A is still there */
#define END_MS	   5000
/* How long the copy of a connection that was killed may need to end. */
#define COPY_ENDS_MS 2000
#define CGROUP_MS    1000 /* until who was killed is gone */

/* Below our own: what limits us limits what came to us. @cg has @path, which is not to be freed. */
static int cgroup_of_tree(const struct host_session *s, char path[PATH_MAX], struct cgroup *cg)
{
	char name[MESSAGE_UUID_STRLEN];
	_cleanup_free_ char *own = NULL;
	int err = cgroup_of(getpid(), &own), len;

	if (err)
		return err;
	*cg = (struct cgroup){ .path = path, .made = true, .fd = -1 };
	len = snprintf(path, PATH_MAX, "%s/tcpmig-tree-%s", strcmp(own, "/") ? own : "",
		       message_uuid_text(s->record.r->uuid.data, name));
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

void host_cgroup_remove(const struct host_session *s)
{
	char path[PATH_MAX];
	struct cgroup cg;

	if (!cgroup_of_tree(s, path, &cg))
		cgroup_remove(&cg, CGROUP_MS);
}

static void close_cgroup(struct host_session *s)
{
	if (s->tree_cgroup_fd >= 0)
		close(s->tree_cgroup_fd);
	s->tree_cgroup_fd = -1;
}

static int open_cgroup(struct host_session *s)
{
	char path[PATH_MAX];
	struct cgroup cg;
	int err = cgroup_of_tree(s, path, &cg) ?: cgroup_make(&cg) ?: cgroup_open(&cg);

	return err ? host_fail(s, err, "cannot make a cgroup for it: %s", strerror(-err)) : cg.fd;
}

int host_place(struct host_session *s)
{
	const TcpmigHost__Prepare *prepare = s->record.r->prepare;
	_cleanup_free_ pid_t *pids = calloc(prepare->n_pids + 1, sizeof(*pids));
	char name[MESSAGE_UUID_STRLEN];
	struct tree_place_want want = { .pids = pids,
					.pid_count = prepare->n_pids,
					.init_cgroup_fd = -1,
					.tree_cgroup_fd = -1,
					.name = message_uuid_text(s->record.r->uuid.data, name) };
	const char *why = "";
	int err;

	if (!pids)
		return host_fail(s, -ENOMEM, "no memory");
	for (size_t i = 0; i < prepare->n_pids; i++)
		pids[i] = prepare->pids[i];
	want.tree_cgroup_fd = open_cgroup(s);
	if (want.tree_cgroup_fd < 0)
		return want.tree_cgroup_fd;
	s->tree_cgroup_fd = want.tree_cgroup_fd;
	err = tree_place_make(&s->place, &want, &why);
	if (err)
		return host_fail(s, err, "cannot make a place for it: %s: %s", why, strerror(-err));
	s->has_place = true;
	return 0;
}

static int start_criu(struct host_session *s)
{
	s->criu = criu_swrk_start(s->criu_path, &s->place, true, s->record.images_fd, s->why);
	return s->criu ? 0 : -ECHILD;
}

static int begin(struct host_session *s)
{
	struct criu_restore how = { .file_locks = true, .link_remap = true };
	int err = criu_swrk_restore(s->criu, &how);

	return err ? host_fail(s, err, "criu takes no request: %s", strerror(-err)) : 0;
}

int host_await(struct host_session *s)
{
	int err = start_criu(s);

	if (!err && criu_swrk_hold_restore(s->criu))
		err = host_fail(s, -EIO, "cannot let criu wait for the images");
	return err ? err : begin(s);
}

/* What differs only in OLD is one address here. */
static bool is_among_first(const TcpmigHost__Prepare *prepare, size_t count,
			   const struct tcpmig_endpoint *cur, const struct tcpmig_endpoint *next)
{
	for (size_t i = 0; i < count; i++) {
		struct tcpmig_endpoint cur_i, next_i;

		host_endpoint_take(prepare->moves[i]->cur, &cur_i);
		host_endpoint_take(prepare->moves[i]->next, &next_i);
		if (endpoint_same(&cur_i, cur) && endpoint_same(&next_i, next))
			return true;
	}
	return false;
}

/* Each address that the tree has at A becomes the one that it shall have here. */
static int rewrite(struct host_session *s)
{
	const TcpmigHost__Prepare *prepare = s->record.r->prepare;
	char dir[64];

	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", s->record.images_fd);
	for (size_t i = 0; i < prepare->n_moves; i++) {
		struct tcpmig_endpoint cur, next;
		struct images_result result;
		const char *why = "";
		int err;

		host_endpoint_take(prepare->moves[i]->cur, &cur);
		host_endpoint_take(prepare->moves[i]->next, &next);
		if (is_among_first(prepare, i, &cur, &next))
			continue;
		err = images_rewrite(dir, &cur, &next, &result, &why);
		if (err && err != -ENOMSG)
			return host_fail(s, err, "files.img: %s: %s", why, strerror(-err));
	}
	return 0;
}

static int clear_timestamps(struct host_session *s)
{
	const char *why = "";
	size_t changed;
	int err;

	if (!preflight_source_is_old(s->record.r->prepare->kernel_release))
		return 0;
	err = tcp_stream_clear_usec(s->record.images_fd, &changed, &why);
	return err ? host_fail(s, err, "tcp-stream images: %s: %s", why, strerror(-err)) : 0;
}

/* Let criu, which waits for it, go on. */
static int release(struct host_session *s)
{
	_cleanup_close_ int fd = openat(s->record.images_fd, HOST_INVENTORY,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *bytes = NULL;
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return host_fail(s, -errno, "inventory.img: %s", strerror(errno));
	bytes = malloc(st.st_size + 1);
	if (!bytes || read(fd, bytes, st.st_size) != st.st_size)
		return host_fail(s, -EIO, "inventory.img: cannot read it");
	err = criu_swrk_release_restore(s->criu, bytes, st.st_size);
	return err ? host_fail(s, err, "criu does not take the images: %s", strerror(-err)) : 0;
}

static bool a_has_gone(const struct host_session *s)
{
	struct pollfd link = { .fd = host_link_fd(s->link), .events = POLLRDHUP };

	return poll(&link, 1, 0) > 0;
}

/* @back: as long as there is a way back, A must be waiting for it. */
static int next_event(struct host_session *s, bool back, struct criu_event *event, uint64_t end_ms)
{
	for (;;) {
		uint64_t look_ms = clock_mono_ms() + LOOK_MS;
		int err = criu_swrk_next(s->criu, event, look_ms < end_ms ? look_ms : end_ms);

		if (err != -ETIMEDOUT || look_ms >= end_ms)
			return err;
		if (back && a_has_gone(s))
			return -ECONNRESET;
	}
}

/* Answer yes until it is at @at (CRIU_AT_OTHER: until it is done). */
static int run_to(struct host_session *s, enum criu_at at, struct criu_event *event)
{
	uint64_t end_ms = clock_mono_ms() + RESTORE_MS;

	for (;;) {
		int err = next_event(s, at != CRIU_AT_OTHER, event, end_ms);

		if (err)
			return host_fail(s, err, "criu restore: %s",
					 err == -ECONNRESET ? "nobody waits for it any more"
							    : strerror(-err));
		if (event->kind == CRIU_FAILED)
			return host_fail(s, -ECANCELED, "criu restore: %s", event->why);
		if (event->kind == CRIU_DONE)
			return at == CRIU_AT_OTHER ? 0 : host_fail(s, -EPROTO, "criu is too early");
		if (event->at == at && at != CRIU_AT_OTHER)
			return 0;
		err = criu_swrk_answer(s->criu, true);
		if (err)
			return host_fail(s, err, "criu: %s", strerror(-err));
	}
}

static int note_root(struct host_session *s, pid_t pid_there)
{
	pid_t pid = tree_place_pid_here(&s->place, pid_there);
	struct proc_stat stat;
	int err = pid < 0 ? pid : proc_stat_read(pid, &stat);

	if (err)
		return host_fail(s, err, "cannot find what was restored: %s", strerror(-err));
	s->record.r->pid = pid;
	s->record.r->start_ticks = stat.start_ticks;
	return 0;
}

int host_restore(struct host_session *s)
{
	bool again = !s->criu;
	struct criu_event event;
	int err = again ? host_place(s) ?: start_criu(s) : rewrite(s) ?: clear_timestamps(s);

	if (!err)
		err = again ? begin(s) : release(s);
	if (!err)
		err = run_to(s, CRIU_AT_POST_RESTORE, &event);
	return err ? err : note_root(s, event.pid);
}

bool host_tree_is_there(const struct host_session *s)
{
	const TcpmigHost__Record *r = s->record.r;
	struct proc_stat stat;

	return r->pid && !proc_stat_read(r->pid, &stat) && !stat.dead &&
	       stat.start_ticks == r->start_ticks;
}

static void keep_running(struct host_session *s)
{
	int err;

	s->record.r->state = TCPMIG_HOST__STATE__RUNNING;
	err = host_record_save(&s->record);
	if (err) /* it runs all the same */
		agent_log(AGENT_LOG_WARNING, "record", "why", strerror(-err), NULL);
}

/* criu notices that nobody answers any more, and takes the copy back; or the place has ended. */
int host_find_copy(struct host_session *s)
{
	const struct timespec step = { .tv_nsec = 5000000 };
	uint64_t end_ms = clock_mono_ms() + COPY_ENDS_MS;

	if (s->record.r->state == TCPMIG_HOST__STATE__RUNNING)
		return 0;
	while (host_tree_is_there(s)) {
		if (clock_mono_ms() < end_ms) {
			nanosleep(&step, NULL);
			continue;
		}
		if (s->record.r->state != TCPMIG_HOST__STATE__LOST)
			return host_fail(s, -EAGAIN, "an earlier copy of it has not ended yet");
		keep_running(s);
		return 0;
	}
	return 0;
}

/* At post-restore it has nothing to say, unless it has ended. */
void host_drop_dead_copy(struct host_session *s)
{
	struct pollfd criu = { .events = POLLIN };

	if (!s->criu)
		return;
	criu.fd = criu_swrk_fd(s->criu);
	if (poll(&criu, 1, 0) == 0)
		return;
	agent_log(AGENT_LOG_WARNING, "criu", "why", "has ended before it was decided", NULL);
	host_unplace(s);
}

/* What a gate was opened for is never restored again, even if we are killed: it counts as lost
 * until it is known to run. */
static int open_gate(struct host_session *s)
{
	TcpmigHost__State *state = &s->record.r->state;
	int err;

	*state = TCPMIG_HOST__STATE__LOST;
	err = host_record_save(&s->record) ?: fence_set(&s->gate, FENCE_OPEN);
	if (!err)
		return 0;
	*state = TCPMIG_HOST__STATE__RESTORED;
	host_record_save(&s->record);
	return host_fail(s, err, "cannot open the gate: %s", strerror(-err));
}

/* From the moment that the gate is open there is no way back: its bytes are on the wire. */
int host_resume(struct host_session *s)
{
	struct criu_event event;
	int err = tree_place_keep(&s->place);

	if (err)
		return host_fail(s, err, "its place has ended");
	err = open_gate(s);
	if (err)
		return err;
	err = criu_swrk_answer(s->criu, true);
	if (!err)
		err = run_to(s, CRIU_AT_OTHER, &event);
	if (err) {
		tree_place_end(&s->place, END_MS);
		return host_fail(s, -ENOTRECOVERABLE, "it was committed, but does not run: %s",
				 strerror(-err));
	}
	keep_running(s);
	return 0;
}

/* One of which another process has made a record. */
static void find_gate(struct host_session *s)
{
	const char *why;

	if (!s->gated)
		s->gated = !fence_reopen(&s->gate, s->conf->pins, s->record.r->uuid.data, &why);
}

void host_settle(struct host_session *s)
{
	criu_swrk_end(s->criu);
	s->criu = NULL;
	if (s->has_place)
		tree_place_close(&s->place);
	s->has_place = false;
	close_cgroup(s);
	find_gate(s);
	if (s->gated && fence_remove(&s->gate))
		agent_log(AGENT_LOG_WARNING, "gate", "why", "cannot be removed", NULL);
	else
		s->gated = false;
	host_record_drop_images(&s->record);
}

void host_unplace(struct host_session *s)
{
	criu_swrk_end(s->criu);
	s->criu = NULL;
	if (s->has_place)
		tree_place_end(&s->place, END_MS);
	s->has_place = false;
	close_cgroup(s);
	host_cgroup_remove(s);
}

void host_undo(struct host_session *s, bool all)
{
	host_unplace(s);
	image_receive_free(s->images);
	s->images = NULL;
	if (!all) {
		host_record_close(&s->record);
		s->has_record = false;
		return;
	}
	find_gate(s);
	if (s->gated && fence_remove(&s->gate))
		agent_log(AGENT_LOG_WARNING, "gate", "why", "cannot be removed", NULL);
	s->gated = false;
	host_record_remove(&s->record, s->conf->images);
	s->has_record = false;
}
