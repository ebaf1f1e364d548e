// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/host_link.c over real TLS and TCP: both sides, and other sides that are not as they should.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "control_stream.h"
#include "host_pair.h"

#define SHORT_MS 150

static struct pki_ca far_cert, agent_cert, other_cert;
static struct tls *far_b_tls, *agent_b_tls, *far_a_tls, *other_ca_b_tls;
static uint8_t uuid[HOST_UUID_LEN] = { 7 };

static TcpmigHost__Status status = TCPMIG_HOST__STATUS__INIT;

static TcpmigHost__Request ask(void)
{
	TcpmigHost__Request req = TCPMIG_HOST__REQUEST__INIT;

	req.uuid = (ProtobufCBinaryData){ sizeof(uuid), uuid };
	req.body_case = TCPMIG_HOST__REQUEST__BODY_STATUS;
	req.status = &status;
	return req;
}

static void answers(struct host_link *b, uint64_t id)
{
	TcpmigHost__Answer answer = TCPMIG_HOST__ANSWER__INIT;
	char why[HOST_WHY_LEN];

	answer.id = id;
	answer.pid = 4711;
	assert_int_equal(host_send_answer(b, &answer, in_ms(LIMIT_MS), why), 0);
}

static void ask_and_answer(struct host_link *a, struct host_link *b)
{
	TcpmigHost__Request req = ask();
	const TcpmigHost__Request *got;
	const TcpmigHost__Answer *answer;
	char why[HOST_WHY_LEN];

	assert_int_equal(host_send_request(a, &req, in_ms(LIMIT_MS), why), 0);
	assert_int_equal(host_receive_request(b, &got, in_ms(LIMIT_MS), why), 0);
	assert_int_equal(got->body_case, TCPMIG_HOST__REQUEST__BODY_STATUS);
	assert_memory_equal(got->uuid.data, uuid, sizeof(uuid));
	answers(b, got->id);
	assert_int_equal(host_receive_answer(a, &answer, in_ms(LIMIT_MS), why), 0);
	assert_int_equal(answer->pid, 4711);
	assert_int_equal(answer->id, req.id);
}

static void two_hosts_that_know_each_other(void **state)
{
	struct host_link *b, *a = pair(&b);

	(void)state;
	assert_true(endpoint_same(host_link_remote(a), &b_end));
	assert_true(endpoint_same(host_link_local(b), &b_end));
	assert_true(endpoint_same_addr(host_link_remote(b), &a_from));
	assert_true(endpoint_same(host_link_local(a), host_link_remote(b)));
	assert_true(tls_peer_speaks_for(host_link_peer(b), &a_from));
	for (int i = 0; i < 3; i++)
		ask_and_answer(a, b);
	assert_false(host_link_readable(a) || host_link_readable(b));
	host_link_close(a);
	host_link_close(b);
	host_link_close(NULL);
}

/* @b_words: NULL: B is not asked: whether it hears of it depends */
static void do_not_meet(struct tls *of_a, struct tls *of_b, const struct tcpmig_endpoint *from,
			const char *a_words, const char *b_words)
{
	char why[HOST_WHY_LEN] = "";
	struct host_link *a;
	struct side b;

	meet_tls(&b, of_a, of_b, from, &a, why);
	assert_null(a);
	assert_null(b.link);
	assert_says(why, a_words);
	if (b_words)
		assert_says(b.why, b_words);
	else
		assert_true(*b.why);
}

static void certificates_must_be_those_of_the_hosts(void **state)
{
	const struct tcpmig_endpoint other = at("127.0.0.3:1");

	(void)state;
	do_not_meet(a_tls, far_b_tls, NULL, "is not for 127.0.0.1; expected that as IP", NULL);
	do_not_meet(a_tls, agent_b_tls, NULL, "it is not one for clientAuth", NULL);
	do_not_meet(far_a_tls, b_tls, NULL, "is not for 127.0.0.1; expected that as IP",
		    "is not for 127.0.0.1; expected that as IP");
	do_not_meet(a_tls, b_tls, &other, "is not for 127.0.0.3; expected that as IP",
		    "is not for 127.0.0.3; expected that as IP");
	do_not_meet(a_tls, other_ca_b_tls, NULL, "TLS: the certificate of the other side: it is",
		    NULL);
}

