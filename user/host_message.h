/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a migrator and a host daemon say to each other (host.proto), as bytes and as the structs
 * that protoc-c has made of it. Pure: no I/O, no state. What is decoded is well-formed: every
 * field within its bounds, nothing unknown, so that who reads it needs to check no field again.
 */
#ifndef TCPMIG_HOST_MESSAGE_H
#define TCPMIG_HOST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "control_frame.h"
#include "host.pb-c.h"
#include "tcpmig_shared.h"

#define HOST_VERSION	     1
#define HOST_PORT	     7171
#define HOST_FRAME_PAYLOAD   (256 * 1024)
#define HOST_FRAME_BYTES     (FRAME_HEAD_BYTES + HOST_FRAME_PAYLOAD)

#define HOST_UUID_LEN	     16
#define HOST_SHA256_LEN	     32
#define HOST_MOVES_MAX	     64
#define HOST_PIDS_MAX	     32768
#define HOST_FLAGS_MAX	     1024  /* of a CPU */
#define HOST_LIST_MAX	     16384 /* files, connections, listeners, agents, digests, differences */
#define HOST_IMAGE_NAME_MAX  255   /* bytes of the name of an image */
#define HOST_PATH_MAX	     4095  /* bytes of a path */
#define HOST_PIECE_MAX	     (HOST_FRAME_PAYLOAD - 512) /* bytes of an image in one message */
#define HOST_IMAGE_BYTES_MAX (1ULL << 40)		/* bytes of an image */

/**
 * host_request_decode() - from the payload of a frame.
 * @arena: owns what comes out; arena_free() it, also after an error
 * @req:   on success: the message; its endpoints are in order for host_endpoint_take()
 * @why:   on error: what is wrong, as a phrase (static storage)
 * Return: 0; -EBADMSG: not exactly one well-formed request (damaged, unknown body or field, a
 * value out of its bounds, another encoding than the usual one); -ENOMEM.
 */
int host_request_decode(struct arena *arena, const void *buf, size_t len,
			const TcpmigHost__Request **req, const char **why);

/** host_answer_decode() - likewise an answer. */
int host_answer_decode(struct arena *arena, const void *buf, size_t len,
		       const TcpmigHost__Answer **answer, const char **why);

/**
 * host_request_encode(), host_answer_encode() - as a whole frame with its head.
 * @buf: HOST_FRAME_BYTES bytes
 * @why: on error: what is wrong, as a phrase (static storage)
 * Return: bytes written; -EMSGSIZE: more than a frame may have; -EINVAL: a field out of its
 * bounds.
 */
int host_request_encode(const TcpmigHost__Request *req, void *buf, const char **why);
int host_answer_encode(const TcpmigHost__Answer *answer, void *buf, const char **why);

/**
 * host_frame_payload() - as frame_payload(), for frames of this protocol.
 * Return: 1..HOST_FRAME_PAYLOAD; -EMSGSIZE.
 */
int host_frame_payload(const uint8_t head[FRAME_HEAD_BYTES]);

/** host_endpoint_take() - of a decoded message. @from NULL: family 0. */
void host_endpoint_take(const TcpmigHost__Endpoint *from, struct tcpmig_endpoint *to);

/**
 * host_endpoint_put() - for a message to be encoded.
 * @from: must live as long as @to, which points into it
 * Return: @to.
 */
TcpmigHost__Endpoint *host_endpoint_put(const struct tcpmig_endpoint *from,
					TcpmigHost__Endpoint *to);

/** host_name_is_valid() - can it be the name of an image: 1..HOST_IMAGE_NAME_MAX printable ASCII
 * characters without '/', and not beginning with '.'? */
bool host_name_is_valid(const char *name);

/** host_request_name(), host_result_name(), host_state_name() - static storage. */
const char *host_request_name(TcpmigHost__Request__BodyCase body);
const char *host_result_name(TcpmigHost__Result result);
const char *host_state_name(TcpmigHost__State state);

#endif
