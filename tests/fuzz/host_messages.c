// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "host_messages.h"

const TcpmigHost__Request__BodyCase host_bodies[HOST_BODIES_COUNT] = {
	TCPMIG_HOST__REQUEST__BODY_HELLO,   TCPMIG_HOST__REQUEST__BODY_PREPARE,
	TCPMIG_HOST__REQUEST__BODY_FILES,   TCPMIG_HOST__REQUEST__BODY_CONNECTIONS,
	TCPMIG_HOST__REQUEST__BODY_AGENTS,  TCPMIG_HOST__REQUEST__BODY_READY,
	TCPMIG_HOST__REQUEST__BODY_IMAGE,   TCPMIG_HOST__REQUEST__BODY_RESTORE,
	TCPMIG_HOST__REQUEST__BODY_COMMIT,  TCPMIG_HOST__REQUEST__BODY_ABORT,
	TCPMIG_HOST__REQUEST__BODY_STATUS,  TCPMIG_HOST__REQUEST__BODY_ALIVE,
	TCPMIG_HOST__REQUEST__BODY_DIGESTS,
};

static ProtobufCBinaryData bytes(struct chance *c, struct arena *arena, size_t len)
{
	ProtobufCBinaryData data = { .len = len, .data = arena_alloc(arena, len) };

	for (size_t i = 0; i < len; i++)
		data.data[i] = i ? chance(c, 256) : 1 + chance(c, 255);
	return data;
}

/* All begin with "/x", so that each is a path, and a name if it has no other '/'. */
static char *text(struct chance *c, struct arena *arena, bool path)
{
	static const char *const pieces[] = { "a", "B/", " ", "~", "\"", "ä", "€", "\U0001f980" };
	char *to = arena_alloc(arena, 512);
	size_t n = chance(c, 4) ? chance(c, 12) : 120;

	strcpy(to, path ? "/x" : "");
	while (n--)
		strcat(to, pieces[chance(c, 8)]);
	return to;
}

static char *name(struct chance *c, struct arena *arena)
{
	char *to = arena_alloc(arena, HOST_IMAGE_NAME_MAX + 1);

	if (chance(c, 16))
		sprintf(to, "tcp-stream-%x.img", chance(c, 1 << 20));
	else
		memset(to, 'n', HOST_IMAGE_NAME_MAX);
	return to;
}

static TcpmigHost__Endpoint *end(struct chance *c, struct arena *arena, int family)
{
	TcpmigHost__Endpoint *to = arena_alloc(arena, sizeof(*to));
	struct tcpmig_endpoint *ep = arena_alloc(arena, sizeof(*ep));

	*ep = endpoint_by_chance(c, family);
	if (endpoint_check_routable(ep)) /* 10.0.0.0 is; only a net is not */
		endpoint_parse("10.9.0.1:80", ep);
	return host_endpoint_put(ep, to);
}

static int family(struct chance *c)
{
	return chance(c, 2) ? TCPMIG_AF_INET : TCPMIG_AF_INET6;
}

/* An array of pointers to new messages. */
#define LIST(arena, count, at, type, init)                                  \
	do {                                                                \
		(at) = arena_alloc((arena), ((count) + 1) * sizeof(*(at))); \
		for (size_t n_ = 0; n_ < (count); n_++) {                   \
			(at)[n_] = arena_alloc((arena), sizeof(type));      \
			init((at)[n_]);                                     \
		}                                                           \
	} while (0)

