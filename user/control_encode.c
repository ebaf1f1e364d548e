// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "control_frame.h"
#include "control_wire.h"
#include "endpoint.h"

static int order(const void *a, const void *b)
{
	return wire_flow_order(a, b);
}

static bool is_sorted(const struct message_flows *flows)
{
	for (size_t i = 1; i < flows->count; i++)
		if (wire_flow_order(&flows->at[i - 1], &flows->at[i]) >= 0)
			return false;
	return true;
}

/* In ascending order, each once. What decode has made is so, and costs no sorting. */
static int sort_flows(struct arena *arena, const struct message_flows *from,
		      struct message_flows *flows)
{
	*flows = *from;
	if (is_sorted(from))
		return 0;
	flows->at = arena_alloc(arena, from->count * sizeof(*from->at));
	if (!flows->at)
		return -ENOMEM;
	memcpy(flows->at, from->at, from->count * sizeof(*from->at));
	qsort(flows->at, from->count, sizeof(*from->at), order);
	flows->count = 1;
	for (size_t i = 1; i < from->count; i++)
		if (wire_flow_order(&flows->at[flows->count - 1], &flows->at[i]))
			flows->at[flows->count++] = flows->at[i];
	return 0;
}

/* As a varint. */
static size_t bytes_of(size_t value)
{
	return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : 3;
}

/* Address and ports with their tags and lengths, in a message with its own. */
static size_t group_bytes(size_t addr_len, size_t ports_len)
{
	size_t len = 2 + addr_len + 1 + bytes_of(ports_len) + ports_len;

	return 1 + bytes_of(len) + len;
}

/* How many of the first flows fit into @room bytes. */
static size_t fitting(const struct message_flows *flows, size_t room)
{
	size_t before = 0, ports_len = 0, n = 0;

	for (; n < flows->count; n++) {
		size_t addr_len = wire_addr(&flows->at[n]).len;

		if (n && !endpoint_same_addr(&flows->at[n - 1], &flows->at[n])) {
			before += group_bytes(wire_addr(&flows->at[n - 1]).len, ports_len);
			ports_len = 0;
		}
		ports_len += bytes_of(ntohs(flows->at[n].port));
		if (before + group_bytes(addr_len, ports_len) > room)
			break;
	}
	return n;
}

struct groups {
	Tcpmig__Flows **at;
	size_t count;
	Tcpmig__Sequences **check; /* of CHECK: the same, and their numbers */
};

static int group_flows(struct arena *arena, const struct message_flows *flows,
		       struct groups *groups)
{
	size_t count = flows->count;
	Tcpmig__Flows *group = NULL;
	uint32_t *ports;

	*groups = (struct groups){};
	if (!count)
		return 0;
	groups->at = arena_alloc(arena, count * sizeof(*groups->at));
	ports = arena_alloc(arena, count * sizeof(*ports));
	if (!groups->at || !ports)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!i || !endpoint_same_addr(&flows->at[i - 1], &flows->at[i])) {
			group = arena_alloc(arena, sizeof(*group));
			if (!group)
				return -ENOMEM;
			tcpmig__flows__init(group);
			group->addr = wire_addr(&flows->at[i]);
			group->ports = ports + i;
			groups->at[groups->count++] = group;
		}
		ports[i] = ntohs(flows->at[i].port);
		group->n_ports++;
	}
	return 0;
}

static int put_flows(struct arena *arena, const struct message_flows *from, struct groups *groups)
{
	struct message_flows flows;
	int err = sort_flows(arena, from, &flows);

	return err ? err : group_flows(arena, &flows, groups);
}

/* A flow of CHECK, to sort. */
struct checked {
	struct tcpmig_endpoint at;
	struct message_sequences seq;
};

static int order_checked(const void *a, const void *b)
{
	const struct checked *one = a, *other = b;

	return wire_flow_order(&one->at, &other->at);
}