static void nobody_and_somebody_silent(void **state)
{
	const struct tcpmig_endpoint none = at("127.0.0.1:1"), far = at("198.51.100.1:1");
	uint64_t start_ms = clock_mono_ms();
	char why[HOST_WHY_LEN];
	int fd;

	(void)state;
	assert_null(host_link_connect(a_tls, &none, NULL, LIMIT_MS, why));
	assert_says(why, "nobody listens there; is 'tcpmig-bpf host' running there?");
	assert_null(host_link_connect(a_tls, &b_end, &far, LIMIT_MS, why));
	assert_says(why, "198.51.100.1, which is no address of this host");
	assert_null(host_link_connect(a_tls, &b_end, NULL, SHORT_MS, why));
	assert_says(why, "127.0.0.1:");
	assert_says(why, "no answer within 15");
	fd = accept_one();
	assert_null(host_link_accept(b_tls, fd, SHORT_MS, why)); /* it has closed */
	assert_in_range(clock_mono_ms() - start_ms, SHORT_MS, 2 * SHORT_MS + 300);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_null(host_link_accept(b_tls, fd, SHORT_MS, why));
	assert_says(why, "a connection: ");
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* owned, also then */
}

/* A, by hand: what no link of ours would say. */
static struct control_stream raw_a(void)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(&b_end, &addr);
	struct control_stream stream = { .fd = socket(AF_INET, SOCK_STREAM, 0) };

	assert_int_equal(connect(stream.fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(fcntl(stream.fd, F_SETFL, O_NONBLOCK), 0);
	return stream;
}

static void says(struct control_stream *a, const void *bytes, size_t len)
{
	assert_int_equal(control_stream_write(a, bytes, len, in_ms(LIMIT_MS)), 0);
}

static int hears_version(struct control_stream *a)
{
	uint8_t head[FRAME_HEAD_BYTES], payload[300];
	const TcpmigHost__Answer *answer;
	struct arena arena;
	const char *why;
	int len, version;

	arena_init(&arena);
	assert_int_equal(control_stream_read(a, head, sizeof(head), in_ms(LIMIT_MS)), 0);
	len = host_frame_payload(head);
	assert_in_range(len, 1, sizeof(payload));
	assert_int_equal(control_stream_read(a, payload, len, in_ms(LIMIT_MS)), 0);
	assert_int_equal(host_answer_decode(&arena, payload, len, &answer, &why), 0);
	assert_int_equal(answer->result, TCPMIG_HOST__RESULT__INVALID);
	version = answer->version;
	arena_free(&arena);
	return version;
}

/* id 1, HELLO version 2; version 1 without an end; STATUS; no protobuf */
#define HELLO_2 "\0\0\0\6\x08\x01\x52\x02\x08\x02"
#define STATUS_1                     \
	"\0\0\0\x17\x08\x01\x12\x10" \
	"0123456789abcdef"           \
	"\xa2\x01\x00"

static void other_words_than_hello(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} rows[] = {
		{ HELLO_2, 10, "it speaks version 2 of the protocol, we 1" },
		{ STATUS_1, 27, "a wrong request: expected HELLO" },
		{ "GET / HTTP/1.1\r\n", 16, "what it says is not our protocol" },
		{ "\0\0\0\0", 4, "what it says is not our protocol" },
		{ "\0\4\0\1", 4, "what it says is not our protocol" },
		{ "\0\0\0\2\xff\xff", 6, "a wrong request: damaged" },
		{ "\0\0\0\7\x08\x01\x52\x02\x08\x01\x00", 11, "a wrong request: damaged" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct side b = { .tls = b_tls };
		struct control_stream a = raw_a();

		assert_int_equal(pthread_create(&b.thread, NULL, accepts, &b), 0);
		assert_int_equal(control_stream_handshake(&a, a_tls, in_ms(LIMIT_MS)), 0);
		says(&a, rows[i].bytes, rows[i].len);
		if (!i)
			assert_int_equal(hears_version(&a), HOST_VERSION);
		assert_int_equal(pthread_join(b.thread, NULL), 0);
		assert_null(b.link);
		assert_says(b.why, rows[i].why);
		control_stream_close(&a, true);
	}
}

/* What has not begun to come may come later; of what has, the rest cannot be told apart. */
static void words_that_are_late(void **state)
{
	struct host_link *b, *a = pair(&b);
	const TcpmigHost__Request *req;
	char why[HOST_WHY_LEN];

	(void)state;
	assert_int_equal(host_receive_request(b, &req, in_ms(SHORT_MS), why), -ETIMEDOUT);
	assert_says(why, "no word within 15");
	ask_and_answer(a, b);
	assert_int_equal(host_receive_request(b, &req, in_ms(0), why), -ETIMEDOUT);
	ask_and_answer(a, b);
	host_link_close(a);
	assert_int_equal(host_receive_request(b, &req, in_ms(LIMIT_MS), why), -ECONNRESET);
	assert_says(why, "the other host has closed the connection");
	host_link_close(b);
}

static void a_part_of_a_message(void **state)
{
	struct side b = { .tls = b_tls };
	struct control_stream a = raw_a();
	const TcpmigHost__Request *req;
	char why[HOST_WHY_LEN];

	(void)state;
	assert_int_equal(pthread_create(&b.thread, NULL, accepts, &b), 0);
	assert_int_equal(control_stream_handshake(&a, a_tls, in_ms(LIMIT_MS)), 0);
	says(&a, "\0\0\0\6\x08\x01\x52\x02\x08\x01", 10);
	assert_int_equal(pthread_join(b.thread, NULL), 0);
	assert_non_null(b.link);
	says(&a, STATUS_1, 20);
	assert_int_equal(host_receive_request(b.link, &req, in_ms(SHORT_MS), why), -ETIMEDOUT);
	assert_says(why, "no answer within 15");
	host_link_close(b.link);
	control_stream_close(&a, true);
}

static void answers_to_something_else(void **state)
{
	static const uint64_t ids[] = { 3, 1, UINT64_MAX }; /* HELLO was 1, this is 2 */

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct host_link *b, *a = pair(&b);
		TcpmigHost__Request req = ask();
		const TcpmigHost__Answer *answer;
		char why[HOST_WHY_LEN];

		assert_int_equal(host_send_request(a, &req, in_ms(LIMIT_MS), why), 0);
		assert_int_equal(req.id, 2);
		answers(b, ids[i]);
		assert_int_equal(host_receive_answer(a, &answer, in_ms(LIMIT_MS), why), -EBADMSG);
		assert_says(why, "a wrong answer: it is that to another request");
		host_link_close(a);
		host_link_close(b);
	}
}

