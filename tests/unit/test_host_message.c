// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/host_message.c, host_check.c: messages there and back, and every one that is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "host_messages.h"

static uint8_t frame[HOST_FRAME_BYTES], packed[4 * HOST_FRAME_BYTES], data[HOST_FRAME_BYTES];
static const char *why;

static void there_and_back(const TcpmigHost__Request *req)
{
	const TcpmigHost__Request *back;
	struct arena arena;
	int len = host_request_encode(req, frame, &why);

	if (len < 0)
		fail_msg("%s: %s", host_request_name(req->body_case), why);
	assert_int_equal(host_frame_payload(frame), len - FRAME_HEAD_BYTES);
	arena_init(&arena);
	if (host_request_decode(&arena, frame + FRAME_HEAD_BYTES, len - FRAME_HEAD_BYTES, &back,
				&why))
		fail_msg("%s: %s", host_request_name(req->body_case), why);
	assert_int_equal(back->body_case, req->body_case);
	assert_int_equal(back->id, req->id);
	len = host_request_encode(back, packed, &why);
	assert_memory_equal(packed, frame, len);
	arena_free(&arena);
}

static void requests_there_and_back(void **state)
{
	struct chance c = { .state = 11 };

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct arena arena;

		arena_init(&arena);
		there_and_back(host_request_by_chance(
			&c, &arena, host_bodies[i % HOST_BODIES_COUNT], i % 7 ? 20 : 300));
		arena_free(&arena);
	}
}

static void answers_there_and_back(void **state)
{
	struct chance c = { .state = 12 };
	const TcpmigHost__Answer *back;

	(void)state;
	for (int i = 0; i < 200; i++) {
		TcpmigHost__Answer *answer;
		struct arena arena;
		int len;

		arena_init(&arena);
		answer = host_answer_by_chance(&c, &arena, 30);
		len = host_answer_encode(answer, frame, &why);
		assert_true(len > 0);
		assert_int_equal(host_answer_decode(&arena, frame + FRAME_HEAD_BYTES,
						    len - FRAME_HEAD_BYTES, &back, &why),
				 0);
		assert_int_equal(back->pid, answer->pid);
		assert_string_equal(back->text, answer->text);
		assert_int_equal(host_answer_encode(back, packed, &why), len);
		assert_memory_equal(packed, frame, len);
		arena_free(&arena);
	}
}

static int decode(const void *bytes, size_t len)
{
	const TcpmigHost__Request *req;
	struct arena arena;
	int err;

	arena_init(&arena);
	err = host_request_decode(&arena, bytes, len, &req, &why);
	arena_free(&arena);
	return err;
}

/* Every prefix is none, or another one that is right as it stands; nothing may be behind it. */
static void only_whole_requests(void **state)
{
	struct chance c = { .state = 13 };

	(void)state;
	for (size_t i = 0; i < HOST_BODIES_COUNT; i++) {
		struct arena arena;
		int len;

		arena_init(&arena);
		len = host_request_encode(host_request_by_chance(&c, &arena, host_bodies[i], 3),
					  frame, &why) -
		      FRAME_HEAD_BYTES;
		arena_free(&arena);
		for (int part = 0; part < len; part++)
			if (decode(frame + FRAME_HEAD_BYTES, part) != -EBADMSG)
				fail_msg("%s was accepted after %d bytes",
					 host_request_name(host_bodies[i]), part);
		for (int last = 0; last < 256; last++) {
			frame[FRAME_HEAD_BYTES + len] = last;
			assert_int_equal(decode(frame + FRAME_HEAD_BYTES, len + 1), -EBADMSG);
		}
	}
}

