// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/image_send.c, image_receive.c: a directory of images goes over TLS while it is written. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "host_pair.h"
#include "image_receive.h"
#include "image_send.h"

#define LIMIT_BYTES (100 << 20)

static const uint8_t uuid[HOST_UUID_LEN] = { 9 };
static char here[] = "/dev/shm/tcpmig-images.XXXXXX";
static int from_dir, to_dir;

static void write_file(int dir, const char *name, const void *data, size_t len, int flags)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void put(const char *name, const char *text)
{
	write_file(from_dir, name, text, strlen(text), O_TRUNC);
}

static size_t read_file(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, size);

	if (len < 0)
		fail_msg("%s: %s", name, strerror(errno));
	close(fd);
	return len;
}

static void assert_there(const char *name, const char *text)
{
	char buf[200];
	size_t len = read_file(to_dir, name, buf, sizeof(buf));

	assert_int_equal(len, strlen(text));
	assert_memory_equal(buf, text, len);
}

static int empty(int dir)
{
	DIR *list = fdopendir(dup(dir));
	struct dirent *entry;

	rewinddir(list);
	while ((entry = readdir(list)))
		unlinkat(dir, entry->d_name, 0);
	return closedir(list);
}

static int empty_both(void **state)
{
	(void)state;
	return empty(from_dir) || empty(to_dir);
}

/** struct b_side - receives until RESTORE, in a thread. */
struct b_side {
	pthread_t thread;
	struct host_link *link;
	struct image_receive *receive;
	bool answer_early;
	size_t pieces, lists;
	unsigned int cpu_ms;
	int err;
	char why[HOST_WHY_LEN];
};

static int take(struct b_side *b, const TcpmigHost__Request *req)
{
	switch (req->body_case) {
	case TCPMIG_HOST__REQUEST__BODY_IMAGE:
		b->pieces++;
		return image_receive_piece(b->receive, req->image, b->why);
	case TCPMIG_HOST__REQUEST__BODY_DIGESTS:
		b->lists++;
		return image_receive_digests(b->receive, req->digests->images,
					     req->digests->n_images, b->why);
	case TCPMIG_HOST__REQUEST__BODY_RESTORE:
		b->err = image_receive_digests(b->receive, req->restore->images,
					       req->restore->n_images, b->why);
		if (!b->err)
			b->err = image_receive_done(b->receive, b->why);
		return b->err;
	default:
		return -EPROTO;
	}
}

static unsigned int cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void *receives(void *arg)
{
	TcpmigHost__Answer answer = TCPMIG_HOST__ANSWER__INIT;
	const TcpmigHost__Request *req;
	struct b_side *b = arg;
	bool last = false;

	while (!last) {
		b->err = host_receive_request(b->link, &req, in_ms(LIMIT_MS), b->why);
		if (b->err)
			return NULL;
		last = b->answer_early || req->body_case == TCPMIG_HOST__REQUEST__BODY_RESTORE;
		answer.id = req->id;
		b->err = take(b, req);
		last |= b->err != 0;
	}
	b->cpu_ms = cpu_ms();
	answer.result = b->err ? TCPMIG_HOST__RESULT__FAILED : TCPMIG_HOST__RESULT__OK;
	host_send_answer(b->link, &answer, in_ms(LIMIT_MS),
			 b->err ? (char[HOST_WHY_LEN]){} : b->why);
	return NULL;
}

static struct host_link *begin(struct b_side *b)
{
	struct host_link *a;

	*b = (struct b_side){ 0 };
	a = pair(&b->link);
	b->receive = image_receive_new(to_dir, LIMIT_BYTES, "inventory.img",
				       "inventory.img.tcpmig");
	assert_non_null(b->receive);
	return a;
}

static void start(struct b_side *b)
{
	assert_int_equal(pthread_create(&b->thread, NULL, receives, b), 0);
}

static void end(struct b_side *b, struct host_link *a)
{
	host_link_close(a);
	host_link_close(b->link);
	image_receive_free(b->receive);
}