static void what_cannot_be_sent_is_not(void **state)
{
	struct host_link *b, *a = pair(&b);
	TcpmigHost__Request req = ask();
	TcpmigHost__Answer answer = TCPMIG_HOST__ANSWER__INIT;
	char why[HOST_WHY_LEN];

	(void)state;
	req.uuid.len = 3;
	assert_int_equal(host_send_request(a, &req, in_ms(LIMIT_MS), why), -EINVAL);
	assert_says(why, "this status cannot be sent: a uuid that is not one");
	answer.text = "\n";
	answer.result = TCPMIG_HOST__RESULT__FAILED;
	assert_int_equal(host_send_answer(b, &answer, in_ms(LIMIT_MS), why), -EINVAL);
	assert_says(why, "this answer cannot be sent: text that is too long");
	ask_and_answer(a, b);
	host_link_close(a);
	host_link_close(b);
}

#define SMALL 3000
#define LARGE 40

/* Images, small ones and some as large as can be: A, in a thread. */
static void *sends_images(void *arg)
{
	static uint8_t data[HOST_PIECE_MAX];
	TcpmigHost__Image image = TCPMIG_HOST__IMAGE__INIT;
	TcpmigHost__Request req = ask();
	struct host_link *a = arg;
	char why[HOST_WHY_LEN];
	int err = 0;

	req.body_case = TCPMIG_HOST__REQUEST__BODY_IMAGE;
	req.image = &image;
	image.name = "a";
	for (uint64_t i = 0; !err && i < SMALL + LARGE; i++) {
		memset(data, i, i < SMALL ? 100 : HOST_PIECE_MAX);
		image.offset = i;
		image.data = (ProtobufCBinaryData){ i < SMALL ? 100 : HOST_PIECE_MAX, data };
		err = host_queue_request(a, &req, in_ms(LIMIT_MS), why);
	}
	if (!err)
		err = host_link_flush(a, in_ms(LIMIT_MS), why);
	return err ? "it could not be sent" : NULL;
}