static void put_prepare(struct chance *c, struct arena *arena, TcpmigHost__Prepare *to, size_t most)
{
	to->n_moves = chance(c, most < HOST_MOVES_MAX ? most + 1 : HOST_MOVES_MAX + 1);
	LIST(arena, to->n_moves, to->moves, TcpmigHost__Move, tcpmig_host__move__init);
	for (size_t i = 0; i < to->n_moves; i++) {
		int af = family(c);

		to->moves[i]->old = end(c, arena, af);
		to->moves[i]->cur = end(c, arena, af);
		to->moves[i]->next = end(c, arena, af);
	}
	to->criu_version = "4.2.1";
	to->kernel_release = text(c, arena, false);
	to->image_bytes = chance(c, UINT32_MAX);
	to->lease_ms = 1 + chance(c, 100000);
	to->n_cpu_flags = chance(c, 200);
	to->cpu_flags = arena_alloc(arena, (to->n_cpu_flags + 1) * sizeof(char *));
	for (size_t i = 0; i < to->n_cpu_flags; i++)
		to->cpu_flags[i] = "sse4_2";
	to->n_pids = chance(c, most + 1);
	to->pids = arena_alloc(arena, (to->n_pids + 1) * sizeof(*to->pids));
	for (size_t i = 0; i < to->n_pids; i++)
		to->pids[i] = 1 + chance(c, 4 << 20);
}

static void put_files(struct chance *c, struct arena *arena, TcpmigHost__Files *to, size_t most)
{
	to->n_files = chance(c, most + 1);
	LIST(arena, to->n_files, to->files, TcpmigHost__File, tcpmig_host__file__init);
	for (size_t i = 0; i < to->n_files; i++) {
		TcpmigHost__File *file = to->files[i];

		file->path = text(c, arena, true);
		file->mode = 0100000 | chance(c, 07777);
		file->size = chance(c, UINT32_MAX);
		file->mtime_ns = (int64_t)chance(c, UINT32_MAX) - INT32_MAX;
		if (chance(c, 2))
			file->build_id = bytes(c, arena, 20);
		if (chance(c, 2))
			file->sha256 = bytes(c, arena, HOST_SHA256_LEN);
		file->written = chance(c, 2);
	}
}

static void put_connections(struct chance *c, struct arena *arena, TcpmigHost__Connections *to,
			    size_t most)
{
	to->n_connections = chance(c, most + 1);
	LIST(arena, to->n_connections, to->connections, TcpmigHost__Connection,
	     tcpmig_host__connection__init);
	for (size_t i = 0; i < to->n_connections; i++) {
		int af = family(c);

		to->connections[i]->local = end(c, arena, af);
		to->connections[i]->remote = end(c, arena, af);
	}
	to->n_listeners = chance(c, 4);
	to->listeners = arena_alloc(arena, 4 * sizeof(*to->listeners));
	for (size_t i = 0; i < to->n_listeners; i++) {
		static struct tcpmig_endpoint any = { .family = TCPMIG_AF_INET6, .port = 0x1388 };

		to->listeners[i] = end(c, arena, family(c));
		to->listeners[i]->v6only = to->listeners[i]->addr.len == 16 && chance(c, 2);
		if (chance(c, 2))
			host_endpoint_put(&any, to->listeners[i]);
	}
}

static void put_agents(struct chance *c, struct arena *arena, TcpmigHost__Agents *to, size_t most)
{
	to->n_agents = chance(c, most + 1);
	LIST(arena, to->n_agents, to->agents, TcpmigHost__Agent, tcpmig_host__agent__init);
	for (size_t i = 0; i < to->n_agents; i++) {
		to->agents[i]->move = chance(c, HOST_MOVES_MAX);
		to->agents[i]->at = end(c, arena, family(c));
		to->agents[i]->epoch = 1 + chance(c, UINT32_MAX);
	}
}

static TcpmigHost__ImageDigest **digests(struct chance *c, struct arena *arena, size_t count)
{
	TcpmigHost__ImageDigest **to;

	LIST(arena, count, to, TcpmigHost__ImageDigest, tcpmig_host__image_digest__init);
	for (size_t i = 0; i < count; i++) {
		to[i]->name = name(c, arena);
		to[i]->size = chance(c, UINT32_MAX);
		to[i]->sha256 = bytes(c, arena, HOST_SHA256_LEN);
	}
	return to;
}

