// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * user/images.c on images built byte by byte here, as CRIU writes them: a magic
 * number, then a 32-bit size and a protobuf message for each file.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "endpoint.h"
#include "images.h"

/* An image, or a part of one, under construction. */
struct bytes {
	unsigned char data[8192];
	size_t len;
};

static void put(struct bytes *b, const void *data, size_t len)
{
	assert_true(b->len + len <= sizeof(b->data));
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void put_word(struct bytes *b, uint32_t word)
{
	put(b, &word, sizeof(word));
}

static void put_varint(struct bytes *b, uint64_t value)
{
	unsigned char byte;

	do {
		byte = value & 0x7f;
		value >>= 7;
		byte |= value ? 0x80 : 0;
		put(b, &byte, 1);
	} while (value);
}

static void put_number(struct bytes *b, int field, uint64_t value)
{
	put_varint(b, field << 3);
	put_varint(b, value);
}

static void put_bytes(struct bytes *b, int field, const void *data, size_t len)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, len);
	put(b, data, len);
}

/* One socket of a test image. Addresses are text; NULL @remote: none. */
struct socket {
	int family; /* of the socket; an IPv4 address in an AF_INET6 one is v4-mapped */
	int proto;
	int state;
	const char *local;
	const char *remote;
	int v6only;
};

static void put_address(struct bytes *b, int field, const struct socket *s,
			const struct tcpmig_endpoint *ep)
{
	for (int i = s->family == AF_INET ? 3 : 0; i < 4; i++)
		put_number(b, field, ep->addr32[i]);
}

/* Wildcards have no text that endpoint_parse() and CRIU's words agree on: all zero. */
static void parse(const char *text, struct tcpmig_endpoint *ep)
{
	assert_null(endpoint_parse(text, ep));
	if (!strncmp(text, "0.0.0.0:", 8))
		memset(ep->addr, 0, sizeof(ep->addr));
}

/* With fields that our .proto does not know: before, between and behind the known ones. */
static void put_socket(struct bytes *image, const struct socket *s)
{
	struct bytes sk = {}, entry = {};
	struct tcpmig_endpoint local, remote = {};

	parse(s->local, &local);
	if (s->remote)
		parse(s->remote, &remote);
	put_number(&sk, 1, 7);	  /* id */
	put_number(&sk, 2, 4711); /* ino */
	put_number(&sk, 3, s->family);
	put_number(&sk, 4, 1); /* type */
	put_number(&sk, 5, s->proto);
	put_number(&sk, 6, s->state);
	put_number(&sk, 7, ntohs(local.port));
	put_number(&sk, 8, ntohs(remote.port));
	put_number(&sk, 9, 0x802); /* flags */
	put_number(&sk, 10, 128);  /* backlog */
	put_address(&sk, 11, s, &local);
	put_address(&sk, 12, s, &remote);
	put_bytes(&sk, 13, "\x08\x01", 2);	 /* fown */
	put_bytes(&sk, 14, "unknown to us", 13); /* opts */
	if (s->v6only >= 0)
		put_number(&sk, 15, s->v6only);
	put_bytes(&sk, 900, "from the future", 15);
	put_number(&entry, 1, 4); /* INETSK */
	put_number(&entry, 2, 7);
	put_bytes(&entry, 4, sk.data, sk.len);
	put_bytes(&entry, 901, "and behind", 10);
	put_word(image, entry.len);
	put(image, entry.data, entry.len);
}

static void put_regular_file(struct bytes *image)
{
	struct bytes entry = {};

	put_number(&entry, 1, 1); /* REG */
	put_number(&entry, 2, 8);
	put_bytes(&entry, 3, "\x0a\x09/dev/null", 11);
	put_word(image, entry.len);
	put(image, entry.data, entry.len);
}

static void start_image(struct bytes *image)
{
	image->len = 0;
	put_word(image, 0x54564319);
	put_word(image, 0x56303138);
}

struct fixture {
	char dir[32];
	char path[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_images.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/files.img", f->dir);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0); /* fails if anything else was left there */
	free(f);
	return 0;
}

static void save(const struct fixture *f, const struct bytes *image)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image->data, image->len), image->len);
	close(fd);
}

