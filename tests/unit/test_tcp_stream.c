// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * user/tcp_stream_img.c on images made here as CRIU makes them: from where a socket stands to what
 * is written of it, and back.
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
#include "criu_images.pb-c.h"
#include "endpoint.h"
#include "files_img.h"
#include "tcp_stream_img.h"

#define STREAM_MAGIC 0x51465506
#define FILES_MAGIC  0x56303138

/* Where a socket stands. */
struct stand {
	const char *name;
	int state;
	uint32_t rcv_nxt, snd_una, snd_nxt, write_seq;
	uint32_t unread;
	int timestamp; /* -1: none */
};

static const struct stand stands[] = {
	{ "idle", TCP_ESTABLISHED, 100, 50, 50, 50, 0, 7 },
	{ "unread", TCP_ESTABLISHED, 100, 50, 50, 50, 30, 8 },
	{ "sent", TCP_ESTABLISHED, 100, 50, 90, 90, 0, 8 },
	{ "sent and to be sent", TCP_ESTABLISHED, 100, 50, 90, 130, 10, 300 },
	{ "to be sent", TCP_ESTABLISHED, 100, 50, 50, 130, 0, 301 },
	{ "around the end", TCP_ESTABLISHED, 5, -40, -10, 20, 10, -1 },
	{ "FIN sent", TCP_FIN_WAIT1, 100, 50, 51, 51, 0, 7 },
	{ "FIN and data sent", TCP_FIN_WAIT1, 100, 50, 71, 71, 0, 7 },
	{ "FIN and data to be sent", TCP_FIN_WAIT1, 100, 50, 60, 71, 0, 7 },
	{ "FIN around the end", TCP_FIN_WAIT1, 100, -1, 0, 0, 0, 7 },
	{ "FIN acknowledged", TCP_FIN_WAIT2, 100, 51, 51, 51, 0, 7 },
	{ "FIN of the client", TCP_CLOSE_WAIT, 101, 50, 60, 70, 9, 7 },
	{ "both", TCP_LAST_ACK, 101, 50, 60, 60, 9, 7 },
	{ "both, all to be sent", TCP_LAST_ACK, 101, 50, 50, 60, 9, 7 },
	{ "both, crossed", TCP_CLOSING, 101, 50, 51, 51, 0, 7 },
};

/* As libsoccr counts: neither queue has a FIN in it, and no length is below 0. */
static Criu__TcpStreamEntry entry_of(const struct stand *s)
{
	Criu__TcpStreamEntry entry = CRIU__TCP_STREAM_ENTRY__INIT;
	bool closed = s->state == TCP_FIN_WAIT1 || s->state == TCP_FIN_WAIT2 ||
		      s->state == TCP_CLOSING || s->state == TCP_LAST_ACK;

	entry.has_inq_len = entry.has_inq_seq = entry.has_outq_len = entry.has_outq_seq = 1;
	entry.has_unsq_len = entry.has_opt_mask = entry.has_snd_wscale = entry.has_mss_clamp = 1;
	entry.has_rcv_wup = entry.has_snd_wl1 = 1;
	entry.inq_len = s->unread;
	entry.inq_seq = s->rcv_nxt;
	entry.outq_seq = s->write_seq;
	entry.outq_len = s->write_seq - s->snd_una;
	entry.unsq_len = s->write_seq - s->snd_nxt;
	if (closed && entry.outq_len)
		entry.outq_len--;
	if (closed && entry.unsq_len)
		entry.unsq_len--;
	entry.has_timestamp = s->timestamp >= 0;
	entry.timestamp = s->timestamp;
	return entry;
}

