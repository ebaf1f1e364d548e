// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Messages of the control protocol there and back, at their bounds, and what is never sent. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "control_frame.h"
#include "control.pb-c.h"
#include "control_message.h"
#include "endpoint.h"
#include "messages.h"

static uint8_t frame[FRAME_BYTES + 1];

static struct tcpmig_endpoint endpoint(const char *text)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(text, &ep));
	return ep;
}

/* Return: bytes of the payload in frame, which says the same. */
static int payload(int len)
{
	assert_in_range(len, FRAME_HEAD_BYTES + 1, FRAME_BYTES);
	assert_int_equal(frame_payload(frame), len - FRAME_HEAD_BYTES);
	return len - FRAME_HEAD_BYTES;
}

static void assert_same_flows(const struct message_flows *a, const struct message_flows *b)
{
	assert_int_equal(a->count, b->count);
	if (a->count)
		assert_memory_equal(a->at, b->at, a->count * sizeof(*a->at));
}

/* All but the pointers is compared as bytes, padding too: both begin as zeros. */
static void assert_same_request(const struct message_request *a, const struct message_request *b)
{
	struct message_request left = *a, right = *b;

	assert_same_flows(&a->flows, &b->flows);
	assert_true(!a->sequences == !b->sequences);
	if (a->sequences)
		assert_memory_equal(a->sequences, b->sequences,
				    a->flows.count * sizeof(*a->sequences));
	left.flows.at = right.flows.at = NULL;
	assert_memory_equal(&left.uuid, &right.uuid, sizeof(left.uuid));
	assert_memory_equal(&left.old, &right.old, sizeof(left.old));
	assert_memory_equal(&left.next, &right.next, sizeof(left.next));
	assert_memory_equal(left.next_key, right.next_key, sizeof(left.next_key));
	assert_string_equal(left.text, right.text);
	assert_true(left.id == right.id && left.epoch == right.epoch && left.type == right.type &&
		    left.has_next_key == right.has_next_key &&
		    left.established_only == right.established_only &&
		    left.max_ms == right.max_ms && left.hold_mode == right.hold_mode &&
		    left.version == right.version);
}

static void assert_same_move(const struct message_move *a, const struct message_move *b)
{
	assert_memory_equal(a->uuid, b->uuid, sizeof(a->uuid));
	assert_memory_equal(&a->old, &b->old, sizeof(a->old));
	assert_memory_equal(&a->cur, &b->cur, sizeof(a->cur));
	assert_memory_equal(&a->next, &b->next, sizeof(a->next));
	assert_true(a->epoch == b->epoch && a->state == b->state && a->consented == b->consented &&
		    a->committed == b->committed);
}

static void assert_same_answer(const struct message_answer *a, const struct message_answer *b)
{
	assert_true(a->id == b->id && a->result == b->result && a->has_move == b->has_move &&
		    a->flows == b->flows && a->taken == b->taken && a->room == b->room &&
		    a->deadline_ms == b->deadline_ms && a->version == b->version &&
		    a->missing_count == b->missing_count && a->lost_count == b->lost_count &&
		    a->matching == b->matching && a->unchecked == b->unchecked);
	assert_string_equal(a->text, b->text);
	assert_same_move(&a->move, &b->move);
	assert_int_equal(a->move_count, b->move_count);
	for (size_t i = 0; i < a->move_count; i++)
		assert_same_move(&a->moves[i], &b->moves[i]);
}

static uint64_t seed(void)
{
	const char *given = getenv("TCPMIG_SEED");
	uint64_t value = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	printf("# TCPMIG_SEED=%llu\n", (unsigned long long)value);
	return value;
}