/* Waits until a file may be ready, and sends it. */
static void send_next(struct image_send *send, struct host_link *a)
{
	struct pollfd pfd = { .fd = image_send_fd(send), .events = POLLIN };
	char why[HOST_WHY_LEN];

	assert_int_equal(poll(&pfd, 1, LIMIT_MS), 1);
	if (image_send_some(send, a, in_ms(LIMIT_MS), why))
		fail_msg("%s", why);
	assert_int_equal(host_link_flush(a, in_ms(LIMIT_MS), why), 0);
}

/* The whole of it. Return: what B has found. */
static int finish(struct image_send *send, struct host_link *a, struct b_side *b)
{
	const TcpmigHost__Answer *answer;
	char why[HOST_WHY_LEN];

	if (image_send_all(send, a, in_ms(LIMIT_MS), why))
		fail_msg("%s", why);
	if (host_receive_answer(a, &answer, in_ms(LIMIT_MS), why))
		fail_msg("%s", why);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	assert_int_equal(answer->result != TCPMIG_HOST__RESULT__OK, b->err != 0);
	return b->err;
}

/* struct work - of what is measured: until the other side has all of it. */
struct work {
	uint64_t start_ms;
	unsigned int cpu_ms;
};

static struct work start_work(void)
{
	return (struct work){ clock_mono_ms(), cpu_ms() };
}

static void report(const char *what, const struct work *w, const struct b_side *b)
{
	print_message("# %s: %u ms after the last was closed; CPU: A %u ms, B %u ms\n", what,
		      (unsigned int)(clock_mono_ms() - w->start_ms), cpu_ms() - w->cpu_ms,
		      b->cpu_ms);
}

static void files_go_when_they_are_closed(void **state)
{
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send;
	int fd;

	(void)state;
	put("core-1.img", "was there before");
	send = image_send_new(from_dir, uuid);
	assert_non_null(send);
	start(&b);
	fd = openat(from_dir, "pages-1.img", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "half", 4), 4);
	put("empty.img", "");
	put("files.img", "first");
	send_next(send, a);
	assert_int_equal(image_send_stats(send).files, 3);
	assert_int_equal(write(fd, " and half", 9), 9);
	close(fd);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).files, 4);
	put("files.img", "again");
	send_next(send, a);
	write_file(from_dir, "files.img", "!", 1, O_APPEND);
	put("inventory.img", "the last");
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	assert_int_equal(b.pieces, 7);
	assert_there("core-1.img", "was there before");
	assert_there("pages-1.img", "half and half");
	assert_there("empty.img", "");
	assert_there("files.img", "again!");
	assert_there("inventory.img.tcpmig", "the last");
	assert_int_equal(faccessat(to_dir, "inventory.img", F_OK, 0), -1);
	assert_int_equal(image_receive_files(b.receive), 5);
	assert_int_equal(image_receive_bytes(b.receive), 43);
	assert_int_equal(image_send_stats(send).bytes, 43);
	assert_int_equal(image_send_stats(send).sent_bytes, 53);
	image_send_free(send);
	end(&b, a);
}

