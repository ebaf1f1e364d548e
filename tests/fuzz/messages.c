// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "control_wire.h"
#include "endpoint.h"
#include "messages.h"

/* splitmix64 */
static uint64_t next64(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t chance(struct chance *c, uint32_t below)
{
	return next64(c) % below;
}

/* Small, large and at the limits: each has its own length as a varint. */
static uint64_t number(struct chance *c, unsigned int bits)
{
	uint64_t value = next64(c) >> (64 - 1 - chance(c, bits));

	return chance(c, 8) ? value : bits == 64 ? UINT64_MAX : (1ULL << bits) - 1;
}

static uint32_t duration(struct chance *c)
{
	uint32_t value = number(c, 32);

	return value ? value : 1;
}

static __be16 port(struct chance *c)
{
	uint16_t value = number(c, 16);

	return htons(value ? value : 1);
}

struct tcpmig_endpoint endpoint_by_chance(struct chance *c, int family)
{
	__u8 addr[16] = { 0xfd, 9, [15] = chance(c, 256) };
	struct tcpmig_endpoint ep;

	addr[8 + chance(c, 8)] = chance(c, 256);
	if (family == TCPMIG_AF_INET)
		endpoint_set4(&ep, htonl(10 << 24 | chance(c, chance(c, 2) ? 3 : 1 << 24)),
			      port(c));
	else
		endpoint_set6(&ep, addr, port(c));
	return ep;
}

static void text_by_chance(struct chance *c, char *text)
{
	static const char *const letters[] = { "a", "B", " ", "~", "\"", "ä", "€", "\U0001f980" };
	char all[2 * MESSAGE_TEXT_MAX] = "";
	size_t n = chance(c, 8) ? chance(c, 20) : MESSAGE_TEXT_MAX / 4;

	while (n--)
		strcat(all, letters[chance(c, 8)]);
	message_text_set(text, all);
}

static void bytes_by_chance(struct chance *c, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = chance(c, 256);
	bytes[0] |= 1;
}

static int order(const void *a, const void *b)
{
	return wire_flow_order(a, b);
}

static struct message_flows flows_by_chance(struct chance *c, int family, size_t most)
{
	struct message_flows flows = {};
	size_t n = chance(c, 4) ? chance(c, most + 1) : most, kept = 0;

	if (!n)
		return flows;
	flows.at = calloc(n, sizeof(*flows.at));
	for (size_t i = 0; i < n; i++) {
		flows.at[i] = endpoint_by_chance(c, family);
		if (i && chance(c, 8)) { /* most have an address in common */
			flows.at[i] = flows.at[i - 1];
			flows.at[i].port = port(c);
		}
	}
	qsort(flows.at, n, sizeof(*flows.at), order);
	for (size_t i = 0; i < n; i++)
		if (!i || wire_flow_order(&flows.at[kept - 1], &flows.at[i]))
			flows.at[kept++] = flows.at[i];
	flows.count = kept;
	return flows;
}

static struct message_sequences *sequences_by_chance(struct chance *c, size_t n)
{
	struct message_sequences *all = n ? calloc(n, sizeof(*all)) : NULL;

	for (size_t i = 0; i < n; i++)
		all[i] = (struct message_sequences){ number(c, 32), number(c, 32), number(c, 32) };
	return all;
}

struct message_request request_by_chance(struct chance *c, enum message_type type, size_t flows)
{
	struct message_request req = { .id = number(c, 64), .type = type };
	int family = chance(c, 2) ? TCPMIG_AF_INET : TCPMIG_AF_INET6;
	unsigned int has = wire_types[type].has;

	if (has & WIRE_MIGRATION) {
		bytes_by_chance(c, req.uuid, sizeof(req.uuid));
		req.epoch = number(c, 64) | 1;
	}
	if (has & WIRE_OLD)
		req.old = endpoint_by_chance(c, family);
	if (has & WIRE_NEXT && !(has & WIRE_NEXT_OPTIONAL && chance(c, 2)))
		req.next = endpoint_by_chance(c, family);
	if (has & WIRE_FLOWS)
		req.flows = flows_by_chance(c, family, flows);
	if (has & WIRE_SEQUENCES)
		req.sequences = sequences_by_chance(c, req.flows.count);
	if (has & WIRE_MS)
		req.max_ms = duration(c);
	if (has & WIRE_MODE)
		req.hold_mode = chance(c, 2);
	if (has & WIRE_TEXT)
		text_by_chance(c, req.text);
	if (has & WIRE_VERSION)
		req.version = duration(c);
	if (type == MESSAGE_LOCAL_REDIRECT)
		req.established_only = chance(c, 2);
	if (type == MESSAGE_RESERVE && chance(c, 2)) {
		req.has_next_key = true;
		bytes_by_chance(c, req.next_key, sizeof(req.next_key));
	}
	return req;
}

static struct message_move move_by_chance(struct chance *c)
{
	int family = chance(c, 2) ? TCPMIG_AF_INET : TCPMIG_AF_INET6;
	struct message_move move = { .epoch = number(c, 64),
				     .state = chance(c, MESSAGE_STATES_COUNT),
				     .consented = chance(c, 2),
				     .committed = chance(c, 2) };

	if (chance(c, 4))
		bytes_by_chance(c, move.uuid, sizeof(move.uuid));
	if (chance(c, 8))
		move.old = endpoint_by_chance(c, family);
	if (chance(c, 8))
		move.cur = endpoint_by_chance(c, family);
	if (chance(c, 2))
		move.next = endpoint_by_chance(c, family);
	return move;
}

struct message_answer answer_by_chance(struct chance *c, size_t missing)
{
	struct message_answer answer = { .id = number(c, 64) | 1,
					 .result = chance(c, MESSAGE_RESULTS_COUNT),
					 .flows = number(c, 32),
					 .taken = number(c, 32),
					 .room = number(c, 32),
					 .deadline_ms = number(c, 32),
					 .version = number(c, 32) };
	int family = chance(c, 2) ? TCPMIG_AF_INET : TCPMIG_AF_INET6;

	text_by_chance(c, answer.text);
	answer.has_move = chance(c, 2);
	if (answer.has_move)
		answer.move = move_by_chance(c);
	answer.missing = flows_by_chance(c, family, missing);
	answer.missing_count = answer.missing.count + chance(c, 3);
	answer.matching = chance(c, 2) ? number(c, 32) : 0;
	answer.unchecked = chance(c, 2) ? number(c, 32) : 0;
	if (chance(c, 2))
		answer.lost = flows_by_chance(c, family, chance(c, missing + 1));
	answer.lost_count = answer.lost.count + chance(c, 3);
	answer.move_count = chance(c, 4) ? 0 : chance(c, MESSAGE_MOVES_MAX + 1);
	if (answer.move_count)
		answer.moves = calloc(answer.move_count, sizeof(*answer.moves));
	for (size_t i = 0; i < answer.move_count; i++)
		answer.moves[i] = move_by_chance(c);
	return answer;
}
