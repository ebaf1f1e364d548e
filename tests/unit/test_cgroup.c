// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The private cgroup of a tree, with real processes in the real cgroup v2 of this host. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cgroup_fs.h"
#include "cleanup.h"
#include "clocks.h"
#include "proc_tree.h"

#define LIMIT_MS 5000
#define FORKERS	 6

static const uint8_t uuid[16] = { 0xca, 0xfe, [6] = 0x40, [8] = 0x80 };
static char base[PATH_MAX / 2];	    /* a cgroup for these tests, as a path below the mount */
static volatile uint64_t *progress; /* of each forker, shared with them */

static void full_path(const char *name, char *full)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", base, *name ? "/" : "", name);
	assert_int_equal(cgroup_full_path(path, full), 0);
}

/* Return: its path below the mount (static storage). */
static const char *make_cgroup(const char *name)
{
	static char path[PATH_MAX];
	char full[PATH_MAX];

	full_path(name, full);
	assert_true(!mkdir(full, 0755) || errno == EEXIST);
	snprintf(path, sizeof(path), "%s%s%s", base, *name ? "/" : "", name);
	return path;
}

static void remove_cgroup(const char *name)
{
	uint64_t end = clock_mono_ms() + LIMIT_MS;
	char full[PATH_MAX];

	full_path(name, full);
	while (rmdir(full) && errno == EBUSY && clock_mono_ms() < end)
		sched_yield();
	assert_int_equal(access(full, F_OK), -1);
}

static void move(pid_t pid, const char *name)
{
	_cleanup_close_ int fd = cgroup_open_dir(make_cgroup(name));

	assert_true(fd >= 0);
	assert_int_equal(cgroup_move(fd, pid), 0);
}

static void check_path(pid_t pid, const char *expected)
{
	_cleanup_free_ char *path = NULL;

	assert_int_equal(cgroup_of(pid, &path), 0);
	assert_string_equal(path, expected);
}

/* A child that dies with us. */
static pid_t start(void (*fn)(int), int number)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		fn(number);
	_exit(0);
}

static void wait_for_ever(int unused)
{
	(void)unused;
	for (;;)
		pause();
}

static void count_for_ever(int number)
{
	for (;;)
		progress[number]++;
}

