// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which service a cgroup's path names; and the program that is asked, to its end and no longer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "restart.h"
#include "run.h"

static void paths(void **state)
{
	static const struct {
		const char *path, *unit;
		bool user;
	} rows[] = {
		{ "/", NULL, false },
		{ "", NULL, false },
		{ "/init.scope", NULL, false },
		{ "/system.slice/nginx.service", "nginx.service", false },
		{ "/system.slice/nginx.service/tcpmig-123e4567", "nginx.service", false },
		{ "/system.slice/system-redis.slice/redis@6379.service", "redis@6379.service",
		  false },
		{ "/system.slice/docker-abc.scope", NULL, false },
		{ "/user.slice/user-1000.slice/session-3.scope", NULL, false },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "x.service",
		  true },
		{ "/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service",
		  false },
		{ "/machine.slice/systemd-nspawn@a.service/payload/system.slice/x.service",
		  "systemd-nspawn@a.service", false },
		{ "/system.slice/_cgroup.service", "cgroup.service", false },
		{ "/.service", NULL, false },
		{ "/x.services", NULL, false },
		{ "/system.slice/a\\x2db.service", "a\\x2db.service", false },
	};
	struct restart_unit unit;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool found = restart_unit_of_cgroup(rows[i].path, &unit);

		if (found != !!rows[i].unit ||
		    strcmp(unit.unit, rows[i].unit ? rows[i].unit : "") ||
		    unit.user != rows[i].user)
			fail_msg("'%s': '%s'", rows[i].path, unit.unit);
	}
}

static void no_systemd_no_service(void **state)
{
	char why[RESTART_WHY_LEN] = "";
	struct restart_unit unit;

	(void)state;
	if (!access("/run/systemd/system", F_OK)) {
		print_message("systemd runs here: not tried\n");
		skip();
	}
	assert_int_equal(restart_find(getpid(), &unit, why), -ENOENT);
	assert_string_equal(why, "systemd does not run here");
}

static void what_is_no_service_is_refused(void **state)
{
	static const char *const names[] = { "", "x.scope", "../x.service", "a/b.service" };
	static const uint8_t uuid[16];
	char why[RESTART_WHY_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(restart_disable(names[i], uuid, why), -EINVAL);
		assert_int_equal(restart_enable(names[i], uuid, why), -EINVAL);
	}
}

static int run(const char *script, int timeout_ms, char *output, size_t size)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	return run_program(argv, timeout_ms, output, size);
}

static void a_program_is_run_to_its_end(void **state)
{
	const char *const none[] = { "/nonexistent/program", NULL };
	char output[16];
	int fd = open("/dev/null", O_RDONLY); /* one that it must not have */

	(void)state;
	assert_int_equal(run("echo out; echo err >&2; exit 3", 5000, output, sizeof(output)), 3);
	assert_string_equal(output, "out\nerr\n");
	assert_int_equal(run("cat; ls /proc/self/fd | wc -l", 5000, output, sizeof(output)), 0);
	assert_string_equal(output, "4\n"); /* the fourth is the directory */
	assert_int_equal(run("kill -9 $$", 5000, output, sizeof(output)), -ECHILD);
	assert_int_equal(run_program(none, 5000, output, sizeof(output)), 127);
	assert_int_equal(
		run("head -c 1000000 /dev/zero | tr '\\0' x", 5000, output, sizeof(output)), 0);
	assert_string_equal(output, "xxxxxxxxxxxxxxx");
	close(fd);
}

static void one_that_does_not_end_is_ended(void **state)
{
	static const char *const scripts[] = {
		"exec sleep 60", "echo begun; exec >/dev/null 2>&1; exec sleep 60",
		"trap '' TERM INT; while :; do :; done",
		"trap '' PIPE; while :; do echo y; done 2>/dev/null", /* says more and more */
	};
	uint64_t begin = clock_mono_ms();
	char output[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		assert_int_equal(run(scripts[i], 100, output, sizeof(output)), -ETIME);
	assert_true(clock_mono_ms() - begin >= 400);
	/* It has ended, though somebody else has our pipe. */
	assert_int_equal(run("sleep 1 & exit 0", 100, output, sizeof(output)), 0);
	assert_true(clock_mono_ms() - begin < 20000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left over */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(no_systemd_no_service),
		cmocka_unit_test(what_is_no_service_is_refused),
		cmocka_unit_test(a_program_is_run_to_its_end),
		cmocka_unit_test(one_that_does_not_end_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
