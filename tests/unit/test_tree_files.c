// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files of real processes, and the same files elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "file_content.h"
#include "tree.h"
#include "tree_files.h"

#define BIG_BYTES (TREE_FILE_HASHED_BYTES + 1)

/* A directory of this test alone; the child stands in it. */
static char dir[] = "/tmp/tcpmig-files-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	const char *argv[] = { "rm", "-rf", dir, NULL };
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		execvp("rm", (char *const *)argv);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return status;
}

static char *in_dir(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/** struct look - a tree and its files. */
struct look {
	struct tree tree;
	struct tree_files files;
	pid_t pid;
};

static void look_at(struct look *look, void (*fn)(void *arg), void *arg)
{
	char why[TREE_WHY];

	look->pid = child_start(fn, arg);
	assert_int_equal(tree_read(&look->tree, look->pid, why), 0);
	assert_int_equal(tree_files_read(&look->tree, true, &look->files), 0);
}

static void look_away(struct look *look)
{
	tree_files_free(&look->files);
	tree_free(&look->tree);
	child_stop(look->pid);
}

static struct tree_file *find(const struct look *look, const char *path)
{
	for (size_t i = 0; i < look->files.count; i++) {
		if (!strcmp(look->files.files[i].path, path))
			return &look->files.files[i];
	}
	return NULL;
}

static struct tree_file *file_of(const struct look *look, const char *path)
{
	struct tree_file *file = find(look, path);

	if (!file)
		fail_msg("%s is missing", path);
	return file;
}

static const struct tree_special *special_of(const struct look *look, enum tree_special_kind kind)
{
	for (size_t i = 0; i < look->files.special_count; i++) {
		if (look->files.specials[i].kind == kind)
			return &look->files.specials[i];
	}
	return NULL;
}

static void open_files(void *arg)
{
	int log, fd;

	(void)arg;
	must(open(in_dir("read"), O_RDONLY) == 3);
	must(open(in_dir("read"), O_RDONLY) == 4);
	must(open(in_dir("both"), O_RDWR) == 5);
	log = open(in_dir("log"), O_WRONLY | O_APPEND);
	must(log == 6);
	must(open(in_dir("mixed"), O_WRONLY | O_APPEND) == 7);
	must(open(in_dir("mixed"), O_RDONLY) == 8);
	must(open(in_dir("name (deleted)"), O_RDONLY) == 9);
	must(open("/proc/self/status", O_RDONLY) == 10);
	fd = open(in_dir("mapped"), O_RDWR);
	must(mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
	must(!chdir(dir));
	must(!close(0) && !close(1) && !close(2));
}

static void files_are_found_with_what_they_are(void **state)
{
	static const uint8_t abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
	struct look look;
	char *self = realpath("/proc/self/exe", NULL);
	struct tree_file *file;
	struct stat st;

	(void)state;
	write_file("read", "abc");
	write_file("both", "");
	write_file("log", "1\n");
	write_file("mixed", "");
	write_file("mapped", "xyz");
	write_file("name (deleted)", "");
	look_at(&look, open_files, NULL);

	file = file_of(&look, in_dir("read"));
	assert_int_equal(file->mode, S_IFREG | 0644);
	assert_int_equal(file->size, 3);
	assert_true(file->hashed && !file->build_id_len && !file->written && !file->appended);
	assert_memory_equal(file->sha256, abc, sizeof(abc));
	assert_int_equal(stat(file->path, &st), 0);
	assert_int_equal(file->mtime_ns, st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec);

	file = file_of(&look, in_dir("both"));
	assert_true(file->written && !file->appended);
	file = file_of(&look, in_dir("log"));
	assert_true(file->written && file->appended);
	file = file_of(&look, in_dir("mixed"));
	assert_true(file->written && !file->appended);
	file = file_of(&look, in_dir("mapped"));
	assert_true(file->written);
	assert_false(file_of(&look, in_dir("name (deleted)"))->written);
	file = file_of(&look, dir);
	assert_true(S_ISDIR(file->mode) && !file->hashed);
	assert_true(S_ISDIR(file_of(&look, "/")->mode));
	file = file_of(&look, self);
	assert_true(file->build_id_len == 20 && !file->hashed && !file->written);
	assert_int_equal(look.files.special_count, 0);
	for (size_t i = 0; i < look.files.count; i++)
		assert_null(strstr(look.files.files[i].path, "/proc/"));
	look_away(&look);
	free(self);
}

static void a_build_id_is_what_readelf_says(void **state)
{
	char line[200], ours[2 * FILE_BUILD_ID_MAX + 1] = "", theirs[100] = "";
	uint8_t id[FILE_BUILD_ID_MAX];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int len = file_build_id(fd, id);
	FILE *readelf;

	(void)state;
	snprintf(line, sizeof(line), "readelf -n /proc/%d/exe", getpid());
	readelf = popen(line, "r");
	assert_non_null(readelf);
	while (fgets(line, sizeof(line), readelf))
		sscanf(line, " Build ID: %99s", theirs);
	pclose(readelf);
	for (int i = 0; i < len; i++)
		snprintf(ours + 2 * i, 3, "%02x", id[i]);
	assert_int_equal(len, 20);
	assert_string_equal(ours, theirs);
	close(fd);
}

/* Cut off at every length, and with bytes changed: no crash, and no id that is too long. */
static void a_broken_elf_file_does_no_harm(void **state)
{
	int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("elf", MFD_CLOEXEC), len, found = 0;
	uint8_t head[2048], broken[2048], id[FILE_BUILD_ID_MAX];

	(void)state;
	assert_int_equal(pread(exe, head, sizeof(head), 0), sizeof(head));
	for (size_t size = 0; size <= sizeof(head); size++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, head, size, 0), size);
		len = file_build_id(fd, id);
		assert_true(len == 0 || len == 20);
		found += len == 20;
	}
	assert_true(found > 0);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		memcpy(broken, head, sizeof(head));
		for (int k = 0; k < 8; k++)
			broken[rand() % (i % 2 ? 1200 : 64)] = rand() % 3 ? rand() : 0xff;
		assert_int_equal(pwrite(fd, broken, sizeof(broken), 0), sizeof(broken));
		len = file_build_id(fd, id);
		assert_in_range(len, 0, FILE_BUILD_ID_MAX);
	}
	close(fd);
	close(exe);
}

