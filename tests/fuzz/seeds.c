// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* seeds DIR: writes into DIR/TARGET what each fuzz target begins with: real messages, files, words.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "control_frame.h"
#include "criu_images.pb-c.h"
#include "endpoint.h"
#include "host_messages.h"

static const char *dir;

static void write_seed(const char *target, const char *name, int number, const void *data,
		       size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	mkdir(path, 0777); /* may be there */
	snprintf(path, sizeof(path), "%s/%s/%s-%d", dir, target, name, number);
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		err(1, "%s", path);
}

/* A few flows, none, and as many as there may be. */
static const size_t flow_counts[] = { 2, 0, 5, MESSAGE_FLOWS_MAX };

static void requests(void)
{
	struct chance c = { .state = 1 };
	uint8_t frame[FRAME_BYTES];

	for (int type = 0; type < MESSAGE_TYPES_COUNT; type++)
		for (size_t i = 0; i < ARRAY_SIZE(flow_counts); i++) {
			struct message_request req = request_by_chance(&c, type, flow_counts[i]);
			int len = message_request_encode(&req, frame);

			message_request_free(&req);
			if (len < 0)
				continue; /* does not fit */
			write_seed("request", message_type_name(type), i, frame + FRAME_HEAD_BYTES,
				   len - FRAME_HEAD_BYTES);
			write_seed("frame", message_type_name(type), i, frame, len);
		}
}

static void answers(void)
{
	struct chance c = { .state = 2 };
	uint8_t frame[FRAME_BYTES];

	for (int i = 0; i < 40; i++) {
		struct message_answer answer = answer_by_chance(&c, flow_counts[i % 3]);
		int len = message_answer_encode(&answer, frame);

		message_answer_free(&answer);
		if (len < 0)
			errx(1, "answer %d: %s", i, strerror(-len));
		write_seed("answer", message_result_name(answer.result), i,
			   frame + FRAME_HEAD_BYTES, len - FRAME_HEAD_BYTES);
		write_seed("frame", "answer", i, frame, len);
	}
}

static void put_host_seed(const char *name, int number, char first, uint8_t *frame, int len)
{
	if (len < 0)
		errx(1, "%s %d cannot be encoded", name, number);
	frame[FRAME_HEAD_BYTES - 1] = first;
	write_seed("host", name, number, frame + FRAME_HEAD_BYTES - 1, len - FRAME_HEAD_BYTES + 1);
}

static void host_messages(void)
{
	static uint8_t frame[HOST_FRAME_BYTES];
	struct chance c = { .state = 3 };
	struct arena arena;
	const char *why;

	for (int i = 0; i < 4; i++) {
		arena_init(&arena);
		for (size_t b = 0; b < HOST_BODIES_COUNT; b++)
			put_host_seed(host_request_name(host_bodies[b]), i, 'q', frame,
				      host_request_encode(
					      host_request_by_chance(&c, &arena, host_bodies[b], 5),
					      frame, &why));
		put_host_seed(
			"answer", i, 'a', frame,
			host_answer_encode(host_answer_by_chance(&c, &arena, 3), frame, &why));
		arena_free(&arena);
	}
}

static void words(void)
{
	static const char *const all[] = { "192.0.2.1:80",
					   "[2001:db8::1]:443",
					   "[::ffff:192.0.2.1]:80",
					   "fd09::1",
					   "[fd09:1111:2222:3333:4444:5555:6666:7777]:65535",
					   "10.9.0.0/24",
					   "fd09::/64",
					   "0.0.0.0/0",
					   "::/0",
					   "10.9.0.5/24",
					   "5432",
					   "8000-8999",
					   "123e4567-e89b-12d3-a456-426614174000",
					   "text \u20ac\u00e4\U0001f980",
					   "" };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		write_seed("endpoint", "word", i, all[i], strlen(all[i]));
}

static void example(const char *path, int number)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t len;

	if (!f)
		err(1, "%s", path);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	write_seed("conf", "example", number, text, len);
}

static void confs(void)
{
	static const char *const all[] = {
		"[agent]\nlisten = 192.0.2.1, [2001:db8::1]:443\n 10.0.0.1 ; x\nuser = a\nca=/a\n"
		"crl: /b\ncert=/c\nkey=/d\nstate = /e\ncheck-source = no\n",
		"[limits]\nflows = 1\nmoves = 2\nmoves-a-minute = 3\nhold-s = 4\n"
		"held-s-an-hour = 5\n",
		"[move a]\nold = 10.9.0.0/24, fd09::/64\nnew = 10.9.1.7 fd0a::1\nports = 80 90-99\n"
		"new-ports = 1-65535\n[move b]\nold=0.0.0.0/0\nnew=0.0.0.0/0\n",
		"[move x]\nold = 10.9.0.5/24\n",
		"# nothing\n\n[agent]\r\n;\n",
		"[host]\nlisten = 192.0.2.1, [2001:db8::1]:443\nca=/a\ncrl: /b\ncert=/c\nkey=/d\n"
		"state = /e\nimages = /f\npins=/g\ncriu=/h\nagent-port=1\nagent-timeout-ms=500\n",
		"[accept a]\nfrom = 10.9.0.0/24, fd09::/64\nnew = 10.9.1.7 fd0a::1\nports = 80 "
		"90-99\n"
		"[accept b]\nfrom=0.0.0.0/0\n",
	};

	example("docs/agent.conf.example", 0);
	example("docs/host.conf.example", 1);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		write_seed("conf", "file", i, all[i], strlen(all[i]));
}

