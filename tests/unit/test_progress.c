// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How far a migration is: phases and their times, lines for who is no terminal, stops for tests. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "progress.h"

/* What a migration writes to stderr that goes to HOLD and ends there, in a pipe. */
static void run(bool quiet, char *said, size_t size)
{
	struct progress p;
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	progress_begin(&p, quiet);
	progress_phase(&p, PHASE_HOLD);
	progress_bytes(&p, 1 << 20);
	progress_end(&p);
	progress_end(&p); /* is none more */
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = read(fds[0], said, size - 1);
	close(fds[0]);
	assert_true(len >= 0);
	said[len] = '\0';
	assert_int_equal(p.phase, PHASES_COUNT);
	assert_true(p.took_ns[PHASE_PREPARE] && p.took_ns[PHASE_HOLD]);
	assert_true(p.began_ns[PHASE_HOLD] >= p.began_ns[PHASE_PREPARE] + p.took_ns[PHASE_PREPARE]);
	assert_false(p.began_ns[PHASE_DUMP] || p.took_ns[PHASE_DUMP]);
}

static void a_line_for_each_phase_that_has_ended(void **unused)
{
	char said[1000], *second;

	(void)unused;
	run(false, said, sizeof(said));
	second = strchr(said, '\n');
	assert_non_null(second);
	assert_memory_equal(said, "prepare ", 8);
	assert_memory_equal(second + 1, "hold ", 5);
	assert_int_equal(strchr(second + 1, '\n')[1], '\0');
	assert_null(strpbrk(said, "\r\033"));
}

static void quiet_is_quiet(void **unused)
{
	char said[1000];

	(void)unused;
	run(true, said, sizeof(said));
	assert_string_equal(said, "");
}

static void every_phase_has_a_name(void **unused)
{
	(void)unused;
	assert_string_equal(phase_name(PHASE_PREPARE), "prepare");
	assert_string_equal(phase_name(PHASE_RETIRE), "retire");
	assert_string_equal(phase_name(PHASES_COUNT), "done");
}

/* Does who goes through all phases stop, once? @wanted: NULL: not set. */
static bool stops_at(const char *wanted)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct progress p;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (wanted)
			setenv("TCPMIG_TEST_STOP", wanted, 1);
		progress_begin(&p, true);
		for (int i = PHASE_HOLD; i < PHASES_COUNT; i++)
			progress_phase(&p, i);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		return false;
	assert_int_equal(WSTOPSIG(status), SIGSTOP);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFEXITED(status)); /* and nowhere else */
	return true;
}

static void stops_where_it_is_told(void **unused)
{
	(void)unused;
	unsetenv("TCPMIG_TEST_STOP");
	assert_false(stops_at(NULL));
	assert_false(stops_at(""));
	assert_false(stops_at("arms"));
	for (int i = PHASE_PREPARE; i < PHASES_COUNT; i++)
		assert_true(stops_at(phase_name(i)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_for_each_phase_that_has_ended),
		cmocka_unit_test(quiet_is_quiet),
		cmocka_unit_test(every_phase_has_a_name),
		cmocka_unit_test(stops_where_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