static void assert_file_is(const struct fixture *f, const struct bytes *image)
{
	struct bytes now = {};
	int fd = open(f->path, O_RDONLY);

	assert_true(fd >= 0);
	now.len = read(fd, now.data, sizeof(now.data));
	close(fd);
	assert_int_equal(now.len, image->len);
	assert_memory_equal(now.data, image->data, image->len);
}

static int rewrite(const struct fixture *f, const char *from_text, const char *to_text,
		   struct images_result *result)
{
	struct tcpmig_endpoint from, to;
	const char *why = NULL;
	int err;

	assert_null(endpoint_parse_optional_port(from_text, &from));
	assert_null(endpoint_parse_optional_port(to_text, &to));
	err = images_rewrite(f->dir, &from, &to, result, &why);
	assert_non_null(why);
	return err;
}

/* Each row: a socket before and after, or NULL if it must stay as it is. */
static const struct row {
	const char *name;
	const char *from, *to;
	struct socket before;
	const char *local_after, *remote_after;
} rows[] = {
	{ "IPv4 connection",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:5000", "10.9.0.1:40000", -1 },
	  "10.9.0.3:6000",
	  "10.9.0.1:40000" },
	{ "IPv4 half-closed connection",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_CLOSE_WAIT, "10.9.0.2:5000", "10.9.0.1:40000", -1 },
	  "10.9.0.3:6000",
	  "10.9.0.1:40000" },
	{ "IPv4 listener",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_LISTEN, "10.9.0.2:5000", NULL, -1 },
	  "10.9.0.3:6000",
	  NULL },
	{ "address only: port stays",
	  "10.9.0.2",
	  "10.9.0.3",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:5000", "10.9.0.1:40000", -1 },
	  "10.9.0.3:5000",
	  "10.9.0.1:40000" },
	{ "to without a port: port stays",
	  "10.9.0.2:5000",
	  "10.9.0.3",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:5000", "10.9.0.1:40000", -1 },
	  "10.9.0.3:5000",
	  "10.9.0.1:40000" },
	{ "port only",
	  "10.9.0.2:5000",
	  "10.9.0.2:6000",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:5000", "10.9.0.1:40000", -1 },
	  "10.9.0.2:6000",
	  "10.9.0.1:40000" },
	{ "wildcard listener gets the port",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_LISTEN, "0.0.0.0:5000", NULL, -1 },
	  "0.0.0.0:6000",
	  NULL },
	{ "IPv6 wildcard that serves IPv4 too gets the port",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET6, IPPROTO_TCP, TCP_LISTEN, "[::]:5000", NULL, 0 },
	  "[::]:6000",
	  NULL },
	{ "IPv6 connection",
	  "[fd09::2]:5000",
	  "[fd09::3]:6000",
	  { AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED, "[fd09::2]:5000", "[fd09::1]:40000", 0 },
	  "[fd09::3]:6000",
	  "[fd09::1]:40000" },
	{ "IPv6 listener",
	  "[fd09::2]:5000",
	  "[fd09::3]:6000",
	  { AF_INET6, IPPROTO_TCP, TCP_LISTEN, "[fd09::2]:5000", NULL, 1 },
	  "[fd09::3]:6000",
	  NULL },
	{ "v4-mapped connection",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:5000", "10.9.0.1:40000", 0 },
	  "10.9.0.3:6000",
	  "10.9.0.1:40000" },
	{ "UDP socket moves with the address",
	  "10.9.0.2",
	  "10.9.0.3",
	  { AF_INET, IPPROTO_UDP, TCP_CLOSE, "10.9.0.2:53", NULL, -1 },
	  "10.9.0.3:53",
	  NULL },
	{ "own peer inside the images follows",
	  "10.9.0.2",
	  "10.9.0.3",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:40000", "10.9.0.2:5000", -1 },
	  "10.9.0.3:40000",
	  "10.9.0.3:5000" },
	{ "connection from another port stays",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.2:5001", "10.9.0.1:40000", -1 },
	  NULL,
	  NULL },
	{ "another address stays",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.4:5000", "10.9.0.1:40000", -1 },
	  NULL,
	  NULL },
	{ "IPv6-only wildcard stays in a move of IPv4",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET6, IPPROTO_TCP, TCP_LISTEN, "[::]:5000", NULL, 1 },
	  NULL,
	  NULL },
	{ "IPv4 wildcard stays in a move of IPv6",
	  "[fd09::2]:5000",
	  "[fd09::3]:6000",
	  { AF_INET, IPPROTO_TCP, TCP_LISTEN, "0.0.0.0:5000", NULL, -1 },
	  NULL,
	  NULL },
	{ "wildcard listener on another port stays",
	  "10.9.0.2:5000",
	  "10.9.0.3:6000",
	  { AF_INET, IPPROTO_TCP, TCP_LISTEN, "0.0.0.0:5001", NULL, -1 },
	  NULL,
	  NULL },
	{ "raw socket stays",
	  "10.9.0.2",
	  "10.9.0.3",
	  { AF_INET, IPPROTO_ICMP, TCP_CLOSE, "10.9.0.2:1", NULL, -1 },
	  NULL,
	  NULL },
};