static size_t put(unsigned char *image, size_t at, const void *data, size_t len)
{
	memcpy(image + at, data, len);
	return at + len;
}

/* As CRIU writes them: a magic number, then a size and a message for each file. */
static size_t put_socket(unsigned char *image, size_t at, int proto, int state, const char *local,
			 const char *remote)
{
	Criu__FileEntry entry = CRIU__FILE_ENTRY__INIT;
	Criu__InetSkEntry sk = CRIU__INET_SK_ENTRY__INIT;
	struct tcpmig_endpoint src, dst;
	uint32_t size;

	endpoint_parse(local, &src);
	endpoint_parse(remote, &dst);
	sk.has_family = sk.has_proto = sk.has_state = sk.has_src_port = sk.has_dst_port = 1;
	sk.family = src.family;
	sk.proto = proto;
	sk.state = state;
	sk.src_port = ntohs(src.port);
	sk.dst_port = ntohs(dst.port);
	sk.n_src_addr = sk.n_dst_addr = src.family == TCPMIG_AF_INET ? 1 : 4;
	sk.src_addr = src.addr32 + (src.family == TCPMIG_AF_INET ? 3 : 0);
	sk.dst_addr = dst.addr32 + (src.family == TCPMIG_AF_INET ? 3 : 0);
	entry.has_type = entry.has_id = 1;
	entry.type = 4;
	entry.id = at;
	entry.isk = &sk;
	size = criu__file_entry__get_packed_size(&entry);
	at = put(image, at, &size, sizeof(size));
	return at + criu__file_entry__pack(&entry, image + at);
}

static void images(void)
{
	static const struct {
		const char *local, *remote;
		int proto, state;
	} sockets[] = {
		{ "10.9.0.2:5000", "10.9.0.1:40000", IPPROTO_TCP, TCP_ESTABLISHED },
		{ "10.9.0.2:5000", "0.0.0.0:1", IPPROTO_TCP, TCP_LISTEN },
		{ "0.0.0.0:5000", "0.0.0.0:1", IPPROTO_TCP, TCP_LISTEN },
		{ "[fd09::2]:5000", "[fd09::1]:40000", IPPROTO_TCP, TCP_CLOSE_WAIT },
		{ "[::]:5000", "[::]:1", IPPROTO_TCP, TCP_LISTEN },
		{ "10.9.0.9:40001", "10.9.0.2:5000", IPPROTO_TCP, TCP_ESTABLISHED },
		{ "10.9.0.2:53", "10.9.0.1:5353", IPPROTO_UDP, TCP_ESTABLISHED },
	};
	static const uint32_t magic[] = { 0x54564319, 0x56303138 };
	unsigned char image[4096];

	for (int move = 0; move < 6; move++) {
		size_t at = 1;

		image[0] = move;
		at = put(image, at, magic, sizeof(magic));
		write_seed("images", "empty", move, image, at);
		for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
			at = put_socket(image, at, sockets[i].proto, sockets[i].state,
					sockets[i].local, sockets[i].remote);
		write_seed("images", "sockets", move, image, at);
	}
}

static void streams(void)
{
	static const uint32_t magic[] = { 0x54564319, 0x51465506 };

	for (int state = TCP_ESTABLISHED; state <= TCP_CLOSING; state++) {
		Criu__TcpStreamEntry entry = CRIU__TCP_STREAM_ENTRY__INIT;
		unsigned char image[512] = { 0x80 | state };
		size_t at = put(image, 1, magic, sizeof(magic));
		uint32_t size;

		entry.has_inq_seq = entry.has_outq_seq = entry.has_outq_len = 1;
		entry.has_unsq_len = entry.has_rcv_wup = 1;
		entry.has_timestamp = state % 3 != 0;
		entry.inq_seq = 1U << (2 * state);
		entry.outq_seq = -10;
		entry.outq_len = 20 * state;
		entry.timestamp = 0x12345 * state;
		size = criu__tcp_stream_entry__get_packed_size(&entry);
		at = put(image, at, &size, sizeof(size));
		at += criu__tcp_stream_entry__pack(&entry, image + at);
		at = put(image, at, "queues", 6);
		write_seed("images", "stream", state, image, at);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "expected a directory");
	dir = argv[1];
	requests();
	answers();
	host_messages();
	words();
	confs();
	images();
	streams();
	return 0;
}