/* The flows of @req with their numbers, in ascending order, each once. Return: NULL: no memory. */
static struct checked *sort_checked(struct arena *arena, const struct message_request *req,
				    size_t *count)
{
	size_t n = req->flows.count;
	struct checked *all = arena_alloc(arena, (n + 1) * sizeof(*all));

	*count = 0;
	for (size_t i = 0; all && i < n; i++)
		all[i] = (struct checked){ req->flows.at[i], req->sequences[i] };
	if (all && !is_sorted(&req->flows))
		qsort(all, n, sizeof(*all), order_checked);
	for (size_t i = 0; all && i < n; i++)
		if (!*count || order_checked(&all[*count - 1], &all[i]))
			all[(*count)++] = all[i];
	return all;
}

static int put_sequences(struct arena *arena, const struct groups *groups, uint32_t *numbers,
			 size_t count, Tcpmig__Sequences **to)
{
	for (size_t i = 0, at = 0; i < groups->count; at += groups->at[i++]->n_ports) {
		Tcpmig__Sequences *group = to[i] = arena_alloc(arena, sizeof(*group));

		if (!group)
			return -ENOMEM;
		tcpmig__sequences__init(group);
		group->addr = groups->at[i]->addr;
		group->ports = groups->at[i]->ports;
		group->n_ports = group->n_rcv_nxt = groups->at[i]->n_ports;
		group->n_snd_una = group->n_snd_nxt = groups->at[i]->n_ports;
		group->rcv_nxt = numbers + at;
		group->snd_una = numbers + count + at;
		group->snd_nxt = numbers + 2 * count + at;
	}
	return 0;
}

static int put_check(struct arena *arena, const struct message_request *req, struct groups *groups)
{
	struct message_flows flows = {};
	struct checked *all = sort_checked(arena, req, &flows.count);
	size_t n = flows.count;
	uint32_t *numbers = arena_alloc(arena, (3 * n + 1) * sizeof(*numbers));
	int err;

	flows.at = arena_alloc(arena, (n + 1) * sizeof(*flows.at));
	if (!all || !numbers || !flows.at)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		flows.at[i] = all[i].at;
		numbers[i] = all[i].seq.rcv_nxt;
		numbers[n + i] = all[i].seq.snd_una;
		numbers[2 * n + i] = all[i].seq.snd_nxt;
	}
	err = group_flows(arena, &flows, groups);
	if (err)
		return err;
	groups->check = arena_alloc(arena, (groups->count + 1) * sizeof(*groups->check));
	return groups->check ? put_sequences(arena, groups, numbers, n, groups->check) : -ENOMEM;
}

/* Return: @to, or NULL: not known. */
static Tcpmig__Endpoint *put_endpoint(const struct tcpmig_endpoint *from, Tcpmig__Endpoint *to)
{
	if (!from->family)
		return NULL;
	tcpmig__endpoint__init(to);
	to->addr = wire_addr(from);
	to->port = ntohs(from->port);
	return to;
}

static ProtobufCBinaryData put_uuid(const uint8_t uuid[MESSAGE_UUID_LEN])
{
	static const uint8_t nil[MESSAGE_UUID_LEN];

	if (!memcmp(uuid, nil, sizeof(nil)))
		return (ProtobufCBinaryData){};
	return (ProtobufCBinaryData){ .len = MESSAGE_UUID_LEN, .data = (uint8_t *)uuid };
}

static int put_frame(const ProtobufCMessage *message, uint8_t *buf)
{
	size_t len = protobuf_c_message_get_packed_size(message);

	if (len > FRAME_PAYLOAD_BYTES)
		return -EMSGSIZE;
	if (!len) /* an answer to request 0 that says nothing */
		return -EINVAL;
	frame_put_head(buf, len);
	protobuf_c_message_pack(message, buf + FRAME_HEAD_BYTES);
	return FRAME_HEAD_BYTES + (int)len;
}

/* Room for each body; which one it is, the union of the request says. */
union bodies {
	Tcpmig__Hello hello;
	Tcpmig__Query query;
	Tcpmig__Reserve reserve;
	Tcpmig__Consent consent;
	Tcpmig__Hold hold;
	Tcpmig__Arm arm;
	Tcpmig__Commit commit;
	Tcpmig__Go go;
	Tcpmig__Abort abort;
	Tcpmig__Status status;
	Tcpmig__Check check;
	Tcpmig__LocalHold local_hold;
	Tcpmig__LocalRedirect local_redirect;
	Tcpmig__LocalRelease local_release;
	Tcpmig__LocalStatus local_status;
};