static void requests_there_and_back(void **state)
{
	struct chance c = { .state = seed() };

	(void)state;
	for (int i = 0; i < 200 * MESSAGE_TYPES_COUNT; i++) {
		struct message_request req, back;
		const char *why;
		int len;

		req = request_by_chance(&c, i % MESSAGE_TYPES_COUNT, chance(&c, 300));
		len = payload(message_request_encode(&req, frame));
		if (message_request_decode(&back, frame + FRAME_HEAD_BYTES, len, &why))
			fail_msg("%s: %s", message_type_name(req.type), why);
		assert_same_request(&req, &back);
		message_request_free(&req);
		message_request_free(&back);
	}
}

static void answers_there_and_back(void **state)
{
	struct chance c = { .state = seed() };

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct message_answer answer = answer_by_chance(&c, chance(&c, 200)), back;
		const char *why;
		int len = payload(message_answer_encode(&answer, frame));

		if (message_answer_decode(&back, frame + FRAME_HEAD_BYTES, len, &why))
			fail_msg("answer %d: %s", i, why);
		assert_same_answer(&answer, &back);
		assert_same_flows(&answer.missing, &back.missing);
		assert_same_flows(&answer.lost, &back.lost);
		message_answer_free(&answer);
		message_answer_free(&back);
	}
}

/* One bit of a message is another: it is refused, or it is another message that is right. */
static void a_bit_that_flips(void **state)
{
	struct chance c = { .state = seed() };

	(void)state;
	for (int i = 0; i < 30 * MESSAGE_TYPES_COUNT; i++) {
		struct message_request req, back;
		uint8_t again[FRAME_BYTES];
		const char *why;
		int len;

		req = request_by_chance(&c, i % MESSAGE_TYPES_COUNT, 3);
		len = payload(message_request_encode(&req, frame));
		message_request_free(&req);
		for (int bit = 0; bit < 8 * len; bit++) {
			frame[FRAME_HEAD_BYTES + bit / 8] ^= 1 << bit % 8;
			if (!message_request_decode(&back, frame + FRAME_HEAD_BYTES, len, &why)) {
				assert_int_equal(message_request_encode(&back, again),
						 FRAME_HEAD_BYTES + len);
				assert_memory_equal(again, frame, FRAME_HEAD_BYTES + len);
			}
			message_request_free(&back);
			frame[FRAME_HEAD_BYTES + bit / 8] ^= 1 << bit % 8;
		}
	}
}

/* A hold with @count flows: @per_addr of each address. */
static struct message_request hold(size_t count, size_t per_addr, bool v6)
{
	struct message_request req = { .id = 1,
				       .uuid = { 1 },
				       .epoch = UINT64_MAX,
				       .type = MESSAGE_HOLD,
				       .max_ms = 30000,
				       .flows.count = count };

	req.old = endpoint(v6 ? "[fd09::2]:5000" : "10.9.0.2:5000");
	req.flows.at = calloc(count ? count : 1, sizeof(*req.flows.at));
	for (size_t i = 0; i < count; i++) {
		req.flows.at[i] = endpoint(v6 ? "[fd09::1:0]:1" : "10.9.1.0:1");
		req.flows.at[i].addr[14] += i / per_addr >> 8;
		req.flows.at[i].addr[15] = i / per_addr;
		req.flows.at[i].port = htons(65535 - i % per_addr);
	}
	return req;
}

static const struct {
	size_t count, per_addr;
	bool v6;
	int result;
} sizes[] = {
	{ 0, 1, false, 0 },	    { 1, 1, false, 0 },		  { 1024, 1024, false, 0 },
	{ 1024, 1024, true, 0 },    { 1024, 1, false, 0 },	  { 1025, 1025, false, -EINVAL },
	{ 1025, 1, true, -EINVAL }, { 1024, 1, true, -EMSGSIZE },
};