/* As bytes somebody else might send them. */
static void other_encodings_are_refused(void **state)
{
#define UUID       \
	"\x12\x10" \
	"0123456789abcdef"
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} rows[] = {
#define ROW(bytes, why) { bytes, sizeof(bytes) - 1, why }
		ROW("", "empty"),
		ROW("\x08", "damaged"),
		ROW("\x08\x01" UUID, "no body"),
		ROW("\x08\x01" UUID "\x7a\x00\x7a\x00", "not written in the one way that is right"),
		ROW(UUID "\x08\x01\x7a\x00", "not written in the one way that is right"),
		ROW("\x08\x00" UUID "\x7a\x00", "not written in the one way that is right"),
		ROW("\x08\x81\x00" UUID "\x7a\x00", "not written in the one way that is right"),
		ROW("\x08\x01" UUID "\x7a\x00\xa2\x01\x00",
		    "not written in the one way that is right"),
		ROW("\x08\x01" UUID "\x7a\x02\x08\x01", "a field that is not known"),
		ROW("\x08\x01" UUID "\x7a\x00\xf8\x07\x01", "a field that is not known"),
		ROW("\x08\x01\x7a\x00", "a uuid that is not one"),
		/* a name with a NUL in it: what follows is not read as the name */
		ROW("\x08\x01" UUID "\x82\x01\x08\x0a\x03"
		    "a\0b\x1a\x01x",
		    "not written in the one way that is right"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(decode(rows[i].bytes, rows[i].len), -EBADMSG);
		if (strcmp(why, rows[i].why))
			fail_msg("row %zu: expected '%s', got '%s'", i, rows[i].why, why);
	}
	assert_int_equal(decode("\x08\x01" UUID "\x7a\x00", 22), 0);
	memset(packed, 0, sizeof(packed));
	assert_int_equal(decode(packed, HOST_FRAME_PAYLOAD + 1), -EBADMSG);
	assert_string_equal(why, "longer than a frame may be");
}

/* Pieces of messages that are right, for the tests to make something else of. */
static struct tcpmig_endpoint a4, b4, a6;
static TcpmigHost__Endpoint end_a, end_b, end_6, end_bad;
static uint8_t uuid[HOST_UUID_LEN] = { 1 };
static uint8_t addr[17] = { 10, 9, 0, 1 };

static TcpmigHost__Request request(TcpmigHost__Request__BodyCase body, void *of_body)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;

	req.id = 1;
	if (body != TCPMIG_HOST__REQUEST__BODY_HELLO)
		req.uuid = (ProtobufCBinaryData){ sizeof(uuid), uuid };
	req.body_case = body;
	req.hello = of_body;
	return req;
}

/* Neither is it sent nor, were it sent, taken. */
static void refused(const TcpmigHost__Request *req, const char *words)
{
	size_t len = tcpmig_host__request__get_packed_size(req);

	why = NULL;
	assert_int_equal(host_request_encode(req, frame, &why), -EINVAL);
	assert_string_equal(why, words);
	assert_true(len <= sizeof(packed));
	tcpmig_host__request__pack(req, packed);
	why = NULL;
	assert_int_equal(decode(packed, len), -EBADMSG);
	assert_string_equal(why, len > HOST_FRAME_PAYLOAD ? "longer than a frame may be" : words);
}

static void taken(const TcpmigHost__Request *req)
{
	int len = host_request_encode(req, frame, &why);

	if (len < 0 || decode(frame + FRAME_HEAD_BYTES, len - FRAME_HEAD_BYTES))
		fail_msg("%s", why);
}

#define BAD_TEXT "text that is too long, no UTF-8, or has control characters"
#define BAD_PATH \
	"a path that does not begin with '/', is too long, no UTF-8, or has control characters"

static int make_pieces(void **state)
{
	(void)state;
	if (endpoint_parse("10.9.0.1:80", &a4) || endpoint_parse("10.9.0.2:81", &b4) ||
	    endpoint_parse("[fd09::1]:80", &a6))
		return -1;
	host_endpoint_put(&a4, &end_a);
	host_endpoint_put(&b4, &end_b);
	host_endpoint_put(&a6, &end_6);
	end_bad = end_a;
	end_bad.addr.data = addr;
	return 0;
}