/* protobuf-c writes known fields in order and unknown ones behind: the same set of fields. */
static void put_socket_as_repacked(struct bytes *image, const struct socket *s)
{
	struct bytes sk = {}, entry = {};
	struct tcpmig_endpoint local, remote = {};

	parse(s->local, &local);
	if (s->remote)
		parse(s->remote, &remote);
	put_number(&sk, 2, 4711);
	put_number(&sk, 3, s->family);
	put_number(&sk, 5, s->proto);
	put_number(&sk, 6, s->state);
	put_number(&sk, 7, ntohs(local.port));
	put_number(&sk, 8, ntohs(remote.port));
	put_address(&sk, 11, s, &local);
	put_address(&sk, 12, s, &remote);
	if (s->v6only >= 0)
		put_number(&sk, 15, s->v6only);
	put_number(&sk, 1, 7);
	put_number(&sk, 4, 1);
	put_number(&sk, 9, 0x802);
	put_number(&sk, 10, 128);
	put_bytes(&sk, 13, "\x08\x01", 2);
	put_bytes(&sk, 14, "unknown to us", 13);
	put_bytes(&sk, 900, "from the future", 15);
	put_number(&entry, 1, 4);
	put_number(&entry, 2, 7);
	put_bytes(&entry, 4, sk.data, sk.len);
	put_bytes(&entry, 901, "and behind", 10);
	put_word(image, entry.len);
	put(image, entry.data, entry.len);
}

static void rewrites_what_matches_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct socket after = row->before;
		struct bytes before_image, after_image;
		struct images_result result;
		int err;

		start_image(&before_image);
		start_image(&after_image);
		put_regular_file(&before_image);
		put_regular_file(&after_image);
		put_socket(&before_image, &row->before);
		if (row->local_after) {
			after.local = row->local_after;
			after.remote = row->remote_after;
			put_socket_as_repacked(&after_image, &after);
		} else {
			put_socket(&after_image, &row->before);
		}
		put_regular_file(&before_image);
		put_regular_file(&after_image);
		save(f, &before_image);
		err = rewrite(f, row->from, row->to, &result);
		if (err != (row->local_after ? 0 : -ENOMSG))
			fail_msg("%s: returned %d", row->name, err);
		print_message("# %s\n", row->name);
		assert_file_is(f, &after_image);
		if (row->local_after)
			assert_int_equal(result.listeners + result.connections, 1);
	}
}

static void there_and_back_is_the_same(void **state)
{
	struct fixture *f = *state;
	struct bytes image;
	struct images_result result;
	const struct socket s = { AF_INET,	   IPPROTO_TCP,	     TCP_ESTABLISHED,
				  "10.9.0.2:5000", "10.9.0.1:40000", -1 };

	start_image(&image);
	put_socket_as_repacked(&image, &s);
	save(f, &image);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), 0);
	assert_int_equal(rewrite(f, "10.9.0.3:6000", "10.9.0.2:5000", &result), 0);
	assert_file_is(f, &image);
}

static void a_listener_that_fits_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct bytes image;
	struct images_result result;
	const struct socket s = { AF_INET, IPPROTO_TCP, TCP_LISTEN, "0.0.0.0:5000", NULL, -1 };

	start_image(&image);
	put_socket(&image, &s);
	save(f, &image);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:5000", &result), 0);
	assert_int_equal(result.unchanged, 1);
	assert_file_is(f, &image);
}

static void keeps_the_mode_of_the_file(void **state)
{
	struct fixture *f = *state;
	struct bytes image;
	struct images_result result;
	struct stat st;

	start_image(&image);
	put_socket(&image, &rows[0].before);
	save(f, &image);
	assert_int_equal(chmod(f->path, 0604), 0);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
}

