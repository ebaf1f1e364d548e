/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What encoder and decoder of messages share. For control_*.c only. */
#ifndef TCPMIG_CONTROL_WIRE_H
#define TCPMIG_CONTROL_WIRE_H

#include "control.pb-c.h"
#include "control_message.h"

/* Which fields a type of request has. */
#define WIRE_MIGRATION	   1 /* uuid and epoch */
#define WIRE_OLD	   2
#define WIRE_NEXT	   4
#define WIRE_NEXT_OPTIONAL 8
#define WIRE_FLOWS	   16
#define WIRE_MS		   32
#define WIRE_MODE	   64
#define WIRE_TEXT	   128
#define WIRE_VERSION	   256
#define WIRE_SEQUENCES	   512 /* of each of the flows */

/** struct wire_type - a type of request; indexed by enum message_type. */
struct wire_type {
	Tcpmig__Request__BodyCase body;
	unsigned int has;
};

extern const struct wire_type wire_types[MESSAGE_TYPES_COUNT];

/**
 * wire_check_request(), wire_check_answer() - is every field within its bounds?
 * Fields that a type does not have are not looked at, and neither is the order of flows.
 * Return: NULL, or what is wrong as a phrase (static storage).
 */
const char *wire_check_request(const struct message_request *req);
const char *wire_check_answer(const struct message_answer *answer);

/** wire_flow_order() - <0, 0, >0: IPv4 first, then by address and by port. */
int wire_flow_order(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b);

/** wire_addr() - the 4 or 16 bytes of the address of @ep. Not copied. */
ProtobufCBinaryData wire_addr(const struct tcpmig_endpoint *ep);

#endif