/* Also what nobody closes, and what came by another name. */
static void nothing_is_left_out_in_the_end(void **state)
{
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	int fd = openat(from_dir, "open.img", O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(mkdirat(from_dir, "a-directory", 0700), 0);
	start(&b);
	assert_int_equal(write(fd, "open", 4), 4);
	put("tmp", "renamed");
	assert_int_equal(renameat(from_dir, "tmp", from_dir, "new.img"), 0);
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	assert_there("open.img", "open");
	assert_there("new.img", "renamed");
	assert_int_equal(b.pieces, 2);
	close(fd);
	image_send_free(send);
	end(&b, a);
	assert_int_equal(unlinkat(from_dir, "a-directory", AT_REMOVEDIR), 0);
}

/* Memory goes as it grows; the end of it, and whether it was right so, shows when it is closed. */
static void pages_go_as_they_grow(void **state)
{
	static uint8_t data[3 * HOST_PIECE_MAX];
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	int fd, other;

	(void)state;
	memset(data, 'x', sizeof(data));
	start(&b);
	fd = openat(from_dir, "pages-1.img", O_WRONLY | O_CREAT, 0600);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, 0);
	assert_int_equal(write(fd, data, HOST_PIECE_MAX + 1), HOST_PIECE_MAX + 1);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, HOST_PIECE_MAX);
	assert_int_equal(write(fd, data, HOST_PIECE_MAX), HOST_PIECE_MAX);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, 2 * HOST_PIECE_MAX);
	assert_int_equal(image_send_stats(send).files, 0);
	other = openat(from_dir, "files.img", O_WRONLY | O_CREAT, 0600); /* no memory */
	assert_int_equal(write(other, data, sizeof(data)), sizeof(data));
	assert_int_equal(write(fd, "end", 3), 3);
	close(fd);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, 2 * HOST_PIECE_MAX + 4);
	assert_int_equal(image_send_stats(send).files, 1);
	close(other);
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	assert_int_equal(b.pieces, 3 + 3);
	image_send_free(send);
	end(&b, a);
}

static void assert_content(const char *name, const void *expected, size_t len)
{
	char *buf = malloc(len + 1);

	assert_int_equal(read_file(to_dir, name, buf, len + 1), len);
	assert_memory_equal(buf, expected, len);
	free(buf);
}

/* What has grown is cut off, replaced by another file, or written over before it is closed. */
static void pages_that_do_not_only_grow(void **state)
{
	static uint8_t data[3 * HOST_PIECE_MAX], more[HOST_PIECE_MAX];
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	int fd;

	(void)state;
	memset(data, 'x', sizeof(data));
	memset(more, 'y', sizeof(more));
	start(&b);
	for (int i = 1; i < 4; i++) {
		write_file(from_dir,
			   i == 1   ? "pages-1.img"
			   : i == 2 ? "pages-2.img"
				    : "pages-3.img",
			   data, sizeof(data), O_TRUNC);
		send_next(send, a);
	}
	assert_int_equal(image_send_stats(send).files, 3);
	write_file(from_dir, "pages-1.img", more, 10, O_TRUNC);
	fd = openat(from_dir, "pages-4.img", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	send_next(send, a);
	assert_int_equal(ftruncate(fd, 5), 0);
	write_file(from_dir, "tmp", more, sizeof(more), 0);
	assert_int_equal(renameat(from_dir, "tmp", from_dir, "pages-2.img"), 0);
	write_file(from_dir, "pages-3.img", more, 1, O_APPEND);
	close(fd);
	fd = openat(from_dir, "pages-5.img", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	send_next(send, a);
	write_file(from_dir, "tmp", more, sizeof(more), 0);
	write_file(from_dir, "tmp", more, sizeof(more), O_APPEND);
	write_file(from_dir, "tmp", more, sizeof(more), O_APPEND);
	assert_int_equal(renameat(from_dir, "tmp", from_dir, "pages-5.img"), 0);
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	assert_content("pages-1.img", more, 10);
	assert_content("pages-2.img", more, sizeof(more));
	assert_content("pages-4.img", data, 5);
	for (int i = 0; i < 3; i++)
		memset(data + i * sizeof(more), 'y', sizeof(more));
	assert_content("pages-5.img", data, sizeof(data));
	close(fd);
	image_send_free(send);
	end(&b, a);
}

/* Closed, and written again before its turn; then it is not sent as it grows any more. */
static void pages_that_are_closed_twice(void **state)
{
	static uint8_t data[HOST_PIECE_MAX];
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	int fd;

	(void)state;
	start(&b);
	write_file(from_dir, "pages-1.img", data, 10, O_TRUNC);
	fd = openat(from_dir, "pages-1.img", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, data, 10), 10);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).files, 1);
	assert_int_equal(image_send_stats(send).sent_bytes, 20);
	write_file(from_dir, "pages-1.img", data, 1, O_APPEND);
	assert_int_equal(write(fd, data, 1), 1);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, 20 + 22);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, 20 + 22);
	close(fd);
	send_next(send, a);
	assert_int_equal(image_send_stats(send).sent_bytes, 20 + 22 + 22 + sizeof(data));
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	image_send_free(send);
	end(&b, a);
}

