// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_log.h"
#include "cleanup.h"
#include "endpoint.h"
#include "host_daemon.h"
#include "host_files.h"
#include "host_session.h"
#include "log.h"
#include "migrate_settle.h"
#include "notify.h"

#define SESSIONS_MAX	    32
#define SESSIONS_OF_ONE_MAX 8
#define HANDSHAKE_MS	    5000
/* Of who settles, where not all could be: somebody must be told soon; or now and then. */
#define STATUS_WAITING 3
#define STATUS_LEFT    4
#define SWEEP_S	       10
/* While somebody must learn of a decision: clients wait. */
#define AGAIN_MS 300

/* A process that serves a connection, or (.from.family 0) settles what was interrupted. */
struct child {
	pid_t pid;
	struct tcpmig_endpoint from;
};

struct daemon {
	const char *path;
	struct host_files files;
	struct event_base *base;
	struct evconnlistener *listeners[HOST_LISTEN_MAX];
	struct event *signals[4];
	struct event *sweep;
	struct event *journals;
	struct child children[SESSIONS_MAX + 1];
	size_t child_count;
	bool waiting;
	bool again; /* asked to settle while somebody was at it */
};

static size_t children_of(const struct daemon *d, const struct tcpmig_endpoint *from)
{
	size_t count = 0;

	for (size_t i = 0; i < d->child_count; i++)
		count += endpoint_same_addr(&d->children[i].from, from);
	return count;
}

/* Nothing of the daemon but its configuration. */
static void become_child(struct daemon *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(d->listeners); i++) {
		if (d->listeners[i])
			close(evconnlistener_get_fd(d->listeners[i]));
	}
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
}

static pid_t fork_child(struct daemon *d, const struct tcpmig_endpoint *from)
{
	pid_t pid = fork();

	if (pid < 0)
		agent_log(AGENT_LOG_ERROR, "fork", "why", strerror(errno), NULL);
	if (!pid)
		become_child(d);
	if (pid > 0)
		d->children[d->child_count++] = (struct child){ pid, *from };
	return pid;
}

static void serve(struct daemon *d, int fd, const char *from)
{
	char why[HOST_WHY_LEN];
	struct host_link *link = host_link_accept(d->files.accepts, fd, HANDSHAKE_MS, why);

	if (!link) {
		agent_log(AGENT_LOG_WARNING, "refused", "from", from, "why", why, NULL);
		_exit(1);
	}
	agent_log(AGENT_LOG_INFO, "connected", "from", from, "peer", host_link_peer(link)->name,
		  NULL);
	host_session_run(&d->files.conf, d->files.connects, link);
	host_link_close(link);
	_exit(0);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int len, void *ctx)
{
	struct daemon *d = ctx;
	struct tcpmig_endpoint from;
	char text[ENDPOINT_STRLEN];
	const char *why = NULL;

	(void)listener;
	(void)len;
	endpoint_of_sockaddr(&from, addr);
	endpoint_format(&from, text);
	if (!host_conf_knows(&d->files.conf, &from))
		why = "no [accept] in host.conf names its address";
	else if (d->child_count >= SESSIONS_MAX || children_of(d, &from) >= SESSIONS_OF_ONE_MAX)
		why = "too many connections";
	if (why)
		agent_log(AGENT_LOG_WARNING, "refused", "from", text, "why", why, NULL);
	else if (!fork_child(d, &from))
		serve(d, fd, text);
	evutil_closesocket(fd);
}

static int listen_all(struct daemon *d)
{
	const struct host_conf *conf = &d->files.conf;

	for (size_t i = 0; i < conf->listen_count; i++) {
		struct sockaddr_storage addr;
		socklen_t len = endpoint_to_sockaddr(&conf->listen[i], &addr);
		char text[ENDPOINT_STRLEN];

		d->listeners[i] = evconnlistener_new_bind(
			d->base, on_accept, d,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE |
				(addr.ss_family == AF_INET6 ? LEV_OPT_BIND_IPV6ONLY : 0),
			16, (struct sockaddr *)&addr, len);
		if (!d->listeners[i])
			return log_errno(errno, "'%s': cannot listen there",
					 endpoint_format(&conf->listen[i], text));
	}
	return 0;
}

static void on_sweep(evutil_socket_t fd, short what, void *ctx);

