// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/control_decode.c: what it must not take, byte by byte as somebody else might send it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "control_frame.h"
#include "control_message.h"

/* Pieces of messages: field by field, with numbers and lengths as protobuf has them. */
#define ID	"\x08\x07"
#define UUID	"\x12\x10\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00"
#define EPOCH	"\x18\x09"
#define EP4	"\x0a\x04\x0a\x09\x00\x02\x10\x88\x27" /* 10.9.0.2:5000 */
#define OLD	"\x22\x09" EP4
#define V6	"\x0a\x10\xfd\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define OLD6	"\x22\x15" V6 "\x10\x88\x27"
#define HEAD	ID UUID EPOCH OLD
#define HELLO	"\x52\x07\x08\x01\x12\x03x/1"
#define QUERY	"\x5a\x00"
#define NEXT4	"\x0a\x09\x0a\x04\x0a\x09\x00\x03\x10\x88\x27"
#define CONSENT "\x6a\x0b" NEXT4
#define COMMIT	"\x82\x01\x00"
#define GO	"\x8a\x01\x00"
#define STATUS	"\x9a\x01\x00"
/* 10.9.0.1: ports 40000 and 40001 */
#define FLOWS_IN(tag) tag "\x0e\x0a\x04\x0a\x09\x00\x01\x12\x06\xc0\xb8\x02\xc1\xb8\x02"
#define HOLD	      "\x72\x15\x08\xb0\x6d\x10\x01" FLOWS_IN("\x1a")
#define ARM	      "\x7a\x13\x08\xb0\x6d" FLOWS_IN("\x12")
#define MAX	      "\x20\xb0\x6d" /* 14000 ms */
#define RESERVE	      "\x62\x1e" NEXT4 FLOWS_IN("\x1a") MAX
#define ABORT	      "\x92\x01\x05\x0a\x03why"
/* 10.9.0.1:1, and three numbers */
#define NUMBERS	    "\x1a\x04\1\2\3\4\x22\x04\0\0\0\0\x2a\x04\xff\xff\xff\xff"
#define CHECK	    "\xa2\x01\x1d\x0a\x1b\x0a\x04\x0a\x09\x00\x01\x12\x01\x01" NUMBERS
#define L_HOLD	    "\xf2\x01\x20\x08\xb0\x6d\x10\x01\x1a\x09" EP4 FLOWS_IN("\x22")
#define L_REDIRECT  "\xfa\x01\x1d" NEXT4 "\x10\x01" FLOWS_IN("\x1a")
#define L_RELEASE   "\x82\x02\x00"
#define L_STATUS    "\x8a\x02\x00"

#define BYTES(text) (text), sizeof(text) - 1

static const struct {
	enum message_type type;
	const char *bytes;
	size_t len;
} good[] = {
	{ MESSAGE_HELLO, BYTES(ID HELLO) },
	{ MESSAGE_QUERY, BYTES(ID OLD QUERY) },
	{ MESSAGE_QUERY, BYTES(OLD QUERY) },
	{ MESSAGE_QUERY, BYTES(ID OLD6 QUERY) },
	{ MESSAGE_RESERVE, BYTES(HEAD RESERVE) },
	{ MESSAGE_CONSENT, BYTES(HEAD CONSENT) },
	{ MESSAGE_HOLD, BYTES(HEAD HOLD) },
	{ MESSAGE_ARM, BYTES(HEAD ARM) },
	{ MESSAGE_COMMIT, BYTES(HEAD COMMIT) },
	{ MESSAGE_GO, BYTES(HEAD GO) },
	{ MESSAGE_ABORT, BYTES(HEAD ABORT) },
	{ MESSAGE_STATUS, BYTES(HEAD STATUS) },
	{ MESSAGE_CHECK, BYTES(HEAD CHECK) },
	{ MESSAGE_CHECK, BYTES(HEAD "\xa2\x01\x00") },
	{ MESSAGE_LOCAL_HOLD, BYTES(ID OLD L_HOLD) },
	{ MESSAGE_LOCAL_REDIRECT, BYTES(ID OLD L_REDIRECT) },
	{ MESSAGE_LOCAL_RELEASE, BYTES(ID OLD L_RELEASE) },
	{ MESSAGE_LOCAL_STATUS, BYTES(ID L_STATUS) },
};

