// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a host keeps of a migration to it: there and back, for one alone, and damaged in any way. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "control_message.h"
#include "host_record.h"

#define BYTES_MAX 8192

static const uint8_t uuid[16] = { 0x11, 0x22, [6] = 0x40, [8] = 0x80, [15] = 7 };
static const uint8_t other[16] = { 0x33, [6] = 0x40, [8] = 0x80 };
static char top[] = "/tmp/tcpmig-record-XXXXXX";
static char dir[sizeof(top) + 10];
static char file[sizeof(dir) + MESSAGE_UUID_STRLEN + 10];

static int make_top(void **state)
{
	char name[MESSAGE_UUID_STRLEN];

	(void)state;
	if (!mkdtemp(top))
		return -1;
	snprintf(dir, sizeof(dir), "%s/a/b", top);
	snprintf(file, sizeof(file), "%s/%s/record", dir, message_uuid_text(uuid, name));
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	return host_record_wipe(dir, uuid) || host_record_wipe(dir, other);
}

static int remove_top(void **state)
{
	char above[sizeof(dir)];

	(void)state;
	snprintf(above, sizeof(above), "%s/a", top);
	return rmdir(dir) || rmdir(above) || rmdir(top);
}

/* With one of everything. */
static struct host_record made(void)
{
	uint8_t addr[4] = { 10, 9, 0, 3 };
	TcpmigHost__Endpoint end = TCPMIG_HOST__ENDPOINT__INIT, *ends[] = { &end };
	TcpmigHost__Connection flow = TCPMIG_HOST__CONNECTION__INIT, *flows[] = { &flow, &flow };
	TcpmigHost__Connections connections = TCPMIG_HOST__CONNECTIONS__INIT;
	TcpmigHost__Agent agent = TCPMIG_HOST__AGENT__INIT, *list[] = { &agent };
	TcpmigHost__Agents agents = TCPMIG_HOST__AGENTS__INIT;
	TcpmigHost__Move move = TCPMIG_HOST__MOVE__INIT, *moves[] = { &move };
	TcpmigHost__Prepare prepare = TCPMIG_HOST__PREPARE__INIT;
	struct host_record rec;

	end.addr = (ProtobufCBinaryData){ sizeof(addr), addr };
	end.port = 5000;
	flow.local = flow.remote = agent.at = &end;
	agent.epoch = 1ULL << 62;
	connections.n_connections = 2, connections.connections = flows;
	connections.n_listeners = 1, connections.listeners = ends;
	agents.n_agents = 1, agents.agents = list;
	move.old = move.cur = move.next = &end;
	prepare.n_moves = 1, prepare.moves = moves;
	prepare.lease_ms = 4711;
	prepare.criu_version = "4.2.1";
	assert_int_equal(host_record_make(&rec, dir, uuid), 0);
	assert_int_equal(host_record_prepare(&rec, &prepare), 0);
	assert_int_equal(host_record_add(&rec, &connections), 0);
	assert_int_equal(host_record_add_agents(&rec, &agents), 0);
	return rec;
}

static void store(const uint8_t *bytes, size_t len)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
}

static size_t load(uint8_t bytes[BYTES_MAX])
{
	_cleanup_close_ int fd = open(file, O_RDONLY);
	ssize_t len = read(fd, bytes, BYTES_MAX);

	assert_in_range(len, 1, BYTES_MAX - 1);
	return len;
}

static void what_is_saved_is_opened_again(void **unused)
{
	struct host_record rec = made();

	(void)unused;
	rec.r->state = TCPMIG_HOST__STATE__RESTORED;
	rec.r->images_complete = true;
	assert_int_equal(host_record_save(&rec), 0);
	host_record_close(&rec);
	assert_int_equal(rec.dir_fd, -1);
	assert_int_equal(host_record_open(&rec, dir, uuid), 0);
	assert_memory_equal(rec.r->uuid.data, uuid, sizeof(uuid));
	assert_int_equal(rec.r->state, TCPMIG_HOST__STATE__RESTORED);
	assert_true(rec.r->images_complete && rec.images_fd >= 0);
	assert_int_equal(rec.r->n_connections, 2);
	assert_int_equal(rec.r->n_listeners, 1);
	assert_int_equal(rec.r->connections[1]->remote->port, 5000);
	assert_int_equal(rec.r->agents[0]->epoch, 1ULL << 62);
	assert_int_equal(rec.r->prepare->lease_ms, 4711);
	assert_string_equal(rec.r->prepare->criu_version, "4.2.1");
	host_record_close(&rec);
}

