// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "criu_images.pb-c.h"
#include "files_img.h"
#include "tcp_stream_img.h"

#define TCP_STREAM_MAGIC 0x51465506
#define TCP_STREAM_IMG	 "tcp-stream-"
#define FILES_DAMAGED	 "files.img is damaged"

/* The entry, and where it is. Return: NULL: damaged. */
static Criu__TcpStreamEntry *unpack(const struct bytes *image, const unsigned char **raw,
				    size_t *len)
{
	Criu__TcpStreamEntry *entry;
	size_t off = 0;

	if (img_entry(image, TCP_STREAM_MAGIC, &off, raw, len) != 1)
		return NULL;
	entry = criu__tcp_stream_entry__unpack(NULL, *len, *raw);
	if (entry && (!entry->has_inq_seq || !entry->has_outq_seq || !entry->has_outq_len)) {
		criu__tcp_stream_entry__free_unpacked(entry, NULL);
		entry = NULL;
	}
	return entry;
}

/* Its own FIN is among what has not been acknowledged; CRIU does not count it. */
static bool has_fin_under_way(int state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
}

int tcp_stream_img_read(const struct bytes *image, int state, struct message_sequences *seq)
{
	const uint32_t fin = has_fin_under_way(state);
	Criu__TcpStreamEntry *entry;
	const unsigned char *raw;
	size_t len;

	entry = unpack(image, &raw, &len);
	if (!entry)
		return -EBADMSG;
	seq->rcv_nxt = entry->inq_seq;
	seq->snd_una = entry->outq_seq - entry->outq_len - fin;
	seq->snd_nxt = entry->outq_seq - entry->unsq_len - (entry->unsq_len ? fin : 0);
	criu__tcp_stream_entry__free_unpacked(entry, NULL);
	return 0;
}

/* Written again, it differs in one bit of one byte: a number is no shorter without it. */
static int clear_bit(struct bytes *image, Criu__TcpStreamEntry *entry, const unsigned char *raw,
		     size_t len, size_t *offset)
{
	_cleanup_free_ unsigned char *again = NULL;
	size_t at = 0;

	if (!entry->has_timestamp || !(entry->timestamp & 1))
		return 0;
	entry->timestamp &= ~1U;
	again = malloc(len);
	if (!again)
		return -ENOMEM;
	if (criu__tcp_stream_entry__get_packed_size(entry) != len)
		return -EBADMSG;
	criu__tcp_stream_entry__pack(entry, again);
	while (at < len && again[at] == raw[at])
		at++;
	if (at == len || again[at] != (raw[at] ^ 1) ||
	    memcmp(again + at + 1, raw + at + 1, len - at - 1))
		return -EBADMSG;
	*offset = raw + at - image->data;
	image->data[*offset] ^= 1;
	return 1;
}

int tcp_stream_img_clear_usec(struct bytes *image, size_t *offset)
{
	Criu__TcpStreamEntry *entry;
	const unsigned char *raw;
	size_t len;
	int changed;

	entry = unpack(image, &raw, &len);
	if (!entry)
		return -EBADMSG;
	changed = clear_bit(image, entry, raw, len, offset);
	criu__tcp_stream_entry__free_unpacked(entry, NULL);
	return changed;
}

/* Its beginning, into @head. Return: what was read, for @image; -errno. */
static int read_head(int fd, unsigned char head[TCP_STREAM_HEAD_BYTES], struct bytes *image)
{
	ssize_t n = pread(fd, head, TCP_STREAM_HEAD_BYTES, 0);

	*image = (struct bytes){ .data = head, .len = n < 0 ? 0 : n };
	return n < 0 ? -errno : 0;
}

struct reading {
	int dir_fd;
	struct tcp_streams *streams;
	size_t room;
	const char **why;
};

static int read_stream(const struct reading *r, __u32 ino, int state, struct message_sequences *seq)
{
	unsigned char head[TCP_STREAM_HEAD_BYTES];
	_cleanup_close_ int fd = -1;
	struct bytes image;
	char name[32];
	int err;

	snprintf(name, sizeof(name), TCP_STREAM_IMG "%x.img", ino);
	*r->why = "the stream of a connection cannot be read";
	fd = openat(r->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	err = read_head(fd, head, &image);
	if (err)
		return err;
	*r->why = "the stream of a connection is damaged";
	return tcp_stream_img_read(&image, state, seq);
}

static int add_stream(const struct img_socket *sk, void *ctx)
{
	struct reading *r = ctx;
	struct tcp_streams *all = r->streams;
	struct tcp_stream *stream;
	int err;

	if (sk->state == TCP_SYN_SENT || sk->state == TCP_SYN_RECV)
		return 0;
	*r->why = "no memory";
	if (all->count == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		stream = reallocarray(all->at, r->room, sizeof(*stream));
		if (!stream)
			return -ENOMEM;
		all->at = stream;
	}
	stream = &all->at[all->count++];
	*stream = (struct tcp_stream){ .local = sk->local, .remote = sk->remote };
	err = read_stream(r, sk->ino, sk->state, &stream->seq);
	if (!err)
		*r->why = FILES_DAMAGED;
	return err;
}

int tcp_streams_read(int dir_fd, struct tcp_streams *streams, const char **why)
{
	struct reading r = { .dir_fd = dir_fd, .streams = streams, .why = why };
	_cleanup_bytes_ struct bytes files = {};
	mode_t mode;
	int err;

	*streams = (struct tcp_streams){};
	*why = "no files.img there; expected the image directory of a finished dump";
	err = images_read_file(dir_fd, FILES_IMG, &files, &mode);
	if (err)
		return err;
	*why = FILES_DAMAGED;
	return files_img_each_socket(&files, add_stream, &r);
}

void tcp_streams_free(struct tcp_streams *streams)
{
	free(streams->at);
	*streams = (struct tcp_streams){};
}

/* Return: 1: changed; 0; -errno. */
static int clear_in_file(int dir_fd, const char *name)
{
	unsigned char head[TCP_STREAM_HEAD_BYTES];
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct bytes image;
	size_t offset = 0;
	int changed;

	if (fd < 0)
		return -errno;
	changed = read_head(fd, head, &image);
	if (!changed)
		changed = tcp_stream_img_clear_usec(&image, &offset);
	if (changed == 1 && pwrite(fd, head + offset, 1, offset) != 1)
		return -errno;
	return changed;
}

static bool is_stream(const char *name)
{
	return !strncmp(name, TCP_STREAM_IMG, strlen(TCP_STREAM_IMG));
}

int tcp_stream_clear_usec(int dir_fd, size_t *changed, const char **why)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int done = 0;

	*changed = 0;
	*why = "the directory of the images cannot be read";
	if (!dir) {
		done = -errno;
		if (fd >= 0)
			close(fd);
		return done;
	}
	while (done >= 0 && (entry = readdir(dir)))
		if (is_stream(entry->d_name)) {
			done = clear_in_file(dir_fd, entry->d_name);
			*changed += done == 1;
			*why = "the stream of a connection is damaged, or cannot be written";
		}
	closedir(dir);
	return done < 0 ? done : 0;
}