/* Every prefix of a request is none, and so is one with a byte behind it. */
static void only_whole_requests(void **state)
{
	static uint8_t encoded[FRAME_BYTES];
	struct message_request req;
	const char *why;
	char longer[256];
	int len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int err = message_request_decode(&req, good[i].bytes, good[i].len, &why);

		if (err)
			fail_msg("%s: %s", message_type_name(good[i].type), why);
		assert_int_equal(req.type, good[i].type);
		len = message_request_encode(&req, encoded);
		message_request_free(&req);
		assert_int_equal(len, FRAME_HEAD_BYTES + good[i].len);
		assert_memory_equal(encoded + FRAME_HEAD_BYTES, good[i].bytes, good[i].len);
		for (size_t part = 0; part < good[i].len; part++) {
			err = message_request_decode(&req, good[i].bytes, part, &why);
			message_request_free(&req);
			if (err != -EBADMSG)
				fail_msg("%s was accepted after %zu bytes",
					 message_type_name(good[i].type), part);
		}
		memcpy(longer, good[i].bytes, good[i].len);
		for (int last = 0; last < 256; last++) {
			longer[good[i].len] = (char)last;
			err = message_request_decode(&req, longer, good[i].len + 1, &why);
			message_request_free(&req);
			assert_int_equal(err, -EBADMSG);
		}
	}
}

#define DAMAGED	  "damaged"
#define EMPTY	  "empty"
#define UNKNOWN	  "a field that is not known"
#define CANONICAL "not written in the one way that is right"
#define NO_BODY	  "no body"
#define MIGRATION "a migration where none belongs"
#define BAD_OLD	  "old is no address and port of a host"
#define BAD_NEXT  "next is no address and port of a host"
#define BAD_FLOW  "a flow is no address and port of a host"
#define BAD_PORT  "a port that is not in 1..65535"
#define BAD_ADDR  "an address that has neither 4 nor 16 bytes"
#define BAD_TEXT  "text that is too long, no UTF-8, or has control characters"
#define BAD_COUNT "not as many sequence numbers as flows"
#define BAD_ORDER "flows in another than ascending order, or twice"

/* A flow of 10.9.0.1 in a hold of 14 s: @bytes after the tag, with their length. */
#define HOLD_OF(len, flows_len, flows)	HEAD "\x72" len "\x08\xb0\x6d\x1a" flows_len flows
#define CHECK_OF(len, flows_len, flows) HEAD "\xa2\x01" len "\x0a" flows_len flows
#define HOST				"\x0a\x04\x0a\x09\x00\x01"