static void many_come_in_order(void **state)
{
	struct host_link *b, *a = pair(&b);
	const TcpmigHost__Request *req;
	char why[HOST_WHY_LEN];
	pthread_t thread;
	void *wrong;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, sends_images, a), 0);
	for (uint64_t i = 0; i < SMALL + LARGE; i++) {
		if (host_receive_request(b, &req, in_ms(LIMIT_MS), why))
			fail_msg("%s", why);
		assert_int_equal(req->id, i + 2);
		assert_int_equal(req->image->offset, i);
		assert_int_equal(req->image->data.len, i < SMALL ? 100 : HOST_PIECE_MAX);
		assert_int_equal(req->image->data.data[req->image->data.len - 1], (uint8_t)i);
	}
	assert_false(host_link_readable(b));
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
	host_link_close(a);
	host_link_close(b);
}

/* Who reads nothing is not waited for longer than said. */
static void one_that_does_not_read(void **state)
{
	static uint8_t data[HOST_PIECE_MAX];
	struct host_link *b, *a = pair(&b);
	TcpmigHost__Image image = TCPMIG_HOST__IMAGE__INIT;
	TcpmigHost__Request req = ask();
	uint64_t start_ms = clock_mono_ms();
	char why[HOST_WHY_LEN];
	int err = 0;

	(void)state;
	req.body_case = TCPMIG_HOST__REQUEST__BODY_IMAGE;
	req.image = &image;
	image.name = "a";
	image.data = (ProtobufCBinaryData){ sizeof(data), data };
	for (int i = 0; !err && i < 1000; i++)
		err = host_send_request(a, &req, start_ms + SHORT_MS, why);
	assert_int_equal(err, -ETIMEDOUT);
	assert_in_range(clock_mono_ms() - start_ms, SHORT_MS, SHORT_MS + 200);
	host_link_close(a);
	host_link_close(b);
}

static int make_all(void **state)
{
	if (host_pair_make(state))
		return -1;
	far_cert = cook(&(struct recipe){ HOST, .ca = &root, .san = "IP:127.0.0.9" });
	agent_cert = cook(&(struct recipe){ HOST, .ca = &root, .san = "IP:127.0.0.1",
					    .extended = "serverAuth" });
	other_cert = cook(&(struct recipe){ HOST, .ca = &other_root, .san = "IP:127.0.0.1" });
	other_ca_b_tls = good_tls(TLS_AGENT, other_root.cert, -1, &other_cert, NULL);
	far_a_tls = good_tls(TLS_HOST, root.cert, -1, &far_cert, NULL);
	far_b_tls = good_tls(TLS_AGENT, root.cert, -1, &far_cert, NULL);
	agent_b_tls = good_tls(TLS_AGENT, root.cert, -1, &agent_cert, NULL);
	return 0;
}

static int free_all(void **state)
{
	struct pki_ca *certs[] = { &far_cert, &agent_cert, &other_cert };
	struct tls *all[] = { far_a_tls, far_b_tls, agent_b_tls, other_ca_b_tls };

	for (size_t i = 0; i < ARRAY_SIZE(certs); i++)
		pki_ca_free(certs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		tls_free(all[i]);
	return host_pair_free(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hosts_that_know_each_other),
		cmocka_unit_test(certificates_must_be_those_of_the_hosts),
		cmocka_unit_test(nobody_and_somebody_silent),
		cmocka_unit_test(other_words_than_hello),
		cmocka_unit_test(words_that_are_late),
		cmocka_unit_test(a_part_of_a_message),
		cmocka_unit_test(answers_to_something_else),
		cmocka_unit_test(what_cannot_be_sent_is_not),
		cmocka_unit_test(many_come_in_order),
		cmocka_unit_test(one_that_does_not_read),
	};

	return cmocka_run_group_tests_name("host_link", tests, make_all, free_all);
}
