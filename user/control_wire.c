// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <netinet/in.h>
#include <string.h>

#include "control_wire.h"
#include "endpoint.h"

#define OF_MOVE (WIRE_MIGRATION | WIRE_OLD)

const struct wire_type wire_types[MESSAGE_TYPES_COUNT] = {
	[MESSAGE_HELLO] = { TCPMIG__REQUEST__BODY_HELLO, WIRE_VERSION | WIRE_TEXT },
	[MESSAGE_QUERY] = { TCPMIG__REQUEST__BODY_QUERY, WIRE_OLD },
	[MESSAGE_RESERVE] = { TCPMIG__REQUEST__BODY_RESERVE,
			      OF_MOVE | WIRE_NEXT | WIRE_FLOWS | WIRE_MS },
	[MESSAGE_CONSENT] = { TCPMIG__REQUEST__BODY_CONSENT, OF_MOVE | WIRE_NEXT },
	[MESSAGE_HOLD] = { TCPMIG__REQUEST__BODY_HOLD, OF_MOVE | WIRE_MS | WIRE_MODE | WIRE_FLOWS },
	[MESSAGE_ARM] = { TCPMIG__REQUEST__BODY_ARM, OF_MOVE | WIRE_MS | WIRE_FLOWS },
	[MESSAGE_COMMIT] = { TCPMIG__REQUEST__BODY_COMMIT, OF_MOVE },
	[MESSAGE_GO] = { TCPMIG__REQUEST__BODY_GO, OF_MOVE },
	[MESSAGE_ABORT] = { TCPMIG__REQUEST__BODY_ABORT, OF_MOVE | WIRE_TEXT },
	[MESSAGE_STATUS] = { TCPMIG__REQUEST__BODY_STATUS, OF_MOVE },
	[MESSAGE_CHECK] = { TCPMIG__REQUEST__BODY_CHECK, OF_MOVE | WIRE_FLOWS | WIRE_SEQUENCES },
	[MESSAGE_LOCAL_HOLD] = { TCPMIG__REQUEST__BODY_LOCAL_HOLD,
				 WIRE_OLD | WIRE_NEXT | WIRE_NEXT_OPTIONAL | WIRE_MS | WIRE_MODE |
					 WIRE_FLOWS },
	[MESSAGE_LOCAL_REDIRECT] = { TCPMIG__REQUEST__BODY_LOCAL_REDIRECT,
				     WIRE_OLD | WIRE_NEXT | WIRE_FLOWS },
	[MESSAGE_LOCAL_RELEASE] = { TCPMIG__REQUEST__BODY_LOCAL_RELEASE, WIRE_OLD },
	[MESSAGE_LOCAL_STATUS] = { TCPMIG__REQUEST__BODY_LOCAL_STATUS, 0 },
};

int wire_flow_order(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b)
{
	int order = (int)a->family - b->family;

	/* Big-endian, so that bytes compare as numbers do. */
	if (!order)
		order = memcmp(a->addr, b->addr, sizeof(a->addr));
	return order ? order : memcmp(&a->port, &b->port, sizeof(a->port));
}

ProtobufCBinaryData wire_addr(const struct tcpmig_endpoint *ep)
{
	bool v4 = ep->family == TCPMIG_AF_INET;
	const __u8 *bytes = v4 ? ep->addr + 12 : ep->addr;

	return (ProtobufCBinaryData){ .len = v4 ? 4 : 16, .data = (uint8_t *)bytes };
}

/* Family and bytes that belong together, a port, and an address of a host. */
static bool is_host_endpoint(const struct tcpmig_endpoint *ep)
{
	bool mapped = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)ep->addr);

	if (ep->family != (mapped ? TCPMIG_AF_INET : TCPMIG_AF_INET6) || ep->zero || !ep->port)
		return false;
	return !endpoint_check_routable(ep);
}

static bool is_zero(const void *bytes, size_t len)
{
	static const char zero[MESSAGE_KEY_LEN];

	return !memcmp(bytes, zero, len);
}

static const char *check_flows(const struct message_flows *flows, __u8 family)
{
	if (flows->count > MESSAGE_FLOWS_MAX)
		return "more flows than a message may have";
	for (size_t i = 0; i < flows->count; i++) {
		if (!is_host_endpoint(&flows->at[i]))
			return "a flow is no address and port of a host";
		if (family && flows->at[i].family != family)
			return "a flow is not of the family of old";
	}
	return NULL;
}

static const char *check_next(const struct message_request *req, unsigned int has)
{
	if (has & WIRE_NEXT_OPTIONAL && !req->next.family)
		return NULL;
	if (!is_host_endpoint(&req->next))
		return "next is no address and port of a host";
	if (req->next.family != req->old.family)
		return "old and next are not of one family";
	return NULL;
}

static const char *check_numbers(const struct message_request *req, unsigned int has)
{
	if (has & WIRE_MIGRATION && is_zero(req->uuid, sizeof(req->uuid)))
		return "no uuid";
	if (has & WIRE_MIGRATION && !req->epoch)
		return "no epoch";
	if (has & WIRE_MS && !req->max_ms)
		return "no duration";
	if (has & WIRE_MODE && req->hold_mode > TCPMIG_HOLD_SWALLOW)
		return "a hold mode that is not known";
	if (has & WIRE_VERSION && !req->version)
		return "no version";
	return NULL;
}

const char *wire_check_request(const struct message_request *req)
{
	const char *why;
	unsigned int has;

	if ((unsigned int)req->type >= MESSAGE_TYPES_COUNT)
		return "a type that is not known";
	has = wire_types[req->type].has;
	why = check_numbers(req, has);
	if (!why && has & WIRE_OLD && !is_host_endpoint(&req->old))
		why = "old is no address and port of a host";
	if (!why && has & WIRE_NEXT)
		why = check_next(req, has);
	if (!why && has & WIRE_TEXT && !message_text_is_valid(req->text))
		why = "text that is too long, no UTF-8, or has control characters";
	if (!why && has & WIRE_FLOWS)
		why = check_flows(&req->flows, req->old.family);
	if (!why && has & WIRE_SEQUENCES && req->flows.count && !req->sequences)
		why = "flows without sequence numbers";
	return why;
}

static const char *check_move(const struct message_move *move)
{
	if ((unsigned int)move->state >= MESSAGE_STATES_COUNT)
		return "a state that is not known";
	if ((move->old.family && !is_host_endpoint(&move->old)) ||
	    (move->cur.family && !is_host_endpoint(&move->cur)) ||
	    (move->next.family && !is_host_endpoint(&move->next)))
		return "an end of a move is no address and port of a host";
	return NULL;
}

const char *wire_check_answer(const struct message_answer *answer)
{
	const char *why = NULL;

	if ((unsigned int)answer->result >= MESSAGE_RESULTS_COUNT)
		return "a result that is not known";
	if (!message_text_is_valid(answer->text))
		return "text that is too long, no UTF-8, or has control characters";
	if (answer->missing.count > answer->missing_count)
		return "more missing flows than it counts";
	if (answer->lost.count > answer->lost_count)
		return "more lost flows than it counts";
	if (answer->move_count > MESSAGE_MOVES_MAX)
		return "more moves than a message may have";
	if (answer->has_move)
		why = check_move(&answer->move);
	for (size_t i = 0; !why && i < answer->move_count; i++)
		why = check_move(&answer->moves[i]);
	why = why ?: check_flows(&answer->lost, 0);
	return why ?: check_flows(&answer->missing, 0);
}
