// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "control_message.h"
#include "restart.h"
#include "run.h"

#define SYSTEMD	   "/run/systemd/system" /* sd_booted(3) */
#define ASK_MS	   5000
#define RELOAD_MS  30000 /* all units of a large host are read */
#define ENDED_MS   10000
#define ANSWER_LEN 4096

static int fail(char *why, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(char *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, RESTART_WHY_LEN, fmt, args);
	va_end(args);
	return err;
}

static bool is_service(const char *name, size_t length)
{
	return length > 8 && length < RESTART_UNIT_LEN && !memcmp(name + length - 8, ".service", 8);
}

/*
 * The first from the left is that of the systemd whose host this is; below may be a container's.
 * A user's systemd is a service too, and has its own below.
 */
bool restart_unit_of_cgroup(const char *path, struct restart_unit *unit)
{
	bool found = false;
	size_t length;

	*unit = (struct restart_unit){};
	for (; *path; path += length) {
		path += *path == '/';
		length = strcspn(path, "/");
		if (!is_service(path, length))
			continue;
		unit->user = found;
		found = true;
		/* systemd writes '_' before a name that the kernel might want for itself. */
		snprintf(unit->unit, sizeof(unit->unit), "%.*s", (int)(length - (*path == '_')),
			 path + (*path == '_'));
		if (unit->user || strncmp(unit->unit, "user@", 5))
			break;
	}
	return found;
}

/* v2, and systemd's own hierarchy of v1: "1:name=systemd:/PATH". */
static int find_unit(pid_t pid, struct restart_unit *unit)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	const char *systemds, *path;
	size_t size = 0;
	char name[32];

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	file = fopen(name, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = 0;
		systemds = strstr(line, ":name=systemd:");
		path = systemds ? strchr(systemds, '/') : strncmp(line, "0::", 3) ? NULL : line + 3;
		if (path && restart_unit_of_cgroup(path, unit))
			return 0;
	}
	return -ENOENT;
}

/* systemctl with these arguments, up to NULL. */
static int systemctl(int timeout_ms, const char *const args[], char *answer, char *why)
{
	const char *argv[8] = { "systemctl", "--no-ask-password" };
	int status;

	for (size_t i = 0; args[i]; i++)
		argv[i + 2] = args[i];
	status = run_program(argv, timeout_ms, answer, ANSWER_LEN);
	if (!status)
		return 0;
	if (status == -ETIME)
		return fail(why, status, "systemctl %s does not end within %d s", args[0],
			    timeout_ms / 1000);
	answer[strcspn(answer, "\n")] = 0;
	return fail(why, status < 0 ? status : -EPERM, "systemctl %s fails: %.150s", args[0],
		    *answer ? answer : "it does not say why");
}

static int show(const char *unit, const char *properties, char *answer, char *why)
{
	const char *const args[] = { "show", properties, "--", unit, NULL };

	return systemctl(ASK_MS, args, answer, why);
}

static int reload(char *why)
{
	const char *const args[] = { "daemon-reload", NULL };
	char answer[ANSWER_LEN];

	return systemctl(RELOAD_MS, args, answer, why);
}

/* The value of "KEY=" in @answer, added to @value behind a blank. */
static void add_value(const char *answer, const char *key, char *value, size_t size)
{
	size_t used = strlen(value);

	for (; *answer; answer += strcspn(answer, "\n"), answer += *answer == '\n') {
		size_t length = strlen(key);

		if (strncmp(answer, key, length) || answer[length] != '=' ||
		    answer[length + 1] == '\n')
			continue;
		answer += length + 1;
		snprintf(value + used, size - used, "%s%.*s", used ? " " : "",
			 (int)strcspn(answer, "\n"), answer);
		return;
	}
}

/* "1min 30s", "500ms": as systemctl shows a time. 0, infinity: never. */
static uint64_t parse_span_ms(const char *text)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "us", 0.001 },	{ "ms", 1 },	   { "s", 1000 },     { "min", 60000 },
		      { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 } };
	double sum = 0;
	char *end;

	for (double number; *text; text = end) {
		number = strtod(text, &end);
		if (end == text)
			return 0;
		for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
			if (strcspn(end, " ") == strlen(units[i].name) &&
			    !strncmp(end, units[i].name, strlen(units[i].name)))
				sum += number * units[i].ms;
		}
		end += strcspn(end, " ");
		end += *end == ' ';
	}
	return sum > 0 && sum < 1 ? 1 : (uint64_t)sum;
}

