// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The talk with a criu; how it is started and ended is in criu_swrk_start.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "clocks.h"
#include "criu_rpc.pb-c.h"
#include "criu_swrk.h"
#include "criu_swrk_start.h"
#include "poll_until.h"

/* Types of requests and answers. */
enum { REQ_DUMP = 1, REQ_RESTORE = 2, REQ_NOTIFY = 6, REQ_VERSION = 10 };

#define CGROUPS_IGNORE 0
#define LOCK_SKIP      3

/* What criu sends is far smaller; also a line of its log that it quotes. */
#define MESSAGE_BYTES 16384

/* How long criu may take from finding the FIFO to opening it. */
#define OPEN_MS	      50

#define INVENTORY     "inventory.img"
#define INVENTORY_NEW "inventory.img.new"

/* If it has ended, criu_swrk_next() knows more. */
static int send_request(struct criu_swrk *w, const CriuRpc__Req *req)
{
	size_t len = criu_rpc__req__get_packed_size(req);
	_cleanup_free_ uint8_t *bytes = malloc(len);

	if (!bytes)
		return -ENOMEM;
	criu_rpc__req__pack(req, bytes);
	if (send(w->socket, bytes, len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return -errno;
	return 0;
}

/* What a dump and a restore have in common. */
static void fill_opts(CriuRpc__Opts *opts)
{
	criu_rpc__opts__init(opts);
	opts->images_dir_fd = -1;
	opts->images_dir = CRIU_SWRK_IMAGES;
	opts->has_tcp_established = opts->tcp_established = true;
	opts->has_notify_scripts = opts->notify_scripts = true;
	opts->has_manage_cgroups_mode = true;
	opts->manage_cgroups_mode = CGROUPS_IGNORE;
}

static int send_opts(struct criu_swrk *w, int type, CriuRpc__Opts *opts, char *log_file)
{
	CriuRpc__Req req = CRIU_RPC__REQ__INIT;

	w->log_file = opts->log_file = log_file;
	req.type = type;
	req.opts = opts;
	return send_request(w, &req);
}

int criu_swrk_dump(struct criu_swrk *w, const struct criu_dump *dump)
{
	CriuRpc__Opts opts;

	fill_opts(&opts);
	opts.has_log_level = dump->log_level;
	opts.log_level = dump->log_level;
	opts.has_pid = true;
	opts.pid = dump->pid;
	opts.has_network_lock = true;
	opts.network_lock = LOCK_SKIP;
	opts.has_leave_running = opts.leave_running = dump->leave_running;
	opts.has_shell_job = opts.shell_job = dump->shell_job;
	opts.has_file_locks = opts.file_locks = dump->file_locks;
	opts.has_link_remap = opts.link_remap = dump->link_remap;
	opts.has_ghost_limit = dump->ghost_limit;
	opts.ghost_limit = dump->ghost_limit;
	return send_opts(w, REQ_DUMP, &opts, "dump.log");
}

int criu_swrk_restore(struct criu_swrk *w, const struct criu_restore *restore)
{
	CriuRpc__Opts opts;

	fill_opts(&opts);
	opts.has_shell_job = opts.shell_job = restore->shell_job;
	opts.has_file_locks = opts.file_locks = restore->file_locks;
	opts.has_link_remap = opts.link_remap = restore->link_remap;
	return send_opts(w, REQ_RESTORE, &opts, "restore.log");
}

/* A writer is there, so criu's open() does not wait, but its read() does; and if we end, that reads
 * nothing. A FIFO is opened for writing only while it is open for reading. */
int criu_swrk_hold_restore(struct criu_swrk *w)
{
	_cleanup_close_ int reader = -1;

	if (mkfifoat(w->images_fd, INVENTORY, 0600))
		return -errno;
	reader = openat(w->images_fd, INVENTORY, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (reader < 0)
		return -errno;
	w->hold_fd = openat(w->images_fd, INVENTORY,
			    O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	return w->hold_fd < 0 ? -errno : 0;
}

static int write_inventory(int dir_fd, const void *inventory, size_t len)
{
	_cleanup_close_ int fd = openat(dir_fd, INVENTORY_NEW,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t written = fd < 0 ? -1 : write(fd, inventory, len);

	if (written < 0)
		return -errno;
	if ((size_t)written != len)
		return -ENOSPC;
	return renameat(dir_fd, INVENTORY_NEW, dir_fd, INVENTORY) ? -errno : 0;
}

static bool has_reader(int fifo)
{
	struct pollfd poll_fd = { .fd = fifo, .events = POLLOUT };

	return poll(&poll_fd, 1, 0) > 0 && !(poll_fd.revents & POLLERR);
}

/* A reader of our own: criu may have been killed, and SIGPIPE is not to kill us. */
static int fill_fifo(struct criu_swrk *w, const void *inventory, size_t len)
{
	ssize_t written;

	if (w->reader_fd < 0)
		return -errno;
	written = write(w->hold_fd, inventory, len);
	if (written < 0 && errno != EAGAIN)
		return -errno;
	return written == (ssize_t)len ? 0 : -EMSGSIZE;
}

static void forget_hold(struct criu_swrk *w)
{
	if (w->hold_fd >= 0)
		close(w->hold_fd);
	if (w->reader_fd >= 0)
		close(w->reader_fd);
	w->hold_fd = w->reader_fd = -1;
}

/*
 * criu reads up to the end, which comes when nobody could write any more. If it has not opened the
 * FIFO, it finds the file in its place; unless it is about to, in this very moment: for that
 * case both stay open, until criu_swrk_next() knows more.
 */
int criu_swrk_release_restore(struct criu_swrk *w, const void *inventory, size_t len)
{
	bool is_read;
	int err;

	if (w->hold_fd < 0)
		return -EALREADY;
	is_read = has_reader(w->hold_fd);
	w->reader_fd = openat(w->images_fd, INVENTORY,
			      O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	err = fill_fifo(w, inventory, len) ?: write_inventory(w->images_fd, inventory, len);
	if (err || is_read)
		forget_hold(w);
	return err;
}

static enum criu_at stage_of(const char *script)
{
	static const struct {
		const char *script;
		enum criu_at at;
	} stages[] = {
		{ "pre-dump", CRIU_AT_PRE_DUMP },
		{ "post-dump", CRIU_AT_POST_DUMP },
		{ "pre-restore", CRIU_AT_PRE_RESTORE },
		{ "setup-namespaces", CRIU_AT_SETUP_NAMESPACES },
		{ "post-setup-namespaces", CRIU_AT_POST_SETUP_NAMESPACES },
		{ "post-restore", CRIU_AT_POST_RESTORE },
		{ "pre-resume", CRIU_AT_PRE_RESUME },
		{ "post-resume", CRIU_AT_POST_RESUME },
	};

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		if (!strcmp(script, stages[i].script))
			return stages[i].at;
	}
	return CRIU_AT_OTHER;
}

/* Return: to be freed; NULL with *@err: 0: criu has closed the socket, -errno. */
static CriuRpc__Resp *receive(struct criu_swrk *w, uint64_t end_ms, int *err)
{
	uint8_t bytes[MESSAGE_BYTES];
	uint64_t soon_ms = clock_mono_ms() + OPEN_MS;
	CriuRpc__Resp *resp;
	ssize_t len;

	*err = poll_until(w->socket, POLLIN,
			  w->reader_fd < 0 || end_ms < soon_ms ? end_ms : soon_ms);
	if (*err == -ETIMEDOUT && w->reader_fd >= 0 && end_ms > soon_ms) {
		forget_hold(w);
		*err = poll_until(w->socket, POLLIN, end_ms);
	}
	if (*err)
		return NULL;
	len = recv(w->socket, bytes, sizeof(bytes), MSG_TRUNC);
	if (len <= 0) {
		*err = len < 0 && errno != ECONNRESET ? -errno : 0;
		return NULL;
	}
	resp = (size_t)len > sizeof(bytes) ? NULL : criu_rpc__resp__unpack(NULL, len, bytes);
	*err = resp ? 0 : -EBADMSG;
	return resp;
}

static void free_resp(CriuRpc__Resp **resp)
{
	if (*resp)
		criu_rpc__resp__free_unpacked(*resp, NULL);
}

#define _cleanup_resp_ __attribute__((cleanup(free_resp)))

static void read_event(const CriuRpc__Resp *resp, struct criu_event *event)
{
	if (resp->type == REQ_NOTIFY && resp->success) {
		event->kind = CRIU_STAGE;
		event->at = stage_of(resp->notify && resp->notify->script ? resp->notify->script
									  : "");
		event->pid = resp->notify && resp->notify->has_pid ? resp->notify->pid : 0;
	} else if (resp->success) {
		event->kind = CRIU_DONE;
		event->pid = resp->restore ? resp->restore->pid : 0;
	}
}

int criu_swrk_next(struct criu_swrk *w, struct criu_event *event, uint64_t end_ms)
{
	_cleanup_resp_ CriuRpc__Resp *resp = NULL;
	int err;

	*event = (struct criu_event){ .kind = CRIU_FAILED };
	resp = receive(w, end_ms, &err);
	if (err)
		return err;
	if (w->reader_fd >= 0)
		forget_hold(w);
	if (resp)
		read_event(resp, event);
	if (event->kind == CRIU_FAILED)
		criu_swrk_why(w, resp ? resp->cr_errmsg ?: "" : NULL, event->why);
	return 0;
}

int criu_swrk_answer(struct criu_swrk *w, bool go_on)
{
	CriuRpc__Req req = CRIU_RPC__REQ__INIT;

	req.type = REQ_NOTIFY;
	req.has_notify_success = true;
	req.notify_success = go_on;
	return send_request(w, &req);
}

int criu_swrk_fd(const struct criu_swrk *w)
{
	return w->socket;
}

pid_t criu_swrk_pid(const struct criu_swrk *w)
{
	return w->pid;
}

/* Return: 0, or -errno with @why. */
static int ask_version(struct criu_swrk *w, int *version, uint64_t end_ms, char *why)
{
	_cleanup_resp_ CriuRpc__Resp *resp = NULL;
	CriuRpc__Req req = CRIU_RPC__REQ__INIT;
	int err;

	req.type = REQ_VERSION;
	err = send_request(w, &req);
	resp = err ? NULL : receive(w, end_ms, &err);
	if (resp && resp->version) {
		*version = resp->version->major_number * 10000 + resp->version->minor_number * 100 +
			   resp->version->sublevel;
		return 0;
	}
	if (err == -ETIMEDOUT)
		snprintf(why, CRIU_WHY_BYTES, "it does not answer");
	else
		criu_swrk_why(w, NULL, why);
	return err == -ETIMEDOUT ? err : -ENOEXEC;
}

int criu_swrk_version(const char *criu, int *version, uint64_t end_ms, char why[CRIU_WHY_BYTES])
{
	struct criu_swrk *w = criu_swrk_start(criu, NULL, false, -1, why);
	int err;

	if (!w)
		return -ENOEXEC;
	err = ask_version(w, version, end_ms, why);
	criu_swrk_end(w);
	return err;
}
