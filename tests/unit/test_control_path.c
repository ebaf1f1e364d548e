// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/control_path.c: one socket a pin directory, by whatever name that is called. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_path.h"

/* Made by the set-up of the group: a directory with "a/b", and "link" to that. */
static char top[] = "/tmp/tcpmig-path.XXXXXX";

static void default_needs_no_directory(void **state)
{
	char path[CONTROL_PATH_LEN];

	(void)state;
	assert_int_equal(control_socket_path("/sys/fs/bpf/tcpmig", path, sizeof(path)), 0);
	assert_string_equal(path, "/run/tcpmig/agent.sock");
}

static void others_are_resolved(void **state)
{
	static const char *const names[] = { "a/b", "a/b/", "a//b", "link", "a/../link/." };
	char name[PATH_MAX], path[CONTROL_PATH_LEN], expected[PATH_MAX];

	(void)state;
	snprintf(expected, sizeof(expected), "/run/tcpmig/agent-tmp-%s-a-b.sock",
		 strrchr(top, '/') + 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", top, names[i]);
		assert_int_equal(control_socket_path(name, path, sizeof(path)), 0);
		assert_string_equal(path, expected);
	}
}

static void tells_what_is_wrong(void **state)
{
	char name[PATH_MAX], path[CONTROL_PATH_LEN];

	(void)state;
	snprintf(name, sizeof(name), "%s/not-there", top);
	assert_int_equal(control_socket_path(name, path, sizeof(path)), -ENOENT);
	snprintf(name, sizeof(name), "%s/a/b", top);
	assert_int_equal(control_socket_path(name, path, 20), -ENAMETOOLONG);
	assert_int_equal(control_socket_path("/sys/fs/bpf/tcpmig", path, 22), -ENAMETOOLONG);
	assert_int_equal(control_socket_path("/sys/fs/bpf/tcpmig", path, 23), 0);
}

static int make_directories(void **state)
{
	(void)state;
	return !mkdtemp(top) || chdir(top) || mkdir("a", 0700) || mkdir("a/b", 0700) ||
	       symlink("a/b", "link");
}

static int remove_directories(void **state)
{
	(void)state;
	return unlink("link") || rmdir("a/b") || rmdir("a") || rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_needs_no_directory),
		cmocka_unit_test(others_are_resolved),
		cmocka_unit_test(tells_what_is_wrong),
	};

	return cmocka_run_group_tests_name("control_path", tests, make_directories,
					   remove_directories);
}
