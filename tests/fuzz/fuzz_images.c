// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The first byte says from where to where; the rest is files.img. What is rewritten is still an
 * image with as many connections, and to rewrite it once more changes no byte.
 */
#include <errno.h>
#include <string.h>

#include "endpoint.h"
#include "files_img.h"
#include "fuzz.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t move = size ? data[0] % (sizeof(moves) / sizeof(moves[0])) : 0;
	struct bytes in = { .data = (uint8_t *)data + 1, .len = size - 1 };
	struct tcpmig_endpoint from, to;

	if (!size)
		return 0;
	CLAIM(!endpoint_parse_optional_port(moves[move].from, &from));
	CLAIM(!endpoint_parse_optional_port(moves[move].to, &to));
	rewrite(&in, &from, &to);
	return 0;
}