static void as_many_flows_as_a_message_may_have(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct message_request req = hold(sizes[i].count, sizes[i].per_addr, sizes[i].v6);
		int len = message_request_encode(&req, frame);
		struct message_request back;
		const char *why;

		if (sizes[i].result) {
			assert_int_equal(len, sizes[i].result);
		} else {
			len = payload(len);
			if (message_request_decode(&back, frame + FRAME_HEAD_BYTES, len, &why))
				fail_msg("%zu flows: %s", sizes[i].count, why);
			assert_int_equal(back.flows.count, sizes[i].count);
			message_request_free(&back);
		}
		message_request_free(&req);
	}
}

/* What nobody's encoder would send: groups of @first and @second flows. */
static int decode_groups(size_t first, size_t second, struct message_request *req, const char **why)
{
	static const uint8_t uuid[16] = { 1 }, ends[2][4] = { { 10, 9, 0, 2 }, { 10, 9, 0, 3 } };
	Tcpmig__Endpoint old = TCPMIG__ENDPOINT__INIT;
	Tcpmig__Flows groups[] = { TCPMIG__FLOWS__INIT, TCPMIG__FLOWS__INIT };
	Tcpmig__Flows *pointers[] = { &groups[0], &groups[1] };
	Tcpmig__Request request = TCPMIG__REQUEST__INIT;
	Tcpmig__Hold body = TCPMIG__HOLD__INIT;
	uint32_t ports[2000];

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = 1000 + i;
	for (int i = 0; i < 2; i++)
		groups[i].addr = (ProtobufCBinaryData){ 4, (uint8_t *)ends[i] };
	groups[0].ports = groups[1].ports = ports;
	groups[0].n_ports = first;
	groups[1].n_ports = second;
	old.addr = groups[0].addr;
	old.port = 5000;
	request.uuid = (ProtobufCBinaryData){ sizeof(uuid), (uint8_t *)uuid };
	request.epoch = 1;
	request.old = &old;
	request.body_case = TCPMIG__REQUEST__BODY_HOLD;
	request.hold = &body;
	body.max_ms = 1;
	body.flows = pointers;
	body.n_flows = 2;
	return message_request_decode(req, frame, tcpmig__request__pack(&request, frame), why);
}

static void no_flow_more(void **state)
{
	struct message_request req;
	const char *why;

	(void)state;
	assert_int_equal(decode_groups(1023, 1, &req, &why), 0);
	assert_int_equal(req.flows.count, 1024);
	message_request_free(&req);
	assert_int_equal(decode_groups(1023, 2, &req, &why), -EBADMSG);
	assert_string_equal(why, "more flows than a message may have");
	message_request_free(&req);
	assert_int_equal(decode_groups(1025, 1, &req, &why), -EBADMSG);
	assert_string_equal(why, "more flows than a message may have");
	message_request_free(&req);
}

/* Some 653 flows from as many IPv6 addresses; smaller ports make up for the last bytes. */
static void a_full_frame(void **state)
{
	int found = 0, too_large = 0;

	(void)state;
	for (size_t small = 0; small < 40; small++) {
		struct message_request req = hold(654, 1, true), back;
		const char *why;
		int len;

		for (size_t i = 0; i < small; i++)
			req.flows.at[i].port = htons(i % 2 ? 1 : 1000);
		len = message_request_encode(&req, frame);
		if (len == FRAME_BYTES) {
			assert_int_equal(message_request_decode(&back, frame + FRAME_HEAD_BYTES,
								FRAME_PAYLOAD_BYTES, &why),
					 0);
			message_request_free(&back);
			assert_int_equal(message_request_decode(&back, frame + FRAME_HEAD_BYTES,
								FRAME_PAYLOAD_BYTES + 1, &why),
					 -EBADMSG);
			assert_string_equal(why, "longer than a frame may be");
			message_request_free(&back);
			found++;
		}
		too_large += len == -EMSGSIZE;
		message_request_free(&req);
	}
	assert_true(found && too_large);
}

