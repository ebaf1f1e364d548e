/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who gets as far as a TLS handshake, which costs time and memory: so many at once, so many a
 * second from one source. Pure but for its own state.
 */
#ifndef TCPMIG_AGENT_GATE_H
#define TCPMIG_AGENT_GATE_H

#include "agent_limits.h"

/* Not yet authenticated: in all, and of one source. */
#define GATE_MAX	64
#define GATE_SOURCE_MAX 16
/* Handshakes of one source. */
#define GATE_BURST    64
#define GATE_A_SECOND 20

/** struct gate_source - an IPv4 address, or an IPv6 /64; some share an entry by chance. */
struct gate_source {
	struct bucket bucket;
	unsigned int inside;
};

/** struct gate - zero it to begin. */
struct gate {
	unsigned int inside;
	struct gate_source sources[1024];
};

/**
 * gate_enter() - may a connection from @from begin a handshake, as far as its source goes?
 * @now_ns: CLOCK_BOOTTIME
 * Return: where it counts until gate_leave(); NULL: no.
 */
struct gate_source *gate_enter(struct gate *gate, const struct tcpmig_endpoint *from,
			       uint64_t now_ns);

/** gate_is_full() - after gate_enter(): must another leave for it? */
bool gate_is_full(const struct gate *gate);

/** gate_leave() - it is authenticated, or closed. Harmless on NULL. */
void gate_leave(struct gate *gate, struct gate_source *source);

#endif
