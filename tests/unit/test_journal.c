// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The journal of a move: what was appended is found again, what is torn or damaged is seen as such.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "journal_record.h"

#define FILE_MAX (256 << 10)

static const uint8_t uuid[16] = { 0x11, 0x22, [6] = 0x40, [8] = 0x80, [15] = 7 };
static char dir[] = "/tmp/tcpmig-journal-XXXXXX";
static char path[sizeof(dir) + 100];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/" JOURNAL_DIR "/", dir);
	journal_name(uuid, path + strlen(path));
	return 0;
}

static int remove_dir(void **state)
{
	char migrations[sizeof(dir) + 20];

	(void)state;
	snprintf(migrations, sizeof(migrations), "%s/" JOURNAL_DIR, dir);
	unlink(path);
	rmdir(migrations);
	return rmdir(dir);
}

static int no_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* As it is told in journal.proto, of @agents agents. */
static void prepared_with(size_t agents, void (*use)(const TcpmigJournal__Prepared *, void *),
			  void *ctx)
{
	TcpmigJournal__Prepared prepared = TCPMIG_JOURNAL__PREPARED__INIT;
	TcpmigJournal__Endpoint at = TCPMIG_JOURNAL__ENDPOINT__INIT;
	TcpmigJournal__Agent agent = TCPMIG_JOURNAL__AGENT__INIT;
	TcpmigJournal__Agent **list = calloc(agents + 1, sizeof(*list));

	assert_non_null(list);
	at.addr.data = (uint8_t *)"\x0a\x09\x00\x01";
	at.addr.len = 4;
	at.port = 7170;
	agent.at = &at;
	agent.epoch = 1ULL << 62;
	for (size_t i = 0; i < agents; i++)
		list[i] = &agent;
	prepared.agents = list;
	prepared.n_agents = agents;
	prepared.pid = 4711;
	prepared.cgroup = "/tcpmig-x";
	use(&prepared, ctx);
	free(list);
}

static void create(const TcpmigJournal__Prepared *prepared, void *j)
{
	assert_int_equal(journal_create(dir, uuid, prepared, j), 0);
}

static void prepare(const TcpmigJournal__Prepared *prepared, void *j)
{
	assert_int_equal(journal_prepare(j, prepared), 0);
}

static struct journal *new_journal(size_t agents)
{
	struct journal *j = NULL;

	unlink(path);
	prepared_with(agents, create, &j);
	return j;
}

static void append(struct journal *j, enum journal_type type, const char *text)
{
	assert_int_equal(journal_append(j, type, text), 0);
}

static void append_up_to(struct journal *j, enum journal_type type)
{
	for (enum journal_type t = journal_type(j) + 1; t <= type; t++)
		append(j, t, NULL);
}

/* The file as it is. Return: its size. */
static size_t load(uint8_t *data)
{
	_cleanup_close_ int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, data, FILE_MAX);

	assert_true(n > 0 && n < FILE_MAX);
	return (size_t)n;
}

static void store(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}

/* What is read, without what would have to be freed. */
static struct journal_state look(void)
{
	struct journal_state state;

	assert_int_equal(journal_open_read(dir, uuid, &state), 0);
	journal_state_free(&state);
	return state;
}

static void check_last(enum journal_type type, bool torn, bool damaged)
{
	struct journal_state state = look();

	assert_string_equal(journal_type_name(state.type), journal_type_name(type));
	assert_int_equal(state.torn, torn);
	assert_int_equal(state.damaged, damaged);
}

static void what_is_appended_is_read_again(void **unused)
{
	struct journal *j = new_journal(3);
	struct journal_state state;
	uint64_t before = clock_boot_ns();

	(void)unused;
	append(j, JOURNAL_HELD, "two agents");
	append(j, JOURNAL_FROZEN, NULL);
	assert_int_equal(journal_open_read(dir, uuid, &state), 0);
	assert_int_equal(state.type, JOURNAL_FROZEN);
	assert_true(state.busy && state.same_boot);
	assert_false(state.committed || state.torn || state.damaged);
	assert_string_equal(state.text, "two agents");
	assert_true(state.boot_ns >= before && state.boot_ns <= clock_boot_ns());
	assert_true(state.done_ns[JOURNAL_HELD] >= before && !state.done_ns[JOURNAL_COMMIT]);
	assert_memory_equal(state.uuid, uuid, 16);
	assert_int_equal(state.prepared->n_agents, 3);
	assert_int_equal(state.prepared->pid, 4711);
	assert_int_equal(state.prepared->agents[2]->epoch, 1ULL << 62);
	assert_string_equal(state.prepared->cgroup, "/tcpmig-x");
	journal_state_free(&state);
	journal_close(j);
	assert_false(look().busy);
}

