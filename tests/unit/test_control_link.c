// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/control_link.c on a control socket whose other side does not do what it should. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clocks.h"
#include "cleanup.h"
#include "control_dial.h"
#include "control_frame.h"
#include "control_link.h"

#define LIMIT_MS 200

static char path[] = "/tmp/tcpmig-link.XXXXXX";
static int listener;

/* The other side: a process of its own, so that its end is one. */
static pid_t begin(void (*side)(int fd))
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not end it */
	fd = accept(listener, NULL, NULL);
	side(fd);
	_exit(0);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Reads a request. Return: its id; 0 at the end. */
static uint64_t hear(int fd)
{
	uint8_t buf[FRAME_BYTES];
	struct message_request req;
	const char *why;
	uint64_t id = 0;
	int len;

	if (recv(fd, buf, FRAME_HEAD_BYTES, MSG_WAITALL) != FRAME_HEAD_BYTES)
		return 0;
	len = frame_payload(buf);
	if (len > 0 && recv(fd, buf, len, MSG_WAITALL) == len &&
	    !message_request_decode(&req, buf, len, &why))
		id = req.id;
	message_request_free(&req);
	return id;
}

static void answer(int fd, uint64_t id, enum message_result result, unsigned int version,
		   const char *text)
{
	struct message_answer said = { .id = id, .result = result, .version = version };
	uint8_t buf[FRAME_BYTES];
	int len;

	snprintf(said.text, sizeof(said.text), "%s", text);
	len = message_answer_encode(&said, buf);
	if (len > 0)
		send(fd, buf, len, MSG_NOSIGNAL);
}

static void polite(int fd)
{
	answer(fd, hear(fd), MESSAGE_OK, MESSAGE_VERSION, "agent");
	for (uint64_t id; (id = hear(fd));)
		answer(fd, id, MESSAGE_DENIED, 0, "not yours");
}

static void other_version(int fd)
{
	answer(fd, hear(fd), MESSAGE_OK, MESSAGE_VERSION + 1, "agent");
	pause();
}

static void refuses(int fd)
{
	answer(fd, hear(fd), MESSAGE_LIMIT, 0, "too many of you");
	pause();
}

static void no_frame(int fd)
{
	hear(fd);
	send(fd, "HTTP/1.1 400 Bad Request\r\n", 26, MSG_NOSIGNAL);
	pause();
}

static void no_message(int fd)
{
	hear(fd);
	send(fd, "\0\0\0\2\xff\xff", 6, MSG_NOSIGNAL);
	pause();
}

static void other_id(int fd)
{
	answer(fd, hear(fd) + 1, MESSAGE_OK, MESSAGE_VERSION, "agent");
	pause();
}

static void closes(int fd)
{
	hear(fd);
	close(fd);
	pause();
}

static void silent(int fd)
{
	(void)fd;
	pause();
}

/* Never so slow that it would look dead, never done: a limit for each byte would not be one. */
static void drips(int fd)
{
	hear(fd);
	send(fd, "\0\0\1\0", 4, MSG_NOSIGNAL);
	for (;;) {
		usleep(LIMIT_MS * 1000 / 4);
		send(fd, "", 1, MSG_NOSIGNAL);
	}
}

static void dies_after_hello(int fd)
{
	answer(fd, hear(fd), MESSAGE_OK, MESSAGE_VERSION, "agent");
}

static const struct {
	void (*side)(int fd);
	const char *why;
} bad[] = {
	{ other_version, "it speaks version 3 of the protocol, we 2" },
	{ refuses, "too many of you" },
	{ no_frame, "what it answers is not our protocol" },
	{ no_message, "a wrong answer: " },
	{ other_id, "a wrong answer: it is that to another request" },
	{ closes, "the agent has closed the connection" },
	{ silent, "no answer within 200 ms" },
	{ drips, "no answer within 200 ms" },
};

static void bad_sides_are_named_in_time(void **state)
{
	char why[CONTROL_WHY_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pid_t pid = begin(bad[i].side);
		uint64_t start_ms = clock_mono_ms();

		*why = 0;
		assert_null(control_link_local(path, LIMIT_MS, why));
		if (!strstr(why, bad[i].why) || strncmp(why, path, strlen(path)))
			fail_msg("expected '%s: %s', got '%s'", path, bad[i].why, why);
		assert_in_range(clock_mono_ms() - start_ms, 0, LIMIT_MS + 150);
		end(pid);
	}
}

static void one_that_listens_no_more(void **state)
{
	char why[CONTROL_WHY_LEN], gone[sizeof(path) + 1];

	(void)state;
	snprintf(gone, sizeof(gone), "%s-", path);
	assert_null(control_link_local(gone, LIMIT_MS, why));
	assert_non_null(strstr(why, "cannot connect: No such file or directory"));
}

static void answers_come_in_order(void **state)
{
	struct message_request req = { .type = MESSAGE_LOCAL_STATUS };
	struct message_answer said;
	char why[CONTROL_WHY_LEN];
	pid_t pid = begin(polite);
	struct control_link *link = control_link_local(path, LIMIT_MS, why);

	(void)state;
	assert_non_null(link);
	assert_int_equal(control_call(link, &req, &said, why), 0);
	assert_int_equal(said.result, MESSAGE_DENIED);
	assert_string_equal(said.text, "not yours");
	message_answer_free(&said);
	for (int i = 0; i < 3; i++)
		assert_int_equal(control_send(link, &req, why), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(control_receive(link, &said, why), 0);
		message_answer_free(&said);
	}
	control_link_close(link);
	end(pid);
}

/* The first write to it may succeed; by the third it is known, and no signal has come. */
static void one_that_dies(void **state)
{
	struct message_request req = { .type = MESSAGE_LOCAL_STATUS };
	struct message_answer said;
	char why[CONTROL_WHY_LEN];
	pid_t pid = begin(dies_after_hello);
	struct control_link *link = control_link_local(path, LIMIT_MS, why);

	(void)state;
	assert_non_null(link);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(control_call(link, &req, &said, why), -ECONNRESET);
		assert_non_null(strstr(why, "the agent has closed the connection"));
	}
	control_link_close(link);
}

static void what_cannot_be_sent_is_not(void **state)
{
	struct message_request req = { .type = MESSAGE_LOCAL_RELEASE }; /* of no OLD */
	struct message_answer said;
	char why[CONTROL_WHY_LEN];
	pid_t pid = begin(polite);
	struct control_link *link = control_link_local(path, LIMIT_MS, why);

	(void)state;
	assert_non_null(link);
	assert_int_equal(control_call(link, &req, &said, why), -EINVAL);
	assert_non_null(strstr(why, "a local-release that cannot be sent"));
	req = (struct message_request){ .type = MESSAGE_LOCAL_STATUS };
	assert_int_equal(control_call(link, &req, &said, why), 0);
	message_answer_free(&said);
	control_link_close(link);
	end(pid);
}

static int make_listener(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || close(fd) || unlink(path))
		return -1;
	memcpy(addr.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 5);
}

static int remove_listener(void **state)
{
	(void)state;
	return close(listener) || unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_sides_are_named_in_time),
		cmocka_unit_test(one_that_listens_no_more),
		cmocka_unit_test(answers_come_in_order),
		cmocka_unit_test(one_that_dies),
		cmocka_unit_test(what_cannot_be_sent_is_not),
	};

	return cmocka_run_group_tests_name("control_link", tests, make_listener, remove_listener);
}