static int count_named(const struct look *look, const char *name)
{
	int count = 0;

	for (size_t i = 0; i < look->files.special_count; i++)
		count += !strcmp(look->files.specials[i].name, name);
	return count;
}

static void open_deleted(void *arg)
{
	(void)arg;
	must(open(in_dir("gone"), O_RDWR | O_CREAT, 0600) == 3);
	must(write(3, "12345", 5) == 5);
	must(!unlink(in_dir("gone")));
	must(open(in_dir("linked"), O_RDWR | O_CREAT, 0600) == 4);
	must(!chdir(dir) && !link("linked", "other-name"));
	must(!unlink(in_dir("linked")));
	must(memfd_create("mine", 0) == 5);
	must(ftruncate(5, 4096) == 0);
	must(mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void what_has_no_name_is_no_file(void **state)
{
	struct look look;
	int deleted = 0;

	(void)state;
	look_at(&look, open_deleted, NULL);
	for (size_t i = 0; i < look.files.special_count; i++) {
		const struct tree_special *special = &look.files.specials[i];

		if (special->kind != TREE_DELETED)
			continue;
		deleted++;
		assert_non_null(strstr(special->name, special->fd == 3 ? "/gone" : "/linked"));
		assert_int_equal(special->size, special->fd == 3 ? 5 : 0);
	}
	assert_int_equal(deleted, 2);
	assert_null(find(&look, in_dir("gone")));
	assert_int_equal(special_of(&look, TREE_MEMFD)->fd, 5);
	assert_int_equal(special_of(&look, TREE_MEMFD)->size, 4096);
	assert_int_equal(special_of(&look, TREE_SHM)->fd, -1);
	look_away(&look);
}

static void open_shared_memory(void *arg)
{
	int id;

	must(shm_open(arg, O_RDWR | O_CREAT, 0600) == 3);
	id = shmget(IPC_PRIVATE, 4096, 0600);
	if (id >= 0) {
		must(shmat(id, NULL, 0) != (void *)-1);
		shmctl(id, IPC_RMID, NULL);
	}
}

static void shared_memory_is_told_apart(void **state)
{
	char name[32], path[64];
	int sysv = 0, posix = 0;
	struct look look;

	(void)state;
	snprintf(name, sizeof(name), "/tcpmig-test-%d", getpid());
	snprintf(path, sizeof(path), "/dev/shm%s", name);
	look_at(&look, open_shared_memory, name);
	for (size_t i = 0; i < look.files.special_count; i++) {
		if (look.files.specials[i].kind != TREE_SHM)
			continue;
		sysv += !strncmp(look.files.specials[i].name, "/SYSV", 5);
		posix += !strcmp(look.files.specials[i].name, path);
	}
	assert_int_equal(posix, 1);
	assert_int_equal(sysv, 1);
	assert_non_null(find(&look, path)); /* it has to be there, too */
	look_away(&look);
	shm_unlink(name);
}

static void open_anonymous(void *arg)
{
	uint8_t params[256] = {};

	must(eventfd(0, 0) == 3);
	must(eventfd(0, 0) == 4);
	if (*(bool *)arg)
		must(syscall(SYS_io_uring_setup, 4, params) == 5);
}

static void anonymous_inodes_have_their_names(void **state)
{
	uint8_t params[256] = {};
	int fd = (int)syscall(SYS_io_uring_setup, 4, params);
	bool uring = fd >= 0;
	struct look look;

	(void)state;
	if (uring)
		close(fd);
	else
		print_message("io_uring is not tried: %s\n", strerror(errno));
	look_at(&look, open_anonymous, &uring);
	assert_int_equal(count_named(&look, "[eventfd]"), 1);
	assert_int_equal(count_named(&look, "[io_uring]"), uring);
	look_away(&look);
}

static void open_devices(void *arg)
{
	(void)arg;
	must(open("/dev/null", O_RDWR) == 3);
	must(open("/dev/urandom", O_RDONLY) == 4);
}

static void devices_are_no_files(void **state)
{
	struct look look;

	(void)state;
	look_at(&look, open_devices, NULL);
	assert_int_equal(count_named(&look, "/dev/null"), 1);
	assert_int_equal(count_named(&look, "/dev/urandom"), 1);
	assert_non_null(special_of(&look, TREE_DEVICE));
	assert_null(find(&look, "/dev/null"));
	look_away(&look);
}

/** struct handed - what a child gets that we have, too. Descriptor numbers of ours. */
struct handed {
	const char *path;
	pid_t from;
	int fd;
};

static void take_from_parent(void *arg)
{
	const struct handed *handed = arg;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", handed->from, handed->fd);
	must(open(handed->path ?: path, O_RDWR) >= 0);
}

/* In a process that is not ours, as we are left out: it has both ends, the tree one. */
static void open_pipe(void *arg)
{
	int ends[2];

	(void)arg;
	must(!pipe(ends));
}

static void shared_with(pid_t other, struct handed *handed, enum tree_special_kind kind)
{
	const struct tree_special *special;
	struct look look;

	look_at(&look, take_from_parent, handed);
	special = special_of(&look, kind);
	assert_non_null(special);
	assert_int_equal(special->outside, 0);
	assert_int_equal(tree_files_find_outside(&look.tree, &look.files), 0);
	assert_int_equal(special->outside, other);
	if (other)
		assert_true(strlen(special->outside_comm) > 0);
	look_away(&look);
}

static void a_pipe_with_an_end_elsewhere_is_seen(void **state)
{
	pid_t other = child_start(open_pipe, NULL);
	struct handed handed = { .from = other, .fd = 3 };
	struct look look;

	(void)state;
	shared_with(other, &handed, TREE_PIPE);
	child_stop(other);

	look_at(&look, open_pipe, NULL);
	assert_int_equal(tree_files_find_outside(&look.tree, &look.files), 0);
	assert_int_equal(special_of(&look, TREE_PIPE)->outside, 0);
	look_away(&look);
}

static void open_fifo(void *arg)
{
	must(open(arg, O_RDWR) == 3);
}

static void a_fifo_is_a_file_that_may_be_shared(void **state)
{
	struct handed handed = { .path = strdup(in_dir("fifo")) };
	struct look look;
	pid_t other;

	(void)state;
	assert_int_equal(mkfifo(handed.path, 0600), 0);
	shared_with(0, &handed, TREE_FIFO);
	other = child_start(open_fifo, (void *)handed.path);
	shared_with(other, &handed, TREE_FIFO);
	child_stop(other);
	look_at(&look, open_fifo, (void *)handed.path);
	assert_true(S_ISFIFO(file_of(&look, handed.path)->mode));
	look_away(&look);
	free((void *)handed.path);
}

static void open_terminal(void *arg)
{
	int master, slave;

	must(!openpty(&master, &slave, arg, NULL, NULL));
	must(master == 3 && slave == 4);
	must(!close(slave));
}

static void a_terminal_belongs_to_who_has_its_master(void **state)
{
	char *name = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t other = child_start(open_terminal, name);
	struct handed handed = { .path = name };

	(void)state;
	shared_with(other, &handed, TREE_TTY);
	child_stop(other);
	munmap(name, 4096);
}

/*
 * Elsewhere: a directory that stands for B's root, with a copy of the file at the same path.
 */

static char *there(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/B%s/%s", dir, dir, name);
	return path;
}

static void put_there(const char *name, const char *text, mode_t mode)
{
	int fd = open(there(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void make_there(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/B", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/B/tmp", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/B%s", dir, dir);
	mkdir(path, 0755);
}

static TcpmigHost__File a_file(const char *text)
{
	static uint8_t sha256[FILE_SHA256];
	TcpmigHost__File file = TCPMIG_HOST__FILE__INIT;
	int fd = memfd_create("a", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(file_sha256(fd, sha256), 0);
	close(fd);
	file.path = in_dir("f");
	file.mode = S_IFREG | 0644;
	file.size = strlen(text);
	file.sha256 = (ProtobufCBinaryData){ .len = sizeof(sha256), .data = sha256 };
	return file;
}

/* @what: of the only difference; NULL: there shall be none. */
static void compared(TcpmigHost__File *file, const char *what, const char *cure)
{
	TcpmigHost__Files files = TCPMIG_HOST__FILES__INIT;
	struct file_differences d;
	char root[64];

	files.n_files = 1;
	files.files = &file;
	snprintf(root, sizeof(root), "%s/B", dir);
	assert_int_equal(tree_files_compare(&files, root, &d), !!what);
	if (what) {
		assert_string_equal(d.list[0].path, file->path);
		if (!strstr(d.list[0].what, what))
			fail_msg("\"%s\" has no \"%s\"", d.list[0].what, what);
		assert_non_null(strstr(d.list[0].cure, cure));
	}
	file_differences_free(&d);
}

static void a_file_is_the_same_or_it_is_said_why_not(void **state)
{
	TcpmigHost__File file = a_file("abc");

	(void)state;
	make_there();
	unlink(there("f"));
	compared(&file, "is not there", "copy it");
	put_there("f", "abc", 0644);
	compared(&file, NULL, NULL); /* at another time */
	put_there("f", "abd", 0644);
	compared(&file, "has other contents", "copy it");
	put_there("f", "abcd", 0644);
	compared(&file, "has 4 bytes, expected 3", "copy it");
	put_there("f", "abc", 0640);
	compared(&file, "has mode 0640, expected 0644", "chmod");
	unlink(there("f"));
	assert_int_equal(mkdir(there("f"), 0755), 0);
	compared(&file, "is a directory, expected a regular file", "copy it");
	assert_int_equal(rmdir(there("f")), 0);
	assert_int_equal(mkfifo(there("f"), 0644), 0);
	compared(&file, "is a FIFO, expected a regular file", "copy it");
	unlink(there("f"));
	assert_int_equal(symlink("/etc/passwd", there("f")), 0); /* of that root, not of ours */
	compared(&file, "is not there", "copy it");
	unlink(there("f"));
	file.path = "f";
	compared(&file, "is not there", "copy it");
}

static void set_time(const char *name, time_t seconds)
{
	const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(AT_FDCWD, there(name), times, 0), 0);
}

static void what_is_written_may_have_grown_since(void **state)
{
	TcpmigHost__File file = a_file("abc");

	(void)state;
	make_there();
	file.written = true;
	file.mtime_ns = 1000000000LL * 1000;
	put_there("f", "abc", 0644);
	set_time("f", 1000);
	compared(&file, NULL, NULL);
	put_there("f", "abcd", 0644);
	compared(&file, NULL, NULL); /* changed later than at A */
	set_time("f", 1000);
	compared(&file, "is written to, and has 4 bytes", "rsync");
	put_there("f", "ab", 0644);
	compared(&file, "is written to, and has 2 bytes", "rsync");
	put_there("f", "xyz", 0644);
	set_time("f", 999);
	compared(&file, "is written to, and has other contents", "rsync");
	file.appended = true;
	put_there("f", "", 0644);
	compared(&file, NULL, NULL);
	unlink(there("f"));
	compared(&file, "is not there", "copy it");
}

static void a_large_file_is_told_by_its_time(void **state)
{
	TcpmigHost__File file = a_file("");

	(void)state;
	make_there();
	file.sha256.len = 0;
	file.size = BIG_BYTES;
	file.mtime_ns = 1000000000LL * 1000;
	put_there("f", "", 0644);
	assert_int_equal(truncate(there("f"), BIG_BYTES), 0);
	set_time("f", 1000);
	compared(&file, NULL, NULL);
	set_time("f", 1001);
	compared(&file, "was changed at another time", "rsync");
}

static void a_program_is_told_by_its_build_id(void **state)
{
	TcpmigHost__File file = a_file("");
	uint8_t id[FILE_BUILD_ID_MAX];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out;
	struct stat st;

	(void)state;
	make_there();
	unlink(there("f"));
	out = open(there("f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t pos = 0; pos < st.st_size;)
		assert_true(copy_file_range(fd, &pos, out, NULL, st.st_size - pos, 0) > 0);
	fchmod(out, 0644);
	close(out);
	file.size = st.st_size;
	file.sha256.len = 0;
	file.build_id = (ProtobufCBinaryData){ .len = file_build_id(fd, id), .data = id };
	compared(&file, NULL, NULL);
	id[3] ^= 1;
	compared(&file, "has build-id ", "same version");
	file.size++;
	compared(&file, " bytes, expected ", "same version");
	unlink(there("f"));
	close(fd);
}

static void a_message_has_all_of_it(void **state)
{
	struct file_differences d;
	TcpmigHost__Files *message;
	struct look look;

	(void)state;
	write_file("read", "abc");
	look_at(&look, open_files, NULL);
	message = tree_files_message(&look.files);
	assert_non_null(message);
	assert_int_equal(message->n_files, look.files.count);
	assert_int_equal(tree_files_compare(message, NULL, &d), 0);
	file_differences_free(&d);
	write_file("read", "abd");
	assert_int_equal(tree_files_compare(message, NULL, &d), 1);
	assert_string_equal(d.list[0].path, in_dir("read"));
	file_differences_free(&d);
	tree_files_message_free(message);
	tree_files_message_free(NULL);
	look_away(&look);

	message = tree_files_message(&(struct tree_files){});
	assert_int_equal(message->n_files, 0);
	tree_files_message_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_with_what_they_are),
		cmocka_unit_test(a_build_id_is_what_readelf_says),
		cmocka_unit_test(a_broken_elf_file_does_no_harm),
		cmocka_unit_test(what_has_no_name_is_no_file),
		cmocka_unit_test(shared_memory_is_told_apart),
		cmocka_unit_test(anonymous_inodes_have_their_names),
		cmocka_unit_test(devices_are_no_files),
		cmocka_unit_test(a_pipe_with_an_end_elsewhere_is_seen),
		cmocka_unit_test(a_fifo_is_a_file_that_may_be_shared),
		cmocka_unit_test(a_terminal_belongs_to_who_has_its_master),
		cmocka_unit_test(a_file_is_the_same_or_it_is_said_why_not),
		cmocka_unit_test(what_is_written_may_have_grown_since),
		cmocka_unit_test(a_large_file_is_told_by_its_time),
		cmocka_unit_test(a_program_is_told_by_its_build_id),
		cmocka_unit_test(a_message_has_all_of_it),
	};

	return cmocka_run_group_tests_name("tree files", tests, make_dir, remove_dir);
}
