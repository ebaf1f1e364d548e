// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "control_frame.h"
#include "control_wire.h"
#include "endpoint.h"
#include "strict_proto.h"

static const char *take_addr(ProtobufCBinaryData addr, uint32_t port, struct tcpmig_endpoint *ep)
{
	__be32 in;

	if (port < 1 || port > 65535)
		return "a port that is not in 1..65535";
	if (addr.len == sizeof(in)) {
		memcpy(&in, addr.data, sizeof(in));
		endpoint_set4(ep, in, htons(port));
		return NULL;
	}
	if (addr.len != sizeof(ep->addr))
		return "an address that has neither 4 nor 16 bytes";
	endpoint_set6(ep, addr.data, htons(port));
	return ep->family == TCPMIG_AF_INET6 ? NULL : "an IPv4 address in 16 bytes";
}

static const char *take_endpoint(const Tcpmig__Endpoint *from, struct tcpmig_endpoint *ep)
{
	return from ? take_addr(from->addr, from->port, ep) : NULL;
}

static int take_group(const Tcpmig__Flows *group, struct message_flows *flows, const char **why)
{
	struct tcpmig_endpoint *ep;

	for (size_t i = 0; i < group->n_ports; i++) {
		ep = &flows->at[flows->count];
		*why = take_addr(group->addr, group->ports[i], ep);
		if (*why)
			return -EBADMSG;
		*why = "flows in another than ascending order, or twice";
		if (flows->count && wire_flow_order(ep - 1, ep) >= 0)
			return -EBADMSG;
		/* One group an address: the order within a group cannot tell. */
		if (flows->count && !i && endpoint_same_addr(ep - 1, ep))
			return -EBADMSG;
		flows->count++;
	}
	return 0;
}

static int take_flows(Tcpmig__Flows *const *groups, size_t n_groups, struct message_flows *flows,
		      const char **why)
{
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; i < n_groups; i++) {
		*why = "an address without flows";
		if (!groups[i]->n_ports)
			return -EBADMSG;
		count += groups[i]->n_ports;
	}
	*why = "more flows than a message may have";
	if (count > MESSAGE_FLOWS_MAX)
		return -EBADMSG;
	if (!count)
		return 0;
	flows->at = malloc(count * sizeof(*flows->at));
	if (!flows->at)
		return -ENOMEM;
	for (size_t i = 0; !err && i < n_groups; i++)
		err = take_group(groups[i], flows, why);
	return err;
}

/* The flows, by what Sequences has in common with Flows. */
static int take_check_flows(struct arena *arena, const Tcpmig__Check *from,
			    struct message_flows *flows, const char **why)
{
	size_t n = from->n_flows;
	Tcpmig__Flows *groups = arena_alloc(arena, (n + 1) * sizeof(*groups));
	Tcpmig__Flows **list = arena_alloc(arena, (n + 1) * sizeof(*list));

	if (!groups || !list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const Tcpmig__Sequences *group = from->flows[i];

		*why = "not as many sequence numbers as flows";
		if (group->n_rcv_nxt != group->n_ports || group->n_snd_una != group->n_ports ||
		    group->n_snd_nxt != group->n_ports)
			return -EBADMSG;
		tcpmig__flows__init(&groups[i]);
		groups[i].addr = group->addr;
		groups[i].ports = group->ports;
		groups[i].n_ports = group->n_ports;
		list[i] = &groups[i];
	}
	return take_flows(list, n, flows, why);
}

static int take_check(struct arena *arena, const Tcpmig__Check *from, struct message_request *req,
		      const char **why)
{
	int err = take_check_flows(arena, from, &req->flows, why);
	struct message_sequences *to;

	if (err || !req->flows.count)
		return err;
	to = req->sequences = malloc(req->flows.count * sizeof(*to));
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_flows; i++) {
		const Tcpmig__Sequences *group = from->flows[i];

		for (size_t k = 0; k < group->n_ports; k++)
			*to++ = (struct message_sequences){ group->rcv_nxt[k], group->snd_una[k],
							    group->snd_nxt[k] };
	}
	return 0;
}