static void put(struct bytes *b, const void *data, size_t len)
{
	assert_int_equal(bytes_reserve(b, len), 0);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void put_word(struct bytes *b, uint32_t word)
{
	put(b, &word, sizeof(word));
}

static struct bytes image_of(Criu__TcpStreamEntry *entry)
{
	size_t len = criu__tcp_stream_entry__get_packed_size(entry);
	_cleanup_free_ unsigned char *packed = malloc(len);
	struct bytes image = {};

	criu__tcp_stream_entry__pack(entry, packed);
	put_word(&image, IMG_COMMON_MAGIC);
	put_word(&image, STREAM_MAGIC);
	put_word(&image, len);
	put(&image, packed, len);
	return image;
}

static bool is_read_as(const struct stand *s, const struct message_sequences *seq)
{
	bool fin_only = s->state != TCP_ESTABLISHED && s->state != TCP_CLOSE_WAIT &&
			s->write_seq - s->snd_nxt == 1;

	return seq->rcv_nxt == s->rcv_nxt && seq->snd_una == s->snd_una &&
	       seq->snd_nxt == s->snd_nxt + fin_only;
}

static void reads_where_a_socket_stands(void **state)
{
	const struct stand fin_to_be_sent = {
		"FIN to be sent", TCP_FIN_WAIT1, 9, 50, 60, 61, 0, 7
	};

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(stands); i++) {
		const struct stand *s = i < ARRAY_SIZE(stands) ? &stands[i] : &fin_to_be_sent;
		Criu__TcpStreamEntry entry = entry_of(s);
		_cleanup_bytes_ struct bytes image = image_of(&entry);
		struct message_sequences seq;

		put(&image, "what is in the queues", 21);
		assert_int_equal(tcp_stream_img_read(&image, s->state, &seq), 0);
		if (!is_read_as(s, &seq))
			fail_msg("%s: %u %u %u", s->name, seq.rcv_nxt, seq.snd_una, seq.snd_nxt);
	}
}

static void clears_one_bit(void **state)
{
	static const uint32_t stamps[] = { 0,	1,     2,     127,	  128,
					   129, 16383, 16385, 0x80000001, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++) {
		Criu__TcpStreamEntry entry = entry_of(&stands[0]);
		struct bytes image, before;
		size_t at = 0;

		entry.timestamp = stamps[i];
		image = image_of(&entry);
		before = image_of(&entry);
		assert_int_equal(tcp_stream_img_clear_usec(&image, &at), stamps[i] & 1);
		if (stamps[i] & 1)
			before.data[at] ^= 1;
		assert_memory_equal(image.data, before.data, image.len);
		entry.timestamp &= ~1U;
		bytes_free(&before);
		before = image_of(&entry);
		assert_int_equal(before.len, image.len);
		assert_memory_equal(image.data, before.data, image.len);
		assert_int_equal(tcp_stream_img_clear_usec(&image, &at), 0);
		bytes_free(&before);
		bytes_free(&image);
	}
}

static void no_timestamp(void **state)
{
	Criu__TcpStreamEntry entry = entry_of(&stands[5]);
	_cleanup_bytes_ struct bytes image = image_of(&entry);
	size_t at;

	(void)state;
	assert_int_equal(tcp_stream_img_clear_usec(&image, &at), 0);
}

/* Cut anywhere, or with another magic number, it is none. */
static void damaged(void **state)
{
	Criu__TcpStreamEntry entry = entry_of(&stands[3]);
	_cleanup_bytes_ struct bytes image = image_of(&entry);
	struct message_sequences seq;
	size_t len = image.len, at;

	(void)state;
	for (image.len = 0; image.len < len; image.len++) {
		assert_int_equal(tcp_stream_img_read(&image, 1, &seq), -EBADMSG);
		assert_int_equal(tcp_stream_img_clear_usec(&image, &at), -EBADMSG);
	}
	for (size_t i = 0; i < 8; i++) {
		image.data[i] ^= 1;
		assert_int_equal(tcp_stream_img_read(&image, 1, &seq), -EBADMSG);
		image.data[i] ^= 1;
	}
	assert_int_equal(tcp_stream_img_read(&image, 1, &seq), 0);
	entry.has_outq_len = 0;
	bytes_free(&image);
	image = image_of(&entry);
	assert_int_equal(tcp_stream_img_read(&image, 1, &seq), -EBADMSG);
}

/* A directory of images: one socket a stand, of number 0xab000 and up, and others without stream.
 */
struct fixture {
	char dir[40];
	int fd;
};

static void save(const struct fixture *f, const char *name, const struct bytes *b)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, b->data, b->len), b->len);
	close(fd);
}