int restart_find(pid_t pid, struct restart_unit *unit, char *why)
{
	char answer[ANSWER_LEN], watchdog[64] = "";
	int err = access(SYSTEMD, F_OK) ? -ENOENT : 0;

	if (err)
		return fail(why, err, "systemd does not run here");
	err = find_unit(pid, unit);
	if (err)
		return fail(why, err, err == -ENOENT ? "it is in no service" : "it has ended");
	if (unit->user)
		return 0;
	err = show(unit->unit, "--property=Restart,TriggeredBy,UpheldBy,WatchdogUSec", answer, why);
	if (err)
		return err;
	add_value(answer, "Restart", unit->policy, sizeof(unit->policy));
	add_value(answer, "TriggeredBy", unit->triggers, sizeof(unit->triggers));
	add_value(answer, "UpheldBy", unit->triggers, sizeof(unit->triggers));
	add_value(answer, "WatchdogUSec", watchdog, sizeof(watchdog));
	unit->watchdog_ms = strcmp(watchdog, "infinity") ? parse_span_ms(watchdog) : 0;
	return 0;
}

/* Of all drop-ins of a unit, in whatever directory, the last by name counts. */
static int dropin_path(const char *unit, const uint8_t uuid[16], char *dir, char *path)
{
	char text[MESSAGE_UUID_STRLEN];

	if (!is_service(unit, strlen(unit)) || strchr(unit, '/') ||
	    snprintf(dir, PATH_MAX, SYSTEMD "/%s.d", unit) >= PATH_MAX ||
	    snprintf(path, PATH_MAX, "%s/zz-tcpmig-%s.conf", dir, message_uuid_text(uuid, text)) >=
		    PATH_MAX)
		return -EINVAL;
	return 0;
}

static int write_dropin(const char *path)
{
	static const char text[] = "# While tcpmig-bpf moves the server to another host.\n"
				   "[Service]\nRestart=no\n"
				   "SuccessExitStatus=SIGKILL\n";
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
				      0644);

	if (fd < 0)
		return -errno;
	return write(fd, text, sizeof(text) - 1) == sizeof(text) - 1 ? 0 : -EIO;
}

static int remove_dropin(const char *dir, const char *path)
{
	if (unlink(path))
		return -errno;
	rmdir(dir); /* unless somebody else has something in it */
	return 0;
}

/* Is it so? A generator, or another drop-in with a later name, may have the last word. */
static int check_off(const char *unit, char *why)
{
	char answer[ANSWER_LEN], policy[32] = "";
	int err = show(unit, "--property=Restart", answer, why);

	if (err)
		return err;
	add_value(answer, "Restart", policy, sizeof(policy));
	return strcmp(policy, "no")
		       ? fail(why, -EPERM, "systemd keeps Restart=%s of %s", policy, unit)
		       : 0;
}

int restart_disable(const char *unit, const uint8_t uuid[16], char *why)
{
	char dir[PATH_MAX], path[PATH_MAX], ignored[RESTART_WHY_LEN];
	int err = dropin_path(unit, uuid, dir, path);

	if (err)
		return fail(why, err, "'%s' is no service", unit);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return fail(why, -errno, "'%s': %s", dir, strerror(errno));
	err = write_dropin(path);
	if (err)
		fail(why, err, "'%s': %s", path, strerror(-err));
	else
		err = reload(why);
	if (!err)
		err = check_off(unit, why);
	if (err && !remove_dropin(dir, path))
		reload(ignored);
	return err;
}

/* Who removed it may have ended before systemd was told. */
static bool needs_reload(const char *unit)
{
	char answer[ANSWER_LEN], ignored[RESTART_WHY_LEN];

	return !show(unit, "--property=NeedDaemonReload", answer, ignored) &&
	       strstr(answer, "NeedDaemonReload=yes");
}

int restart_enable(const char *unit, const uint8_t uuid[16], char *why)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int err = dropin_path(unit, uuid, dir, path);

	if (err)
		return fail(why, err, "'%s' is no service", unit);
	err = remove_dropin(dir, path);
	if (err == -ENOENT)
		return needs_reload(unit) ? reload(why) : 0;
	return err ? fail(why, err, "'%s': %s", path, strerror(-err)) : reload(why);
}

int restart_wait_ended(const char *unit, int timeout_ms, char *why)
{
	uint64_t end = clock_mono_ms() + (uint64_t)timeout_ms;
	char answer[ANSWER_LEN], state[32];
	int err;

	for (;;) {
		err = show(unit, "--property=ActiveState", answer, why);
		if (err)
			return err;
		state[0] = 0;
		add_value(answer, "ActiveState", state, sizeof(state));
		if (!strcmp(state, "inactive") || !strcmp(state, "failed"))
			return 0;
		if (clock_mono_ms() >= end)
			return fail(why, -ETIME, "%s is still %s", unit, state);
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
}

/* What is still active then has other processes: another than its main one has moved. */
int restart_enable_ended(const char *unit, const uint8_t uuid[16], char *why)
{
	restart_wait_ended(unit, ENDED_MS, why);
	return restart_enable(unit, uuid, why);
}