/* What a host with the most flows of one client asks; and the numbers go where their flow goes. */
static void a_whole_check(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct message_request req = hold(1024, 1024, v6), back;
		const char *why;
		int len;

		req.type = MESSAGE_CHECK;
		req.sequences = calloc(1024, sizeof(*req.sequences));
		for (uint32_t i = 0; i < 1024; i++) { /* the last one first */
			req.flows.at[i].port = htons(65535 - i);
			req.sequences[i] = (struct message_sequences){ i, ~i, i << 22 };
		}
		len = payload(message_request_encode(&req, frame));
		assert_int_equal(message_request_decode(&back, frame + FRAME_HEAD_BYTES, len, &why),
				 0);
		assert_int_equal(back.flows.count, 1024);
		for (uint32_t i = 0; i < 1024; i++) {
			const struct message_sequences *seq = &back.sequences[1023 - i];

			assert_int_equal(ntohs(back.flows.at[1023 - i].port), 65535 - i);
			assert_true(seq->rcv_nxt == i && seq->snd_una == ~i &&
				    seq->snd_nxt == i << 22);
		}
		message_request_free(&req);
		message_request_free(&back);
	}
}

/* What is lost goes before what is missing. */
static void lost_flows_come_first(void **state)
{
	struct message_request many = hold(1024, 1, true);
	struct message_answer answer = { .id = 1,
					 .missing = many.flows,
					 .missing_count = 1024,
					 .lost = { many.flows.at, 600 },
					 .lost_count = 700 },
			      back;
	const char *why;
	int len;

	(void)state;
	len = payload(message_answer_encode(&answer, frame));
	assert_int_equal(message_answer_decode(&back, frame + FRAME_HEAD_BYTES, len, &why), 0);
	assert_true(back.lost_count == 700 && back.missing_count == 1024);
	assert_int_equal(back.lost.count, 600);
	assert_in_range(back.missing.count, 20, 100);
	message_answer_free(&back);
	message_request_free(&many);
}

/* Sorted, so that what is left out is known. */
static void answers_leave_out_what_does_not_fit(void **state)
{
	struct message_request many = hold(1024, 1, true);
	struct message_answer answer = { .id = 1, .missing = many.flows, .missing_count = 1024 },
			      back;
	const char *why;
	int len;

	(void)state;
	len = payload(message_answer_encode(&answer, frame));
	assert_in_range(len, FRAME_PAYLOAD_BYTES - 24, FRAME_PAYLOAD_BYTES);
	assert_int_equal(message_answer_decode(&back, frame + FRAME_HEAD_BYTES, len, &why), 0);
	assert_int_equal(back.missing_count, 1024);
	assert_in_range(back.missing.count, 600, 700);
	assert_memory_equal(back.missing.at, many.flows.at,
			    back.missing.count * sizeof(*many.flows.at));
	message_answer_free(&back);
	message_request_free(&many);
}

static void flows_are_a_set(void **state)
{
	struct message_request req = hold(4, 4, false), back;
	const char *why;
	int len;

	(void)state;
	req.flows.at[2] = endpoint("10.9.0.200:9");
	req.flows.at[3] = req.flows.at[0];
	len = payload(message_request_encode(&req, frame));
	assert_int_equal(message_request_decode(&back, frame + FRAME_HEAD_BYTES, len, &why), 0);
	assert_int_equal(back.flows.count, 3);
	assert_true(endpoint_same(&back.flows.at[0], &req.flows.at[2]));
	assert_true(endpoint_same(&back.flows.at[1], &req.flows.at[1])); /* falling ports */
	assert_true(endpoint_same(&back.flows.at[2], &req.flows.at[0]));
	message_request_free(&req);
	message_request_free(&back);
}

/* Makes a request wrong that was right. */
struct flaw {
	const char *what;
	void (*make)(struct message_request *req);
};

static void no_uuid(struct message_request *r)
{
	memset(r->uuid, 0, sizeof(r->uuid));
}

static void no_epoch(struct message_request *r)
{
	r->epoch = 0;
}

static void no_type(struct message_request *r)
{
	r->type = MESSAGE_TYPES_COUNT;
}