/* clang-format off */
static const struct bad {
	const char *what;
	const char *bytes;
	size_t len;
	const char *why;
} bad_requests[] = {
	{ "nothing", BYTES(""), EMPTY },
	{ "no body", BYTES(HEAD), NO_BODY },
	{ "two bodies", BYTES(HEAD COMMIT GO), CANONICAL },
	{ "the same body twice", BYTES(HEAD GO GO), CANONICAL },
	{ "a type that does not exist", BYTES(HEAD "\xaa\x01\x00"), UNKNOWN },
	{ "a type that does not exist, beside one that does", BYTES(HEAD COMMIT "\xaa\x01\x00"), UNKNOWN },
	{ "an unknown field in the request", BYTES(HEAD "\x28\x01" COMMIT), UNKNOWN },
	{ "an unknown field in the body", BYTES(HEAD "\x82\x01\x02\x08\x01"), UNKNOWN },
	{ "an unknown field in old", BYTES(ID "\x22\x0b" EP4 "\x18\x01" QUERY), UNKNOWN },
	{ "an unknown field in next", BYTES(HEAD "\x6a\x0d\x0a\x0b\x0a\x04\x0a\x09\x00\x03\x10\x88\x27\x18\x01"), UNKNOWN },
	{ "an unknown field in flows", BYTES(HOLD_OF("\x10", "\x0b", HOST "\x12\x01\x01\x18\x01")), UNKNOWN },
	{ "a group, which is of another protobuf", BYTES(HEAD COMMIT "\x2b\x2c"), DAMAGED },
	{ "a body that is a number", BYTES(HEAD "\x80\x01\x00"), DAMAGED },
	{ "an id that is bytes", BYTES("\x0a\x01\x07" OLD QUERY), DAMAGED },
	{ "a field number of 0", BYTES("\x02\x00" OLD QUERY), DAMAGED },
	{ "a length beyond the end", BYTES(ID OLD "\x5a\x01"), DAMAGED },
	{ "a length of 2^32 - 1", BYTES(ID OLD "\x5a\xff\xff\xff\xff\x0f"), DAMAGED },
	{ "a varint of 11 bytes", BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01" OLD QUERY), DAMAGED },

	{ "a varint that is longer than need be", BYTES("\x08\x87\x00" OLD QUERY), CANONICAL },
	{ "a length that is longer than need be", BYTES(ID "\x22\x89\x00" EP4 QUERY), CANONICAL },
	{ "a default written out", BYTES("\x08\x00" OLD QUERY), CANONICAL },
	{ "an id twice", BYTES(ID ID OLD QUERY), CANONICAL },
	{ "old twice", BYTES(ID OLD OLD QUERY), CANONICAL },
	{ "uuid twice", BYTES(ID UUID UUID EPOCH OLD GO), CANONICAL },
	{ "fields in another order", BYTES(OLD ID QUERY), CANONICAL },
	{ "a body before old", BYTES(ID QUERY OLD), CANONICAL },
	{ "ports of more than 32 bits", BYTES(ID "\x22\x0c\x0a\x04\x0a\x09\x00\x02\x10\x88\xa7\x80\x80\x10" QUERY), CANONICAL },
	{ "a bool of 2", BYTES(ID OLD "\xfa\x01\x0d" NEXT4 "\x10\x02"), CANONICAL },
	{ "ports that are not packed", BYTES(HOLD_OF("\x0d", "\x08", HOST "\x10\x01")), CANONICAL },
	{ "empty text written out", BYTES(HEAD "\x92\x01\x02\x0a\x00"), CANONICAL },
	{ "text with a NUL", BYTES(HEAD "\x92\x01\x05\x0a\x03w\0y"), CANONICAL },

	{ "a uuid in hello", BYTES(ID UUID HELLO), MIGRATION },
	{ "an epoch in hello", BYTES(ID EPOCH HELLO), MIGRATION },
	{ "old in hello", BYTES(ID OLD HELLO), "old where it does not belong" },
	{ "a uuid in a query", BYTES(ID UUID OLD QUERY), MIGRATION },
	{ "an epoch in a query", BYTES(ID EPOCH OLD QUERY), MIGRATION },
	{ "a uuid in local-hold", BYTES(ID UUID OLD L_HOLD), MIGRATION },
	{ "an epoch in local-release", BYTES(ID EPOCH OLD L_RELEASE), MIGRATION },
	{ "old in local-status", BYTES(ID OLD L_STATUS), "old where it does not belong" },
	{ "no uuid", BYTES(ID EPOCH OLD GO), "no uuid" },
	{ "no epoch", BYTES(ID UUID OLD GO), "no epoch" },
	{ "no old", BYTES(ID UUID EPOCH GO), BAD_OLD },
	{ "no old in a query", BYTES(ID QUERY), BAD_OLD },
	{ "a uuid of 15 bytes", BYTES(ID "\x12\x0f" "123456789012345" EPOCH OLD GO), "a uuid that is not one" },
	{ "a uuid of 17 bytes", BYTES(ID "\x12\x11" "12345678901234567" EPOCH OLD GO), "a uuid that is not one" },
	{ "a uuid of zeros", BYTES(ID "\x12\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" EPOCH OLD GO), "a uuid that is not one" },

	{ "an address of 3 bytes", BYTES(ID "\x22\x08\x0a\x03\x0a\x09\x00\x10\x88\x27" QUERY), BAD_ADDR },
	{ "an address of 5 bytes", BYTES(ID "\x22\x0a\x0a\x05\x0a\x09\x00\x02\x01\x10\x88\x27" QUERY), BAD_ADDR },
	{ "no address", BYTES(ID "\x22\x03\x10\x88\x27" QUERY), BAD_ADDR },
	{ "IPv4 in 16 bytes", BYTES(ID "\x22\x15\x0a\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x09\x00\x02\x10\x88\x27" QUERY), "an IPv4 address in 16 bytes" },
	{ "no port", BYTES(ID "\x22\x06\x0a\x04\x0a\x09\x00\x02" QUERY), BAD_PORT },
	{ "port 65536", BYTES(ID "\x22\x0a\x0a\x04\x0a\x09\x00\x02\x10\x80\x80\x04" QUERY), BAD_PORT },
	{ "old on loopback", BYTES(ID "\x22\x09\x0a\x04\x7f\x00\x00\x01\x10\x88\x27" QUERY), BAD_OLD },
	{ "old unspecified", BYTES(ID "\x22\x09\x0a\x04\x00\x00\x00\x00\x10\x88\x27" QUERY), BAD_OLD },
	{ "old multicast", BYTES(ID "\x22\x09\x0a\x04\xe0\x00\x00\x01\x10\x88\x27" QUERY), BAD_OLD },
	{ "old link-local", BYTES(ID "\x22\x15\x0a\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2\x10\x88\x27" QUERY), BAD_OLD },
	{ "no next", BYTES(HEAD "\x6a\x00"), BAD_NEXT },
	{ "next on loopback", BYTES(HEAD "\x6a\x0b\x0a\x09\x0a\x04\x7f\x00\x00\x01\x10\x88\x27"), BAD_NEXT },
	{ "next without a port", BYTES(HEAD "\x6a\x08\x0a\x06\x0a\x04\x0a\x09\x00\x03"), BAD_PORT },
	{ "next of the other family", BYTES(ID UUID EPOCH OLD6 CONSENT), "old and next are not of one family" },
	{ "no next in local-redirect", BYTES(ID OLD "\xfa\x01\x00"), BAD_NEXT },
	{ "local-hold with a bad next", BYTES(ID OLD "\xf2\x01\x0e\x08\xb0\x6d\x1a\x09\x0a\x04\x7f\x00\x00\x01\x10\x88\x27"), BAD_NEXT },
	{ "a hash of a key of 31 bytes", BYTES(HEAD "\x62\x2f" NEXT4 "\x12\x1f" "1234567890123456789012345678901" MAX), "a hash of a key that has not 32 bytes" },

	{ "no duration in reserve", BYTES(HEAD "\x62\x0b" NEXT4), "no duration" },
	{ "no duration in hold", BYTES(HEAD "\x72\x00"), "no duration" },
	{ "no lease in arm", BYTES(HEAD "\x7a\x00"), "no duration" },
	{ "no duration in local-hold", BYTES(ID OLD "\xf2\x01\x00"), "no duration" },
	{ "hold mode 2", BYTES(HEAD "\x72\x05\x08\xb0\x6d\x10\x02"), "a hold mode that is not known" },
	{ "hold mode -1", BYTES(HEAD "\x72\x0e\x08\xb0\x6d\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a hold mode that is not known" },
	{ "no version in hello", BYTES(ID "\x52\x00"), "no version" },

	{ "an address without flows", BYTES(HOLD_OF("\x0b", "\x06", HOST)), "an address without flows" },
	{ "flows without an address", BYTES(HOLD_OF("\x08", "\x03", "\x12\x01\x01")), BAD_ADDR },
	{ "flows of 8 bytes", BYTES(HOLD_OF("\x12", "\x0d", "\x0a\x08" "12345678" "\x12\x01\x01")), BAD_ADDR },
	{ "a flow of port 0", BYTES(HOLD_OF("\x0e", "\x09", HOST "\x12\x01\x00")), BAD_PORT },
	{ "a flow of port 65536", BYTES(HOLD_OF("\x10", "\x0b", HOST "\x12\x03\x80\x80\x04")), BAD_PORT },
	{ "a flow from loopback", BYTES(HOLD_OF("\x0e", "\x09", "\x0a\x04\x7f\x00\x00\x01\x12\x01\x01")), BAD_FLOW },
	{ "a flow of the other family", BYTES(HOLD_OF("\x1a", "\x15", V6 "\x12\x01\x01")), "a flow is not of the family of old" },
	{ "a flow twice", BYTES(HOLD_OF("\x0f", "\x0a", HOST "\x12\x02\x01\x01")), BAD_ORDER },
	{ "flows in falling order", BYTES(HOLD_OF("\x0f", "\x0a", HOST "\x12\x02\x02\x01")), BAD_ORDER },
	{ "an address in two groups", BYTES(HOLD_OF("\x19", "\x09", HOST "\x12\x01\x01\x1a\x09" HOST "\x12\x01\x02")), BAD_ORDER },
	{ "addresses in falling order", BYTES(HOLD_OF("\x19", "\x09", HOST "\x12\x01\x01\x1a\x09" "\x0a\x04\x0a\x09\x00\x00\x12\x01\x02")), BAD_ORDER },

	{ "a flow of check without numbers", BYTES(CHECK_OF("\x0b", "\x09", HOST "\x12\x01\x01")), BAD_COUNT },
	{ "a flow of check without the third number", BYTES(CHECK_OF("\x17", "\x15", HOST "\x12\x01\x01\x1a\x04\1\1\1\1\x22\x04\1\1\1\1")), BAD_COUNT },
	{ "a number of check more than flows", BYTES(CHECK_OF("\x21", "\x1f", HOST "\x12\x01\x01\x1a\x04\1\1\1\1\x22\x08\1\1\1\1\1\1\1\1\x2a\x04\1\1\1\1")), BAD_COUNT },
	{ "half a number of check", BYTES(CHECK_OF("\x1b", "\x19", HOST "\x12\x01\x01\x1a\x02\1\1\x22\x04\1\1\1\1\x2a\x04\1\1\1\1")), DAMAGED },
	{ "numbers of check without flows", BYTES(CHECK_OF("\x1a", "\x18", HOST NUMBERS)), BAD_COUNT },
	{ "an address of check without flows", BYTES(CHECK_OF("\x08", "\x06", HOST)), "an address without flows" },
	{ "a flow of check of port 0", BYTES(CHECK_OF("\x1d", "\x1b", HOST "\x12\x01\x00" NUMBERS)), BAD_PORT },
	{ "a flow of check of the other family", BYTES(CHECK_OF("\x29", "\x27", V6 "\x12\x01\x01" NUMBERS)), "a flow is not of the family of old" },
	{ "an unknown field in the numbers of check", BYTES(CHECK_OF("\x1f", "\x1d", HOST "\x12\x01\x01" NUMBERS "\x30\x01")), UNKNOWN },
	{ "no uuid in check", BYTES(ID EPOCH OLD CHECK), "no uuid" },

	{ "text with a newline", BYTES(HEAD "\x92\x01\x05\x0a\x03" "a\nb"), BAD_TEXT },
	{ "text with an escape", BYTES(HEAD "\x92\x01\x05\x0a\x03" "a\x1b" "b"), BAD_TEXT },
	{ "text with DEL", BYTES(HEAD "\x92\x01\x05\x0a\x03" "a\x7f" "b"), BAD_TEXT },
	{ "text with a C1 control", BYTES(HEAD "\x92\x01\x06\x0a\x04" "a\xc2\x9b" "b"), BAD_TEXT },
	{ "text with a lone byte", BYTES(HEAD "\x92\x01\x05\x0a\x03" "a\x80" "b"), BAD_TEXT },
	{ "text cut in a character", BYTES(HEAD "\x92\x01\x05\x0a\x03" "a\xe2\x82"), BAD_TEXT },
	{ "text with an overlong character", BYTES(HEAD "\x92\x01\x05\x0a\x03" "a\xc0\xaf"), BAD_TEXT },
	{ "text with an overlong character of 3 bytes", BYTES(HEAD "\x92\x01\x05\x0a\x03" "\xe0\x81\x81"), BAD_TEXT },
	{ "text with a surrogate", BYTES(HEAD "\x92\x01\x05\x0a\x03" "\xed\xa0\x80"), BAD_TEXT },
	{ "text beyond Unicode", BYTES(HEAD "\x92\x01\x06\x0a\x04" "\xf4\x90\x80\x80"), BAD_TEXT },
	{ "text with 0xff", BYTES(HEAD "\x92\x01\x03\x0a\x01\xff"), BAD_TEXT },
	{ "software with a newline", BYTES(ID "\x52\x05\x08\x01\x12\x01\n"), BAD_TEXT },
};

/* An answer: result, text, move with uuid, epoch and old. */
#define DENIED	  "\x10\x01"
#define TEXT	  "\x1a\x02no"
#define SOFTWARE  "\x62\x03x/1"
#define MOVE      "\x22\x21\x0a\x10" "0123456789abcdef" "\x10\x09\x1a\x09" EP4 "\x30\x02"

static const struct bad bad_answers[] = {
	{ "nothing", BYTES(""), EMPTY },
	{ "result 8", BYTES(ID "\x10\x08"), "a result that is not known" },
	{ "result -1", BYTES(ID "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a result that is not known" },
	{ "an unknown field", BYTES(ID "\x90\x01\x01"), UNKNOWN },
	{ "an unknown field in the move", BYTES(ID "\x22\x02\x78\x01"), UNKNOWN },
	{ "an unknown field in one of the moves", BYTES(ID "\x6a\x02\x78\x01"), UNKNOWN },
	{ "an unknown field in missing flows", BYTES(ID "\x48\x01\x52\x0b" HOST "\x12\x01\x01\x18\x01"), UNKNOWN },
	{ "text with success", BYTES(ID TEXT), "text that does not go with the result" },
	{ "software with a failure", BYTES(ID DENIED SOFTWARE), "text that does not go with the result" },
	{ "text with a newline", BYTES(ID DENIED "\x1a\x01\n"), BAD_TEXT },
	{ "software with an escape", BYTES(ID "\x62\x01\x1b"), BAD_TEXT },
	{ "a move in state 6", BYTES(ID "\x22\x02\x30\x06"), "a state that is not known" },
	{ "a move with a uuid of 1 byte", BYTES(ID "\x22\x03\x0a\x01\x01"), "a uuid that is not one" },
	{ "a move with an end on loopback", BYTES(ID "\x22\x0b\x1a\x09\x0a\x04\x7f\x00\x00\x01\x10\x88\x27"), "an end of a move is no address and port of a host" },
	{ "a move with cur unspecified", BYTES(ID "\x22\x0b\x22\x09\x0a\x04\x00\x00\x00\x00\x10\x88\x27"), "an end of a move is no address and port of a host" },
	{ "a move with next multicast", BYTES(ID "\x22\x0b\x2a\x09\x0a\x04\xe0\x00\x00\x01\x10\x88\x27"), "an end of a move is no address and port of a host" },
	{ "one of the moves with port 0", BYTES(ID "\x6a\x08\x1a\x06\x0a\x04\x0a\x09\x00\x02"), BAD_PORT },
	{ "one of the moves in state 6", BYTES(ID "\x6a\x02\x30\x06"), "a state that is not known" },
	{ "two moves", BYTES(ID "\x22\x00\x22\x00"), CANONICAL },
	{ "missing flows that are not counted", BYTES(ID "\x52\x09" HOST "\x12\x01\x01"), "more missing flows than it counts" },
	{ "a missing flow of port 0", BYTES(ID "\x48\x01\x52\x09" HOST "\x12\x01\x00"), BAD_PORT },
	{ "a missing flow from loopback", BYTES(ID "\x48\x01\x52\x09\x0a\x04\x7f\x00\x00\x01\x12\x01\x01"), BAD_FLOW },
	{ "a missing flow twice", BYTES(ID "\x48\x02\x52\x0a" HOST "\x12\x02\x01\x01"), BAD_ORDER },
	{ "lost flows that are not counted", BYTES(ID "\x7a\x09" HOST "\x12\x01\x01"), "more lost flows than it counts" },
	{ "a lost flow of port 0", BYTES(ID "\x70\x01\x7a\x09" HOST "\x12\x01\x00"), BAD_PORT },
	{ "a lost flow from loopback", BYTES(ID "\x70\x01\x7a\x09\x0a\x04\x7f\x00\x00\x01\x12\x01\x01"), BAD_FLOW },
	{ "a lost flow twice", BYTES(ID "\x70\x02\x7a\x0a" HOST "\x12\x02\x01\x01"), BAD_ORDER },
	{ "no lost flow, written out", BYTES(ID "\x70\x00"), CANONICAL },
	{ "fields in another order", BYTES(TEXT DENIED), CANONICAL },
	{ "bytes behind it", BYTES(ID "\0"), DAMAGED },
};
/* clang-format on */

static void refuses_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_requests); i++) {
		const struct bad *bad = &bad_requests[i];
		struct message_request req;
		const char *why = NULL;
		int err = message_request_decode(&req, bad->bytes, bad->len, &why);

		message_request_free(&req);
		if (err != -EBADMSG)
			fail_msg("%s: %d", bad->what, err);
		if (strcmp(why, bad->why))
			fail_msg("%s: '%s', expected '%s'", bad->what, why, bad->why);
	}
}

