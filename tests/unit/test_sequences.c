// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/sequences.c: what fits and what does not, wherever in 2^32 the numbers are. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "cleanup.h"
#include "sequences.h"

#define ACKED "the client has seen bytes acknowledged that are not in the image"
#define AHEAD "the image has bytes that the client has not sent"
#define LACKS "the client lacks bytes that the image holds for received"
#define EARLY "the client has received bytes that the image holds for unsent"
#define ORDER "what it has sent ends before it begins"

/*
 * The client has sent up to 1000 and seen 400 acknowledged, and has received up to 70; relative
 * to where each direction begins.
 */
static const struct {
	uint32_t rcv_nxt, snd_una, snd_nxt;
	const char *why;
} rows[] = {
	{ 400, 70, 70, NULL },
	{ 700, 50, 90, NULL },
	{ 1000, 70, 90, NULL },
	{ 1000, 50, 70, NULL },
	{ 399, 70, 70, ACKED },
	{ 1001, 70, 70, AHEAD },
	{ 700, 71, 90, LACKS },
	{ 700, 50, 69, EARLY },
	{ 700, 71, 69, ORDER },
	{ 700, 0xc0000000, 0x40000000, ORDER },
	{ 400 - (1 << 30), 70, 70, ACKED },
	{ 1000 + (1 << 30), 70, 70, AHEAD },
	{ 700, 70 + (1 << 30), 70 + (1 << 30), LACKS },
	{ 700, 70 - (1 << 30), 70 - (1 << 30), EARLY },
	{ 700, 70 - (1 << 29), 70 + (1 << 29), NULL },
};

static void fit_or_not(void **state)
{
	static const uint32_t begins[] = { 0,
					   1,
					   0x7ffffffe,
					   0x80000000,
					   0xfffffc18 /* -1000 */,
					   0xfffffe70 /* -400 */,
					   0xffffffba /* -70 */,
					   0xffffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(begins) * ARRAY_SIZE(begins); i++) {
		size_t row = i % ARRAY_SIZE(rows), rest = i / ARRAY_SIZE(rows);
		uint32_t out = begins[rest % ARRAY_SIZE(begins)];
		uint32_t in = begins[rest / ARRAY_SIZE(begins)];
		struct message_sequences client = { in + 70, out + 400, out + 1000 };
		struct message_sequences image = { out + rows[row].rcv_nxt, in + rows[row].snd_una,
						   in + rows[row].snd_nxt };
		const char *why = sequences_misfit(&image, &client);

		if (why != rows[row].why && (!why || !rows[row].why || strcmp(why, rows[row].why)))
			fail_msg("row %zu from %#x and %#x: %s, expected %s", row, out, in,
				 why ?: "fits", rows[row].why ?: "fits");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
