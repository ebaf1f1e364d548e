// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "events.h"
#include "log.h"
#include "session.h"

#define TICK_MS 200 /* how often we look whether there still is something to watch */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Somebody reads along: each line at once. Return: 0 or -errno. */
static int print_line(const char *line)
{
	return puts(line) < 0 || fflush(stdout) ? -errno : 0;
}

static int print_json(struct json_object *json)
{
	int err = print_line(json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(json);
	return err;
}

static int print_event(const struct tcpmig_event *event, void *ctx)
{
	const struct globals *g = ctx;
	char line[256];

	return g->json ? print_json(events_json(event))
		       : print_line(events_text(event, line, sizeof(line)));
}

static int print_lost(const struct globals *g, __u64 lost)
{
	struct json_object *json;

	if (!lost)
		return 0;
	if (!g->json) {
		log_note("note: %llu events lost: more came than could be written", lost);
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "event", json_object_new_string("lost"));
	json_object_object_add(json, "count", json_object_new_int64(lost));
	return print_json(json);
}

static int watch(const struct globals *g, struct session *s, struct events *e)
{
	__u64 lost;
	int err = g->json ? 0 : print_line(events_heading());

	while (!err && !stopped) {
		err = events_wait(e, TICK_MS, &lost);
		if (err == -EINTR)
			err = 0;
		if (!err)
			err = print_lost(g, lost);
		if (!err && session_is_gone(s)) {
			log_note("note: nothing is attached any more");
			break;
		}
	}
	return err ? log_errno(err, "write the events") : 0;
}

int cmd_watch(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	struct events *e;
	struct session s;
	int c, err, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	if (session_open(&s, g->pin_dir))
		return 1;
	catch_signals();
	e = events_open(&s.tables, s.dir.fd, print_event, g);
	err = errno;
	session_unlock(&s);
	if (e)
		status = watch(g, &s, e);
	else if (err == EBUSY)
		status = log_error("'%s': another 'watch' is running there; expected one at a time",
				   g->pin_dir);
	else
		status = log_errno(err, "'%s': cannot read the events", g->pin_dir);
	events_close(e);
	session_close(&s);
	return status;
}
