// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "criu_log.h"

/* So many other lines between two errors: they have nothing to do with each other. */
#define APART 3

/* A part of @text. */
struct span {
	const char *at;
	size_t len;
};

/* The words in a line "(00.012345)   1234: Error (criu/x.c:12): words". Return: are there any? */
static bool words_of(struct span line, struct span *words)
{
	const char *error = memmem(line.at, line.len, "Error (", 7);
	const char *end = line.at + line.len,
		   *at = error ? memmem(error, end - error, "): ", 3) : NULL;

	if (!at)
		return false;
	*words = (struct span){ .at = at + 3, .len = end - at - 3 };
	return true;
}

/* Says no more than that it failed, which is what is to be explained; or is no reason, for it goes
 * on without. */
static bool is_reason(struct span words)
{
	static const char *const others[] = { "FAILED", "script error", "script ret code",
					      "RPC error", "RLIMIT_NOFILE" };

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (memmem(words.at, words.len, others[i], strlen(others[i])))
			return false;
	}
	return words.len;
}

static void copy(struct span words, char *why, size_t room)
{
	size_t len = words.len < room ? words.len : room - 1;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = words.at[i];

		why[i] = c < ' ' || c == 127 ? ' ' : c;
	}
	why[len] = '\0';
}

void criu_log_phrase(const char *text, char *why, size_t room)
{
	copy((struct span){ .at = text, .len = strcspn(text, "\n") }, why, room);
}

/* Of errors that stand close together each follows from the one before it: so the first of the last
 * of such. */
bool criu_log_reason(const char *text, char *why, size_t room)
{
	unsigned int others = APART;
	bool found = false;

	while (*text) {
		struct span line = { .at = text, .len = strcspn(text, "\n") }, words;

		if (!words_of(line, &words) || !is_reason(words)) {
			others++;
		} else {
			if (others >= APART)
				copy(words, why, room);
			others = 0;
			found = true;
		}
		text += line.len + (text[line.len] == '\n');
	}
	return found;
}