static void put_socket(struct bytes *files, uint32_t ino, int state, const char *remote_text)
{
	Criu__FileEntry entry = CRIU__FILE_ENTRY__INIT;
	Criu__InetSkEntry sk = CRIU__INET_SK_ENTRY__INIT;
	struct tcpmig_endpoint local, remote;
	_cleanup_free_ unsigned char *packed = NULL;
	size_t len;

	assert_null(endpoint_parse("10.9.0.2:5000", &local));
	assert_null(endpoint_parse(remote_text, &remote));
	sk.has_ino = sk.has_family = sk.has_proto = sk.has_state = sk.has_src_port = 1;
	sk.has_dst_port = 1;
	sk.ino = ino;
	sk.family = AF_INET6; /* v4-mapped */
	sk.proto = IPPROTO_TCP;
	sk.state = state;
	sk.src_port = 5000;
	sk.dst_port = ntohs(remote.port);
	sk.n_src_addr = sk.n_dst_addr = 4;
	sk.src_addr = local.addr32;
	sk.dst_addr = remote.addr32;
	entry.isk = &sk;
	len = criu__file_entry__get_packed_size(&entry);
	packed = malloc(len);
	criu__file_entry__pack(&entry, packed);
	put_word(files, len);
	put(files, packed, len);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_bytes_ struct bytes files = {};
	char text[32];

	strcpy(f->dir, "/tmp/test_tcp_stream.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	put_word(&files, IMG_COMMON_MAGIC);
	put_word(&files, FILES_MAGIC);
	put_socket(&files, 1, TCP_LISTEN, "10.9.0.1:1");
	put_socket(&files, 2, TCP_SYN_SENT, "10.9.0.1:1");
	for (size_t i = 0; i < ARRAY_SIZE(stands); i++) {
		Criu__TcpStreamEntry entry = entry_of(&stands[i]);
		_cleanup_bytes_ struct bytes image = image_of(&entry);

		snprintf(text, sizeof(text), "10.9.0.1:%zu", 40000 + i);
		put_socket(&files, 0xab000 + i, stands[i].state, text);
		snprintf(text, sizeof(text), "tcp-stream-ab%03zx.img", i);
		save(f, text, &image);
	}
	put_socket(&files, 3, TCP_CLOSE, "10.9.0.1:1");
	save(f, "files.img", &files);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char name[40];

	for (size_t i = 0; i < ARRAY_SIZE(stands); i++) {
		snprintf(name, sizeof(name), "tcp-stream-ab%03zx.img", i);
		unlinkat(f->fd, name, 0);
	}
	unlinkat(f->fd, "files.img", 0);
	close(f->fd);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void reads_a_directory(void **state)
{
	const struct fixture *f = *state;
	struct tcp_streams streams;
	const char *why = "";

	assert_int_equal(tcp_streams_read(f->fd, &streams, &why), 0);
	assert_int_equal(streams.count, ARRAY_SIZE(stands));
	for (size_t i = 0; i < streams.count; i++) {
		const struct tcp_stream *stream = &streams.at[i];

		assert_true(is_read_as(&stands[i], &stream->seq));
		assert_int_equal(stream->local.family, TCPMIG_AF_INET);
		assert_int_equal(ntohs(stream->local.port), 5000);
		assert_int_equal(ntohs(stream->remote.port), 40000 + i);
	}
	tcp_streams_free(&streams);
}

static void a_stream_that_is_not_there(void **state)
{
	const struct fixture *f = *state;
	struct tcp_streams streams;
	struct bytes none = {};
	const char *why = "";

	save(f, "tcp-stream-ab003.img", &none);
	assert_int_equal(tcp_streams_read(f->fd, &streams, &why), -EBADMSG);
	assert_string_equal(why, "the stream of a connection is damaged");
	tcp_streams_free(&streams);
	unlinkat(f->fd, "tcp-stream-ab003.img", 0);
	assert_int_equal(tcp_streams_read(f->fd, &streams, &why), -ENOENT);
	assert_string_equal(why, "the stream of a connection cannot be read");
	tcp_streams_free(&streams);
	unlinkat(f->fd, "files.img", 0);
	assert_int_equal(tcp_streams_read(f->fd, &streams, &why), -ENOENT);
	tcp_streams_free(&streams);
}

static void clears_in_a_directory(void **state)
{
	const struct fixture *f = *state;
	size_t odd = 0, changed = 0;
	const char *why = "";
	struct bytes none = {};

	for (size_t i = 0; i < ARRAY_SIZE(stands); i++)
		odd += stands[i].timestamp >= 0 && stands[i].timestamp & 1;
	assert_int_equal(tcp_stream_clear_usec(f->fd, &changed, &why), 0);
	assert_int_equal(changed, odd);
	assert_int_equal(tcp_stream_clear_usec(f->fd, &changed, &why), 0);
	assert_int_equal(changed, 0);
	reads_a_directory(state);
	save(f, "tcp-stream-ab003.img", &none);
	assert_int_equal(tcp_stream_clear_usec(f->fd, &changed, &why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_where_a_socket_stands),
		cmocka_unit_test(clears_one_bit),
		cmocka_unit_test(no_timestamp),
		cmocka_unit_test(damaged),
		cmocka_unit_test_setup_teardown(reads_a_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_that_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clears_in_a_directory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
