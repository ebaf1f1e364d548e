/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages that are right, by chance: for round trips and as seeds. */
#ifndef TESTS_MESSAGES_H
#define TESTS_MESSAGES_H

#include "control_message.h"

/** struct chance - a sequence that depends on .seed only. */
struct chance {
	uint64_t state;
};

/** chance() - 0 .. @below - 1 */
uint32_t chance(struct chance *c, uint32_t below);

/** endpoint_by_chance() - of a host, of @family. */
struct tcpmig_endpoint endpoint_by_chance(struct chance *c, int family);

/**
 * request_by_chance() - of @type, with what it has.
 * @flows: how many it may have at most; ascending and none twice. message_request_free() it.
 */
struct message_request request_by_chance(struct chance *c, enum message_type type, size_t flows);

/** answer_by_chance() - message_answer_free() it. */
struct message_answer answer_by_chance(struct chance *c, size_t missing);

#endif
