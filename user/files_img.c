// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "criu_images.pb-c.h"
#include "endpoint.h"
#include "files_img.h"

/* The second word of the image (CRIU 2.0 and later), little endian as CRIU writes it. */
#define FILES_MAGIC 0x56303138

void bytes_free(struct bytes *b)
{
	free(b->data);
}

int bytes_reserve(struct bytes *b, size_t more)
{
	size_t room = b->room ? b->room : 4096;
	unsigned char *data;

	while (room < b->len + more)
		room *= 2;
	data = realloc(b->data, room);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->room = room;
	return 0;
}

static int bytes_add(struct bytes *b, const void *data, size_t len)
{
	int err = bytes_reserve(b, len);

	if (err)
		return err;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

static __u32 word_at(const struct bytes *b, size_t off)
{
	__u32 word;

	memcpy(&word, b->data + off, sizeof(word));
	return word;
}

int img_entry(const struct bytes *in, __u32 magic, size_t *off, const unsigned char **entry,
	      size_t *len)
{
	const size_t head = 2 * sizeof(__u32);

	if (!*off) {
		if (in->len < head || word_at(in, 0) != IMG_COMMON_MAGIC || word_at(in, 4) != magic)
			return -EBADMSG;
		*off = head;
	}
	if (*off == in->len)
		return 0;
	if (in->len - *off < sizeof(__u32))
		return -EBADMSG;
	*len = word_at(in, *off);
	*off += sizeof(__u32);
	if (*len > in->len - *off)
		return -EBADMSG;
	*entry = in->data + *off;
	*off += *len;
	return 1;
}

/* protobuf-c takes a field number of 0 if it is written long enough, but not what it then writes.
 */
static bool has_field_0(const ProtobufCMessage *message)
{
	for (unsigned int i = 0; i < message->n_unknown_fields; i++)
		if (!message->unknown_fields[i].tag)
			return true;
	return false;
}

/* Return: NULL: damaged. */
static Criu__FileEntry *unpack_entry(size_t len, const unsigned char *raw)
{
	Criu__FileEntry *entry = criu__file_entry__unpack(NULL, len, raw);

	if (entry &&
	    (has_field_0(&entry->base) || (entry->isk && has_field_0(&entry->isk->base)))) {
		criu__file_entry__free_unpacked(entry, NULL);
		entry = NULL;
	}
	return entry;
}

/* Calls @fn with each entry and its raw bytes, size word included. */
static int each_entry(const struct bytes *in,
		      int (*fn)(Criu__FileEntry *entry, const unsigned char *raw, size_t len,
				void *ctx),
		      void *ctx)
{
	const unsigned char *raw;
	Criu__FileEntry *entry;
	size_t off = 0, len;
	int err;

	while ((err = img_entry(in, FILES_MAGIC, &off, &raw, &len)) == 1) {
		entry = unpack_entry(len, raw);
		if (!entry)
			return -EBADMSG;
		err = fn(entry, raw - sizeof(__u32), len + sizeof(__u32), ctx);
		criu__file_entry__free_unpacked(entry, NULL);
		if (err)
			return err;
	}
	return err;
}

/* Address and port of an entry; false: not an inet socket that we know. */
static bool endpoint_of_entry(const Criu__InetSkEntry *sk, const uint32_t *addr, size_t n_addr,
			      uint32_t port, struct tcpmig_endpoint *ep)
{
	if (sk->family == AF_INET && n_addr == 1)
		endpoint_set4(ep, addr[0], htons(port));
	else if (sk->family == AF_INET6 && n_addr == 4)
		endpoint_set6(ep, addr, htons(port));
	else
		return false;
	return true;
}

static bool local_of_entry(const Criu__InetSkEntry *sk, struct tcpmig_endpoint *ep)
{
	return endpoint_of_entry(sk, sk->src_addr, sk->n_src_addr, sk->src_port, ep);
}

static bool remote_of_entry(const Criu__InetSkEntry *sk, struct tcpmig_endpoint *ep)
{
	return endpoint_of_entry(sk, sk->dst_addr, sk->n_dst_addr, sk->dst_port, ep);
}

struct rewriting {
	const struct tcpmig_endpoint *from;
	const struct tcpmig_endpoint *to;
	struct images_result *result;
	struct bytes *out;
};

static bool matches(const struct tcpmig_endpoint *ep, const struct tcpmig_endpoint *from)
{
	return endpoint_same_addr(ep, from) && (!from->port || ep->port == from->port);
}

/* Same family, so the words have the same places; v4-mapped keeps its prefix. */
static bool set_addr(uint32_t *addr, size_t n_addr, const struct tcpmig_endpoint *to)
{
	bool changed = false;

	for (size_t i = 0; i < n_addr; i++) {
		uint32_t word = to->addr32[n_addr == 1 ? 3 : i];

		changed |= addr[i] != word;
		addr[i] = word;
	}
	return changed;
}

static bool set_port(uint32_t *port, const struct tcpmig_endpoint *to)
{
	bool changed = to->port && *port != ntohs(to->port);

	if (changed)
		*port = ntohs(to->port);
	return changed;
}

static bool is_wildcard_listener(const Criu__InetSkEntry *sk, const struct tcpmig_endpoint *local,
				 const struct tcpmig_endpoint *from)
{
	bool v4_any = local->family == AF_INET && endpoint_is_any(local);
	bool v6_any = local->family == AF_INET6 && endpoint_is_any(local);

	if (sk->state != TCP_LISTEN || !from->port || local->port != from->port)
		return false;
	if (from->family == AF_INET)
		return v4_any || (v6_any && !sk->v6only);
	return v6_any;
}

static void count(struct images_result *result, const Criu__InetSkEntry *sk, bool changed)
{
	if (!changed)
		result->unchanged++;
	else if (sk->state == TCP_LISTEN)
		result->listeners++;
	else
		result->connections++;
}

/* Return: was @sk changed? A peer inside the same images moves along with its address. */
static bool rewrite_socket(Criu__InetSkEntry *sk, struct rewriting *rw)
{
	struct tcpmig_endpoint local, remote;
	bool changed = false;

	if ((sk->proto != IPPROTO_TCP && sk->proto != IPPROTO_UDP) || !local_of_entry(sk, &local))
		return false;
	if (matches(&local, rw->from)) {
		changed = set_addr(sk->src_addr, sk->n_src_addr, rw->to);
		changed |= set_port(&sk->src_port, rw->to);
		count(rw->result, sk, changed);
	} else if (is_wildcard_listener(sk, &local, rw->from)) {
		changed = set_port(&sk->src_port, rw->to);
		count(rw->result, sk, changed);
	}
	if (remote_of_entry(sk, &remote) && matches(&remote, rw->from)) {
		changed |= set_addr(sk->dst_addr, sk->n_dst_addr, rw->to);
		changed |= set_port(&sk->dst_port, rw->to);
	}
	return changed;
}

static int rewrite_entry(Criu__FileEntry *entry, const unsigned char *raw, size_t len, void *ctx)
{
	struct rewriting *rw = ctx;
	__u32 size;
	int err;

	if (!entry->isk || !rewrite_socket(entry->isk, rw))
		return bytes_add(rw->out, raw, len);
	size = criu__file_entry__get_packed_size(entry);
	err = bytes_add(rw->out, &size, sizeof(size));
	if (!err)
		err = bytes_reserve(rw->out, size);
	if (err)
		return err;
	rw->out->len += criu__file_entry__pack(entry, rw->out->data + rw->out->len);
	return 0;
}

int files_img_rewrite(const struct bytes *in, const struct tcpmig_endpoint *from,
		      const struct tcpmig_endpoint *to, struct images_result *result,
		      struct bytes *out)
{
	struct rewriting rw = { .from = from, .to = to, .result = result, .out = out };
	int err = bytes_add(out, in->data, in->len < 8 ? in->len : 8);

	memset(result, 0, sizeof(*result));
	return err ? err : each_entry(in, rewrite_entry, &rw);
}

struct socket_walk {
	int (*fn)(const struct img_socket *sk, void *ctx);
	void *ctx;
};

static int walk_entry(Criu__FileEntry *entry, const unsigned char *raw, size_t len, void *ctx)
{
	const struct socket_walk *walk = ctx;
	const Criu__InetSkEntry *sk = entry->isk;
	struct img_socket found;

	(void)raw, (void)len;
	if (!sk || sk->proto != IPPROTO_TCP || sk->state == TCP_LISTEN || sk->state == TCP_CLOSE)
		return 0;
	found.ino = sk->ino;
	found.state = sk->state;
	if (!local_of_entry(sk, &found.local) || !remote_of_entry(sk, &found.remote))
		return 0;
	return walk->fn(&found, walk->ctx);
}

int files_img_each_socket(const struct bytes *in, int (*fn)(const struct img_socket *sk, void *ctx),
			  void *ctx)
{
	struct socket_walk walk = { .fn = fn, .ctx = ctx };

	return each_entry(in, walk_entry, &walk);
}

struct connection_walk {
	int (*fn)(const struct tcpmig_endpoint *local, const struct tcpmig_endpoint *remote,
		  void *ctx);
	void *ctx;
};

static int walk_connection(const struct img_socket *sk, void *ctx)
{
	const struct connection_walk *walk = ctx;

	return walk->fn(&sk->local, &sk->remote, walk->ctx);
}

int files_img_each_connection(const struct bytes *in,
			      int (*fn)(const struct tcpmig_endpoint *local,
					const struct tcpmig_endpoint *remote, void *ctx),
			      void *ctx)
{
	struct connection_walk walk = { .fn = fn, .ctx = ctx };

	return files_img_each_socket(in, walk_connection, &walk);
}