static void refused_heads(void **state)
{
	TcpmigHost__Hello hello = TCPMIG_HOST__HELLO__INIT;
	TcpmigHost__Status status = TCPMIG_HOST__STATUS__INIT;
	TcpmigHost__Abort reason = TCPMIG_HOST__ABORT__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_HELLO, &hello);
	static uint8_t nil[HOST_UUID_LEN];

	(void)state;
	refused(&req, "no version");
	hello.version = 1;
	taken(&req);
	hello.software = "\x1b[2J";
	refused(&req, BAD_TEXT);
	hello.software = "";
	req.uuid = (ProtobufCBinaryData){ sizeof(uuid), uuid };
	refused(&req, "a migration where none belongs");
	req = request(TCPMIG_HOST__REQUEST__BODY_STATUS, &status);
	taken(&req);
	req.uuid.len = 15;
	refused(&req, "a uuid that is not one");
	req.uuid = (ProtobufCBinaryData){ sizeof(nil), nil };
	refused(&req, "a uuid that is not one");
	req = request(TCPMIG_HOST__REQUEST__BODY_ABORT, &reason);
	taken(&req);
	reason.reason = "a\nb";
	refused(&req, BAD_TEXT);
}

/* Each way in which an endpoint can be wrong, @end being one of @req. */
static void refused_ends(const TcpmigHost__Request *req, TcpmigHost__Endpoint **end)
{
	static const struct {
		uint8_t addr[16];
		size_t len;
		uint32_t port;
		const char *why;
	} rows[] = {
		{ { 10, 9, 0, 1 }, 4, 0, "a port that is not in 1..65535" },
		{ { 10, 9, 0, 1 }, 4, 65536, "a port that is not in 1..65535" },
		{ { 10, 9, 0, 1 }, 3, 80, "an address that has neither 4 nor 16 bytes" },
		{ { 0 }, 0, 80, "an address that has neither 4 nor 16 bytes" },
		{ { [10] = 0xff, 0xff, 10, 9, 0, 1 }, 16, 80, "an IPv4 address in 16 bytes" },
		{ { 224, 0, 0, 1 }, 4, 80, "a multicast, reserved or broadcast address" },
		{ { 0xfe, 0x80, [15] = 1 },
		  16,
		  80,
		  "a link-local address, which means nothing on another link" },
	};
	TcpmigHost__Endpoint *was = *end;

	*end = &end_bad;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memcpy(addr, rows[i].addr, 16);
		end_bad.addr.len = rows[i].len;
		end_bad.port = rows[i].port;
		refused(req, rows[i].why);
	}
	*end = was;
}

/* What no connection over an interface has. */
static void refused_here(const TcpmigHost__Request *req, TcpmigHost__Endpoint **end)
{
	TcpmigHost__Endpoint *was = *end;

	refused_ends(req, end);
	*end = &end_bad;
	memcpy(addr, "\x7f\0\0\1", 4);
	end_bad.addr.len = 4;
	end_bad.port = 80;
	refused(req, "a loopback address, whose packets pass no interface but lo");
	memset(addr, 0, 4);
	refused(req, "the unspecified address");
	end_bad.v6only = true;
	refused(req, "v6only of what is no listener");
	end_bad.v6only = false;
	*end = NULL;
	refused(req, "an endpoint is missing");
	*end = was;
	taken(req);
}

static void refused_moves(void **state)
{
	static TcpmigHost__Move *moves[HOST_MOVES_MAX + 1];
	TcpmigHost__Move move = TCPMIG_HOST__MOVE__INIT;
	TcpmigHost__Prepare prepare = TCPMIG_HOST__PREPARE__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_PREPARE, &prepare);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++)
		moves[i] = &move;
	move.old = move.cur = &end_a;
	move.next = &end_b;
	prepare.moves = moves;
	prepare.n_moves = HOST_MOVES_MAX;
	refused(&req, "no duration");
	prepare.lease_ms = 1;
	refused_here(&req, &move.old);
	refused_here(&req, &move.cur);
	refused_here(&req, &move.next);
	move.next = &end_6;
	refused(&req, "old, cur and next are not of one family");
	move.next = &end_b;
	prepare.n_moves++;
	refused(&req, "more moves than there may be");
}