static void the_last_prepared_counts_however_large(void **unused)
{
	struct journal *j = new_journal(0);
	struct journal_state state;
	struct stat st;

	(void)unused;
	prepared_with(10000, prepare, j);
	append_up_to(j, JOURNAL_COMMIT);
	journal_close(j);
	assert_int_equal(journal_open_read(dir, uuid, &state), 0);
	assert_int_equal(state.prepared->n_agents, 10000);
	assert_true(state.committed);
	journal_state_free(&state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Nothing is written beyond what was taken at the beginning. */
static void the_file_never_grows(void **unused)
{
	struct journal *j = new_journal(1000);
	struct stat before, after;

	(void)unused;
	assert_int_equal(stat(path, &before), 0);
	append_up_to(j, JOURNAL_RETIRED);
	journal_close(j);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_blocks, after.st_blocks);
	check_last(JOURNAL_RETIRED, false, false);
}

static void only_in_order(void **unused)
{
	struct journal *j = new_journal(0);

	(void)unused;
	assert_int_equal(journal_append(j, JOURNAL_RUNNING, NULL), -EINVAL);
	assert_int_equal(journal_append(j, JOURNAL_RETIRED, NULL), -EINVAL);
	assert_int_equal(journal_append(j, JOURNAL_PREPARED, NULL), -EINVAL);
	append(j, JOURNAL_FROZEN, NULL); /* a process without clients is not held */
	assert_int_equal(journal_append(j, JOURNAL_HELD, NULL), -EINVAL);
	append_up_to(j, JOURNAL_RESTORED);
	assert_int_equal(journal_append(j, JOURNAL_RUNNING, NULL), -EINVAL);
	append(j, JOURNAL_COMMIT, NULL);
	assert_int_equal(journal_append(j, JOURNAL_COMMIT, NULL), -EINVAL);
	assert_int_equal(journal_append(j, JOURNAL_ABORTED, NULL), -EINVAL);
	append(j, JOURNAL_LOST, "target is gone");
	assert_int_equal(journal_append(j, JOURNAL_RETIRED, NULL), -EINVAL);
	journal_close(j);
	j = new_journal(0);
	append(j, JOURNAL_ABORTED, NULL);
	for (enum journal_type t = JOURNAL_NONE; t <= JOURNAL_LOST + 1; t++)
		assert_int_equal(journal_append(j, t, NULL), -EINVAL);
	journal_close(j);
	check_last(JOURNAL_ABORTED, false, false);
}

static void two_writers_are_refused(void **unused)
{
	struct journal *j = new_journal(0), *second = NULL;
	struct journal_state state;

	(void)unused;
	assert_int_equal(journal_open(dir, uuid, &second, &state), -EBUSY);
	assert_null(second);
	assert_true(state.busy);
	assert_int_equal(journal_create(dir, uuid, NULL, &second), -EEXIST);
	journal_close(j);
	assert_int_equal(journal_open(dir, uuid, &second, &state), 0);
	journal_state_free(&state);
	journal_close(second);
}

/* A writer that is killed in the middle leaves it free, at once. */
static void a_killed_writer_lets_go(void **unused)
{
	struct journal_state state;
	struct journal *j;
	int ready[2];
	char byte;
	pid_t pid;

	(void)unused;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		j = new_journal(0);
		append_up_to(j, JOURNAL_HELD);
		if (write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(journal_open(dir, uuid, &j, &state), -EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(journal_open(dir, uuid, &j, &state), 0);
	assert_int_equal(state.type, JOURNAL_HELD);
	journal_state_free(&state);
	append_up_to(j, JOURNAL_COMMIT);
	journal_close(j);
	check_last(JOURNAL_COMMIT, false, false);
}

/* A COMMIT after RESTORED, as bytes. Return: size; @from: where its record is. */
static size_t committed_file(uint8_t *data, size_t *from, size_t *to)
{
	struct journal *j = new_journal(2);
	size_t size;

	append_up_to(j, JOURNAL_RESTORED);
	append(j, JOURNAL_COMMIT, "here");
	journal_close(j);
	size = load(data);
	*from = 5 * JOURNAL_PAGE; /* PREPARED to RESTORED, a page each */
	*to = *from + sizeof(struct journal_record) + strlen("here");
	assert_int_equal(((struct journal_record *)(data + *from))->type, JOURNAL_COMMIT);
	return size;
}

/* Go on behind a torn end: the new record is right, and nothing of the old one comes back. */
static void check_next_append(void)
{
	struct journal_state state;
	struct journal *j;

	assert_int_equal(journal_open(dir, uuid, &j, &state), 0);
	journal_state_free(&state);
	append(j, JOURNAL_ABORTED, "torn");
	journal_close(j);
	state = look();
	assert_int_equal(state.type, JOURNAL_ABORTED);
	assert_string_equal(state.text, "torn");
	assert_false(state.committed || state.torn || state.damaged);
}

static void a_file_cut_off_at_any_byte(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);

	(void)unused;
	for (size_t cut = from; cut <= to; cut++) {
		store(data, cut);
		check_last(cut < to ? JOURNAL_RESTORED : JOURNAL_COMMIT, cut > from && cut < to,
			   false);
		assert_int_equal(look().committed, cut == to);
		if (cut < to)
			check_next_append();
	}
	store(data, size);
	check_last(JOURNAL_COMMIT, false, false);
}

/* The first bytes of the record have reached the disk, the rest of the page is as it was. */
static void a_record_torn_at_any_byte(void **unused)
{
	static uint8_t data[FILE_MAX], torn[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);

	(void)unused;
	for (size_t cut = from; cut < to; cut++) {
		memcpy(torn, data, size);
		memset(torn + cut, 0, size - cut);
		store(torn, size);
		check_last(JOURNAL_RESTORED, cut > from, false);
		check_next_append();
		memcpy(torn, data, size); /* and the other way round */
		memset(torn + from, 0, cut - from + 1);
		store(torn, size);
		check_last(JOURNAL_RESTORED, cut + 1 < to, false);
		check_next_append();
	}
}

static void any_flipped_bit_of_the_last_record(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);

	(void)unused;
	for (size_t bit = from * 8; bit < to * 8; bit++) {
		data[bit / 8] ^= 1 << bit % 8;
		store(data, size);
		check_last(JOURNAL_RESTORED, true, false);
		if (bit % 8 == 0)
			check_next_append();
		data[bit / 8] ^= 1 << bit % 8;
	}
}

/* What is behind it was written later, so it was right: a COMMIT is never overlooked. */
static void any_flipped_bit_of_an_earlier_record(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);

	(void)unused;
	for (size_t page = 0; page < from; page += JOURNAL_PAGE) {
		for (size_t bit = page * 8; bit < (page + sizeof(struct journal_record)) * 8;
		     bit++) {
			data[bit / 8] ^= 1 << bit % 8;
			store(data, size);
			check_last(JOURNAL_COMMIT, false, true);
			assert_true(look().committed);
			data[bit / 8] ^= 1 << bit % 8;
		}
	}
	data[sizeof(struct journal_record)] ^= 1; /* PREPARED is lost then, and its meaning */
	store(data, size);
	check_last(JOURNAL_COMMIT, false, true);
}