static void put_reserve(const struct message_request *req, const struct groups *groups,
			Tcpmig__Endpoint *next, Tcpmig__Reserve *reserve)
{
	tcpmig__reserve__init(reserve);
	reserve->next = next;
	reserve->flows = groups->at;
	reserve->n_flows = groups->count;
	reserve->max_ms = req->max_ms;
	if (req->has_next_key)
		reserve->next_key_sha256 = (ProtobufCBinaryData){
			.len = MESSAGE_KEY_LEN, .data = (uint8_t *)req->next_key
		};
}

static void put_local(const struct message_request *req, const struct groups *groups,
		      Tcpmig__Endpoint *next, union bodies *body)
{
	switch (req->type) {
	case MESSAGE_LOCAL_HOLD:
		tcpmig__local_hold__init(&body->local_hold);
		body->local_hold.max_ms = req->max_ms;
		body->local_hold.mode = (Tcpmig__HoldMode)req->hold_mode;
		body->local_hold.next = next;
		body->local_hold.flows = groups->at;
		body->local_hold.n_flows = groups->count;
		break;
	case MESSAGE_LOCAL_REDIRECT:
		tcpmig__local_redirect__init(&body->local_redirect);
		body->local_redirect.next = next;
		body->local_redirect.established_only = req->established_only;
		body->local_redirect.flows = groups->at;
		body->local_redirect.n_flows = groups->count;
		break;
	case MESSAGE_LOCAL_RELEASE:
		tcpmig__local_release__init(&body->local_release);
		break;
	default:
		tcpmig__local_status__init(&body->local_status);
	}
}

/* Those that say nothing but what they are. */
static void put_plain(enum message_type type, union bodies *body)
{
	switch (type) {
	case MESSAGE_QUERY:
		tcpmig__query__init(&body->query);
		break;
	case MESSAGE_COMMIT:
		tcpmig__commit__init(&body->commit);
		break;
	case MESSAGE_GO:
		tcpmig__go__init(&body->go);
		break;
	default:
		tcpmig__status__init(&body->status);
	}
}

static void put_body(const struct message_request *req, const struct groups *groups,
		     Tcpmig__Endpoint *next, union bodies *body)
{
	switch (req->type) {
	case MESSAGE_HELLO:
		tcpmig__hello__init(&body->hello);
		body->hello.version = req->version;
		body->hello.software = (char *)req->text;
		break;
	case MESSAGE_RESERVE:
		put_reserve(req, groups, next, &body->reserve);
		break;
	case MESSAGE_CONSENT:
		tcpmig__consent__init(&body->consent);
		body->consent.next = next;
		break;
	case MESSAGE_HOLD:
		tcpmig__hold__init(&body->hold);
		body->hold.max_ms = req->max_ms;
		body->hold.mode = (Tcpmig__HoldMode)req->hold_mode;
		body->hold.flows = groups->at;
		body->hold.n_flows = groups->count;
		break;
	case MESSAGE_ARM:
		tcpmig__arm__init(&body->arm);
		body->arm.lease_ms = req->max_ms;
		body->arm.flows = groups->at;
		body->arm.n_flows = groups->count;
		break;
	case MESSAGE_CHECK:
		tcpmig__check__init(&body->check);
		body->check.flows = groups->check;
		body->check.n_flows = groups->count;
		break;
	case MESSAGE_ABORT:
		tcpmig__abort__init(&body->abort);
		body->abort.reason = (char *)req->text;
		break;
	default:
		if (message_type_is_local(req->type))
			put_local(req, groups, next, body);
		else
			put_plain(req->type, body);
	}
}