static void refused_prepares(void **state)
{
	static char *flags[HOST_FLAGS_MAX + 1];
	static uint32_t pids[HOST_PIDS_MAX + 1];
	TcpmigHost__Prepare prepare = TCPMIG_HOST__PREPARE__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_PREPARE, &prepare);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		flags[i] = "fpu";
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = 4 << 20;
	prepare.lease_ms = 1;
	prepare.cpu_flags = flags;
	prepare.pids = pids;
	prepare.n_cpu_flags = HOST_FLAGS_MAX;
	prepare.n_pids = HOST_PIDS_MAX;
	taken(&req);
	prepare.n_pids++;
	refused(&req, "more PIDs than there may be");
	prepare.n_pids = 1;
	*pids = 0;
	refused(&req, "a PID that cannot be");
	*pids = (4 << 20) + 1;
	refused(&req, "a PID that cannot be");
	*pids = 1;
	prepare.n_cpu_flags++;
	refused(&req, "more CPU flags than there may be");
	prepare.n_cpu_flags = 1;
	*flags = "";
	refused(&req, "a CPU flag that is not one");
	*flags = "a\tb";
	refused(&req, "a CPU flag that is not one");
	*flags = "fpu";
	prepare.criu_version = "\xff";
	refused(&req, BAD_TEXT);
	prepare.criu_version = "4.2.1";
	prepare.kernel_release = "\n";
	refused(&req, BAD_TEXT);
}

static void refused_files(void **state)
{
	static TcpmigHost__File *many[HOST_LIST_MAX + 1];
	static char path[HOST_PATH_MAX + 2];
	TcpmigHost__File file = TCPMIG_HOST__FILE__INIT;
	TcpmigHost__Files files = TCPMIG_HOST__FILES__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_FILES, &files);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &file;
	files.files = many;
	files.n_files = 1;
	refused(&req, BAD_PATH);
	file.path = "a/b";
	refused(&req, BAD_PATH);
	memset(path, '/', HOST_PATH_MAX);
	file.path = path;
	taken(&req);
	path[HOST_PATH_MAX] = '/';
	refused(&req, BAD_PATH);
	file.path = "/a\xc3";
	refused(&req, BAD_PATH);
	file.path = "/a\r";
	refused(&req, BAD_PATH);
	file.path = "/";
	file.mode = 0200000;
	refused(&req, "a mode that is not one");
	file.mode = 0177777;
	file.size = 1ULL << 63;
	refused(&req, "a size that cannot be");
	file.size = INT64_MAX;
	file.mtime_ns = -1;
	file.build_id = (ProtobufCBinaryData){ 65, data };
	refused(&req, "a build-id that is too long");
	file.build_id.len = 64;
	file.sha256 = (ProtobufCBinaryData){ 31, data };
	refused(&req, "a digest that is none");
	file.sha256.len = 32;
	taken(&req);
	file = (TcpmigHost__File)TCPMIG_HOST__FILE__INIT;
	file.path = "/";
	files.n_files = HOST_LIST_MAX;
	taken(&req);
	files.n_files++;
	refused(&req, "more files than a message may have");
}

static void refused_connections(void **state)
{
	static TcpmigHost__Connection *many[HOST_LIST_MAX + 1];
	TcpmigHost__Endpoint *listeners[1] = { &end_6 };
	TcpmigHost__Connection connection = TCPMIG_HOST__CONNECTION__INIT;
	TcpmigHost__Connections of = TCPMIG_HOST__CONNECTIONS__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_CONNECTIONS, &of);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &connection;
	of.connections = many;
	of.n_connections = of.n_listeners = 1;
	of.listeners = listeners;
	connection.local = &end_a;
	connection.remote = &end_b;
	refused_here(&req, &connection.local);
	refused_here(&req, &connection.remote);
	refused_ends(&req, &listeners[0]);
	connection.remote = &end_6;
	refused(&req, "local and remote are not of one family");
	connection.remote = &end_b;
	of.n_connections = HOST_LIST_MAX + 1;
	refused(&req, "more connections than a message may have");
	of.n_connections = 0;
	listeners[0] = &end_bad;
	end_bad.port = 80;
	end_bad.addr.len = 4;
	memcpy(addr, "\x7f\0\0\1", 4);
	taken(&req);
	memset(addr, 0, sizeof(addr));
	taken(&req);
	end_bad.v6only = true;
	refused(&req, "v6only of an IPv4 address");
	end_bad.addr.len = 16;
	taken(&req);
	addr[15] = 1;
	taken(&req);
	end_bad.v6only = false;
	taken(&req);
}