static void garbage_behind_the_end(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);

	(void)unused;
	from += JOURNAL_PAGE;
	srandom(1);
	for (size_t i = from; i < size; i++)
		data[i] = (uint8_t)random();
	store(data, size);
	check_last(JOURNAL_COMMIT, true, false);
	/* A record that was right once, of this file, in the wrong place. */
	memcpy(data + from, data + 2 * JOURNAL_PAGE, JOURNAL_PAGE);
	store(data, size);
	check_last(JOURNAL_COMMIT, true, false);
	/* Of another migration, with the right number. */
	memcpy(data + from, data + from - JOURNAL_PAGE, JOURNAL_PAGE);
	((struct journal_record *)(data + from))->sequence++;
	((struct journal_record *)(data + from))->type = JOURNAL_RUNNING;
	((struct journal_record *)(data + from))->uuid[0]++;
	journal_record_seal((struct journal_record *)(data + from));
	store(data, size);
	check_last(JOURNAL_COMMIT, true, false);
	((struct journal_record *)(data + from))->uuid[0]--; /* the control */
	journal_record_seal((struct journal_record *)(data + from));
	store(data, size);
	check_last(JOURNAL_RUNNING, true, false);
}

static void a_file_that_was_never_finished(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);
	struct journal_state state;
	struct journal *j;

	(void)unused;
	to = sizeof(struct journal_record) + ((struct journal_record *)data)->length;
	for (size_t cut = 0; cut <= to; cut++) {
		store(data, cut);
		check_last(cut < to ? JOURNAL_NONE : JOURNAL_PREPARED, cut && cut < to, false);
	}
	memset(data, 0, size);
	store(data, size);
	check_last(JOURNAL_NONE, false, false);
	assert_int_equal(journal_open(dir, uuid, &j, &state), 0);
	assert_null(state.prepared);
	assert_int_equal(journal_remove(j), 0);
	assert_int_equal(journal_open_read(dir, uuid, &state), -ENOENT);
}