static void no_old(struct message_request *r)
{
	r->old = (struct tcpmig_endpoint){};
}

static void old_without_port(struct message_request *r)
{
	r->old.port = 0;
}

static void old_on_loopback(struct message_request *r)
{
	r->old = endpoint("127.0.0.1:1");
}

static void old_of_another_family(struct message_request *r)
{
	r->type = MESSAGE_QUERY;
	r->old.family = TCPMIG_AF_INET6;
}

static void old_with_padding(struct message_request *r)
{
	r->old.zero = 1;
}

static void no_next(struct message_request *r)
{
	r->next = (struct tcpmig_endpoint){};
}

static void next_of_another_family(struct message_request *r)
{
	r->next = endpoint("[fd09::3]:1");
}

static void no_duration(struct message_request *r)
{
	r->max_ms = 0;
}

static void flow_without_port(struct message_request *r)
{
	r->flows.at[0].port = 0;
}

static void flow_of_another_family(struct message_request *r)
{
	r->flows.at[0] = endpoint("[fd09::3]:1");
}

static void mode(struct message_request *r)
{
	r->type = MESSAGE_HOLD;
	r->hold_mode = TCPMIG_HOLD_SWALLOW + 1;
}

static void no_version(struct message_request *r)
{
	r->type = MESSAGE_HELLO;
}

static void text_with_an_escape(struct message_request *r)
{
	r->type = MESSAGE_ABORT;
	strcpy(r->text, "a\033[2J");
}

static void text_without_an_end(struct message_request *r)
{
	r->type = MESSAGE_ABORT;
	memset(r->text, 'a', sizeof(r->text));
}

static void check_without_numbers(struct message_request *r)
{
	r->type = MESSAGE_CHECK;
}

static const struct flaw flaws[] = {
#define X(flaw)             \
	{                   \
#flaw, flaw \
	}
	X(no_uuid),
	X(no_epoch),
	X(no_type),
	X(no_old),
	X(old_without_port),
	X(old_on_loopback),
	X(old_with_padding),
	X(old_of_another_family),
	X(no_next),
	X(no_duration),
	X(next_of_another_family),
	X(flow_without_port),
	X(mode),
	X(flow_of_another_family),
	X(no_version),
	X(text_with_an_escape),
	X(text_without_an_end),
	X(check_without_numbers),
#undef X
};

static struct message_request reserve(void)
{
	struct message_request req = hold(2, 2, false);

	req.type = MESSAGE_RESERVE;
	req.next = endpoint("10.9.0.3:5000");
	return req;
}

static void sends_nothing_wrong(void **state)
{
	struct message_request req = reserve();

	(void)state;
	payload(message_request_encode(&req, frame));
	message_request_free(&req);
	for (size_t i = 0; i < ARRAY_SIZE(flaws); i++) {
		req = reserve();
		flaws[i].make(&req);
		if (message_request_encode(&req, frame) != -EINVAL)
			fail_msg("%s was sent", flaws[i].what);
		message_request_free(&req);
	}
}

/* A caller keeps one struct for a whole move and changes its type. */
static void looks_only_at_what_a_type_has(void **state)
{
	static const enum message_type bare[] = { MESSAGE_QUERY,       MESSAGE_CONSENT,
						  MESSAGE_COMMIT,      MESSAGE_GO,
						  MESSAGE_STATUS,      MESSAGE_LOCAL_RELEASE,
						  MESSAGE_LOCAL_STATUS };
	struct message_request req = reserve(), back;
	const char *why;
	int len;

	(void)state;
	req.max_ms = req.version = 0;
	req.hold_mode = 77;
	req.flows.at[0].port = 0;
	strcpy(req.text, "a\nb");
	for (size_t i = 0; i < ARRAY_SIZE(bare); i++) {
		req.type = bare[i];
		len = payload(message_request_encode(&req, frame));
		if (message_request_decode(&back, frame + FRAME_HEAD_BYTES, len, &why))
			fail_msg("%s: %s", message_type_name(bare[i]), why);
		assert_int_equal(back.type, bare[i]);
		assert_int_equal(back.hold_mode + back.flows.count + strlen(back.text), 0);
		message_request_free(&back);
	}
	message_request_free(&req);
}

