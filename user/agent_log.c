// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent_log.h"
#include "cleanup.h"
#include "log.h"

#define LINE_LEN  2048
#define VALUE_LEN 200
#define PAIRS_MAX 16

static bool to_journal;

/* A line under construction; what finds no room is left out. One byte is kept for the newline. */
struct line {
	char *buf;
	size_t len;
	size_t room;
};

static void put(struct line *l, const char *text, size_t len)
{
	if (len > l->room - l->len)
		return;
	memcpy(l->buf + l->len, text, len);
	l->len += len;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._:/@+-[],", c));
}

static void put_escaped(struct line *l, unsigned char c)
{
	char text[5] = { (char)c };

	if (c == '"' || c == '\\')
		snprintf(text, sizeof(text), "\\%c", c);
	else if (c < ' ' || c > '~')
		snprintf(text, sizeof(text), "\\x%02x", c);
	put_text(l, text);
}

static void put_value(struct line *l, const char *value)
{
	size_t len, plain = 0;

	if (!value)
		value = "-";
	len = strlen(value);
	while (plain < len && is_plain(value[plain]))
		plain++;
	if (len && plain == len && len <= VALUE_LEN && len <= l->room - l->len) {
		put(l, value, len);
		return;
	}
	/* Room for all of it or nothing: half a pair would be read as another value. */
	if (l->room - l->len < 4 * VALUE_LEN + 8)
		value = len ? "..." : "", len = strlen(value);
	put_text(l, "\"");
	for (size_t i = 0; i < len && i < VALUE_LEN; i++)
		put_escaped(l, value[i]);
	put_text(l, len > VALUE_LEN ? "...\"" : "\"");
}

static const char *level_name(enum agent_log_level level)
{
	static const char *const names[] = {
		[AGENT_LOG_ERROR] = "error",   [AGENT_LOG_WARNING] = "warning",
		[AGENT_LOG_NOTICE] = "notice", [AGENT_LOG_INFO] = "info",
		[AGENT_LOG_DEBUG] = "debug",
	};

	return names[level];
}

static void put_head(struct line *l, bool journal, enum agent_log_level level)
{
	struct timespec now;
	char text[64];
	struct tm tm;

	if (journal) {
		snprintf(text, sizeof(text), "<%d>", level);
		put_text(l, text);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	l->len += strftime(l->buf + l->len, l->room - l->len, "time=%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), ".%03ldZ level=%s ", now.tv_nsec / 1000000, level_name(level));
	put_text(l, text);
}

size_t agent_log_line(char *buf, size_t size, int journal, enum agent_log_level level,
		      const char *event, const char *const *pairs)
{
	struct line l = { .buf = buf, .room = size - 1 };

	put_head(&l, journal, level);
	put_text(&l, "event=");
	put_text(&l, event);
	for (; pairs[0]; pairs += 2) {
		/* The longest pair fits, or none that follows is begun. */
		if (l.room - l.len < strlen(pairs[0]) + 16)
			break;
		put_text(&l, " ");
		put_text(&l, pairs[0]);
		put_text(&l, "=");
		put_value(&l, pairs[1]);
	}
	buf[l.len++] = '\n';
	return l.len;
}

void agent_log(enum agent_log_level level, const char *event, ...)
{
	const char *pairs[2 * PAIRS_MAX + 1] = {};
	int saved = errno;
	char buf[LINE_LEN];
	size_t n = 0;
	ssize_t len;
	va_list args;

	if (level == AGENT_LOG_DEBUG && !log_verbosity)
		return;
	va_start(args, event);
	for (; n < 2 * PAIRS_MAX && (pairs[n] = va_arg(args, const char *)); n += 2)
		pairs[n + 1] = va_arg(args, const char *);
	va_end(args);
	len = agent_log_line(buf, sizeof(buf), to_journal, level, event, pairs);
	len = write(STDERR_FILENO, buf, len); /* if it fails, there is nowhere to say so */
	errno = saved;
}

const char *agent_log_num(char buf[AGENT_LOG_NUM_LEN], long long n)
{
	snprintf(buf, AGENT_LOG_NUM_LEN, "%lld", n);
	return buf;
}

void agent_log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	tzset(); /* reads a file */
	to_journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		     !fstat(STDERR_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}
