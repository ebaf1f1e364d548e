/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Protobuf as our protocols read it. There is one way to write a message, and no other is
 * taken: what has been read must pack to the very same bytes. So no field twice, none written
 * out with its default, no bits that are cut off, nothing behind the end, nothing unknown. Pure.
 */
#ifndef TCPMIG_STRICT_PROTO_H
#define TCPMIG_STRICT_PROTO_H

#include "arena.h"

/**
 * strict_unpack() - the message that @buf is.
 * @arena: owns it
 * @max:   bytes that there may be at most
 * @err:   on error: -EBADMSG or -ENOMEM
 * @why:   on error: what is wrong, as a phrase (static storage)
 * Return: the message; NULL.
 */
const ProtobufCMessage *strict_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type,
				      const void *buf, size_t len, size_t max, int *err,
				      const char **why);

#endif
