/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages between hosts that are right, by chance: for round trips and as seeds. */
#ifndef TESTS_HOST_MESSAGES_H
#define TESTS_HOST_MESSAGES_H

#include "host_message.h"
#include "messages.h"

/** host_bodies - all that a request can be. */
#define HOST_BODIES_COUNT 13
extern const TcpmigHost__Request__BodyCase host_bodies[HOST_BODIES_COUNT];

/**
 * host_request_by_chance() - one with this body.
 * @arena: owns it
 * @most:  how long its lists may be
 */
TcpmigHost__Request *host_request_by_chance(struct chance *c, struct arena *arena,
					    TcpmigHost__Request__BodyCase body, size_t most);

/** host_answer_by_chance() - likewise an answer. */
TcpmigHost__Answer *host_answer_by_chance(struct chance *c, struct arena *arena, size_t most);

#endif