/* Children that come and go all the time, each some generations deep. */
static void fork_for_ever(int number)
{
	for (;; progress[number]++) {
		pid_t pid = fork();

		if (!pid && progress[number] % 3) {
			pid = fork();
			if (pid > 0)
				waitpid(pid, NULL, 0);
			_exit(0);
		}
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void tree_of_forkers(int unused)
{
	(void)unused;
	for (int i = 0; i < FORKERS; i++)
		start(i % 2 ? fork_for_ever : count_for_ever, i);
	wait_for_ever(0);
}

static void tree_of_two(int unused)
{
	(void)unused;
	start(count_for_ever, 0);
	wait_for_ever(0);
}

/* A child that has a child only when progress[1] says so. */
static void fork_when_told(int unused)
{
	(void)unused;
	while (!progress[1])
		sched_yield();
	progress[2] = (uint64_t)start(wait_for_ever, 0);
	wait_for_ever(0);
}

static void tree_with_a_late_child(int unused)
{
	(void)unused;
	progress[0] = (uint64_t)start(fork_when_told, 0);
	wait_for_ever(0);
}

/* Return: the PID that one of them writes there. */
static pid_t told(int number)
{
	uint64_t limit = clock_mono_ms() + LIMIT_MS;

	while (!progress[number] && clock_mono_ms() < limit)
		sched_yield();
	assert_true(progress[number]);
	return (pid_t)progress[number];
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Wait until all of the first @count have gone on. */
static void check_going_on(int count)
{
	uint64_t before[FORKERS], limit = clock_mono_ms() + LIMIT_MS;

	for (int i = 0; i < count; i++)
		before[i] = progress[i];
	for (int i = 0; i < count; i++) {
		while (progress[i] == before[i] && clock_mono_ms() < limit)
			sched_yield();
		assert_true(progress[i] != before[i]);
	}
}

static void check_standing_still(int count)
{
	uint64_t before[FORKERS], until = clock_mono_ms() + 50;

	for (int i = 0; i < count; i++)
		before[i] = progress[i];
	while (clock_mono_ms() < until)
		sched_yield();
	for (int i = 0; i < count; i++)
		assert_int_equal(progress[i], before[i]);
}

static int set_up(void **state)
{
	_cleanup_free_ char *own = NULL;
	int err = cgroup_of(getpid(), &own);

	(void)state;
	if (err) {
		print_message("no cgroup v2 here (%s): not tried\n", strerror(-err));
		exit(0);
	}
	snprintf(base, sizeof(base), "%s/tcpmig-test-%d", strcmp(own, "/") ? own : "", getpid());
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	make_cgroup("");
	return progress == MAP_FAILED;
}

static int tear_down(void **state)
{
	(void)state;
	remove_cgroup("");
	return 0;
}

static void plan(struct cgroup *cg, pid_t root)
{
	const char *why;

	assert_int_equal(cgroup_plan(cg, root, uuid, &why), 0);
}

static void enter(struct cgroup *cg, pid_t root)
{
	const char *why;
	int err = cgroup_enter(cg, root, &why);

	if (err)
		print_message("%s\n", why);
	assert_int_equal(err, 0);
}

static void a_tree_alone_has_its_own_already(void **state)
{
	pid_t root = start(tree_of_two, 0);
	struct cgroup cg;

	(void)state;
	check_going_on(1);
	move(root, "alone");
	plan(&cg, root);
	assert_true(cg.made); /* its child is elsewhere, with us */
	cgroup_free(&cg);
	end(root);
	root = start(wait_for_ever, 0);
	move(root, "alone");
	plan(&cg, root);
	assert_false(cg.made);
	assert_string_equal(cg.path, make_cgroup("alone"));
	enter(&cg, root);
	assert_int_equal(cgroup_freeze(&cg, LIMIT_MS), 0);
	assert_int_equal(cgroup_is_frozen(&cg), 1);
	assert_int_equal(cgroup_thaw(&cg), 0);
	assert_int_equal(cgroup_put_back(&cg), 0);
	check_path(root, make_cgroup("alone")); /* untouched */
	end(root);
	cgroup_free(&cg);
	remove_cgroup("alone");
}

static void who_comes_later_is_noticed(void **state)
{
	pid_t root = start(wait_for_ever, 0), other = start(wait_for_ever, 0);
	struct cgroup cg;
	const char *why;

	(void)state;
	move(root, "shared");
	plan(&cg, root);
	move(other, "shared");
	assert_int_equal(cgroup_enter(&cg, root, &why), -EBUSY);
	assert_string_equal(why, "others are in its cgroup");
	cgroup_free(&cg);
	plan(&cg, root);
	assert_true(cg.made);
	enter(&cg, root);
	assert_int_equal(cgroup_has_only(&cg, root), 1);
	assert_int_equal(cgroup_move(cg.fd, other), 0);
	assert_int_equal(cgroup_has_only(&cg, root), 0);
	assert_int_equal(cgroup_enter(&cg, root, &why), -EBUSY);
	check_path(root, make_cgroup("shared"));
	check_path(other, make_cgroup("shared"));
	end(root);
	end(other);
	cgroup_free(&cg);
	remove_cgroup("shared");
}

/* Ten times, because it is about who is first. */
static void a_tree_that_forks_all_the_time(void **state)
{
	pid_t root = start(tree_of_forkers, 0);
	struct cgroup cg;
	char full[PATH_MAX];

	(void)state;
	check_going_on(FORKERS);
	move(root, "busy"); /* the children stay with us */
	for (int i = 0; i < 10; i++) {
		plan(&cg, root);
		assert_true(cg.made);
		enter(&cg, root);
		assert_int_equal(cgroup_freeze(&cg, LIMIT_MS), 0);
		check_standing_still(FORKERS);
		assert_int_equal(cgroup_has_only(&cg, root), 1);
		assert_int_equal(cgroup_thaw(&cg), 0);
		check_going_on(FORKERS);
		assert_int_equal(cgroup_put_back(&cg), 0);
		check_path(root, make_cgroup("busy"));
		assert_int_equal(cgroup_full_path(cg.path, full), 0);
		assert_int_equal(access(full, F_OK), -1);
		check_going_on(FORKERS);
		cgroup_free(&cg);
	}
	end(root);
	remove_cgroup("busy");
}

/* What a journal keeps of it. */
static void copy(const struct cgroup *cg, struct cgroup *to)
{
	*to = (struct cgroup){ .path = strdup(cg->path), .made = cg->made, .fd = -1 };
	to->homes = calloc(cg->home_count, sizeof(*to->homes));
	for (size_t i = 0; i < cg->home_count; i++) {
		to->homes[i] = cg->homes[i];
		to->homes[i].path = strdup(cg->homes[i].path);
	}
	to->home_count = cg->home_count;
}

static void each_goes_home_by_what_was_written_down(void **state)
{
	pid_t root = start(tree_of_two, 0), *pids, child;
	struct cgroup cg, again;
	size_t count;

	(void)state;
	check_going_on(1);
	assert_int_equal(proc_tree_read(root, &pids, &count), 0);
	assert_int_equal(count, 2);
	child = pids[1];
	free(pids);
	move(root, "one");
	move(child, "two");
	plan(&cg, root);
	enter(&cg, root);
	check_path(child, cg.path);
	assert_int_equal(cgroup_freeze(&cg, LIMIT_MS), 0);
	copy(&cg, &again);
	cgroup_free(&cg);
	assert_int_equal(cgroup_open(&again), 0);
	assert_int_equal(cgroup_is_frozen(&again), 1);
	assert_int_equal(cgroup_thaw(&again), 0);
	again.homes[1].start_ticks++; /* another process of that number: its parent's home then */
	assert_int_equal(cgroup_put_back(&again), 0);
	check_path(root, make_cgroup("one"));
	check_path(child, make_cgroup("one"));
	again.homes[1].start_ticks--;
	enter(&again, root);
	assert_int_equal(cgroup_put_back(&again), 0);
	check_path(child, make_cgroup("two"));
	enter(&again, root);
	remove_cgroup("two"); /* and where a home is gone, that of the root will do */
	assert_int_equal(cgroup_put_back(&again), 0);
	check_path(child, make_cgroup("one"));
	assert_int_equal(cgroup_put_back(&again), 0);
	end(root);
	cgroup_free(&again);
	remove_cgroup("one");
}

static void who_is_younger_goes_where_its_parent_goes(void **state)
{
	pid_t root, child, grandchild;
	struct cgroup cg;

	(void)state;
	progress[0] = progress[1] = progress[2] = 0;
	root = start(tree_with_a_late_child, 0);
	child = told(0);
	move(root, "one");
	move(child, "two");
	plan(&cg, root);
	enter(&cg, root);
	progress[1] = 1;
	grandchild = told(2);
	check_path(grandchild, cg.path);
	assert_int_equal(cgroup_put_back(&cg), 0);
	check_path(grandchild, make_cgroup("two"));
	check_path(root, make_cgroup("one"));
	end(root);
	cgroup_free(&cg);
	remove_cgroup("one");
	remove_cgroup("two");
}

static void what_is_frozen_can_be_killed(void **state)
{
	pid_t root = start(tree_of_forkers, 0), *pids;
	struct cgroup cg;
	size_t count;

	(void)state;
	check_going_on(FORKERS);
	plan(&cg, root);
	enter(&cg, root);
	assert_int_equal(cgroup_freeze(&cg, LIMIT_MS), 0);
	assert_int_equal(cgroup_remove(&cg, 0), -EBUSY);
	assert_int_equal(cgroup_open(&cg), 0);
	assert_int_equal(cgroup_kill(&cg, LIMIT_MS), 0);
	assert_int_equal(waitpid(root, NULL, 0), root);
	assert_int_equal(cgroup_pids(&cg, &pids, &count), 0);
	assert_int_equal(count, 0);
	free(pids);
	assert_int_equal(cgroup_kill(&cg, LIMIT_MS), 0);
	assert_int_equal(cgroup_remove(&cg, LIMIT_MS), 0);
	assert_int_equal(cgroup_remove(&cg, LIMIT_MS), 0);
	assert_int_equal(cgroup_open(&cg), -ENOENT);
	cgroup_free(&cg);
}

static void seize_and_wait(int root)
{
	if (ptrace(PTRACE_SEIZE, root, NULL, NULL) || ptrace(PTRACE_INTERRUPT, root, NULL, NULL) ||
	    waitpid(root, NULL, __WALL) != root)
		_exit(1);
	progress[1] = 1;
	wait_for_ever(0);
}

/* As CRIU has it while it dumps: traced and stopped. Then it dies. */
static void it_stays_frozen_when_its_tracer_is_killed(void **state)
{
	for (int freeze = 0; freeze < 2; freeze++) {
		pid_t root = start(count_for_ever, 0), tracer;
		struct cgroup cg;

		progress[1] = 0;
		check_going_on(1);
		plan(&cg, root);
		enter(&cg, root);
		tracer = start(seize_and_wait, root);
		while (!progress[1] && waitpid(tracer, NULL, WNOHANG) == 0)
			sched_yield();
		check_standing_still(1);
		if (freeze)
			assert_int_equal(cgroup_freeze(&cg, LIMIT_MS), 0);
		end(tracer);
		if (freeze) {
			check_standing_still(1);
			assert_int_equal(cgroup_is_frozen(&cg), 1);
			assert_int_equal(cgroup_thaw(&cg), 0);
		}
		check_going_on(1); /* without a freeze at once: the control */
		assert_int_equal(cgroup_put_back(&cg), 0);
		end(root);
		cgroup_free(&cg);
	}
	(void)state;
}

static void the_root_of_all_is_never_frozen(void **state)
{
	struct cgroup cg = { .path = strdup("/"), .fd = -1 };

	(void)state;
	assert_int_equal(cgroup_freeze(&cg, 0), -EBADF);
	assert_int_equal(cgroup_open(&cg), -EINVAL);
	assert_int_equal(cgroup_freeze(&cg, 0), -EINVAL);
	assert_int_equal(cgroup_kill(&cg, 0), -EINVAL);
	assert_int_equal(cgroup_remove(&cg, 0), -EINVAL);
	cgroup_free(&cg);
}

static void a_threaded_cgroup_is_refused(void **state)
{
	pid_t root = start(wait_for_ever, 0), other = start(wait_for_ever, 0);
	_cleanup_close_ int fd = cgroup_open_dir(make_cgroup("threads"));
	struct cgroup cg;
	const char *why;
	char text[16];

	(void)state;
	assert_int_equal(cgroup_write(fd, "cgroup.type", "threaded"), 0);
	move(root, "");
	move(other, "");
	snprintf(text, sizeof(text), "%d", root);
	for (int i = 0; i < 2; i++) { /* beside threads, and as one of them */
		assert_int_equal(cgroup_plan(&cg, root, uuid, &why), -EOPNOTSUPP);
		assert_string_equal(why, "it is in a threaded cgroup, with others");
		assert_int_equal(cgroup_write(fd, "cgroup.threads", text), 0);
	}
	end(root);
	end(other);
	remove_cgroup("threads");
}

static void who_has_ended_is_told(void **state)
{
	pid_t root = start(wait_for_ever, 0);
	struct cgroup cg;
	const char *why;
	siginfo_t info;

	(void)state;
	plan(&cg, root);
	kill(root, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)root, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(cgroup_enter(&cg, root, &why), -ESRCH); /* a zombie */
	waitpid(root, NULL, 0);
	assert_int_equal(cgroup_enter(&cg, root, &why), -ESRCH);
	assert_int_equal(cgroup_open(&cg), -ENOENT);
	cgroup_free(&cg);
	assert_int_equal(cgroup_plan(&cg, root, uuid, &why), -ESRCH);
}

static void a_name_with_a_parenthesis_is_only_a_name(void **state)
{
	struct proc_stat plain, odd;

	(void)state;
	assert_int_equal(proc_stat_read(getpid(), &plain), 0);
	prctl(PR_SET_NAME, ") Z 1 (");
	assert_int_equal(proc_stat_read(getpid(), &odd), 0);
	prctl(PR_SET_NAME, "test_cgroup");
	assert_int_equal(plain.parent, getppid());
	assert_int_equal(odd.parent, getppid());
	assert_int_equal(odd.start_ticks, plain.start_ticks);
	assert_false(odd.dead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_alone_has_its_own_already),
		cmocka_unit_test(who_comes_later_is_noticed),
		cmocka_unit_test(a_tree_that_forks_all_the_time),
		cmocka_unit_test(each_goes_home_by_what_was_written_down),
		cmocka_unit_test(who_is_younger_goes_where_its_parent_goes),
		cmocka_unit_test(what_is_frozen_can_be_killed),
		cmocka_unit_test(it_stays_frozen_when_its_tracer_is_killed),
		cmocka_unit_test(the_root_of_all_is_never_frozen),
		cmocka_unit_test(a_threaded_cgroup_is_refused),
		cmocka_unit_test(who_has_ended_is_told),
		cmocka_unit_test(a_name_with_a_parenthesis_is_only_a_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
