/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The messages of the control protocol as C structs, and as bytes (control.proto). Pure: no
 * I/O, no state. What is decoded is well-formed: every field within its bounds, nothing unknown.
 */
#ifndef TCPMIG_CONTROL_MESSAGE_H
#define TCPMIG_CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpmig_shared.h"

#define MESSAGE_VERSION	  2
#define MESSAGE_FLOWS_MAX 1024
#define MESSAGE_TEXT_MAX  512
#define MESSAGE_MOVES_MAX 64
#define MESSAGE_UUID_LEN  16
#define MESSAGE_KEY_LEN	  32

/* X(NAME, "name", local): local: only on the control socket of the own host. */
#define MESSAGE_TYPES(X)                       \
	X(HELLO, "hello", 0)                   \
	X(QUERY, "query", 0)                   \
	X(RESERVE, "reserve", 0)               \
	X(CONSENT, "consent", 0)               \
	X(HOLD, "hold", 0)                     \
	X(ARM, "arm", 0)                       \
	X(COMMIT, "commit", 0)                 \
	X(GO, "go", 0)                         \
	X(ABORT, "abort", 0)                   \
	X(STATUS, "status", 0)                 \
	X(CHECK, "check", 0)                   \
	X(LOCAL_HOLD, "local-hold", 1)         \
	X(LOCAL_REDIRECT, "local-redirect", 1) \
	X(LOCAL_RELEASE, "local-release", 1)   \
	X(LOCAL_STATUS, "local-status", 1)

enum message_type {
#define X(name, text, local) MESSAGE_##name,
	MESSAGE_TYPES(X)
#undef X
		MESSAGE_TYPES_COUNT,
};

enum message_result {
	MESSAGE_OK,
	MESSAGE_DENIED,	  /* not yours to order, or outside the policy */
	MESSAGE_STALE,	  /* an epoch that has been, or another migration's */
	MESSAGE_CONFLICT, /* not in this state */
	MESSAGE_LIMIT,	  /* a cap is reached */
	MESSAGE_NO_ROOM,
	MESSAGE_FAILED,	 /* the kernel refused it; of CHECK: bytes are lost */
	MESSAGE_INVALID, /* a field of the request is not as it should be */
	MESSAGE_RESULTS_COUNT,
};

enum message_state {
	MESSAGE_NONE,
	MESSAGE_RESERVED,
	MESSAGE_HELD,
	MESSAGE_ARMED,
	MESSAGE_IN_DOUBT,
	MESSAGE_ACTIVE,
	MESSAGE_STATES_COUNT,
};

/** struct message_flows - client ends, of the family of OLD; .at is allocated. */
struct message_flows {
	struct tcpmig_endpoint *at;
	size_t count; /* at most MESSAGE_FLOWS_MAX */
};

/**
 * struct message_sequences - where a connection stands, by the server's socket in an image.
 * Numbers of TCP, host byte order, modulo 2^32.
 * @rcv_nxt: the first that it has not received, a FIN counted
 * @snd_una: the first that it knows no acknowledgement of
 * @snd_nxt: the first that it has not sent
 */
struct message_sequences {
	uint32_t rcv_nxt;
	uint32_t snd_una;
	uint32_t snd_nxt;
};

/**
 * struct message_request - an order or a question.
 * @id:       comes back in the answer
 * @uuid, @epoch: of the migration; zero in HELLO, QUERY and LOCAL_*, epoch not 0 in all others
 * @old:      family 0 in HELLO and LOCAL_STATUS, an endpoint in all others
 * @next:     RESERVE, CONSENT, LOCAL_REDIRECT; optional (family 0) in LOCAL_HOLD
 * @next_key: RESERVE, where @has_next_key: SHA-256 of the SubjectPublicKeyInfo of NEXT's key
 * @max_ms:   RESERVE, HOLD, LOCAL_HOLD: not 0; ARM: of the lease, not 0
 * @hold_mode: enum tcpmig_hold_mode; HOLD, LOCAL_HOLD
 * @flows:    RESERVE, HOLD, ARM, CHECK, LOCAL_HOLD, LOCAL_REDIRECT
 * @sequences: CHECK: of each of @flows, in their order; allocated
 * @text:     HELLO: software; ABORT: reason; valid UTF-8 without control characters
 * @version:  HELLO
 */