/* What nobody's encoder would send either: ABORT with a reason of @len bytes. */
static int decode_reason(size_t text_len, struct message_request *req, const char **why)
{
	static const uint8_t head[] = "\x12\x10"
				      "0123456789abcdef"
				      "\x18\x01"
				      "\x22\x09\x0a\x04\x0a\x09\x00\x02\x10\x88\x27\x92\x01";
	size_t len = sizeof(head) - 1, body = text_len + 3;

	memcpy(frame, head, len);
	frame[len++] = body | 0x80;
	frame[len++] = body >> 7;
	frame[len++] = 0x0a;
	frame[len++] = text_len | 0x80;
	frame[len++] = text_len >> 7;
	memset(frame + len, 'a', text_len);
	return message_request_decode(req, frame, len + text_len, why);
}

static void text_has_a_limit(void **state)
{
	struct message_request req;
	const char *why;

	(void)state;
	assert_int_equal(decode_reason(511, &req, &why), 0);
	assert_int_equal(strlen(req.text), 511);
	for (size_t len = 512; len < 2000; len += 100) {
		assert_int_equal(decode_reason(len, &req, &why), -EBADMSG);
		assert_string_equal(why, "text that is too long, no UTF-8, or has control "
					 "characters");
	}
}

static void sends_no_wrong_answer(void **state)
{
	static struct message_move moves[MESSAGE_MOVES_MAX + 1];
	struct tcpmig_endpoint v4 = endpoint("10.9.0.1:1");
	struct tcpmig_endpoint loopback = endpoint("127.0.0.1:1");
	const struct message_answer bad[] = {
		{ .id = 0 }, /* would be an empty frame */
		{ .id = 1, .result = MESSAGE_RESULTS_COUNT },
		{ .id = 1, .text = "a\nb" },
		{ .id = 1, .has_move = true, .move.state = MESSAGE_STATES_COUNT },
		{ .id = 1, .has_move = true, .move.old = loopback },
		{ .id = 1, .has_move = true, .move.cur = loopback },
		{ .id = 1, .has_move = true, .move.next = loopback },
		{ .id = 1, .move_count = MESSAGE_MOVES_MAX + 1, .moves = moves },
		{ .id = 1, .missing = { &v4, 1 }, .missing_count = 0 },
		{ .id = 1, .missing = { &loopback, 1 }, .missing_count = 1 },
		{ .id = 1, .lost = { &v4, 1 }, .lost_count = 0 },
		{ .id = 1, .lost = { &loopback, 1 }, .lost_count = 1 },
	};
	const struct message_answer good = { .id = 1,
					     .move_count = MESSAGE_MOVES_MAX,
					     .moves = moves,
					     .missing = { &v4, 1 },
					     .missing_count = 1 };

	(void)state;
	payload(message_answer_encode(&good, frame));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (message_answer_encode(&bad[i], frame) != -EINVAL)
			fail_msg("answer %zu was sent", i);
}

