// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Real processes, read from /proc: children, threads, namespaces, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
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
#include <unistd.h>

#include "child.h"
#include "proc.h"
#include "tree.h"

static pid_t fork_sleeper(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void *sleep_in_thread(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* A name with what ends a name in /proc/PID/stat, two children, one with a child, three threads. */
static void be_a_family(void *arg)
{
	pthread_t thread;
	int ends[2];
	char byte;

	(void)arg;
	must(!prctl(PR_SET_NAME, "a) R 1 (b"));
	must(!pipe(ends));
	fork_sleeper();
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fork_sleeper();
		must(write(ends[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	must(read(ends[0], &byte, 1) == 1);
	close(ends[0]);
	close(ends[1]);
	must(!pthread_create(&thread, NULL, sleep_in_thread, NULL));
	must(!pthread_create(&thread, NULL, sleep_in_thread, NULL));
}

static void children_and_threads_are_all_there(void **state)
{
	pid_t pid = child_start(be_a_family, NULL);
	char why[TREE_WHY];
	struct tree t;

	(void)state;
	assert_int_equal(tree_read(&t, pid, why), 0);
	assert_string_equal(why, "");
	assert_int_equal(t.count, 4);
	assert_int_equal(t.tasks[0].pid, pid);
	assert_int_equal(t.tasks[0].inner, pid);
	assert_int_equal(t.tasks[0].parent, getpid());
	assert_int_equal(t.tasks[0].session, pid);
	assert_int_equal(t.tasks[0].threads, 3);
	assert_int_equal(t.tasks[0].uid, getuid());
	assert_int_equal(t.tasks[0].tracer, 0);
	assert_string_equal(t.tasks[0].comm, "a) R 1 (b");
	assert_true(t.tasks[0].start > 0);
	for (size_t i = 1; i < t.count; i++)
		assert_true(tree_find(&t, t.tasks[i].parent) < &t.tasks[i]);
	assert_int_equal(t.tasks[3].session, pid);
	assert_int_equal(t.id_count, 6);
	assert_true(t.pidns_is_ours && t.one_mntns && t.one_pidns);
	assert_null(tree_find(&t, getpid()));
	tree_free(&t);
	child_stop(pid);
}

static void another_child_is_another_tree(void **state)
{
	pid_t pid = child_start(be_a_family, NULL);
	char why[TREE_WHY];
	struct tree before, after;

	(void)state;
	assert_int_equal(tree_read(&before, pid, why), 0);
	assert_int_equal(tree_read(&after, pid, why), 0);
	assert_true(tree_same(&before, &after));
	tree_free(&after);
	kill(before.tasks[3].pid, SIGKILL);
	do {
		tree_free(&after);
		assert_int_equal(tree_read(&after, pid, why), 0);
	} while (tree_find(&after, before.tasks[3].pid) &&
		 tree_find(&after, before.tasks[3].pid)->state != 'Z');
	assert_true(after.tasks[3].state == 'Z' || !tree_same(&before, &after));
	tree_free(&before);
	tree_free(&after);
	child_stop(pid);
}

static void refused(pid_t pid, int err, const char *expected)
{
	char why[TREE_WHY];
	struct tree t;

	assert_int_equal(tree_read(&t, pid, why), err);
	if (!strstr(why, expected))
		fail_msg("\"%s\" has no \"%s\"", why, expected);
	assert_null(t.tasks);
	assert_int_equal(t.count, 0);
}

static void ourselves_and_what_is_not_there_are_refused(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	refused(pid, -ESRCH, "");
	refused(0, -ESRCH, "");
	refused(-1, -ESRCH, "");
	refused(getpid(), -EINVAL, "this program itself");
	refused(getppid(), -EINVAL, "a parent of it");
}

static void what_has_ended_is_refused(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	refused(pid, -EINVAL, "has ended");
	waitpid(pid, NULL, 0);
}

static bool is_kernel_thread(pid_t pid)
{
	char comm[32];

	proc_comm(pid, comm, sizeof(comm));
	return !strcmp(comm, "kthreadd");
}

static void a_thread_of_the_kernel_is_refused(void **state)
{
	(void)state;
	if (!is_kernel_thread(2)) {
		print_message("skipped: no thread of the kernel in this PID namespace\n");
		skip();
	}
	refused(2, -EINVAL, "thread of the kernel");
}

static void enter_new(void *arg)
{
	must(!unshare(*(int *)arg));
}

/* Skips where the kernel does not let us. */
static pid_t child_in_new(int namespaces)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(unshare(namespaces) ? 1 : 0);
	waitpid(pid, &status, 0);
	if (status) {
		print_message("skipped: no such namespace without root\n");
		skip();
	}
	return child_start(enter_new, &namespaces);
}

static void another_network_namespace_is_refused(void **state)
{
	pid_t pid = child_in_new(CLONE_NEWNET);

	(void)state;
	refused(pid, -EINVAL, "another network namespace: enter it with nsenter");
	child_stop(pid);
}

static void another_user_namespace_is_refused(void **state)
{
	pid_t pid = child_in_new(CLONE_NEWUSER);

	(void)state;
	refused(pid, -EINVAL, "another user namespace");
	child_stop(pid);
}

static void fork_elsewhere(void *arg)
{
	pid_t pid = fork();
	int ends[2];
	char byte;

	must(!pipe(ends));
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(!unshare(*(int *)arg));
		must(write(ends[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	must(read(ends[0], &byte, 1) == 1);
	if (!pid)
		for (;;)
			pause();
}

static void one_task_in_another_network_namespace_is_refused(void **state)
{
	int net = CLONE_NEWNET;
	pid_t pid = child_in_new(net);

	(void)state;
	child_stop(pid);
	pid = child_start(fork_elsewhere, &net);
	refused(pid, -EINVAL, "another network namespace");
	child_stop(pid);
}

static void another_mount_namespace_is_no_matter(void **state)
{
	pid_t pid = child_in_new(CLONE_NEWNS);
	char why[TREE_WHY];
	struct tree t;

	(void)state;
	assert_int_equal(tree_read(&t, pid, why), 0);
	assert_true(t.one_mntns);
	tree_free(&t);
	child_stop(pid);
}

/* The tree is the second process there, as below an init. */
static void be_init_with_a_child(void *arg)
{
	int ends[2];
	char byte;

	(void)arg;
	must(!unshare(CLONE_NEWPID) && !pipe(ends));
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fork_sleeper();
		must(write(ends[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	must(read(ends[0], &byte, 1) == 1);
}

static void pids_of_another_namespace_are_those_in_there(void **state)
{
	char why[TREE_WHY];
	struct tree t;
	pid_t pid, child;

	(void)state;
	child_stop(child_in_new(CLONE_NEWPID));
	pid = child_start(be_init_with_a_child, NULL);
	assert_int_equal(tree_read(&t, pid, why), 0);
	assert_int_equal(t.count, 3);
	assert_false(t.one_pidns);
	assert_true(t.pidns_is_ours);
	child = t.tasks[2].pid;
	tree_free(&t);

	assert_int_equal(tree_read(&t, child, why), 0);
	assert_false(t.pidns_is_ours);
	assert_true(t.one_pidns);
	assert_int_equal(t.tasks[0].pid, child);
	assert_int_equal(t.tasks[0].inner, 2);
	assert_int_equal(t.id_count, 1);
	assert_int_equal(t.ids[0], 2);
	tree_free(&t);
	child_stop(pid);
}

static void a_tracer_is_named(void **state)
{
	pid_t pid = child_start(nothing, NULL);
	char why[TREE_WHY];
	struct tree t;

	(void)state;
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	assert_int_equal(tree_read(&t, pid, why), 0);
	assert_int_equal(t.tasks[0].tracer, getpid());
	tree_free(&t);
	child_stop(pid);
}

/* Whatever it is while it forks all the time: the reading ends, and the root is in it. */
static void fork_for_ever(void *arg)
{
	pid_t parent = getpid();

	(void)arg;
	signal(SIGCHLD, SIG_IGN);
	if (fork())
		return;
	while (getppid() == parent) { /* which ends with the test, however that ends */
		if (!fork())
			_exit(0);
	}
	_exit(0);
}

static void a_tree_that_forks_all_the_time_is_read(void **state)
{
	pid_t pid = child_start(fork_for_ever, NULL);
	char why[TREE_WHY];
	struct tree t;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(tree_read(&t, pid, why), 0);
		assert_true(t.count >= 2);
		assert_int_equal(t.tasks[0].pid, pid);
		tree_free(&t);
	}
	child_stop(pid);
}

static void the_innermost_pid_is_the_last(void **state)
{
	(void)state;
	assert_int_equal(proc_inner_pid("Pid:\t100\nNSpid:\t100\t7\t1\nSeccomp:\t0\n"), 1);
	assert_int_equal(proc_inner_pid("NSpid:\t100\n"), 100);
	assert_int_equal(proc_inner_pid("Pid:\t100\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_and_threads_are_all_there),
		cmocka_unit_test(another_child_is_another_tree),
		cmocka_unit_test(ourselves_and_what_is_not_there_are_refused),
		cmocka_unit_test(what_has_ended_is_refused),
		cmocka_unit_test(a_thread_of_the_kernel_is_refused),
		cmocka_unit_test(another_network_namespace_is_refused),
		cmocka_unit_test(another_user_namespace_is_refused),
		cmocka_unit_test(one_task_in_another_network_namespace_is_refused),
		cmocka_unit_test(another_mount_namespace_is_no_matter),
		cmocka_unit_test(the_innermost_pid_is_the_last),
		cmocka_unit_test(pids_of_another_namespace_are_those_in_there),
		cmocka_unit_test(a_tracer_is_named),
		cmocka_unit_test(a_tree_that_forks_all_the_time_is_read),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
