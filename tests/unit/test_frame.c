// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/control_frame.c: every length there is, at its bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "cleanup.h"
#include "control_frame.h"

static const struct {
	uint8_t head[FRAME_HEAD_BYTES];
	int payload;
} heads[] = {
	{ { 0, 0, 0, 0 }, -EMSGSIZE },	  { { 0, 0, 0, 1 }, 1 },
	{ { 0, 0, 1, 0 }, 256 },	  { { 0, 0, 0x12, 0x34 }, 0x1234 },
	{ { 0, 0, 0x40, 0 }, 16384 },	  { { 0, 0, 0x40, 1 }, -EMSGSIZE },
	{ { 1, 0, 0, 0 }, -EMSGSIZE },	  { { 0x80, 0, 0, 0 }, -EMSGSIZE },
	{ { 0x80, 0, 0, 1 }, -EMSGSIZE }, { { 0xff, 0xff, 0xff, 0xff }, -EMSGSIZE },
};

static void reads_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		assert_int_equal(frame_payload(heads[i].head), heads[i].payload);
}

static void writes_what_it_reads(void **state)
{
	uint8_t head[FRAME_HEAD_BYTES + 1] = { [FRAME_HEAD_BYTES] = 0xa5 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		if (heads[i].payload < 0)
			continue;
		frame_put_head(head, heads[i].payload);
		assert_memory_equal(head, heads[i].head, FRAME_HEAD_BYTES);
	}
	for (int len = 1; len <= FRAME_PAYLOAD_BYTES; len++) {
		frame_put_head(head, len);
		assert_int_equal(frame_payload(head), len);
	}
	assert_int_equal(head[FRAME_HEAD_BYTES], 0xa5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lengths),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
