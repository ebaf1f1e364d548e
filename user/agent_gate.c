// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "agent_gate.h"

static struct gate_source *source_of(struct gate *gate, const struct tcpmig_endpoint *from)
{
	bool v4 = from->family == TCPMIG_AF_INET;
	uint32_t mixed = v4 ? from->addr32[3] : from->addr32[0] * 31 + from->addr32[1];

	mixed *= 0x9e3779b1;
	return &gate->sources[mixed >> 22];
}
_Static_assert(sizeof(((struct gate *)0)->sources) / sizeof(struct gate_source) == 1 << 10,
	       "a source for each value of the hash");

bool gate_is_full(const struct gate *gate)
{
	return gate->inside > GATE_MAX;
}

struct gate_source *gate_enter(struct gate *gate, const struct tcpmig_endpoint *from,
			       uint64_t now_ns)
{
	struct gate_source *source = source_of(gate, from);

	if (source->inside >= GATE_SOURCE_MAX ||
	    !bucket_take(&source->bucket, 1, GATE_BURST, GATE_A_SECOND, now_ns))
		return NULL;
	gate->inside++;
	source->inside++;
	return source;
}

void gate_leave(struct gate *gate, struct gate_source *source)
{
	if (!source)
		return;
	gate->inside--;
	source->inside--;
}