/* The bodies that say something. */
static void put_body(struct chance *c, struct arena *arena, TcpmigHost__Request *req, size_t most)
{
	switch (req->body_case) {
	case TCPMIG_HOST__REQUEST__BODY_HELLO:
		req->hello->version = 1 + chance(c, 3);
		req->hello->software = text(c, arena, false);
		break;
	case TCPMIG_HOST__REQUEST__BODY_PREPARE:
		put_prepare(c, arena, req->prepare, most);
		break;
	case TCPMIG_HOST__REQUEST__BODY_FILES:
		put_files(c, arena, req->files, most);
		break;
	case TCPMIG_HOST__REQUEST__BODY_CONNECTIONS:
		put_connections(c, arena, req->connections, most);
		break;
	case TCPMIG_HOST__REQUEST__BODY_AGENTS:
		put_agents(c, arena, req->agents, most);
		break;
	case TCPMIG_HOST__REQUEST__BODY_IMAGE:
		req->image->name = name(c, arena);
		req->image->data = bytes(c, arena, chance(c, most * 16 + 1));
		req->image->offset = req->image->data.len ? chance(c, UINT32_MAX) : 0;
		break;
	case TCPMIG_HOST__REQUEST__BODY_DIGESTS:
		req->digests->n_images = chance(c, most + 1);
		req->digests->images = digests(c, arena, req->digests->n_images);
		break;
	case TCPMIG_HOST__REQUEST__BODY_RESTORE:
		req->restore->n_images = chance(c, most + 1);
		req->restore->images = digests(c, arena, req->restore->n_images);
		break;
	case TCPMIG_HOST__REQUEST__BODY_ABORT:
		req->abort->reason = text(c, arena, false);
		break;
	default:
		break;
	}
}

TcpmigHost__Request *host_request_by_chance(struct chance *c, struct arena *arena,
					    TcpmigHost__Request__BodyCase body, size_t most)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(&tcpmig_host__request__descriptor, body);
	const ProtobufCMessageDescriptor *type = field->descriptor;
	TcpmigHost__Request *req = arena_alloc(arena, sizeof(*req));
	ProtobufCMessage *of_body = arena_alloc(arena, type->sizeof_message);

	tcpmig_host__request__init(req);
	protobuf_c_message_init(type, of_body);
	req->id = chance(c, 4) ? chance(c, 1000) : UINT64_MAX;
	if (body != TCPMIG_HOST__REQUEST__BODY_HELLO)
		req->uuid = bytes(c, arena, HOST_UUID_LEN);
	req->body_case = body;
	req->hello = (TcpmigHost__Hello *)of_body; /* all of the union are pointers */
	put_body(c, arena, req, most);
	return req;
}

TcpmigHost__Answer *host_answer_by_chance(struct chance *c, struct arena *arena, size_t most)
{
	TcpmigHost__Answer *to = arena_alloc(arena, sizeof(*to));

	tcpmig_host__answer__init(to);
	to->id = 1 + chance(c, UINT32_MAX);
	to->result = chance(c, TCPMIG_HOST__RESULT__INVALID + 1);
	if (to->result)
		to->text = text(c, arena, false);
	to->state = chance(c, TCPMIG_HOST__STATE__LOST + 1);
	to->n_differs = chance(c, 2) ? 0 : chance(c, most + 1);
	LIST(arena, to->n_differs, to->differs, TcpmigHost__Difference,
	     tcpmig_host__difference__init);
	for (size_t i = 0; i < to->n_differs; i++) {
		to->differs[i]->path = text(c, arena, true);
		to->differs[i]->what = text(c, arena, false);
	}
	to->version = chance(c, 3);
	to->software = text(c, arena, false);
	to->criu_version = chance(c, 2) ? "4.2.1" : "";
	to->kernel_release = text(c, arena, false);
	to->pid = chance(c, 1 << 22);
	to->restored_us = chance(c, UINT32_MAX);
	return to;
}
