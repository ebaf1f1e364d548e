// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/agent_log.c: whatever a value holds, the line stays one line of pairs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_log.h"
#include "cleanup.h"

static const struct {
	const char *value;
	const char *written;
} values[] = {
	{ "10.9.0.2:5000", "10.9.0.2:5000" },
	{ "[fd09::2]:5000", "[fd09::2]:5000" },
	{ "a,b+c@d/e_f", "a,b+c@d/e_f" },
	{ NULL, "-" },
	{ "", "\"\"" },
	{ "two words", "\"two words\"" },
	{ "a=b", "\"a=b\"" },
	{ "say \"x\"", "\"say \\\"x\\\"\"" },
	{ "back\\slash", "\"back\\\\slash\"" },
	{ "a\nevent=ready", "\"a\\x0aevent=ready\"" },
	{ "a\r\x1b[31m\x7f", "\"a\\x0d\\x1b[31m\\x7f\"" },
	{ "\xc3\xa9\xff", "\"\\xc3\\xa9\\xff\"" },
	{ "<3>", "\"<3>\"" },
};

static void values_are_quoted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const char *pairs[] = { "key", values[i].value, "last", "1", NULL };
		char buf[2048], expected[512];
		size_t len = agent_log_line(buf, sizeof(buf) - 1, 1, AGENT_LOG_INFO, "test", pairs);

		buf[len] = '\0';
		snprintf(expected, sizeof(expected), "<6>event=test key=%s last=1\n",
			 values[i].written);
		assert_string_equal(buf, expected);
	}
}

/* Of every length, in every room: one newline, at the end, and quotes that match. */
static void lines_are_whole(void **state)
{
	char value[1000], buf[2048];

	(void)state;
	for (size_t size = 64; size <= sizeof(buf); size += 31) {
		for (size_t len = 0; len < sizeof(value); len += 37) {
			const char *pairs[] = {
				"a", value, "b", value, "c", value, "d", value, NULL
			};
			size_t end, quotes = 0;

			memset(value, '\n', len);
			value[len] = '\0';
			end = agent_log_line(buf, size, size % 2, AGENT_LOG_ERROR, "test", pairs);
			assert_true(end <= size);
			assert_ptr_equal(memchr(buf, '\n', end), buf + end - 1);
			for (size_t i = 0; i < end; i++)
				quotes += buf[i] == '"';
			assert_true(quotes % 2 == 0);
		}
	}
}

static void long_values_are_cut(void **state)
{
	const char *pairs[] = { "key", NULL, "last", "1", NULL };
	char value[300], buf[2048];

	(void)state;
	memset(value, 'x', sizeof(value));
	value[201] = '\0';
	pairs[1] = value;
	buf[agent_log_line(buf, sizeof(buf) - 1, 1, AGENT_LOG_INFO, "test", pairs)] = '\0';
	assert_non_null(strstr(buf, "xxx...\" last=1\n"));
	value[200] = '\0';
	buf[agent_log_line(buf, sizeof(buf) - 1, 1, AGENT_LOG_INFO, "test", pairs)] = '\0';
	assert_non_null(strstr(buf, "xxx last=1\n"));
}

/* What agent_log() itself writes, by a pipe in the place of stderr. */
static void written_by_agent_log(char *buf, size_t size)
{
	int saved = dup(STDERR_FILENO), ends[2];
	ssize_t len;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	agent_log_init();
	errno = 77;
	agent_log(AGENT_LOG_NOTICE, "sum", "n", AGENT_LOG_NUM(-12), "error", strerror(ENOENT),
		  NULL);
	assert_int_equal(errno, 77);
	agent_log(AGENT_LOG_DEBUG, "not-said-without-v", NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	len = read(ends[0], buf, size - 1);
	close(ends[0]);
	assert_true(len > 0);
	buf[len] = '\0';
}

static void without_the_journal(void **state)
{
	char buf[512];
	int n = 0;

	(void)state;
	setenv("JOURNAL_STREAM", "1:2", 1); /* of the caller, whose stderr is not ours */
	written_by_agent_log(buf, sizeof(buf));
	sscanf(buf,
	       "time=%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ level=notice event=sum n=-12 "
	       "error=\"No such file or directory\"\n%n",
	       &n);
	assert_int_equal(n, strlen(buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_quoted),
		cmocka_unit_test(lines_are_whole),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(without_the_journal),
	};

	return cmocka_run_group_tests_name("agent_log", tests, NULL, NULL);
}