static void text_is_made_valid(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a\nb\033c", "a?b?c" },
		{ "\u00e4\u20ac", "\u00e4\u20ac" },
		{ "a\x80z", "a?z" },
		{ "\xe2\x82", "??" },
		{ "\xc2\x9b", "??" },
	};
	char text[MESSAGE_TEXT_MAX], longer[2 * MESSAGE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		message_text_set(text, cases[i].from);
		assert_string_equal(text, cases[i].to);
		assert_true(message_text_is_valid(text));
	}
	for (size_t i = 0; i < sizeof(longer) - 1; i++)
		longer[i] = "\u20ac"[i % 3];
	longer[sizeof(longer) - 1] = 0;
	message_text_set(text, longer);
	assert_int_equal(strlen(text), 510); /* 511 would cut the last one */
	assert_true(message_text_is_valid(text));
	memset(longer, 'a', MESSAGE_TEXT_MAX);
	longer[MESSAGE_TEXT_MAX - 1] = 0;
	assert_true(message_text_is_valid(longer));
	longer[MESSAGE_TEXT_MAX - 1] = 'a';
	longer[MESSAGE_TEXT_MAX] = 0;
	assert_false(message_text_is_valid(longer));
}

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < MESSAGE_TYPES_COUNT; i++)
		assert_int_equal(message_type_is_local(i),
				 !strncmp(message_type_name(i), "local-", 6));
	for (int i = 0; i < MESSAGE_RESULTS_COUNT; i++)
		assert_non_null(message_result_name(i));
	for (int i = 0; i < MESSAGE_STATES_COUNT; i++)
		assert_non_null(message_state_name(i));
	assert_string_equal(message_result_name(MESSAGE_NO_ROOM), "no-room");
	assert_string_equal(message_state_name(MESSAGE_IN_DOUBT), "in-doubt");
	assert_string_equal(message_type_name(MESSAGE_TYPES_COUNT), "unknown");
	assert_string_equal(message_result_name(-1), "unknown");
	assert_string_equal(message_state_name(MESSAGE_STATES_COUNT), "unknown");
	assert_false(message_type_is_local(MESSAGE_TYPES_COUNT));
}

static void uuids(void **state)
{
	static const char text[] = "123e4567-e89b-12d3-a456-426614174000";
	static const char *const bad[] = { "",
					   "123e4567-e89b-12d3-a456-42661417400",
					   "123e4567-e89b-12d3-a456-4266141740000",
					   "123e4567xe89b-12d3-a456-426614174000",
					   "123e4567e89b12d3a456426614174000",
					   "123e4567-e89b-12d3-a456-4266141740g0",
					   "123e4567-e89b-12d3-a456-42661417400g",
					   "-123e4567-e89b-12d3-a456-42661417400",
					   "123e4567-e89b-12d3-a456-426614174\xb0"
					   "00" };
	uint8_t uuid[MESSAGE_UUID_LEN] = {}, before[MESSAGE_UUID_LEN];
	char back[MESSAGE_UUID_STRLEN];

	(void)state;
	assert_true(message_uuid_parse(text, uuid));
	assert_int_equal(uuid[0], 0x12);
	assert_int_equal(uuid[15], 0);
	assert_string_equal(message_uuid_text(uuid, back), text);
	assert_true(message_uuid_parse("123E4567-E89B-12D3-A456-426614174000", uuid));
	assert_string_equal(message_uuid_text(uuid, back), text);
	memcpy(before, uuid, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (message_uuid_parse(bad[i], uuid))
			fail_msg("'%s' was accepted", bad[i]);
	assert_memory_equal(uuid, before, sizeof(uuid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_there_and_back),
		cmocka_unit_test(answers_there_and_back),
		cmocka_unit_test(a_bit_that_flips),
		cmocka_unit_test(as_many_flows_as_a_message_may_have),
		cmocka_unit_test(no_flow_more),
		cmocka_unit_test(a_full_frame),
		cmocka_unit_test(a_whole_check),
		cmocka_unit_test(lost_flows_come_first),
		cmocka_unit_test(answers_leave_out_what_does_not_fit),
		cmocka_unit_test(flows_are_a_set),
		cmocka_unit_test(sends_nothing_wrong),
		cmocka_unit_test(looks_only_at_what_a_type_has),
		cmocka_unit_test(text_has_a_limit),
		cmocka_unit_test(sends_no_wrong_answer),
		cmocka_unit_test(text_is_made_valid),
		cmocka_unit_test(names),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
