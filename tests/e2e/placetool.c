// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Dumps and restores a tree as a migration does, by criu_swrk.h and tree_place.h, without the
 * rest of it.
 *
 *   placetool [OPTION=VALUE]... dump CRIU PID IMAGES
 *   placetool [OPTION=VALUE]... restore CRIU NAME IMAGES [PID...]
 *   placetool run NAME CMD...       in a new place
 *   placetool list | version CRIU | end NAME
 *
 * hook=PROGRAM  called at each stage, as CRIU calls an action script
 * held=1        restore: started before inventory.img is there, which is kept as .tcpmig
 * idle_ms=N     wait that long where it is held
 * no=STAGE      answer no there; "held": tell it to stop
 * die=STAGE     SIGKILL to itself there; "held": where a restore waits for its images
 * stop=STAGE    as die=, but SIGSTOP
 * leave=1       dump: the tree goes on
 * keep=STAGE    the place is kept from there on, instead of at the end
 * cgroup=DIR    of a new tree
 * init_cgroup=DIR  of the init of a new place
 * shell_job=1   its session leader is outside the tree
 *
 * Prints what has happened as NAME=VALUE, times in microseconds. Exit status: 0 done; 3 criu
 * has failed, why=; 1 anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "criu_swrk.h"
#include "tree_place.h"

#define LIMIT_MS 20000

static const char *const stages[] = {
	[CRIU_AT_OTHER] = "other",
	[CRIU_AT_PRE_DUMP] = "pre-dump",
	[CRIU_AT_POST_DUMP] = "post-dump",
	[CRIU_AT_PRE_RESTORE] = "pre-restore",
	[CRIU_AT_SETUP_NAMESPACES] = "setup-namespaces",
	[CRIU_AT_POST_SETUP_NAMESPACES] = "post-setup-namespaces",
	[CRIU_AT_POST_RESTORE] = "post-restore",
	[CRIU_AT_PRE_RESUME] = "pre-resume",
	[CRIU_AT_POST_RESUME] = "post-resume",
};

static const char *hook, *no, *die_at, *stop_at, *keep_at, *cgroup, *init_cgroup;
static int held, leave, idle_ms, shell_job;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void say(const char *name, uint64_t from_ns)
{
	printf("%s_us=%llu\n", name, (unsigned long long)(clock_mono_ns() - from_ns) / 1000);
}

static void keep(struct tree_place *place)
{
	if (tree_place_keep(place))
		fail("the place has ended");
}

/* @place: NULL: none that is to be kept. */
static void come_to(const char *stage, struct tree_place *place)
{
	if (place && keep_at && !strcmp(keep_at, stage))
		keep(place);
	if (die_at && !strcmp(die_at, stage))
		raise(SIGKILL);
	if (stop_at && !strcmp(stop_at, stage))
		raise(SIGSTOP);
}