static void refused_agents(void **state)
{
	static TcpmigHost__Agent *many[HOST_LIST_MAX + 1];
	TcpmigHost__Agent agent = TCPMIG_HOST__AGENT__INIT;
	TcpmigHost__Agents agents = TCPMIG_HOST__AGENTS__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_AGENTS, &agents);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &agent;
	agents.agents = many;
	agents.n_agents = 1;
	agent.at = &end_a;
	refused(&req, "no epoch");
	agent.epoch = 1;
	agent.move = HOST_MOVES_MAX;
	refused(&req, "a move that cannot be");
	agent.move--;
	refused_here(&req, &agent.at);
	agents.n_agents = HOST_LIST_MAX + 1;
	refused(&req, "more agents than a message may have");
}

static const char *const bad_names[] = { "",	"/",	"a/b",	   ".",	   "..", ".a",
					 "a b", "a\nb", "../../x", "\x7f", "ä" };

static void refused_images(void **state)
{
	TcpmigHost__Image image = TCPMIG_HOST__IMAGE__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_IMAGE, &image);
	char name[HOST_IMAGE_NAME_MAX + 2] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_names); i++) {
		image.name = (char *)bad_names[i];
		refused(&req, "a name that no image has");
	}
	memset(name, 'n', HOST_IMAGE_NAME_MAX + 1);
	image.name = name;
	refused(&req, "a name that no image has");
	name[HOST_IMAGE_NAME_MAX] = 0;
	taken(&req);
	image.offset = 1;
	refused(&req, "a piece of nothing");
	image.data = (ProtobufCBinaryData){ HOST_PIECE_MAX, data };
	taken(&req);
	image.offset = HOST_IMAGE_BYTES_MAX - HOST_PIECE_MAX;
	taken(&req);
	image.offset++;
	refused(&req, "an offset that cannot be");
	image.offset = 0;
	image.data.len = HOST_PIECE_MAX + 1;
	refused(&req, "a piece that is too large");
}

static void refused_digests(void **state)
{
	static TcpmigHost__ImageDigest *many[HOST_LIST_MAX + 1];
	TcpmigHost__ImageDigest digest = TCPMIG_HOST__IMAGE_DIGEST__INIT;
	TcpmigHost__Digests digests = TCPMIG_HOST__DIGESTS__INIT;
	TcpmigHost__Restore restore = TCPMIG_HOST__RESTORE__INIT;
	TcpmigHost__Request reqs[] = {
		request(TCPMIG_HOST__REQUEST__BODY_DIGESTS, &digests),
		request(TCPMIG_HOST__REQUEST__BODY_RESTORE, &restore),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &digest;
	digests.images = restore.images = many;
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++) {
		digests.n_images = restore.n_images = 1;
		digest.name = "a/b";
		refused(&reqs[i], "a name that no image has");
		digest.name = "a";
		refused(&reqs[i], "a digest that is none");
		digest.sha256 = (ProtobufCBinaryData){ 32, data };
		taken(&reqs[i]);
		digest.size = HOST_IMAGE_BYTES_MAX + 1;
		refused(&reqs[i], "a size that cannot be");
		digest = (TcpmigHost__ImageDigest)TCPMIG_HOST__IMAGE_DIGEST__INIT;
		digest.name = "";
		digests.n_images = restore.n_images = HOST_LIST_MAX + 1;
		refused(&reqs[i], "more digests than a message may have");
	}
}

static void answer_refused(const TcpmigHost__Answer *answer, const char *words)
{
	const TcpmigHost__Answer *back;
	struct arena arena;

	assert_int_equal(host_answer_encode(answer, frame, &why), -EINVAL);
	assert_string_equal(why, words);
	arena_init(&arena);
	assert_int_equal(host_answer_decode(&arena, packed,
					    tcpmig_host__answer__pack(answer, packed), &back, &why),
			 -EBADMSG);
	if (strcmp(why, "empty"))
		assert_string_equal(why, words);
	arena_free(&arena);
}