int message_request_encode(const struct message_request *req, void *buf)
{
	Tcpmig__Endpoint old, next, *next_or_null;
	Tcpmig__Request to = TCPMIG__REQUEST__INIT;
	_cleanup_arena_ struct arena arena;
	struct groups groups = {};
	union bodies body;
	unsigned int has;
	int err = 0;

	arena_init(&arena);
	if (wire_check_request(req))
		return -EINVAL;
	has = wire_types[req->type].has;
	if (has & WIRE_SEQUENCES)
		err = put_check(&arena, req, &groups);
	else if (has & WIRE_FLOWS)
		err = put_flows(&arena, &req->flows, &groups);
	if (err)
		return err;
	to.id = req->id;
	if (has & WIRE_MIGRATION) {
		to.uuid = put_uuid(req->uuid);
		to.epoch = req->epoch;
	}
	if (has & WIRE_OLD)
		to.old = put_endpoint(&req->old, &old);
	next_or_null = has & WIRE_NEXT ? put_endpoint(&req->next, &next) : NULL;
	put_body(req, &groups, next_or_null, &body);
	to.body_case = wire_types[req->type].body;
	to.hello = &body.hello; /* all of the union are pointers to @body */
	return put_frame(&to.base, buf);
}

/* A move with room for the ends it points to. */
struct move {
	Tcpmig__Move move;
	Tcpmig__Endpoint old, cur, next;
};

static Tcpmig__Move *put_move(const struct message_move *from, struct move *to)
{
	tcpmig__move__init(&to->move);
	to->move.uuid = put_uuid(from->uuid);
	to->move.epoch = from->epoch;
	to->move.old = put_endpoint(&from->old, &to->old);
	to->move.cur = put_endpoint(&from->cur, &to->cur);
	to->move.next = put_endpoint(&from->next, &to->next);
	to->move.state = (Tcpmig__State)from->state;
	to->move.consented = from->consented;
	to->move.committed = from->committed;
	return &to->move;
}

static int put_moves(struct arena *arena, const struct message_answer *answer, Tcpmig__Answer *to)
{
	struct move *moves;

	if (!answer->move_count)
		return 0;
	moves = arena_alloc(arena, answer->move_count * sizeof(*moves));
	to->moves = arena_alloc(arena, answer->move_count * sizeof(*to->moves));
	if (!moves || !to->moves)
		return -ENOMEM;
	for (; to->n_moves < answer->move_count; to->n_moves++)
		to->moves[to->n_moves] = put_move(&answer->moves[to->n_moves], &moves[to->n_moves]);
	return 0;
}

/* As many as the frame, with all that is in @to already, still holds. */
static int put_some(struct arena *arena, const Tcpmig__Answer *to, const struct message_flows *from,
		    struct groups *groups)
{
	size_t used = tcpmig__answer__get_packed_size(to);
	struct message_flows flows;
	int err;

	if (used > FRAME_PAYLOAD_BYTES)
		return -EMSGSIZE;
	err = sort_flows(arena, from, &flows);
	if (err)
		return err;
	flows.count = fitting(&flows, FRAME_PAYLOAD_BYTES - used);
	return group_flows(arena, &flows, groups);
}

static int put_lists(struct arena *arena, const struct message_answer *answer, Tcpmig__Answer *to)
{
	struct groups lost, missing;
	int err = put_some(arena, to, &answer->lost, &lost);

	if (err)
		return err;
	to->lost = lost.at;
	to->n_lost = lost.count;
	err = put_some(arena, to, &answer->missing, &missing);
	if (err)
		return err;
	to->missing = missing.at;
	to->n_missing = missing.count;
	return 0;
}

int message_answer_encode(const struct message_answer *answer, void *buf)
{
	Tcpmig__Answer to = TCPMIG__ANSWER__INIT;
	_cleanup_arena_ struct arena arena;
	struct move move;
	int err;

	arena_init(&arena);
	if (wire_check_answer(answer))
		return -EINVAL;
	to.id = answer->id;
	to.result = (Tcpmig__Result)answer->result;
	if (answer->result == MESSAGE_OK)
		to.software = (char *)answer->text;
	else
		to.text = (char *)answer->text;
	if (answer->has_move)
		to.move = put_move(&answer->move, &move);
	to.flows = answer->flows;
	to.taken = answer->taken;
	to.room = answer->room;
	to.deadline_ms = answer->deadline_ms;
	to.missing_count = answer->missing_count;
	to.matching = answer->matching;
	to.unchecked = answer->unchecked;
	to.lost_count = answer->lost_count;
	to.version = answer->version;
	err = put_moves(&arena, answer, &to);
	if (!err)
		err = put_lists(&arena, answer, &to);
	return err ? err : put_frame(&to.base, buf);
}