static void another_boot_is_told(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);
	struct journal_record *record = (struct journal_record *)(data + from);

	(void)unused;
	assert_true(look().same_boot);
	record->boot_id[3] ^= 1;
	journal_record_seal(record);
	store(data, size);
	assert_false(look().same_boot);
	assert_true(look().committed);
}

static void what_is_not_known_is_not_a_journal(void **unused)
{
	static uint8_t data[FILE_MAX];
	size_t from, to, size = committed_file(data, &from, &to);
	struct journal_record *record = (struct journal_record *)(data + from);
	struct journal_state state;

	(void)unused;
	record->type = JOURNAL_LOST + 1;
	journal_record_seal(record);
	store(data, size);
	assert_int_equal(journal_open_read(dir, uuid, &state), -EBADMSG);
	journal_state_free(&state);
	record->type = JOURNAL_PREPARED; /* "here" is no such message */
	journal_record_seal(record);
	store(data, size);
	assert_int_equal(journal_open_read(dir, uuid, &state), -EBADMSG);
	journal_state_free(&state);
}

struct seen {
	int count;
	int right;
};

static int see(const struct journal_state *state, int err, void *ctx)
{
	struct seen *seen = ctx;

	seen->count++;
	seen->right += !err && state->type == JOURNAL_HELD && !memcmp(state->uuid, uuid, 16);
	return seen->count == 2 ? 77 : 0;
}