static void refused_answers(void **state)
{
	static TcpmigHost__Difference *many[HOST_LIST_MAX + 1];
	TcpmigHost__Difference difference = TCPMIG_HOST__DIFFERENCE__INIT;
	TcpmigHost__Answer answer = TCPMIG_HOST__ANSWER__INIT;
	char **const texts[] = { &answer.text, &answer.software, &answer.criu_version,
				 &answer.kernel_release };

	(void)state;
	answer_refused(&answer, "an answer to request 0 that says nothing");
	answer.id = 1;
	assert_true(host_answer_encode(&answer, frame, &why) > 0);
	answer.text = "why?";
	answer_refused(&answer, "text that does not go with the result");
	answer.result = TCPMIG_HOST__RESULT__INVALID + 1;
	answer_refused(&answer, "a result that is not known");
	answer.result = TCPMIG_HOST__RESULT__FAILED;
	answer.state = (TcpmigHost__State)-1;
	answer_refused(&answer, "a state that is not known");
	answer.state = TCPMIG_HOST__STATE__LOST;
	answer.pid = (4 << 20) + 1;
	answer_refused(&answer, "a PID that cannot be");
	answer.pid = 4 << 20;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		*texts[i] = "\x9b";
		answer_refused(&answer, BAD_TEXT);
		*texts[i] = "";
	}
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &difference;
	answer.differs = many;
	answer.n_differs = 1;
	answer_refused(&answer, BAD_PATH);
	difference.path = "/";
	difference.what = "\x01";
	answer_refused(&answer, BAD_TEXT);
	difference.what = "";
	answer.n_differs = HOST_LIST_MAX + 1;
	answer_refused(&answer, "more differences than a message may have");
}

/* Within bounds of each field, and yet too much for one frame. */
static void what_does_not_fit_is_not_sent(void **state)
{
	static TcpmigHost__File *many[HOST_LIST_MAX];
	TcpmigHost__File file = TCPMIG_HOST__FILE__INIT;
	TcpmigHost__Files files = TCPMIG_HOST__FILES__INIT;
	TcpmigHost__Request req = request(TCPMIG_HOST__REQUEST__BODY_FILES, &files);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &file;
	files.files = many;
	files.n_files = ARRAY_SIZE(many);
	file.path = "/a/path/that/is/not/short";
	assert_int_equal(host_request_encode(&req, frame, &why), -EMSGSIZE);
	assert_string_equal(why, "more than a frame may have");
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(host_request_name(TCPMIG_HOST__REQUEST__BODY_DIGESTS), "digests");
	assert_string_equal(host_request_name(1), "unknown");
	assert_string_equal(host_request_name(0), "unknown");
	assert_string_equal(host_result_name(TCPMIG_HOST__RESULT__INVALID), "invalid");
	assert_string_equal(host_result_name(-1), "unknown");
	assert_string_equal(host_state_name(TCPMIG_HOST__STATE__LOST), "lost");
	assert_string_equal(host_state_name(TCPMIG_HOST__STATE__BUSY), "busy");
	assert_string_equal(host_state_name(TCPMIG_HOST__STATE__BUSY + 1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_there_and_back),
		cmocka_unit_test(answers_there_and_back),
		cmocka_unit_test(only_whole_requests),
		cmocka_unit_test(other_encodings_are_refused),
		cmocka_unit_test(refused_heads),
		cmocka_unit_test(refused_moves),
		cmocka_unit_test(refused_prepares),
		cmocka_unit_test(refused_files),
		cmocka_unit_test(refused_connections),
		cmocka_unit_test(refused_agents),
		cmocka_unit_test(refused_images),
		cmocka_unit_test(refused_digests),
		cmocka_unit_test(refused_answers),
		cmocka_unit_test(what_does_not_fit_is_not_sent),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("host_message", tests, make_pieces, NULL);
}
