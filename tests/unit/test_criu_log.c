// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/criu_log.c: the reason among the lines, whatever is in them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "criu_log.h"

static const struct {
	const char *text;
	const char *why; /* NULL: it does not say */
} logs[] = {
	{ "", NULL },
	{ "(00.000001) Version: 4.2.1\n(00.000002) Dumping FAILED", NULL },
	{ "(00.1) Error (criu/x.c:1): cannot dump\n", "cannot dump" },
	{ "(00.1)  12: Error (criu/x.c:1): cannot dump", "cannot dump" },
	/* The cause, not what follows from it, nor that it failed. */
	{ "(00.1) Error (criu/x.c:1): cause\n(00.1) Error (criu/y.c:2): result\n"
	  "(00.2) Error (criu/z.c:3): Restoring FAILED.\n",
	  "cause" },
	{ "(00.1) Error (criu/x.c:1): cause\n(00.2) 1\n(00.2) 2\n(00.3) Error (criu/y.c:2): "
	  "result\n",
	  "cause" },
	/* An earlier one that it got over. */
	{ "(00.1) Error (criu/x.c:1): got over\n(00.2) 1\n(00.2) 2\n(00.2) 3\n(00.3) Error "
	  "(criu/y.c:2): cause\n",
	  "cause" },
	{ "(00.1) Error (criu/u.c:1): rlimit: Can't setup RLIMIT_NOFILE for self\n"
	  "(00.1) Error (criu/z.c:3): Dumping FAILED.\n",
	  NULL },
	{ "(00.1) Error (criu/x.c:1): \n", NULL },
	{ "(00.1) Error (criu/x.c:1)", NULL },
	{ "(00.1) Error (", NULL },
	{ "Error (a\n): b", NULL },
	{ "\n\n(00.1) Error (criu/x.c:1): a\tb\x1b[31m\n\n", "a b [31m" },
};

static void finds_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		char why[32] = "untouched";

		assert_int_equal(criu_log_reason(logs[i].text, why, sizeof(why)), !!logs[i].why);
		assert_string_equal(why, logs[i].why ?: "untouched");
	}
}

static void cuts_what_is_long(void **state)
{
	char why[8];

	(void)state;
	assert_true(criu_log_reason("Error (x): 0123456789", why, sizeof(why)));
	assert_string_equal(why, "0123456");
	criu_log_phrase("01234567\n", why, sizeof(why));
	assert_string_equal(why, "0123456");
	criu_log_phrase("", why, sizeof(why));
	assert_string_equal(why, "");
}

/* Cut anywhere, in memory that ends there: nothing behind it is read. */
static void reads_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		for (size_t len = 0; len <= strlen(logs[i].text); len++) {
			_cleanup_free_ char *text = strndup(logs[i].text, len);
			char why[32];

			assert_non_null(text);
			criu_log_reason(text, why, sizeof(why));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_reason),
		cmocka_unit_test(cuts_what_is_long),
		cmocka_unit_test(reads_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