static void each_finds_all_and_only_journals(void **unused)
{
	struct journal *j = new_journal(0);
	struct seen seen = {};
	char other[sizeof(path) + 8];

	(void)unused;
	append(j, JOURNAL_HELD, NULL);
	journal_close(j);
	snprintf(other, sizeof(other), "%s.old", path);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(journal_each(dir, see, &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.right, 1);
	assert_int_equal(unlink(other), 0);
	*strrchr(other, '/') = 0;
	strcat(other, "/11220000-0000-4000-8000-000000000008.journal");
	assert_int_equal(link(path, other), 0); /* of another migration than its name says */
	seen = (struct seen){};
	assert_int_equal(journal_each(dir, see, &seen), 77);
	assert_int_equal(seen.right, 1);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(journal_each("/nonexistent", see, &seen), 0);
}

/* On a disk of 128 KiB, in a mount namespace of its own. Return: exit status; 99: no such thing.
 */
static int on_a_small_disk(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", dir, "tmpfs", 0, "size=128k"))
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Return: the errno of the write that did not fit any more. */
static int fill_disk(void)
{
	_cleanup_close_ int fd = -1;
	static const char page[4096] = { 1 };
	char name[sizeof(dir) + 10];

	snprintf(name, sizeof(name), "%s/fill", dir);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	while (write(fd, page, sizeof(page)) == sizeof(page))
		;
	return errno;
}

static int decide_on_a_full_disk(void)
{
	struct journal *j = new_journal(10), *second;
	TcpmigJournal__Prepared none = TCPMIG_JOURNAL__PREPARED__INIT;
	uint8_t other[16] = { 1 };

	assert_int_equal(fill_disk(), ENOSPC);
	assert_int_equal(journal_create(dir, other, &none, &second), -ENOSPC);
	append_up_to(j, JOURNAL_RETIRED);
	journal_close(j);
	check_last(JOURNAL_RETIRED, false, false);
	return 0;
}

static void too_large(const TcpmigJournal__Prepared *prepared, void *j)
{
	assert_int_equal(journal_prepare(j, prepared), -ENOSPC);
}

static int prepare_on_a_full_disk(void)
{
	struct journal *j = new_journal(10);
	struct journal_state state;

	prepared_with(10000, too_large, j);
	append_up_to(j, JOURNAL_HELD);
	assert_int_equal(journal_open_read(dir, uuid, &state), 0);
	assert_int_equal(state.prepared->n_agents, 10); /* that of before still counts */
	assert_int_equal(state.type, JOURNAL_HELD);
	assert_false(state.torn || state.damaged);
	journal_state_free(&state);
	journal_close(j);
	return 0;
}

static void a_full_disk_keeps_nobody_from_deciding(void **unused)
{
	int status = on_a_small_disk(decide_on_a_full_disk);

	(void)unused;
	if (status == 99) {
		print_message("no mounts here: a full disk was not tried\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_int_equal(on_a_small_disk(prepare_on_a_full_disk), 0);
}

/* In a process of its own. Return: its exit status. */
static int apart(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The disk takes nothing any more, as the kernel tells it. */
static int commit_without_a_disk(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct journal_state state;
	struct journal *j;

	assert_int_equal(journal_open(dir, uuid, &j, &state), 0);
	journal_state_free(&state);
	seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(fdatasync), 0);
	if (seccomp_load(filter))
		return 99;
	seccomp_release(filter);
	assert_int_equal(journal_append(j, JOURNAL_COMMIT, NULL), -EIO);
	assert_int_equal(journal_type(j), JOURNAL_RESTORED);
	check_last(JOURNAL_RESTORED, false, false);
	return 0;
}

/* It cannot even be taken back. */
static int commit_without_any_write(void)
{
	struct rlimit none = {};
	struct journal_state state;
	struct journal *j;

	assert_int_equal(journal_open(dir, uuid, &j, &state), 0);
	journal_state_free(&state);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(journal_append(j, JOURNAL_COMMIT, NULL), -ENOTRECOVERABLE);
	return 0;
}

static void a_commit_that_fails_is_not_there(void **unused)
{
	struct journal *j = new_journal(0);
	struct journal_state state;
	int status;

	(void)unused;
	append_up_to(j, JOURNAL_RESTORED);
	journal_close(j);
	status = apart(commit_without_a_disk);
	if (status == 99)
		print_message("no seccomp here: a disk that fails was not tried\n");
	else
		assert_int_equal(status, 0);
	assert_int_equal(apart(commit_without_any_write), 0);
	check_last(JOURNAL_RESTORED, false, false);
	assert_int_equal(journal_open(dir, uuid, &j, &state), 0);
	journal_state_free(&state);
	append(j, JOURNAL_COMMIT, NULL);
	journal_close(j);
	check_last(JOURNAL_COMMIT, false, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, no_file)
	const struct CMUnitTest tests[] = {
		TEST(what_is_appended_is_read_again),
		TEST(the_last_prepared_counts_however_large),
		TEST(the_file_never_grows),
		TEST(only_in_order),
		TEST(two_writers_are_refused),
		TEST(a_killed_writer_lets_go),
		TEST(a_file_cut_off_at_any_byte),
		TEST(a_record_torn_at_any_byte),
		TEST(any_flipped_bit_of_the_last_record),
		TEST(any_flipped_bit_of_an_earlier_record),
		TEST(garbage_behind_the_end),
		TEST(a_file_that_was_never_finished),
		TEST(another_boot_is_told),
		TEST(what_is_not_known_is_not_a_journal),
		TEST(each_finds_all_and_only_journals),
		TEST(a_full_disk_keeps_nobody_from_deciding),
		TEST(a_commit_that_fails_is_not_there),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
