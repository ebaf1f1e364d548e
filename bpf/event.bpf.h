/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events for whoever watches. Only where something begins or ends, never for each packet. */
#ifndef TCPMIG_EVENT_BPF_H
#define TCPMIG_EVENT_BPF_H

#include "rule.bpf.h"

static __always_inline void event_send(enum tcpmig_event_type type, __u32 ref, __u64 word,
				       const struct tcpmig_flow_key *key)
{
	struct tcpmig_event *event = bpf_ringbuf_reserve(&tcpmig_events, sizeof(*event), 0);

	if (!event) {
		count_reason(TCPMIG_R_EVENT_LOST);
		return;
	}
	event->type = type;
	event->ref = ref;
	event->time_ns = bpf_ktime_get_boot_ns();
	event->word = word;
	event->key = *key;
	bpf_ringbuf_submit(event, 0);
}

/* Of a flow, with the state of its rule. */
static __always_inline void event_of_flow(enum tcpmig_event_type type, __u32 ref,
					  const struct tcpmig_flow_key *key)
{
	struct tcpmig_rule *rule = rule_get(ref);

	event_send(type, ref, rule ? rule_word(rule) : 0, key);
}

#endif
