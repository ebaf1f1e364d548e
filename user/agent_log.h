/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Log lines of the agent and its keeper, on stderr: key=value pairs, one line an event, for
 * people and for programs. Values may come from the network: no byte of them can end the
 * line, a pair, or do anything to a terminal.
 */
#ifndef TCPMIG_AGENT_LOG_H
#define TCPMIG_AGENT_LOG_H

#include <stddef.h>

/** enum agent_log_level - as syslog(3) and sd-daemon(3) number them. */
enum agent_log_level {
	AGENT_LOG_ERROR = 3,
	AGENT_LOG_WARNING = 4,
	AGENT_LOG_NOTICE = 5,
	AGENT_LOG_INFO = 6,
	AGENT_LOG_DEBUG = 7, /* with -v only */
};

/**
 * agent_log_init() - find out whether stderr is the journal (JOURNAL_STREAM).
 * Then lines begin with <LEVEL>, else with time= (UTC) and level=. Before the sandbox.
 */
void agent_log_init(void);

/**
 * agent_log() - one line: event=@event and pairs of strings, key and value, up to NULL.
 * @event, keys: constants of our own, letters and '-'
 * Values are quoted where they need it, escaped (\xNN, \" and \\), and cut where they are
 * longer than 200 bytes; NULL is written as "-". A line is one write(2). Keeps errno.
 */
void agent_log(enum agent_log_level level, const char *event, ...) __attribute__((sentinel));

#define AGENT_LOG_NUM_LEN 24

/** agent_log_num() - @n as text in @buf. Return: @buf. */
const char *agent_log_num(char buf[AGENT_LOG_NUM_LEN], long long n);

/** AGENT_LOG_NUM() - a number as a value, until the end of the block. */
#define AGENT_LOG_NUM(n) agent_log_num((char[AGENT_LOG_NUM_LEN]){ 0 }, (n))

/**
 * agent_log_line() - what agent_log() writes, for tests: pairs after @event in an array.
 * @journal: as agent_log_init() would find
 * Return: length of the line in @buf with its newline; at most @size, which must be 64 or more.
 */
size_t agent_log_line(char *buf, size_t size, int journal, enum agent_log_level level,
		      const char *event, const char *const *pairs);

#endif