static void refuses_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_answers); i++) {
		const struct bad *bad = &bad_answers[i];
		struct message_answer answer;
		const char *why = NULL;
		int err = message_answer_decode(&answer, bad->bytes, bad->len, &why);

		message_answer_free(&answer);
		if (err != -EBADMSG)
			fail_msg("%s: %d", bad->what, err);
		if (strcmp(why, bad->why))
			fail_msg("%s: '%s', expected '%s'", bad->what, why, bad->why);
	}
}

static void takes_answers_that_are_right(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} answers[] = {
		{ BYTES(ID) },
		{ BYTES(ID SOFTWARE) },
		{ BYTES(ID DENIED TEXT) },
		{ BYTES(ID MOVE) },
		{ BYTES(ID "\x48\x02\x52\x09" HOST "\x12\x01\x01") },
		{ BYTES(ID "\x6a\x00\x6a\x02\x30\x05") },
	};
	static uint8_t encoded[FRAME_BYTES];
	struct message_answer answer;
	const char *why;
	int len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		if (message_answer_decode(&answer, answers[i].bytes, answers[i].len, &why))
			fail_msg("answer %zu: %s", i, why);
		len = message_answer_encode(&answer, encoded);
		message_answer_free(&answer);
		assert_int_equal(len, FRAME_HEAD_BYTES + answers[i].len);
		assert_memory_equal(encoded + FRAME_HEAD_BYTES, answers[i].bytes, answers[i].len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_requests),
		cmocka_unit_test(refuses_requests),
		cmocka_unit_test(refuses_answers),
		cmocka_unit_test(takes_answers_that_are_right),
	};

	return cmocka_run_group_tests_name("message refused", tests, NULL, NULL);
}