static void nobody_else_reads_it(void **unused)
{
	struct host_record rec = made();
	struct stat st;

	(void)unused;
	assert_int_equal(host_record_save(&rec), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(fstat(rec.images_fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	host_record_close(&rec);
}

static void one_has_it_alone(void **unused)
{
	struct host_record rec = made(), second;
	TcpmigHost__Record *seen;

	(void)unused;
	assert_int_equal(host_record_save(&rec), 0);
	assert_int_equal(host_record_open(&second, dir, uuid), -EBUSY);
	assert_int_equal(host_record_make(&second, dir, uuid), -EEXIST);
	assert_int_equal(host_record_wipe(dir, uuid), -EBUSY);
	seen = host_record_read(dir, uuid); /* looking is free */
	assert_non_null(seen);
	tcpmig_host__record__free_unpacked(seen, NULL);
	host_record_close(&rec);
	assert_int_equal(host_record_open(&second, dir, uuid), 0);
	host_record_close(&second);
}

static void what_is_not_there(void **unused)
{
	struct host_record rec;

	(void)unused;
	assert_int_equal(host_record_open(&rec, dir, other), -ENOENT);
	assert_int_equal(host_record_open(&rec, "/no/such/dir", uuid), -ENOENT);
	assert_null(host_record_read(dir, other));
	assert_int_equal(host_record_wipe(dir, other), 0);
	rec = made(); /* and not saved */
	host_record_close(&rec);
	assert_int_equal(host_record_open(&rec, dir, uuid), -ENOENT);
	assert_int_equal(host_record_wipe(dir, uuid), 0);
	assert_int_equal(host_record_make(&rec, dir, uuid), 0);
	host_record_close(&rec);
}

static void images_go_first_and_then_all(void **unused)
{
	struct host_record rec = made();
	int fd = openat(rec.images_fd, "core-1.img", O_WRONLY | O_CREAT, 0600);

	(void)unused;
	close(fd);
	assert_int_equal(host_record_save(&rec), 0);
	assert_int_equal(host_record_drop_images(&rec), 0);
	assert_int_equal(host_record_drop_images(&rec), 0);
	host_record_close(&rec);
	assert_int_equal(host_record_open(&rec, dir, uuid), 0);
	assert_int_equal(rec.images_fd, -1);
	assert_int_equal(host_record_remove(&rec, dir), 0);
	assert_int_equal(host_record_open(&rec, dir, uuid), -ENOENT);
	assert_int_equal(host_record_remove(&rec, dir), 0);
}

/* A record that can be read has all that its users take for granted. */
static void open_damaged(void)
{
	struct host_record rec;
	int err = host_record_open(&rec, dir, uuid);

	if (err) {
		assert_int_equal(err, -EBADMSG);
		return;
	}
	assert_non_null(rec.r->prepare);
	assert_memory_equal(rec.r->uuid.data, uuid, sizeof(uuid));
	for (size_t i = 0; i < rec.r->n_connections; i++)
		assert_true(rec.r->connections[i]->local && rec.r->connections[i]->remote);
	for (size_t i = 0; i < rec.r->n_agents; i++)
		assert_non_null(rec.r->agents[i]->at);
	for (size_t i = 0; i < rec.r->prepare->n_moves; i++)
		assert_true(rec.r->prepare->moves[i]->old && rec.r->prepare->moves[i]->next);
	host_record_close(&rec);
}

static size_t save_and_load(uint8_t bytes[BYTES_MAX])
{
	struct host_record rec = made();

	assert_int_equal(host_record_save(&rec), 0);
	host_record_close(&rec);
	return load(bytes);
}

static void any_flipped_bit(void **unused)
{
	uint8_t bytes[BYTES_MAX];
	size_t len = save_and_load(bytes);

	(void)unused;
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= 1 << bit % 8;
		store(bytes, len);
		open_damaged();
		bytes[bit / 8] ^= 1 << bit % 8;
	}
}

static void cut_off_at_any_byte(void **unused)
{
	uint8_t bytes[BYTES_MAX];
	size_t len = save_and_load(bytes);

	(void)unused;
	for (size_t at = 0; at < len; at++) {
		store(bytes, at);
		open_damaged();
	}
}

static int count(const uint8_t found[16], void *ctx)
{
	assert_true(!memcmp(found, uuid, 16) || !memcmp(found, other, 16));
	++*(int *)ctx;
	return 0;
}

static void each_and_whose_tree(void **unused)
{
	struct host_record rec = made(), second;
	TcpmigHost__Record *found;
	int all = 0;

	(void)unused;
	assert_int_equal(host_record_make(&second, dir, other), 0);
	host_record_close(&second);
	assert_int_equal(host_record_each(dir, count, &all), 0);
	assert_int_equal(all, 2);
	rec.r->pid = 77;
	rec.r->start_ticks = 88;
	assert_int_equal(host_record_save(&rec), 0);
	assert_null(host_record_of(dir, 77, 88)); /* not running */
	rec.r->state = TCPMIG_HOST__STATE__RUNNING;
	assert_int_equal(host_record_save(&rec), 0);
	assert_null(host_record_of(dir, 77, 89)); /* another of that number */
	found = host_record_of(dir, 77, 88);
	assert_non_null(found);
	tcpmig_host__record__free_unpacked(found, NULL);
	host_record_close(&rec);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_all)
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_is_opened_again),
		TEST(nobody_else_reads_it),
		TEST(one_has_it_alone),
		TEST(what_is_not_there),
		TEST(images_go_first_and_then_all),
		TEST(any_flipped_bit),
		TEST(cut_off_at_any_byte),
		TEST(each_and_whose_tree),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