static const char *take_text(const char *from, char text[MESSAGE_TEXT_MAX])
{
	if (!message_text_is_valid(from))
		return "text that is too long, no UTF-8, or has control characters";
	memcpy(text, from, strlen(from) + 1);
	return NULL;
}

/* 16 bytes that are not all 0, or none. */
static const char *take_uuid(ProtobufCBinaryData from, uint8_t uuid[MESSAGE_UUID_LEN])
{
	static const uint8_t nil[MESSAGE_UUID_LEN];

	if (!from.len)
		return NULL;
	if (from.len != MESSAGE_UUID_LEN || !memcmp(from.data, nil, sizeof(nil)))
		return "a uuid that is not one";
	memcpy(uuid, from.data, MESSAGE_UUID_LEN);
	return NULL;
}

static const char *take_head(const Tcpmig__Request *from, struct message_request *req)
{
	unsigned int has;
	size_t type = 0;

	while (type < MESSAGE_TYPES_COUNT && wire_types[type].body != from->body_case)
		type++;
	if (type == MESSAGE_TYPES_COUNT)
		return "no body";
	has = wire_types[type].has;
	if (!(has & WIRE_MIGRATION) && (from->uuid.len || from->epoch))
		return "a migration where none belongs";
	if (!(has & WIRE_OLD) && from->old)
		return "old where it does not belong";
	req->type = type;
	req->id = from->id;
	req->epoch = from->epoch;
	return take_uuid(from->uuid, req->uuid);
}

static const char *take_key(ProtobufCBinaryData key, struct message_request *req)
{
	if (!key.len)
		return NULL;
	if (key.len != MESSAGE_KEY_LEN)
		return "a hash of a key that has not 32 bytes";
	memcpy(req->next_key, key.data, MESSAGE_KEY_LEN);
	req->has_next_key = true;
	return NULL;
}

/* What types of requests have in common in their bodies. */
struct body {
	const Tcpmig__Endpoint *next;
	Tcpmig__Flows *const *groups;
	size_t n_groups;
	const char *text;
};

static const char *take_body(const Tcpmig__Request *from, struct message_request *req,
			     struct body *body)
{
	switch (req->type) {
	case MESSAGE_HELLO:
		req->version = from->hello->version;
		body->text = from->hello->software;
		return NULL;
	case MESSAGE_RESERVE:
		*body = (struct body){ from->reserve->next, from->reserve->flows,
				       from->reserve->n_flows, NULL };
		req->max_ms = from->reserve->max_ms;
		return take_key(from->reserve->next_key_sha256, req);
	case MESSAGE_CONSENT:
		body->next = from->consent->next;
		return NULL;
	case MESSAGE_HOLD:
		*body = (struct body){ NULL, from->hold->flows, from->hold->n_flows, NULL };
		req->max_ms = from->hold->max_ms;
		req->hold_mode = from->hold->mode;
		return NULL;
	case MESSAGE_ARM:
		*body = (struct body){ NULL, from->arm->flows, from->arm->n_flows, NULL };
		req->max_ms = from->arm->lease_ms;
		return NULL;
	case MESSAGE_ABORT:
		body->text = from->abort->reason;
		return NULL;
	case MESSAGE_LOCAL_HOLD:
		*body = (struct body){ from->local_hold->next, from->local_hold->flows,
				       from->local_hold->n_flows, NULL };
		req->max_ms = from->local_hold->max_ms;
		req->hold_mode = from->local_hold->mode;
		return NULL;
	case MESSAGE_LOCAL_REDIRECT:
		*body = (struct body){ from->local_redirect->next, from->local_redirect->flows,
				       from->local_redirect->n_flows, NULL };
		req->established_only = from->local_redirect->established_only;
		return NULL;
	default:
		return NULL;
	}
}

