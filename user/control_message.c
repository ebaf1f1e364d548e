// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "control_message.h"

static const char *const type_names[MESSAGE_TYPES_COUNT] = {
#define X(name, text, local) [MESSAGE_##name] = text,
	MESSAGE_TYPES(X)
#undef X
};

static const char *const result_names[MESSAGE_RESULTS_COUNT] = {
	[MESSAGE_OK] = "ok",	     [MESSAGE_DENIED] = "denied",
	[MESSAGE_STALE] = "stale",   [MESSAGE_CONFLICT] = "conflict",
	[MESSAGE_LIMIT] = "limit",   [MESSAGE_NO_ROOM] = "no-room",
	[MESSAGE_FAILED] = "failed", [MESSAGE_INVALID] = "invalid",
};

static const char *const state_names[MESSAGE_STATES_COUNT] = {
	[MESSAGE_NONE] = "none",   [MESSAGE_RESERVED] = "reserved", [MESSAGE_HELD] = "held",
	[MESSAGE_ARMED] = "armed", [MESSAGE_IN_DOUBT] = "in-doubt", [MESSAGE_ACTIVE] = "active",
};

const char *message_type_name(enum message_type type)
{
	return (unsigned int)type < MESSAGE_TYPES_COUNT ? type_names[type] : "unknown";
}

const char *message_result_name(enum message_result result)
{
	return (unsigned int)result < MESSAGE_RESULTS_COUNT ? result_names[result] : "unknown";
}

const char *message_state_name(enum message_state state)
{
	return (unsigned int)state < MESSAGE_STATES_COUNT ? state_names[state] : "unknown";
}

bool message_type_is_local(enum message_type type)
{
	static const bool local_types[MESSAGE_TYPES_COUNT] = {
#define X(name, text, local) [MESSAGE_##name] = local,
		MESSAGE_TYPES(X)
#undef X
	};

	return (unsigned int)type < MESSAGE_TYPES_COUNT && local_types[type];
}

void message_request_free(struct message_request *req)
{
	free(req->flows.at);
	free(req->sequences);
	req->flows = (struct message_flows){};
	req->sequences = NULL;
}

void message_answer_free(struct message_answer *answer)
{
	free(answer->missing.at);
	free(answer->lost.at);
	free(answer->moves);
	answer->missing = answer->lost = (struct message_flows){};
	answer->moves = NULL;
	answer->move_count = 0;
}

/* Bytes that follow the first one of a character, and its first value that needs so many. */
static size_t utf8_head(unsigned char head, unsigned int *value, unsigned int *least)
{
	static const struct {
		unsigned char mask, head, follow;
		unsigned int least;
	} heads[] = {
		{ 0x80, 0x00, 0, 0 },
		{ 0xe0, 0xc0, 1, 0x80 },
		{ 0xf0, 0xe0, 2, 0x800 },
		{ 0xf8, 0xf0, 3, 0x10000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		if ((head & heads[i].mask) == heads[i].head) {
			*value = head & ~heads[i].mask & 0xff;
			*least = heads[i].least;
			return heads[i].follow;
		}
	return SIZE_MAX;
}

/* Length of the character at @text; 0: not UTF-8, or a control character. */
static size_t character(const char *text)
{
	unsigned int value, least;
	size_t follow = utf8_head(text[0], &value, &least);

	if (follow == SIZE_MAX)
		return 0;
	for (size_t i = 1; i <= follow; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return value < 0x20 || (value >= 0x7f && value < 0xa0) ? 0 : follow + 1;
}

bool message_text_is_valid(const char *text)
{
	return message_text_fits(text, MESSAGE_TEXT_MAX);
}

bool message_text_fits(const char *text, size_t size)
{
	if (strnlen(text, size) == size)
		return false;
	for (size_t n; *text; text += n) {
		n = character(text);
		if (!n)
			return false;
	}
	return true;
}

void message_text_set(char text[MESSAGE_TEXT_MAX], const char *from)
{
	size_t used = 0;

	while (*from) {
		size_t n = character(from), whole = n ? n : 1;

		if (used + whole >= MESSAGE_TEXT_MAX)
			break;
		memcpy(text + used, n ? from : "?", whole);
		used += whole;
		from += whole;
	}
	text[used] = 0;
}

const char *message_uuid_text(const uint8_t uuid[MESSAGE_UUID_LEN], char buf[MESSAGE_UUID_STRLEN])
{
	char *at = buf;

	for (size_t i = 0; i < MESSAGE_UUID_LEN; i++)
		at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
			      uuid[i]);
	return buf;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool message_uuid_parse(const char *text, uint8_t uuid[MESSAGE_UUID_LEN])
{
	uint8_t parsed[MESSAGE_UUID_LEN];

	for (size_t i = 0; i < MESSAGE_UUID_LEN; i++, text += 2) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return false;
		parsed[i] = hex_digit(text[0]) << 4 | hex_digit(text[1]);
	}
	if (*text)
		return false;
	memcpy(uuid, parsed, sizeof(parsed));
	return true;
}