#define MANY 2500

static void thousands_of_files(void **state)
{
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	struct work work;
	char name[40];

	(void)state;
	start(&b);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "tcp-stream-%x.img", i);
		put(name, name);
	}
	work = start_work();
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	report("2,500 files", &work, &b);
	assert_int_equal(b.lists, MANY / 800);
	assert_int_equal(image_receive_files(b.receive), MANY);
	assert_there("tcp-stream-7ff.img", "tcp-stream-7ff.img");
	image_send_free(send);
	end(&b, a);
}

static void sixty_four_mebibytes(void **state)
{
	static uint8_t data[64 << 20], back[64 << 20];
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	struct work work;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * i >> 3;
	start(&b);
	write_file(from_dir, "pages-1.img", data, sizeof(data), O_TRUNC);
	work = start_work();
	if (finish(send, a, &b))
		fail_msg("%s", b.why);
	report("64 MiB", &work, &b);
	assert_int_equal(read_file(to_dir, "pages-1.img", (char *)back, sizeof(back)),
			 sizeof(back));
	assert_memory_equal(data, back, sizeof(data));
	image_send_free(send);
	end(&b, a);
}

static void one_that_listens_no_more(void **state)
{
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	const TcpmigHost__Answer *answer;
	char why[HOST_WHY_LEN];

	(void)state;
	b.answer_early = true;
	start(&b);
	put("a.img", "a");
	send_next(send, a);
	assert_int_equal(pthread_join(b.thread, NULL), 0);
	put("b.img", "b");
	assert_int_equal(image_send_some(send, a, in_ms(LIMIT_MS), why), -ECANCELED);
	assert_int_equal(host_receive_answer(a, &answer, in_ms(LIMIT_MS), why), 0);
	image_send_free(send);
	end(&b, a);
}

static void what_is_no_image_is_not_sent(void **state)
{
	struct b_side b;
	struct host_link *a = begin(&b);
	struct image_send *send = image_send_new(from_dir, uuid);
	char why[HOST_WHY_LEN];

	(void)state;
	put("a b", "");
	assert_int_equal(image_send_some(send, a, in_ms(LIMIT_MS), why), -EINVAL);
	assert_says(why, "a name that no image has");
	image_send_free(send);
	assert_null(image_send_new(from_dir, uuid));
	assert_int_equal(errno, EINVAL);
	unlinkat(from_dir, "a b", 0);
	send = image_send_new(from_dir, uuid);
	put("a.img", "a");
	assert_int_equal(image_send_some(send, a, in_ms(LIMIT_MS), why), 0);
	unlinkat(from_dir, "a.img", 0);
	assert_int_equal(image_send_all(send, a, in_ms(LIMIT_MS), why), -ENOENT);
	assert_says(why, "image 'a.img': No such file");
	image_send_free(send);
	end(&b, a);
}

/* ---- what B refuses: pieces and digests by hand ---- */

static struct image_receive *receive;
static char said[IMAGE_WHY_LEN];

