// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The first byte says from where to where; the rest is files.img. What is rewritten is still an
 * image with as many connections, and to rewrite it once more changes no byte. Or, from 0x80 on, it
 * says the state of a connection; the rest is its tcp-stream image, of which one bit may change.
 */
#include <errno.h>
#include <string.h>

#include "endpoint.h"
#include "files_img.h"
#include "fuzz.h"
#include "tcp_stream_img.h"

static const struct {
	const char *from, *to;
} moves[] = {
	{ "10.9.0.2:5000", "10.9.0.3:5001" },	{ "10.9.0.2", "10.9.0.3" },
	{ "10.9.0.2:5000", "10.9.0.2:5001" },	{ "10.9.0.2", "10.9.0.3:5001" },
	{ "[fd09::2]:5000", "[fd09::3]:5001" }, { "fd09::2", "fd09::3" },
};

static int count(const struct tcpmig_endpoint *local, const struct tcpmig_endpoint *remote,
		 void *ctx)
{
	CLAIM(local->family == TCPMIG_AF_INET || local->family == TCPMIG_AF_INET6);
	CLAIM(remote->family == TCPMIG_AF_INET || remote->family == TCPMIG_AF_INET6);
	++*(size_t *)ctx;
	return 0;
}

static void rewrite(const struct bytes *in, const struct tcpmig_endpoint *from,
		    const struct tcpmig_endpoint *to)
{
	struct images_result result, again;
	struct bytes once = {}, twice = {};
	size_t before = 0, after = 0;
	int err = files_img_rewrite(in, from, to, &result, &once);

	CLAIM(err == 0 || err == -EBADMSG);
	CLAIM(files_img_each_connection(in, count, &before) == err);
	if (!err) {
		CLAIM(!files_img_each_connection(&once, count, &after));
		CLAIM(before == after);
		CLAIM(!files_img_rewrite(&once, from, to, &again, &twice));
		CLAIM(!again.listeners && !again.connections);
		CLAIM(once.len == twice.len && !memcmp(once.data, twice.data, once.len));
	}
	bytes_free(&once);
	bytes_free(&twice);
}

static void stream(const uint8_t *data, size_t size, int state)
{
	struct bytes image = {};
	struct message_sequences before, after;
	size_t at = 0, differing = 0;
	int err, changed;

	CLAIM(!bytes_reserve(&image, size + 1));
	memcpy(image.data, data, size);
	image.len = size;
	err = tcp_stream_img_read(&image, state, &before);
	CLAIM(err == 0 || err == -EBADMSG);
	changed = tcp_stream_img_clear_usec(&image, &at);
	CLAIM(changed == 0 || changed == 1 || changed == -EBADMSG);
	CLAIM(!err || changed == -EBADMSG);
	for (size_t i = 0; i < size; i++)
		differing += image.data[i] != data[i];
	CLAIM(differing == (changed == 1));
	if (changed == 1) {
		CLAIM(at < size && (image.data[at] ^ data[at]) == 1 && data[at] & 1);
		CLAIM(!tcp_stream_img_clear_usec(&image, &at));
		CLAIM(!tcp_stream_img_read(&image, state, &after));
		CLAIM(!memcmp(&before, &after, sizeof(before)));
	}
	bytes_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t move = size ? data[0] % (sizeof(moves) / sizeof(moves[0])) : 0;
	struct bytes in = { .data = (uint8_t *)data + 1, .len = size - 1 };
	struct tcpmig_endpoint from, to;

	if (!size)
		return 0;
	if (data[0] & 0x80) {
		stream(data + 1, size - 1, data[0] & 0x7f);
		return 0;
	}
	CLAIM(!endpoint_parse_optional_port(moves[move].from, &from));
	CLAIM(!endpoint_parse_optional_port(moves[move].to, &to));
	rewrite(&in, &from, &to);
	return 0;
}