int message_request_decode(struct message_request *req, const void *buf, size_t len,
			   const char **why)
{
	_cleanup_arena_ struct arena arena;
	const Tcpmig__Request *from;
	struct body body = {};
	int err;

	arena_init(&arena);
	memset(req, 0, sizeof(*req));
	from = (const Tcpmig__Request *)strict_unpack(&arena, &tcpmig__request__descriptor, buf,
						      len, FRAME_PAYLOAD_BYTES, &err, why);
	if (!from)
		return err;
	*why = take_head(from, req);
	if (!*why)
		*why = take_body(from, req, &body);
	if (!*why)
		*why = take_endpoint(from->old, &req->old);
	if (!*why)
		*why = take_endpoint(body.next, &req->next);
	if (!*why && body.text)
		*why = take_text(body.text, req->text);
	if (*why)
		return -EBADMSG;
	if (req->type == MESSAGE_CHECK)
		err = take_check(&arena, from->check, req, why);
	else
		err = take_flows(body.groups, body.n_groups, &req->flows, why);
	if (err)
		return err;
	*why = wire_check_request(req);
	return *why ? -EBADMSG : 0;
}

static const char *take_move(const Tcpmig__Move *from, struct message_move *move)
{
	const char *why = take_uuid(from->uuid, move->uuid);

	if (!why)
		why = take_endpoint(from->old, &move->old);
	if (!why)
		why = take_endpoint(from->cur, &move->cur);
	if (!why)
		why = take_endpoint(from->next, &move->next);
	move->epoch = from->epoch;
	move->state = (enum message_state)from->state;
	move->consented = from->consented;
	move->committed = from->committed;
	return why;
}

static int take_moves(const Tcpmig__Answer *from, struct message_answer *answer, const char **why)
{
	*why = "more moves than a message may have";
	if (from->n_moves > MESSAGE_MOVES_MAX)
		return -EBADMSG;
	if (!from->n_moves)
		return 0;
	answer->moves = calloc(from->n_moves, sizeof(*answer->moves));
	if (!answer->moves)
		return -ENOMEM;
	for (; answer->move_count < from->n_moves; answer->move_count++) {
		*why = take_move(from->moves[answer->move_count],
				 &answer->moves[answer->move_count]);
		if (*why)
			return -EBADMSG;
	}
	return 0;
}

/* Text for a person goes with a failure, the name of the software with success. */
static const char *take_answer_text(const Tcpmig__Answer *from, struct message_answer *answer)
{
	bool ok = from->result == TCPMIG__RESULT__OK;

	if (ok ? *from->text : *from->software)
		return "text that does not go with the result";
	return take_text(ok ? from->software : from->text, answer->text);
}

static const char *take_answer(const Tcpmig__Answer *from, struct message_answer *answer)
{
	const char *why = take_answer_text(from, answer);

	answer->id = from->id;
	answer->result = (enum message_result)from->result;
	answer->flows = from->flows;
	answer->taken = from->taken;
	answer->room = from->room;
	answer->deadline_ms = from->deadline_ms;
	answer->version = from->version;
	answer->missing_count = from->missing_count;
	answer->matching = from->matching;
	answer->unchecked = from->unchecked;
	answer->lost_count = from->lost_count;
	answer->has_move = from->move;
	if (!why && from->move)
		why = take_move(from->move, &answer->move);
	return why;
}

int message_answer_decode(struct message_answer *answer, const void *buf, size_t len,
			  const char **why)
{
	_cleanup_arena_ struct arena arena;
	const Tcpmig__Answer *from;
	int err;

	arena_init(&arena);
	memset(answer, 0, sizeof(*answer));
	from = (const Tcpmig__Answer *)strict_unpack(&arena, &tcpmig__answer__descriptor, buf, len,
						     FRAME_PAYLOAD_BYTES, &err, why);
	if (!from)
		return err;
	*why = take_answer(from, answer);
	if (*why)
		return -EBADMSG;
	err = take_moves(from, answer, why);
	if (!err)
		err = take_flows(from->missing, from->n_missing, &answer->missing, why);
	if (!err)
		err = take_flows(from->lost, from->n_lost, &answer->lost, why);
	if (err)
		return err;
	*why = wire_check_answer(answer);
	return *why ? -EBADMSG : 0;
}
