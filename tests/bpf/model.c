// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model's decisions and its rewrite. The rules' meaning is in ruling_*() alone. */
#include <string.h>

#include "model.h"

#define ESTABLISHED_ONLY(rule) ((rule)->flags & TCPMIG_RULE_ESTABLISHED_ONLY)

enum verb { PASS, REWRITE, SWALLOW, DROP, REFUSE };

/* What is to happen, why, and by which rule. Without a rule nothing is counted. */
struct ruling {
	enum verb verb;
	enum tcpmig_reason reason;    /* of DROP, SWALLOW and REFUSE */
	const struct tcpmig_rule *by; /* or NULL */
	struct tcpmig_endpoint to;    /* of REWRITE */
	__u32 ifindex;
};

/* ---- tables ---- */

static bool same(const struct tcpmig_endpoint *a, const struct tcpmig_endpoint *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool same_flow(const struct tcpmig_flow_key *a, const struct tcpmig_flow_key *b)
{
	return same(&a->remote, &b->remote) && same(&a->local, &b->local);
}

static struct tcpmig_remote *find_remote(struct model *m, const struct tcpmig_endpoint *key)
{
	for (size_t i = 0; i < m->remotes_count; i++) {
		if (same(&m->remotes[i].key, key))
			return &m->remotes[i].value;
	}
	return NULL;
}

static struct tcpmig_flow *find_flow(struct model *m, const struct tcpmig_flow_key *key)
{
	for (size_t i = 0; i < m->flows_count; i++) {
		if (same_flow(&m->flows[i].key, key))
			return &m->flows[i].value;
	}
	return NULL;
}

static struct tcpmig_wire *find_wire(struct model *m, const struct tcpmig_flow_key *key)
{
	for (size_t i = 0; i < m->wires_count; i++) {
		if (same_flow(&m->wires[i].key, key))
			return &m->wires[i].value;
	}
	return NULL;
}

/* The live rule that an entry names: one left by a dead rule belongs to nobody. */
static const struct tcpmig_rule *rule_named(const struct model *m, __u32 ref)
{
	for (int slot = 0; ref && slot < MODEL_RULES_MAX; slot++) {
		const struct tcpmig_rule *rule = &m->rules[slot];

		if (rule->ref == ref && tcpmig_word_state(rule->word) != TCPMIG_FREE)
			return rule;
	}
	return NULL;
}

static const struct tcpmig_rule *rule_of_old(struct model *m, const struct tcpmig_endpoint *old)
{
	const struct tcpmig_remote *remote = find_remote(m, old);
	const struct tcpmig_rule *rule = remote ? rule_named(m, remote->old_ref) : NULL;

	return rule && same(&rule->old, old) ? rule : NULL;
}

/* ---- what the administrator says ---- */

static bool is_in(const struct tcpmig_endpoint *ep, const struct tcpmig_prefix *prefix)
{
	const unsigned char *bytes = (const unsigned char *)&ep->port;
	unsigned int port = bytes[0] << 8 | bytes[1];

	if (ep->family != prefix->family || port < prefix->port_min || port > prefix->port_max)
		return false;
	for (int bit = 0; bit < prefix->bits; bit++) {
		if ((ep->addr[bit / 8] ^ prefix->addr[bit / 8]) & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

/* Flows for @old, with @peer on the wire: by any one entry of the policy. */
static bool allowed(const struct model *m, const struct tcpmig_endpoint *old,
		    const struct tcpmig_endpoint *peer)
{
	if (!m->policy.generation)
		return true;
	for (__u32 i = 0; i < m->policy.count; i++) {
		const struct tcpmig_policy *entry = &m->policy.list[i];

		if (is_in(old, &entry->old) && (same(old, peer) || is_in(peer, &entry->new)))
			return true;
	}
	return false;
}

/* ---- what a rule says ---- */

static const struct tcpmig_owner *owner_at(const struct tcpmig_rule *rule, int ahead)
{
	return &rule->owner[(tcpmig_word_hop(rule->word) + ahead) % TCPMIG_HOPS_MAX];
}

#define CUR(rule)  owner_at(rule, 0)
#define NEXT(rule) owner_at(rule, 1)

/* A hold ends by itself; an armed rule does not. */
static enum tcpmig_state state_of(struct model *m, const struct tcpmig_rule *rule)
{
	enum tcpmig_state state = tcpmig_word_state(rule->word);

	if (state != TCPMIG_HELD || m->now_ns <= rule->deadline_ns)
		return state;
	m->counters[TCPMIG_R_HELD_EXPIRED]++;
	return TCPMIG_ACTIVE;
}

static struct ruling dropped(const struct tcpmig_rule *by, enum tcpmig_reason reason)
{
	return (struct ruling){ .verb = DROP, .by = by, .reason = reason };
}

/* Dropped, and whoever has sent it is told by an RST. */
static struct ruling refused(const struct tcpmig_rule *by, enum tcpmig_reason reason)
{
	return (struct ruling){ .verb = REFUSE, .by = by, .reason = reason };
}

static struct ruling passed(void)
{
	return (struct ruling){ .verb = PASS };
}

static struct ruling denied(struct model *m)
{
	m->counters[TCPMIG_R_POLICY_DENIED]++;
	return passed();
}

/* Nothing is done that the policy does not allow. @server: the server's side of the packet. */
static struct ruling judged(struct model *m, enum model_direction direction,
			    const struct tcpmig_endpoint *server, struct ruling ruling)
{
	bool fine;

	if (ruling.verb == PASS)
		return ruling;
	if (direction == MODEL_EGRESS && ruling.verb == REWRITE)
		fine = allowed(m, server, &ruling.to);
	else
		fine = allowed(m, &ruling.by->old, server);
	return fine ? ruling : denied(m);
}

/* Delivered as if it had come from, or been about, OLD. */
static struct ruling delivered(const struct tcpmig_rule *by, const struct tcpmig_endpoint *seen)
{
	if (same(seen, &by->old))
		return passed();
	return (struct ruling){ .verb = REWRITE, .by = by, .to = by->old };
}

static struct ruling sent_on(const struct tcpmig_rule *by)
{
	return (struct ruling){
		.verb = REWRITE, .by = by, .to = CUR(by)->peer, .ifindex = CUR(by)->ifindex
	};
}

/* Both sides have said FIN, or one RST. */
static bool is_over(const struct tcpmig_flow *flow)
{
	return flow->flags & TCPMIG_FLOW_RST ||
	       (flow->flags & TCPMIG_FLOW_FIN_OUT && flow->flags & TCPMIG_FLOW_FIN_IN);
}

static void note(struct model *m, struct tcpmig_flow *flow, unsigned int flags)
{
	bool was_over = is_over(flow);

	flow->flags |= flags;
	if (is_over(flow) && !was_over)
		m->counters[TCPMIG_R_FLOW_OVER]++;
}

/* What the client says of its connection. A SYN begins it anew. */
static void note_egress(struct model *m, struct tcpmig_flow *flow, const struct model_packet *p)
{
	/* In the tests no packet is of the very socket: of a local flow it says nothing, but that
	 * what follows our FIN is TIME_WAIT's. Of another flow anybody could send an RST. */
	if (flow->flags & TCPMIG_FLOW_LOCAL) {
		if (flow->flags & TCPMIG_FLOW_FIN_OUT && !p->syn && !p->rst)
			note(m, flow, TCPMIG_FLOW_FIN_IN);
	} else if (p->syn) {
		flow->flags = 0;
	} else {
		note(m, flow, TCPMIG_FLOW_TALKED | (p->fin ? TCPMIG_FLOW_FIN_OUT : 0));
	}
}

/* What the owner says. Where the client has a socket it would have to fit that, and here it does
 * not; where it has none a FIN counts, an RST does not. */
static void note_ingress(struct model *m, const struct tcpmig_rule *rule,
			 const struct model_packet *p)
{
	struct tcpmig_flow_key key = { .remote = rule->old, .local = p->dst };
	struct tcpmig_flow *flow = find_flow(m, &key);

	if (m->socket_exists && m->socket_exists(&key))
		return;
	if (p->fin && flow && flow->ref == rule->ref)
		note(m, flow, TCPMIG_FLOW_FIN_IN);
}

/* TCP from @p->src on a connection to OLD: who may talk depends on whose turn it is. */
static struct ruling ruling_ingress(struct model *m, const struct tcpmig_rule *rule,
				    const struct model_packet *p)
{
	bool from_cur = same(&p->src, &CUR(rule)->peer);
	bool from_next = same(&p->src, &NEXT(rule)->peer);

	switch (state_of(m, rule)) {
	case TCPMIG_ARMED:
		if (!from_next)
			return dropped(rule, TCPMIG_R_FENCE_OLD_OWNER);
		break;
	case TCPMIG_HELD:
		if (from_cur && p->rst)
			return dropped(rule, TCPMIG_R_HELD_RST);
		if (!from_cur)
			return dropped(rule, from_next ? TCPMIG_R_FENCE_NEXT_EARLY
						       : TCPMIG_R_FENCE_OLD_OWNER);
		m->counters[TCPMIG_R_IN_HELD_PASS]++;
		break;
	default:
		if (!from_cur)
			return dropped(rule, TCPMIG_R_FENCE_OLD_OWNER);
	}
	note_ingress(m, rule, p);
	return delivered(rule, &p->src);
}

/* An ICMP error about a packet of ours, which went to @p->dst. */
static struct ruling ruling_icmp_ingress(struct model *m, const struct tcpmig_rule *rule,
					 const struct model_packet *p)
{
	enum tcpmig_state state = state_of(m, rule);
	bool about_next = same(&p->dst, &NEXT(rule)->peer);
	bool about_cur = same(&p->dst, &CUR(rule)->peer);
	bool path_in_use = state == TCPMIG_ARMED ? about_next : about_cur;

	if (path_in_use && (state == TCPMIG_ACTIVE || p->too_big))
		return delivered(rule, &p->dst);
	return dropped(rule, TCPMIG_R_OLD_PATH_ICMP);
}

/* Our side's error about a packet of the owner, which came as one of OLD. */
static struct ruling ruling_icmp_egress(struct model *m, const struct tcpmig_rule *rule)
{
	enum tcpmig_state state = state_of(m, rule);

	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return dropped(rule, TCPMIG_R_HELD_DROPPED);
	return same(&CUR(rule)->peer, &rule->old) ? passed() : sent_on(rule);
}

/* The wire entry by which replies of CUR find the flow: made when first used. */
static bool make_wire(struct model *m, const struct tcpmig_rule *rule,
		      const struct tcpmig_endpoint *local)
{
	struct tcpmig_flow_key key = { .remote = CUR(rule)->peer, .local = *local };
	struct tcpmig_wire *wire = find_wire(m, &key);

	if (wire && wire->ref != rule->ref && rule_named(m, wire->ref))
		return false; /* another flow was first */
	if (m->socket_exists && m->socket_exists(&key))
		return false; /* a direct connection was first */
	if (!wire) {
		if (m->wires_count == m->entries_max)
			return false;
		m->wires[m->wires_count].key = key;
		wire = &m->wires[m->wires_count++].value;
	}
	*wire = (struct tcpmig_wire){ .ref = rule->ref, .checked = 1 };
	return true;
}

/* A flow goes, and with it all that it has on the wire with owners not yet forgotten. */
static void remove_flow(struct model *m, const struct tcpmig_rule *rule,
			const struct tcpmig_flow_key *key)
{
	struct tcpmig_flow *flow = find_flow(m, key);
	struct model_flow *entry = (void *)((char *)flow - offsetof(struct model_flow, value));

	for (int hop = 0; hop < TCPMIG_HOPS_MAX; hop++) {
		struct tcpmig_flow_key wire_key = { .remote = rule->owner[hop].peer,
						    .local = key->local };

		for (size_t i = 0; i < m->wires_count; i++) {
			if (same_flow(&m->wires[i].key, &wire_key) &&
			    m->wires[i].value.ref == rule->ref)
				m->wires[i--] = m->wires[--m->wires_count];
		}
	}
	*entry = m->flows[--m->flows_count];
}

/* TCP of a known flow that leaves for OLD. */
static struct ruling ruling_egress(struct model *m, const struct tcpmig_rule *rule,
				   struct tcpmig_flow *flow, const struct model_packet *p)
{
	__u32 epoch = tcpmig_word_epoch(rule->word);
	enum tcpmig_state state = state_of(m, rule);

	if (state == TCPMIG_HELD || state == TCPMIG_ARMED) {
		bool first_data = p->has_data && flow->swallowed_epoch != epoch;

		if (first_data)
			flow->swallowed_epoch = epoch;
		if (!first_data && rule->hold_mode == TCPMIG_HOLD_DROP)
			return dropped(rule, TCPMIG_R_HELD_DROPPED);
		return (struct ruling){ .verb = SWALLOW,
					.by = rule,
					.reason = TCPMIG_R_HELD_SWALLOWED };
	}
	note_egress(m, flow, p);
	if (same(&CUR(rule)->peer, &rule->old))
		return passed();
	if (flow->hop != tcpmig_word_hop(rule->word)) {
		if (!allowed(m, &p->dst, &CUR(rule)->peer))
			return denied(m);
		if (!make_wire(m, rule, &p->src)) {
			flow->flags |= TCPMIG_FLOW_REFUSED;
			return refused(rule, TCPMIG_R_WIRE_TAKEN);
		}
		flow->hop = tcpmig_word_hop(rule->word);
		flow->flags &= ~TCPMIG_FLOW_REFUSED;
	}
	return sent_on(rule);
}

/* A direct packet to an address where redirected flows go, too: never in one tuple. */
static struct ruling ruling_direct(struct model *m, const struct model_packet *p,
				   const struct model_input *in)
{
	struct tcpmig_flow_key key = { .remote = p->dst, .local = p->src };
	const struct tcpmig_remote *remote = find_remote(m, &p->dst);
	const struct tcpmig_wire *wire = remote->wires ? find_wire(m, &key) : NULL;
	const struct tcpmig_rule *rule = wire ? rule_named(m, wire->ref) : NULL;

	if (!rule || (in->local && !(in->socket_peer && same(in->socket_peer, &p->dst))))
		return passed();
	if (!p->syn && !(in->local && wire->checked))
		return passed(); /* it was there before the flow, for all we know */
	return refused(rule, TCPMIG_R_WIRE_TAKEN);
}

/* For established flows only: is it the SYN of another connection? Forwarded, anybody may send
 * it, and it is believed when the one before is over. */
static bool is_anothers(const struct tcpmig_rule *rule, const struct tcpmig_flow *flow,
			const struct model_packet *p, bool local)
{
	return ESTABLISHED_ONLY(rule) && p->syn && flow->flags & TCPMIG_FLOW_TALKED &&
	       !(flow->flags & TCPMIG_FLOW_LOCAL) && (local || is_over(flow));
}

/* An RST of no known flow makes none, and goes where the flows go. */
static struct ruling ruling_unknown_rst(struct model *m, const struct tcpmig_rule *rule)
{
	enum tcpmig_state state = state_of(m, rule);

	if (state == TCPMIG_HELD || state == TCPMIG_ARMED)
		return dropped(rule, TCPMIG_R_HELD_DROPPED);
	return same(&CUR(rule)->peer, &rule->old) ? passed() : sent_on(rule);
}

/* Does nothing leave to OLD now? */
static bool is_stopped(const struct model *m, const struct tcpmig_rule *rule)
{
	enum tcpmig_state state = tcpmig_word_state(rule->word);

	return state == TCPMIG_ARMED || (state == TCPMIG_HELD && m->now_ns <= rule->deadline_ns);
}

/* TCP that leaves for an address that concerns us. */
static struct ruling ruling_leaving(struct model *m, const struct model_packet *p,
				    const struct model_input *in)
{
	struct tcpmig_flow_key key = { .remote = p->dst, .local = p->src };
	struct tcpmig_flow *flow = find_flow(m, &key);
	const struct tcpmig_rule *rule = flow ? rule_named(m, flow->ref) : NULL;

	if (rule) {
		if (!is_anothers(rule, flow, p, in->local))
			return ruling_egress(m, rule, flow, p);
		remove_flow(m, rule, &key); /* another connection: it is none of the rule's */
		return passed();
	}
	rule = rule_of_old(m, &p->dst);
	if (!rule)
		return ruling_direct(m, p, in);
	if (ESTABLISHED_ONLY(rule))
		return passed();
	if (p->rst)
		return ruling_unknown_rst(m, rule);
	if (!allowed(m, &p->dst, is_stopped(m, rule) ? &p->dst : &CUR(rule)->peer))
		return denied(m); /* and known to nobody */
	if (!flow) {
		if (m->flows_count == m->entries_max)
			return p->syn ? refused(rule, TCPMIG_R_TABLE_FULL)
				      : dropped(rule, TCPMIG_R_TABLE_FULL);
		m->flows[m->flows_count].key = key;
		flow = &m->flows[m->flows_count++].value;
	}
	memset(flow, 0, sizeof(*flow)); /* what a dead rule has left is taken over */
	flow->ref = rule->ref;
	return ruling_egress(m, rule, flow, p);
}

/* ---- which rule ---- */

/* The rule of the flow that has @peer on the wire. A direct connection has none. */
static const struct tcpmig_rule *rule_of_peer(struct model *m, const struct tcpmig_endpoint *peer,
					      const struct tcpmig_endpoint *local)
{
	struct tcpmig_flow_key key = { .remote = *peer, .local = *local };
	struct tcpmig_wire *wire = find_wire(m, &key);
	const struct tcpmig_rule *rule = wire ? rule_named(m, wire->ref) : NULL;
	const struct tcpmig_flow *flow;

	if (rule && !same(&rule->old, peer) && !wire->checked) {
		if (m->socket_exists && m->socket_exists(&key))
			rule = NULL;
		else
			wire->checked = 1;
	}
	if (rule)
		return rule;
	rule = rule_of_old(m, peer);
	flow = find_flow(m, &key);
	if (rule && ESTABLISHED_ONLY(rule) && (!flow || flow->ref != rule->ref))
		return NULL;
	return rule;
}

/* An address that no rule and no wire entry names concerns nobody. */
static bool concerns_us(struct model *m, const struct tcpmig_endpoint *remote)
{
	return find_remote(m, remote);
}

static struct ruling rule_on_icmp(struct model *m, enum model_direction direction,
				  const struct model_packet *p)
{
	struct tcpmig_flow_key key = { .remote = p->src, .local = p->dst };
	const struct tcpmig_rule *rule;
	const struct tcpmig_flow *flow;

	if (direction == MODEL_INGRESS) {
		if (!concerns_us(m, &p->dst))
			return passed();
		rule = rule_of_peer(m, &p->dst, &p->src);
		return rule ? ruling_icmp_ingress(m, rule, p) : passed();
	}
	flow = concerns_us(m, &p->src) ? find_flow(m, &key) : NULL;
	rule = flow ? rule_named(m, flow->ref) : NULL;
	return rule ? ruling_icmp_egress(m, rule) : passed();
}

static struct ruling rule_on(struct model *m, enum model_direction direction,
			     const struct model_packet *p, const struct model_input *in)
{
	const struct tcpmig_rule *rule;
	struct ruling ruling = passed();

	if (p->kind == MODEL_OTHER)
		return ruling;
	/* Who sends an error is a client; the server's side is at the other end of the quote. */
	if (p->kind == MODEL_ICMP_ERROR)
		return judged(m, direction, direction == MODEL_EGRESS ? &p->src : &p->dst,
			      rule_on_icmp(m, direction, p));
	if (direction == MODEL_EGRESS && concerns_us(m, &p->dst))
		ruling = judged(m, direction, &p->dst, ruling_leaving(m, p, in));
	if (direction == MODEL_INGRESS && concerns_us(m, &p->src)) {
		rule = rule_of_peer(m, &p->src, &p->dst);
		if (rule)
			ruling = judged(m, direction, &p->src, ruling_ingress(m, rule, p));
	}
	if (ruling.verb == REWRITE && p->kind == MODEL_TCP_FRAGMENT)
		return dropped(ruling.by, TCPMIG_R_FRAGMENT);
	return ruling;
}

/* ---- counting, and the verdict ---- */

static struct tcpmig_rule_stats *stats_of(struct model *m, const struct ruling *ruling)
{
	return &m->stats[ruling->by - m->rules];
}

/* Anew to the next hop: not with a tag, which would be lost; and on a device without neighbours
 * only if it leaves by another, which wants an Ethernet header. */
static int route(const struct model *m, struct model_output *out, const struct model_packet *p,
		 __u32 ifindex)
{
	if (p->tagged)
		return MODEL_NEXT;
	if (m->l2_len)
		return MODEL_REDIRECT;
	if (!ifindex || ifindex == m->ifindex)
		return MODEL_NEXT;
	model_add_ethernet(out, p);
	return MODEL_REDIRECT;
}

static void rewrite(struct model *m, enum model_direction direction, struct model_output *out,
		    const struct model_packet *p, const struct ruling *ruling)
{
	bool leaves = direction == MODEL_EGRESS;

	out->changed = true;
	if (p->kind == MODEL_ICMP_ERROR) {
		model_rewrite_icmp(out, p, leaves, &ruling->to);
		m->counters[leaves ? TCPMIG_R_ICMP_OUT_TRANSLATED : TCPMIG_R_ICMP_TRANSLATED]++;
	} else if (leaves) {
		model_rewrite_tcp(out, p, false, &ruling->to);
		m->counters[TCPMIG_R_OUT_REWRITTEN]++;
		stats_of(m, ruling)->packets_out++;
	} else {
		model_rewrite_tcp(out, p, true, &ruling->to);
		m->counters[TCPMIG_R_IN_REWRITTEN]++;
		stats_of(m, ruling)->packets_in++;
	}
	if (leaves)
		out->verdict = route(m, out, p, ruling->ifindex);
}

/* By the way it came; where that is no Ethernet there may be none. */
static void refuse(struct model *m, struct model_output *out, const struct model_packet *p,
		   bool local)
{
	out->verdict = MODEL_DROP;
	if (!local && m->plain)
		return;
	if (p->tagged || p->kind == MODEL_TCP_FRAGMENT || !model_make_rst(out, p, m->l2_len))
		return;
	if (!local && !m->l2_len) {
		out->half_done = true;
		return;
	}
	out->verdict = MODEL_REDIRECT;
	out->changed = true;
	out->refused = true;
	m->counters[TCPMIG_R_REFUSED_RST]++;
}

void model_run(struct model *m, enum model_direction direction, const struct model_input *in,
	       struct model_output *out)
{
	struct model_packet p;
	struct ruling ruling;

	memcpy(out->data, in->data, in->len);
	out->len = in->len;
	out->verdict = MODEL_NEXT;
	out->changed = out->refused = out->half_done = false;
	if (in->marked)
		return;
	model_parse(in->data, in->len, m->l2_len, &p);
	ruling = rule_on(m, direction, &p, in);
	if (ruling.verb == PASS)
		return;
	if (ruling.verb == REWRITE)
		return rewrite(m, direction, out, &p, &ruling);
	m->counters[ruling.reason]++;
	stats_of(m, &ruling)->dropped++;
	if (ruling.verb == REFUSE)
		return refuse(m, out, &p, in->local);
	out->verdict = ruling.verb == DROP ? MODEL_DROP : MODEL_REDIRECT;
}