static int piece(const char *name, uint64_t offset, const char *text)
{
	TcpmigHost__Image image = TCPMIG_HOST__IMAGE__INIT;

	image.name = (char *)name;
	image.offset = offset;
	image.data = (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
	return image_receive_piece(receive, &image, said);
}

static int digest(const char *name, uint64_t size, const char *text, int flip)
{
	TcpmigHost__ImageDigest one = TCPMIG_HOST__IMAGE_DIGEST__INIT, *list = &one;
	uint8_t sha256[HOST_SHA256_LEN];

	assert_int_equal(EVP_Digest(text, strlen(text), sha256, NULL, EVP_sha256(), NULL), 1);
	if (flip >= 0)
		sha256[flip / 8] ^= 1 << flip % 8;
	one.name = (char *)name;
	one.size = size;
	one.sha256 = (ProtobufCBinaryData){ sizeof(sha256), sha256 };
	return image_receive_digests(receive, &list, 1, said);
}

static void renew(uint64_t limit)
{
	image_receive_free(receive);
	empty(to_dir);
	receive = image_receive_new(to_dir, limit, "inventory.img", "inventory.img.tcpmig");
	assert_non_null(receive);
}

static void pieces_in_another_order(void **state)
{
	(void)state;
	renew(1000);
	assert_int_equal(piece("a", 1, "x"), -EINVAL);
	assert_string_equal(said, "image 'a': a piece at 1, expected one at 0");
	renew(1000);
	assert_int_equal(piece("a", 0, "0123"), 0);
	assert_int_equal(piece("a", 5, "x"), -EINVAL);
	assert_string_equal(said, "image 'a': a piece at 5, expected one at 4");
	assert_int_equal(piece("a", 3, "x"), -EINVAL);
	assert_int_equal(piece("b", 0, "b0"), 0);
	assert_int_equal(piece("a", 4, "45"), 0); /* files may come side by side */
	assert_int_equal(piece("b", 2, "b2"), 0);
	assert_there("a", "012345");
	assert_there("b", "b0b2");
	assert_int_equal(piece("a", 0, "new"), 0);
	assert_there("a", "new");
	assert_int_equal(image_receive_bytes(receive), 7);
	assert_int_equal(digest("a", 3, "new", -1), 0);
	assert_int_equal(digest("b", 4, "b0b2", -1), 0);
	assert_int_equal(image_receive_done(receive, said), 0);
}

static void no_more_bytes_than_allowed(void **state)
{
	(void)state;
	renew(8);
	assert_int_equal(piece("a", 0, "12345"), 0);
	assert_int_equal(piece("b", 0, "6789"), -EFBIG);
	assert_string_equal(said, "image 'b': more than 8 bytes, or 65536 files, in all");
	renew(8);
	assert_int_equal(piece("a", 0, "12345"), 0);
	assert_int_equal(piece("a", 0, "12345678"), 0); /* in the place of what was */
	assert_int_equal(piece("b", 0, ""), 0);
	assert_int_equal(piece("a", 8, "9"), -EFBIG);
}

/* Somebody who can write there has put something in the place of an image. */
static void nothing_but_new_files(void **state)
{
	(void)state;
	renew(1000);
	assert_int_equal(symlinkat("/dev/null", to_dir, "link"), 0);
	assert_int_equal(mkfifoat(to_dir, "fifo", 0600), 0);
	write_file(to_dir, "file", "precious", 8, 0);
	assert_int_equal(piece("link", 0, "x"), -EEXIST);
	assert_string_equal(said, "image 'link': cannot be written: File exists");
	assert_int_equal(piece("fifo", 0, "x"), -EEXIST);
	assert_int_equal(piece("file", 0, "x"), -EEXIST);
	assert_there("file", "precious");
	renew(1000);
	assert_int_equal(piece("inventory.img.tcpmig", 0, "x"), -EINVAL);
	assert_int_equal(mkfifoat(to_dir, "inventory.img", 0600), 0);
	assert_int_equal(piece("inventory.img", 0, "kept"), 0);
	assert_there("inventory.img.tcpmig", "kept");
	assert_int_equal(digest("inventory.img", 4, "kept", -1), 0);
	renew(1000);
	assert_int_equal(piece("a", 0, "x"), 0);
	assert_int_equal(unlinkat(to_dir, "a", 0), 0);
	assert_int_equal(symlinkat("/dev/null", to_dir, "a"), 0);
	assert_int_equal(piece("a", 0, "x"), -ELOOP);
}

static void only_what_was_sent(void **state)
{
	(void)state;
	for (int bit = 0; bit < 256; bit++) {
		renew(1000);
		assert_int_equal(piece("a", 0, "content"), 0);
		assert_int_equal(digest("a", 7, "content", bit), -EBADMSG);
		assert_string_equal(said, "image 'a': its content is not what was sent");
	}
	for (int bit = 0; bit < 7 * 8; bit++) { /* of the content */
		char flipped[] = "content";

		renew(1000);
		flipped[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(piece("a", 0, flipped), 0);
		assert_int_equal(digest("a", 7, "content", -1), -EBADMSG);
	}
	renew(1000);
	assert_int_equal(piece("a", 0, "content"), 0);
	assert_int_equal(digest("a", 8, "content", -1), -EBADMSG);
	assert_string_equal(said, "image 'a': it has 7 bytes, expected 8");
	renew(1000);
	assert_int_equal(piece("a", 0, "content"), 0);
	write_file(to_dir, "a", "x", 1, O_APPEND);
	assert_int_equal(digest("a", 7, "content", -1), -EBADMSG);
	assert_string_equal(said, "image 'a': it has 8 bytes, expected 7");
}

static void no_fewer_and_no_more(void **state)
{
	(void)state;
	renew(1000);
	assert_int_equal(digest("a", 1, "a", -1), -EBADMSG);
	assert_string_equal(said, "image 'a': it has not come");
	assert_int_equal(image_receive_done(receive, said), 0);
	assert_int_equal(piece("a", 0, "a"), 0);
	assert_int_equal(piece("b", 0, "b"), 0);
	assert_int_equal(digest("a", 1, "a", -1), 0);
	assert_int_equal(image_receive_done(receive, said), -EBADMSG);
	assert_string_equal(said, "image 'b': it has come, but no digest of it");
	assert_int_equal(digest("a", 1, "a", -1), -EBADMSG);
	assert_string_equal(said, "image 'a': named twice");
	assert_int_equal(digest("b", 1, "b", -1), 0);
	assert_int_equal(image_receive_done(receive, said), 0);
}

static int make_dirs(void **state)
{
	int dir = mkdtemp(here) ? open(here, O_RDONLY | O_DIRECTORY) : -1;

	if (host_pair_make(state) || dir < 0 || mkdirat(dir, "from", 0700) ||
	    mkdirat(dir, "to", 0700))
		return -1;
	from_dir = openat(dir, "from", O_RDONLY | O_DIRECTORY);
	to_dir = openat(dir, "to", O_RDONLY | O_DIRECTORY);
	return close(dir) || from_dir < 0 || to_dir < 0;
}

static int remove_dirs(void **state)
{
	int dir = open(here, O_RDONLY | O_DIRECTORY);

	image_receive_free(receive);
	empty_both(state);
	close(from_dir);
	close(to_dir);
	unlinkat(dir, "from", AT_REMOVEDIR);
	unlinkat(dir, "to", AT_REMOVEDIR);
	close(dir);
	return rmdir(here) || host_pair_free(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, empty_both, empty_both)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_go_when_they_are_closed),
		TEST(nothing_is_left_out_in_the_end),
		TEST(pages_go_as_they_grow),
		TEST(pages_that_do_not_only_grow),
		TEST(pages_that_are_closed_twice),
		TEST(thousands_of_files),
		TEST(sixty_four_mebibytes),
		TEST(one_that_listens_no_more),
		TEST(what_is_no_image_is_not_sent),
		TEST(pieces_in_another_order),
		TEST(no_more_bytes_than_allowed),
		TEST(nothing_but_new_files),
		TEST(only_what_was_sent),
		TEST(no_fewer_and_no_more),
	};

	return cmocka_run_group_tests_name("image_transfer", tests, make_dirs, remove_dirs);
}
