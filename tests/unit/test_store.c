// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the agent remembers: put, found, read again, and what a torn or foreign file does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent_store.h"
#include "endpoint.h"

#define SECTOR 512

static int new_file(void)
{
	int fd = memfd_create("store", 0);

	assert_true(fd >= 0);
	return fd;
}

static struct store_record record_of(const char *old, uint64_t epoch)
{
	struct store_record record = { .epoch = epoch, .open = true };

	assert_null(endpoint_parse(old, &record.old));
	assert_null(endpoint_parse("10.9.0.3:6000", &record.next));
	record.cur = record.old;
	memset(record.uuid, (int)epoch, sizeof(record.uuid));
	return record;
}

static void put(struct agent_store *store, const char *old, uint64_t epoch)
{
	struct store_record record = record_of(old, epoch);

	assert_int_equal(store_put(store, &record, true), 0);
}

static uint64_t epoch_of(const struct agent_store *store, const char *old)
{
	const struct store_record *found;
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse(old, &ep));
	found = store_find(store, &ep);
	return found ? found->epoch : 0;
}

static struct agent_store *open_store(int fd)
{
	struct agent_store *store = store_open(fd);

	assert_non_null(store);
	return store;
}

static void what_is_put_is_found_and_read_again(void **state)
{
	int fd = new_file();
	struct agent_store *store = open_store(fd);

	(void)state;
	put(store, "10.9.0.2:5000", 1);
	put(store, "[fd09::2]:5000", 7);
	put(store, "10.9.0.2:5000", 2);
	put(store, "10.9.0.2:5001", 9);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(epoch_of(store, "10.9.0.2:5000"), 2);
		assert_int_equal(epoch_of(store, "[fd09::2]:5000"), 7);
		assert_int_equal(epoch_of(store, "10.9.0.2:5001"), 9);
		assert_int_equal(epoch_of(store, "10.9.0.2:5002"), 0);
		store_close(store);
		store = open_store(fd);
	}
	store_close(store);
	close(fd);
}

static void every_field_survives(void **state)
{
	int fd = new_file();
	struct agent_store *store = open_store(fd);
	struct store_record record = record_of("10.9.0.2:5000", 3);

	(void)state;
	record.consented = record.committed = record.has_next_key = true;
	record.next_key[31] = 1;
	record.cur_key[0] = 2;
	assert_int_equal(store_put(store, &record, false), 0);
	store_close(store);
	store = open_store(fd);
	assert_memory_equal(store_find(store, &record.old), &record, sizeof(record));
	store_close(store);
	close(fd);
}

/* The last write is cut off anywhere: the one before it counts. */
static void a_torn_write_leaves_the_one_before(void **state)
{
	char good[SECTOR], junk[SECTOR];
	off_t second = (off_t)STORE_OLDS_MAX * SECTOR;

	(void)state;
	memset(junk, 0x5a, sizeof(junk));
	for (size_t cut = 0; cut < SECTOR; cut += 7) {
		int fd = new_file();
		struct agent_store *store = open_store(fd);

		put(store, "10.9.0.2:5000", 1);
		put(store, "10.9.0.2:5000", 2);
		store_close(store);
		assert_int_equal(pread(fd, good, SECTOR, second), SECTOR);
		assert_int_equal(pwrite(fd, junk, SECTOR - cut, second + cut), SECTOR - cut);
		store = open_store(fd);
		assert_int_equal(epoch_of(store, "10.9.0.2:5000"), 1);
		/* and the place can be written again */
		put(store, "10.9.0.2:5000", 3);
		store_close(store);
		store = open_store(fd);
		assert_int_equal(epoch_of(store, "10.9.0.2:5000"), 3);
		store_close(store);
		close(fd);
	}
}

static void a_lost_record_is_not_passed_over(void **state)
{
	int fd = new_file();
	struct agent_store *store = open_store(fd);
	char junk[SECTOR];

	(void)state;
	put(store, "10.9.0.2:5000", 1);
	put(store, "10.9.0.2:5001", 1);
	put(store, "10.9.0.2:5002", 1);
	store_close(store);
	memset(junk, 0, sizeof(junk));
	assert_int_equal(pwrite(fd, junk, SECTOR, SECTOR), SECTOR);
	assert_null(store_open(fd));
	assert_int_equal(errno, EBADMSG);
	close(fd);
}

static void a_foreign_file_is_refused(void **state)
{
	int fd = new_file();

	(void)state;
	assert_int_equal(write(fd, "root:x:0:0\n", 11), 11);
	assert_null(store_open(fd));
	assert_int_equal(errno, EBADMSG);
	close(fd);
}

static void a_full_store_says_so(void **state)
{
	int fd = new_file();
	struct agent_store *store = open_store(fd);
	struct store_record record = record_of("10.9.0.2:1", 1);

	(void)state;
	for (int i = 0; i < STORE_OLDS_MAX; i++) {
		record.old.port = (__be16)(i + 1);
		assert_int_equal(store_put(store, &record, false), 0);
	}
	record.old.port = (__be16)(STORE_OLDS_MAX + 1);
	assert_int_equal(store_put(store, &record, false), -ENOSPC);
	record.old.port = 1;
	record.epoch = 2;
	assert_int_equal(store_put(store, &record, false), 0);
	store_close(store);
	store = open_store(fd);
	assert_int_equal(store_find(store, &record.old)->epoch, 2);
	store_close(store);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_found_and_read_again),
		cmocka_unit_test(every_field_survives),
		cmocka_unit_test(a_torn_write_leaves_the_one_before),
		cmocka_unit_test(a_lost_record_is_not_passed_over),
		cmocka_unit_test(a_foreign_file_is_refused),
		cmocka_unit_test(a_full_store_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