/* Cut anywhere but between two entries, and with any one length word too large. */
static void refuses_damaged_files(void **state)
{
	struct fixture *f = *state;
	struct bytes whole, cut;
	struct images_result result;
	size_t first_entry, boundary;

	start_image(&whole);
	first_entry = whole.len;
	put_regular_file(&whole);
	boundary = whole.len;
	put_socket(&whole, &rows[0].before);
	for (size_t len = 0; len < whole.len; len++) {
		int err;

		cut = whole;
		cut.len = len;
		save(f, &cut);
		err = rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result);
		if (err != (len == first_entry || len == boundary ? -ENOMSG : -EBADMSG))
			fail_msg("cut to %zu bytes: returned %d", len, err);
		assert_file_is(f, &cut);
	}
	cut = whole;
	memset(cut.data + boundary, 0xff, 4);
	save(f, &cut);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), -EBADMSG);
	assert_file_is(f, &cut);
	cut = whole;
	cut.data[0] ^= 1; /* the magic number */
	save(f, &cut);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), -EBADMSG);
	assert_file_is(f, &cut);
	cut = whole;
	cut.data[boundary + 4] = 0x0f; /* field 1 with a wire type that does not exist */
	save(f, &cut);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), -EBADMSG);
	assert_file_is(f, &cut);
}

/* protobuf-c reads it, if its tag is written in two bytes, and writes it so that nobody can. */
static void refuses_a_field_of_number_0(void **state)
{
	struct fixture *f = *state;
	struct bytes image;
	struct images_result result;
	size_t at, len;

	start_image(&image);
	at = image.len;
	put_socket(&image, &rows[0].before);
	len = image.len - at - 4;
	put(&image, "\x80\x00\x01", 3);
	image.data[at] = len + 3;
	assert_true(len + 3 < 256);
	save(f, &image);
	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), -EBADMSG);
	assert_file_is(f, &image);
}

static void says_when_there_is_no_image(void **state)
{
	struct fixture *f = *state;
	struct images_result result;

	assert_int_equal(rewrite(f, "10.9.0.2:5000", "10.9.0.3:6000", &result), -ENOENT);
}

struct seen {
	char text[256];
};

static int note(const struct tcpmig_endpoint *local, const struct tcpmig_endpoint *remote,
		void *ctx)
{
	struct seen *seen = ctx;
	char l[ENDPOINT_STRLEN], r[ENDPOINT_STRLEN];
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%s<%s ", endpoint_format(local, l),
		 endpoint_format(remote, r));
	return 0;
}

static void lists_connections(void **state)
{
	struct fixture *f = *state;
	struct bytes image;
	struct seen seen = {};
	int dir;
	const struct socket sockets[] = {
		{ AF_INET, IPPROTO_TCP, TCP_LISTEN, "10.9.0.3:6000", NULL, -1 },
		{ AF_INET, IPPROTO_TCP, TCP_ESTABLISHED, "10.9.0.3:6000", "10.9.0.1:40000", -1 },
		{ AF_INET6, IPPROTO_TCP, TCP_FIN_WAIT2, "10.9.0.3:6000", "10.9.0.1:40001", 0 },
		{ AF_INET6, IPPROTO_TCP, TCP_CLOSE_WAIT, "[fd09::3]:6000", "[fd09::1]:4", 0 },
		{ AF_INET, IPPROTO_UDP, TCP_CLOSE, "10.9.0.3:53", NULL, -1 },
	};

	start_image(&image);
	put_regular_file(&image);
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
		put_socket(&image, &sockets[i]);
	save(f, &image);
	dir = open(f->dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(images_each_connection(dir, note, &seen), 0);
	close(dir);
	assert_string_equal(seen.text, "10.9.0.3:6000<10.9.0.1:40000 "
				       "10.9.0.3:6000<10.9.0.1:40001 "
				       "[fd09::3]:6000<[fd09::1]:4 ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rewrites_what_matches_and_nothing_else),
		TEST(there_and_back_is_the_same),
		TEST(a_listener_that_fits_is_no_error),
		TEST(keeps_the_mode_of_the_file),
		TEST(refuses_damaged_files),
		TEST(refuses_a_field_of_number_0),
		TEST(says_when_there_is_no_image),
		TEST(lists_connections),
	};

	return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
