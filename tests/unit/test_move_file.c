// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/move_file.c: what is written is read; anything else is refused with the reason. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "endpoint.h"
#include "move_file.h"

static char top[] = "/tmp/tcpmig-file.XXXXXX";
static int dir_fd = -1;

static struct tcpmig_endpoint ep(const char *text)
{
	struct tcpmig_endpoint parsed;

	assert_null(endpoint_parse(text, &parsed));
	return parsed;
}

static void fill(struct move_file *file)
{
	*file = (struct move_file){ .committed = true, .hold_ms = 30000, .count = 2 };
	for (size_t i = 0; i < 2; i++) {
		memset(file->moves[i].uuid, 0x11 * (i + 1), MOVE_FILE_UUID_LEN);
		file->moves[i].old = ep(i ? "[fd09::2]:5000" : "10.9.0.2:5000");
		file->moves[i].cur = ep(i ? "[fd09::2]:5000" : "10.9.0.4:5000");
		file->moves[i].next = ep(i ? "[fd09::3]:6000" : "10.9.0.3:6000");
	}
	file->moves[0].agents = calloc(2, sizeof(*file->moves[0].agents));
	file->moves[0].agents[0] = (struct move_file_agent){ ep("10.9.0.1:7170"), 1 };
	file->moves[0].agents[1] = (struct move_file_agent){ ep("10.9.0.7:7170"), INT64_MAX };
	file->moves[0].agent_count = 2;
}

static void same(const struct move_record *a, const struct move_record *b)
{
	assert_memory_equal(a->uuid, b->uuid, MOVE_FILE_UUID_LEN);
	assert_true(endpoint_same(&a->old, &b->old));
	assert_true(endpoint_same(&a->cur, &b->cur));
	assert_true(endpoint_same(&a->next, &b->next));
	assert_int_equal(a->agent_count, b->agent_count);
	for (size_t i = 0; i < a->agent_count; i++) {
		assert_true(endpoint_same(&a->agents[i].at, &b->agents[i].at));
		assert_int_equal(a->agents[i].epoch, b->agents[i].epoch);
	}
}

static void what_is_written_is_read(void **state)
{
	struct move_file written, got;
	struct stat st;
	const char *why;

	(void)state;
	fill(&written);
	for (int i = 0; i < 2; i++) { /* the second replaces the first */
		written.gone = i;
		assert_int_equal(move_file_write(dir_fd, &written), 0);
		assert_int_equal(move_file_read(dir_fd, &got, &why), 0);
		assert_true(got.committed);
		assert_int_equal(got.gone, i);
		assert_int_equal(got.hold_ms, 30000);
		assert_int_equal(got.count, 2);
		same(&written.moves[0], &got.moves[0]);
		same(&written.moves[1], &got.moves[1]);
		move_file_free(&got);
	}
	assert_int_equal(fstatat(dir_fd, MOVE_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(move_file_remove(dir_fd), 0);
	assert_int_equal(move_file_remove(dir_fd), 0);
	assert_int_equal(move_file_read(dir_fd, &got, &why), -ENOENT);
	move_file_free(&written);
}

#define MOVE                                                                                  \
	"{\"uuid\":\"11111111-1111-1111-1111-111111111111\",\"old\":\"10.9.0.2:"              \
	"5000\","                                                                             \
	"\"cur\":\"10.9.0.2:5000\",\"new\":\"10.9.0.3:6000\",\"agents\":[{\"at\":\"10.9.0.1:" \
	"7170\",\"epoch\":1}]}"
#define GOOD "{\"version\":1,\"committed\":true,\"gone\":false,\"hold_ms\":1,\"moves\":[" MOVE "]}"

/* Each is GOOD with @from replaced. */
static const struct {
	const char *from;
	const char *to;
	const char *why;
} bad[] = {
	{ "{\"version\"", "\"version\"", "" },
	{ "\"version\":1", "\"version\":2", "version: expected 1" },
	{ "\"version\":1", "\"version\":\"1\"", "version: expected 1" },
	{ "true", "1", "committed, gone: expected true or false" },
	{ "\"gone\"", "\"went\"", "committed, gone: expected true or false" },
	{ "\"hold_ms\":1", "\"hold_ms\":0", "hold_ms: expected milliseconds" },
	{ "\"hold_ms\":1", "\"hold_ms\":4294967296", "hold_ms: expected milliseconds" },
	{ "[" MOVE "]", "[]", "moves: expected 1 to 16" },
	{ "[" MOVE "]", "{}", "moves: expected a list" },
	{ MOVE, "7", "uuid: expected one" },
	{ "11111111-", "1111111-", "uuid: expected one" },
	{ "\"epoch\":1", "\"epoch\":-1", "agents: expected a positive number for epoch" },
	{ "\"epoch\":1", "\"epoch\":99999999999999999999",
	  "agents: expected a positive number for epoch" },
	{ "\"old\":\"10.9.0.2:5000\"", "\"old\":\"10.9.0.2\"",
	  "old, cur, new: expected ADDR:PORT" },
	{ "10.9.0.3:6000", "127.0.0.1:6000", "old, cur, new: expected ADDR:PORT" },
	{ "10.9.0.3:6000", "[fd09::3]:6000", "old, cur, new: IPv4 and IPv6 do not mix" },
	{ "[{\"at\":\"10.9.0.1:7170\",\"epoch\":1}]", "7", "agents: expected a list" },
	{ "{\"at\":\"10.9.0.1:7170\",\"epoch\":1}", "7", "agents: expected ADDR:PORT for at" },
	{ "\"10.9.0.1:7170\"", "null", "agents: expected ADDR:PORT for at" },
};

static void put(const char *text)
{
	_cleanup_close_ int fd = openat(dir_fd, MOVE_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t len = strlen(text);

	assert_int_equal(write(fd, text, len), len);
}

static void others_are_refused_with_the_reason(void **state)
{
	char text[2000];
	struct move_file file;
	const char *why, *at;

	(void)state;
	put(GOOD);
	assert_int_equal(move_file_read(dir_fd, &file, &why), 0);
	move_file_free(&file);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		at = strstr(GOOD, bad[i].from);
		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, bad[i].to,
			 at + strlen(bad[i].from));
		put(text);
		assert_int_equal(move_file_read(dir_fd, &file, &why), -EBADMSG);
		if (*bad[i].why)
			assert_string_equal(why, bad[i].why);
		move_file_free(&file);
	}
}

/* It is a process with privileges that reads, in a directory that may be another user's. */
static void a_link_is_not_followed(void **state)
{
	struct move_file file;
	const char *why;

	(void)state;
	put(GOOD);
	assert_int_equal(renameat(dir_fd, MOVE_FILE, dir_fd, "other"), 0);
	assert_int_equal(symlinkat("other", dir_fd, MOVE_FILE), 0);
	assert_int_equal(move_file_read(dir_fd, &file, &why), -ELOOP);
	move_file_free(&file);
	assert_int_equal(unlinkat(dir_fd, "other", 0), 0);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(top))
		return -1;
	dir_fd = open(top, O_RDONLY | O_DIRECTORY);
	return dir_fd < 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return move_file_remove(dir_fd) || close(dir_fd) || rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(others_are_refused_with_the_reason),
		cmocka_unit_test(a_link_is_not_followed),
	};

	return cmocka_run_group_tests_name("move_file", tests, make_directory, remove_directory);
}