struct message_request {
	uint64_t id;
	uint8_t uuid[MESSAGE_UUID_LEN];
	uint64_t epoch;
	struct tcpmig_endpoint old;
	enum message_type type;
	struct tcpmig_endpoint next;
	uint8_t next_key[MESSAGE_KEY_LEN];
	bool has_next_key;
	bool established_only;
	uint32_t max_ms;
	uint32_t hold_mode;
	uint32_t version;
	struct message_flows flows;
	struct message_sequences *sequences;
	char text[MESSAGE_TEXT_MAX];
};

/** struct message_move - a migration as the agent knows it; family 0, @uuid zero: not known. */
struct message_move {
	uint8_t uuid[MESSAGE_UUID_LEN];
	uint64_t epoch;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint cur;
	struct tcpmig_endpoint next;
	enum message_state state;
	bool consented;
	bool committed;
};

/**
 * struct message_answer - what a request has come to.
 * @text:    for a person, where @result is not MESSAGE_OK; else software, of HELLO only
 * @move:    after the order, where @has_move
 * @missing: flows of the order that are no connections here: as many as fit, of @missing_count
 * @moves:   of LOCAL_STATUS
 * @matching: of CHECK: flows whose socket here stands where the image does
 * @unchecked: of CHECK: flows of which nothing is known here: somebody else's, that we forward
 * @lost:    of CHECK: those whose socket and image do not fit: as many as fit, of @lost_count
 */
struct message_answer {
	uint64_t id;
	enum message_result result;
	char text[MESSAGE_TEXT_MAX];
	bool has_move;
	struct message_move move;
	uint32_t flows;
	uint32_t taken;
	uint32_t room;
	uint32_t deadline_ms;
	uint32_t version;
	uint32_t missing_count;
	struct message_flows missing;
	uint32_t matching;
	uint32_t unchecked;
	uint32_t lost_count;
	struct message_flows lost;
	struct message_move *moves; /* allocated */
	size_t move_count;	    /* at most MESSAGE_MOVES_MAX */
};

/**
 * message_request_decode() - from the payload of a frame.
 * @req: filled, with its flows in ascending order and none twice; message_request_free() it,
 *       also after an error
 * @why: on error: what is wrong, as a phrase (static storage)
 * Return: 0; -EBADMSG: not exactly one well-formed request (damaged, unknown type or field,
 * trailing bytes, a value out of its bounds); -ENOMEM.
 */
int message_request_decode(struct message_request *req, const void *buf, size_t len,
			   const char **why);

/**
 * message_request_encode() - as a whole frame with its head.
 * @buf: FRAME_BYTES bytes
 *
 * Flows need no order, and one that is there twice is sent once. Fields that the type of @req
 * does not have are not looked at.
 * Return: bytes written; -EMSGSIZE: more than a frame may have; -EINVAL: a field out of its
 * bounds; -ENOMEM.
 */
int message_request_encode(const struct message_request *req, void *buf);

/** message_request_free() - what decode has allocated. Harmless on a zeroed one. */
void message_request_free(struct message_request *req);

/** message_answer_decode(), _encode(), _free() - as those of requests; too many @lost and @missing
 * are left out until it fits. */
int message_answer_decode(struct message_answer *answer, const void *buf, size_t len,
			  const char **why);
int message_answer_encode(const struct message_answer *answer, void *buf);
void message_answer_free(struct message_answer *answer);

/** message_text_is_valid() - shorter than MESSAGE_TEXT_MAX, UTF-8, no control characters? */
bool message_text_is_valid(const char *text);

/** message_text_fits() - likewise, but shorter than @size bytes. */
bool message_text_fits(const char *text, size_t size);

/** message_text_set() - what of @from is valid; '?' for the rest, cut between characters. */
void message_text_set(char text[MESSAGE_TEXT_MAX], const char *from);

/** message_type_name(), message_result_name(), message_state_name() - static storage. */
const char *message_type_name(enum message_type type);
const char *message_result_name(enum message_result result);
const char *message_state_name(enum message_state state);

/** message_type_is_local() - only on the control socket of the own host? */
bool message_type_is_local(enum message_type type);

#define MESSAGE_UUID_STRLEN 37

/** message_uuid_text() - "123e4567-e89b-12d3-a456-426614174000". Return: @buf. */
const char *message_uuid_text(const uint8_t uuid[MESSAGE_UUID_LEN], char buf[MESSAGE_UUID_STRLEN]);

/** message_uuid_parse() - false: not a UUID. */
bool message_uuid_parse(const char *text, uint8_t uuid[MESSAGE_UUID_LEN]);

#endif