static void forget_events(evutil_socket_t fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

/* It has opened and closed what it could not settle: that is no reason to begin again at once. */
static void settled(struct daemon *d, int left)
{
	const struct timeval again = { .tv_usec = AGAIN_MS * 1000 };
	bool waiting = left == STATUS_WAITING;

	if (left) {
		forget_events(event_get_fd(d->journals));
		d->again = false;
	}
	if (waiting || d->again)
		event_base_once(d->base, -1, EV_TIMEOUT, on_sweep, d, &again);
	if (waiting && !d->waiting)
		agent_log(AGENT_LOG_WARNING, "waiting", "why",
			  "a migration is decided, and somebody cannot be told yet", NULL);
	d->waiting = waiting;
	d->again = false;
}

static void on_child(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *d = ctx;
	int status;
	pid_t pid;

	(void)signal;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		size_t i = 0;
		bool settler;

		while (i < d->child_count && d->children[i].pid != pid)
			i++;
		if (i == d->child_count)
			continue;
		settler = !d->children[i].from.family;
		d->children[i] = d->children[--d->child_count];
		if (settler)
			settled(d, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	}
}

/* Those that serve go on: what they do is not half a thing. */
static void on_stop(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)signal;
	(void)what;
	event_base_loopbreak(d->base);
}

static void on_reload(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *d = ctx;
	struct host_files files;
	char why[HOST_FILES_WHY_LEN];

	(void)signal;
	(void)what;
	if (host_files_load(d->path, &files, why)) {
		agent_log(AGENT_LOG_ERROR, "reload", "why", why, NULL);
		return;
	}
	host_files_free(&d->files);
	d->files = files;
	agent_log(AGENT_LOG_NOTICE, "reloaded", NULL);
}

/* By one process at a time: whoever is settling has the journals that matter. */
static void settle(struct daemon *d)
{
	const struct tcpmig_endpoint nobody = {};
	enum settle_end end;

	for (size_t i = 0; i < d->child_count; i++) {
		if (!d->children[i].from.family) {
			d->again = true;
			return;
		}
	}
	if (fork_child(d, &nobody) != 0)
		return;
	end = migrate_settle_all(&d->files);
	if (end == SETTLE_WAITING)
		_exit(STATUS_WAITING);
	host_session_sweep(&d->files.conf);
	_exit(end == SETTLE_FAILED ? STATUS_LEFT : 0);
}

static void on_sweep(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	settle(ctx);
}

/* A journal has been closed: by who has come to its end, or has just ended before. */
static void on_journal(evutil_socket_t fd, short what, void *ctx)
{
	(void)what;
	forget_events(fd);
	settle(ctx);
}

static int watch_journals(struct daemon *d)
{
	char dir[CONF_PATH_LEN + 16];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	snprintf(dir, sizeof(dir), "%s/migrations", d->files.conf.state);
	mkdir(d->files.conf.state, 0700); /* or it is there */
	mkdir(dir, 0700);
	host_record_make_dir(d->files.conf.images);
	if (fd < 0 || inotify_add_watch(fd, dir, IN_CLOSE_WRITE) < 0)
		return log_errno(errno, "'%s': cannot watch it", dir);
	d->journals = event_new(d->base, fd, EV_READ | EV_PERSIST, on_journal, d);
	return !d->journals || event_add(d->journals, NULL) ? log_errno(ENOMEM, "host") : 0;
}

static int add_signals(struct daemon *d)
{
	static const struct {
		int number;
		event_callback_fn call;
	} signals[] = { { SIGCHLD, on_child },
			{ SIGTERM, on_stop },
			{ SIGINT, on_stop },
			{ SIGHUP, on_reload } };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		d->signals[i] = evsignal_new(d->base, signals[i].number, signals[i].call, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL))
			return log_errno(ENOMEM, "host");
	}
	return 0;
}

static int start(struct daemon *d)
{
	const struct timeval every = { .tv_sec = SWEEP_S };
	int status;

	d->base = event_base_new();
	if (!d->base)
		return log_errno(ENOMEM, "host");
	status = add_signals(d);
	if (!status)
		status = watch_journals(d);
	if (!status)
		status = listen_all(d);
	d->sweep = event_new(d->base, -1, EV_PERSIST, on_sweep, d);
	if (!status && (!d->sweep || event_add(d->sweep, &every)))
		status = log_errno(ENOMEM, "host");
	return status;
}

static void stop(struct daemon *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(d->listeners); i++) {
		if (d->listeners[i])
			evconnlistener_free(d->listeners[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++) {
		if (d->signals[i])
			event_free(d->signals[i]);
	}
	if (d->sweep)
		event_free(d->sweep);
	if (d->journals) {
		close(event_get_fd(d->journals));
		event_free(d->journals);
	}
	if (d->base)
		event_base_free(d->base);
	host_files_free(&d->files);
}

int host_daemon_run(const char *path)
{
	struct daemon d = { .path = path };
	char why[HOST_FILES_WHY_LEN];
	int status;

	agent_log_init();
	notify_init();
	if (host_files_load(path, &d.files, why))
		return log_error("%s", why);
	status = start(&d);
	if (!status) {
		agent_log(AGENT_LOG_NOTICE, "ready", NULL);
		notify("READY=1");
		settle(&d);
		event_base_dispatch(d.base);
		notify("STOPPING=1");
		agent_log(AGENT_LOG_NOTICE, "stopped", NULL);
	}
	stop(&d);
	return status;
}