/* Return: does the hook say yes? */
static bool call_hook(const char *stage, const char *images)
{
	int status;
	pid_t pid;

	if (!hook)
		return true;
	pid = fork();
	if (!pid) {
		setenv("CRTOOLS_SCRIPT_ACTION", stage, 1);
		setenv("CRTOOLS_IMAGE_DIR", images, 1);
		execl(hook, hook, NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void rest(void)
{
	struct timespec time = { .tv_sec = idle_ms / 1000, .tv_nsec = idle_ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

/* From @begin_ns on: prints when each stage came. Return: CRIU_DONE or CRIU_FAILED. */
static struct criu_event talk(struct criu_swrk *w, struct tree_place *place, const char *images,
			      uint64_t begin_ns)
{
	uint64_t end_ms = clock_mono_ms() + LIMIT_MS;
	struct criu_event event;
	int err;

	while (!(err = criu_swrk_next(w, &event, end_ms)) && event.kind == CRIU_STAGE) {
		const char *stage = stages[event.at];

		say(stage, begin_ns);
		come_to(stage, place);
		if (event.at == CRIU_AT_PRE_DUMP) {
			rest();
			begin_ns = clock_mono_ns();
		}
		err = criu_swrk_answer(w, call_hook(stage, images) && !(no && !strcmp(no, stage)));
		if (err)
			break;
	}
	if (err)
		fail("criu: %s", strerror(-err));
	say("end", begin_ns);
	return event;
}

static int finish(struct criu_swrk *w, const struct criu_event *event)
{
	if (event->kind == CRIU_FAILED)
		printf("why=%s\n", event->why);
	if (criu_swrk_stop(w, clock_mono_ms() + LIMIT_MS))
		fail("criu does not end");
	criu_swrk_end(w);
	return event->kind == CRIU_DONE ? 0 : 3;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fail("'%s': %s", path, strerror(errno));
	return fd;
}

static int dump(const char *criu, pid_t pid, const char *images)
{
	struct criu_dump dump = { .leave_running = leave, .shell_job = shell_job };
	char why[CRIU_WHY_BYTES];
	uint64_t begin_ns = clock_mono_ns();
	struct tree_place place;
	struct criu_swrk *w;
	struct criu_event event;
	int in_place = tree_place_of(&place, pid, &dump.pid);

	if (in_place < 0)
		fail("process %d: %s", pid, strerror(-in_place));
	printf("place=%s\npid_there=%d\n", in_place ? place.name : "-", dump.pid);
	w = criu_swrk_start(criu, in_place ? &place : NULL, false, open_dir(images), why);
	if (!w)
		fail("%s", why);
	if (criu_swrk_dump(w, &dump))
		fail("cannot send the request");
	event = talk(w, NULL, images, begin_ns);
	return finish(w, &event);
}

static size_t read_file(int dir_fd, const char *name, char *bytes, size_t room)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, bytes, room);

	if (len < 0)
		fail("'%s': %s", name, strerror(errno));
	return len;
}

/* Does criu read the FIFO? */
static bool reads_inventory(pid_t pid)
{
	char path[64], target[512];

	for (int fd = 0; fd < 64; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		len = readlink(path, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		if (strstr(target, "inventory.img"))
			return true;
	}
	return false;
}

static void wait_until_held(struct criu_swrk *w, uint64_t begin_ns)
{
	uint64_t end_ms = clock_mono_ms() + LIMIT_MS;
	struct timespec ms = { .tv_nsec = 1000000 };

	while (!reads_inventory(criu_swrk_pid(w))) {
		if (clock_mono_ms() > end_ms)
			fail("criu does not open the FIFO");
		nanosleep(&ms, NULL);
	}
	say("held", begin_ns);
	rest();
	come_to("held", NULL);
}

static void restore_held(struct criu_swrk *w, int dir_fd, uint64_t begin_ns)
{
	char inventory[4096];
	size_t len;
	int err;

	wait_until_held(w, begin_ns);
	if (no && !strcmp(no, "held"))
		return;
	len = read_file(dir_fd, "inventory.img.tcpmig", inventory, sizeof(inventory));
	err = criu_swrk_release_restore(w, inventory, len);
	if (err)
		fail("release: %s", strerror(-err));
}

static void make_place(struct tree_place *place, const char *name, char **pid_texts, int count)
{
	struct tree_place_want want = { .init_cgroup_fd = -1, .tree_cgroup_fd = -1, .name = name };
	pid_t pids[64];
	const char *why;
	int err;

	if (cgroup)
		want.tree_cgroup_fd = open_dir(cgroup);
	if (init_cgroup)
		want.init_cgroup_fd = open_dir(init_cgroup);
	for (int i = 0; i < count && i < (int)ARRAY_SIZE(pids); i++)
		pids[want.pid_count++] = atoi(pid_texts[i]);
	want.pids = pids;
	err = tree_place_make(place, &want, &why);
	if (err)
		fail("place: %s: %s", why, strerror(-err));
}

static int restore(const char *criu, struct tree_place *place, const char *images)
{
	struct criu_restore restore = { .shell_job = shell_job };
	char why[CRIU_WHY_BYTES];
	int dir_fd = open_dir(images), status;
	uint64_t begin_ns = clock_mono_ns();
	struct criu_event event;
	struct criu_swrk *w;

	w = criu_swrk_start(criu, place, true, dir_fd, why);
	if (!w)
		fail("%s", why);
	if (held && criu_swrk_hold_restore(w))
		fail("cannot make the FIFO");
	if (criu_swrk_restore(w, &restore))
		fail("cannot send the request");
	if (held)
		restore_held(w, dir_fd, begin_ns);
	if (held && no && !strcmp(no, "held"))
		return finish(w, &(struct criu_event){ .kind = CRIU_DONE });
	event = talk(w, place, images, held ? clock_mono_ns() : begin_ns);
	status = finish(w, &event);
	if (!status && !keep_at)
		keep(place);
	if (!status)
		printf("pid_there=%d\npid=%d\n", event.pid, tree_place_pid_here(place, event.pid));
	tree_place_close(place);
	return status;
}

static int run_in_place(char *name, char **argv)
{
	struct tree_place place;
	pid_t pid;

	make_place(&place, name, NULL, 0);
	pid = tree_place_fork(&place, true);
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		setsid();
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		close_range(3, ~0U, 0);
		execvp(*argv, argv);
		_exit(127);
	}
	if (pid < 0)
		fail("%s", strerror(-pid));
	keep(&place);
	printf("pid=%d\n", pid);
	tree_place_close(&place);
	return 0;
}

static int show(pid_t init, const char *name, void *ctx)
{
	(void)ctx;
	printf("%d %s\n", init, name);
	return 0;
}

static int is_called(pid_t init, const char *name, void *ctx)
{
	return strcmp(name, ctx) ? 0 : init;
}

static int end(char *name)
{
	int init = tree_place_each(is_called, name);

	return init > 0 && !kill(init, SIGTERM) ? 0 : 1;
}

static int version(const char *criu)
{
	char why[CRIU_WHY_BYTES];
	int version, err = criu_swrk_version(criu, &version, clock_mono_ms() + LIMIT_MS, why);

	if (err)
		fail("%s: %s", strerror(-err), why);
	printf("%d\n", version);
	return 0;
}

static int do_command(int argc, char **argv)
{
	struct tree_place place;

	if (argc == 4 && !strcmp(argv[0], "dump"))
		return dump(argv[1], atoi(argv[2]), argv[3]);
	if (argc >= 4 && !strcmp(argv[0], "restore")) {
		make_place(&place, argv[2], argv + 4, argc - 4);
		return restore(argv[1], &place, argv[3]);
	}
	if (argc >= 3 && !strcmp(argv[0], "run"))
		return run_in_place(argv[1], argv + 2);
	if (argc == 1 && !strcmp(argv[0], "list"))
		return tree_place_each(show, NULL);
	if (argc == 2 && !strcmp(argv[0], "version"))
		return version(argv[1]);
	if (argc == 2 && !strcmp(argv[0], "end"))
		return end(argv[1]);
	fail("expected what is at the beginning of placetool.c");
}

static const struct {
	const char *name;
	const char **text;
	int *number;
} options[] = {
	{ "init_cgroup=", &init_cgroup, NULL },
	{ "shell_job=", NULL, &shell_job },
	{ "hook=", &hook, NULL },
	{ "no=", &no, NULL },
	{ "die=", &die_at, NULL },
	{ "stop=", &stop_at, NULL },
	{ "keep=", &keep_at, NULL },
	{ "cgroup=", &cgroup, NULL },
	{ "held=", NULL, &held },
	{ "leave=", NULL, &leave },
	{ "idle_ms=", NULL, &idle_ms },
};

static void set_option(const char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t len = strlen(options[i].name);

		if (strncmp(arg, options[i].name, len))
			continue;
		if (options[i].text)
			*options[i].text = arg + len;
		else
			*options[i].number = atoi(arg + len);
		return;
	}
	fail("'%s': no such option", arg);
}

int main(int argc, char **argv)
{
	int i;

	if (tree_place_is_init(argc, argv))
		return tree_place_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc && strchr(argv[i], '='); i++)
		set_option(argv[i]);
	return do_command(argc - i, argv + i);
}
