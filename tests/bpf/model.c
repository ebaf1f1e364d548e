// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model's decisions and its rewrite. The rules' meaning is in ruling_*() alone. */
#include <string.h>

#include "model.h"

#define ESTABLISHED_ONLY(rule) ((rule)->flags & TCPMIG_RULE_ESTABLISHED_ONLY)

enum verb { PASS, REWRITE, SWALLOW, DROP };

/* What is to happen, why, and by which rule. Without a rule nothing is counted. */
struct ruling {
	enum verb verb;
	enum tcpmig_reason reason;    /* of DROP and SWALLOW */
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

static struct ruling passed(void)
{
	return (struct ruling){ .verb = PASS };
}

/* Delivered as if it had come from, or been about, @old. */
static struct ruling delivered(const struct tcpmig_rule *by, const struct tcpmig_endpoint *seen,
			       const struct tcpmig_endpoint *old)
{
	if (same(seen, old))
		return passed();
	return (struct ruling){ .verb = REWRITE, .by = by, .to = *old };
}

/* TCP from @p->src about a connection to @old: who may talk depends on whose turn it is. */
static struct ruling ruling_ingress(struct model *m, const struct tcpmig_rule *rule,
				    const struct model_packet *p, const struct tcpmig_endpoint *old)
{
	bool from_cur = same(&p->src, &CUR(rule)->peer);
	bool from_next = same(&p->src, &NEXT(rule)->peer);

	switch (state_of(m, rule)) {
	case TCPMIG_ARMED:
		if (from_next)
			return delivered(rule, &p->src, old);
		break;
	case TCPMIG_HELD:
		if (from_cur && p->rst)
			return dropped(rule, TCPMIG_R_HELD_RST);
		if (from_cur) {
			m->counters[TCPMIG_R_IN_HELD_PASS]++;
			return delivered(rule, &p->src, old);
		}
		if (from_next)
			return dropped(rule, TCPMIG_R_FENCE_NEXT_EARLY);
		break;
	default:
		if (from_cur)
			return delivered(rule, &p->src, old);
	}
	return dropped(rule, TCPMIG_R_FENCE_OLD_OWNER);
}

/* An ICMP error about a packet of ours, which went to @p->dst. */
static struct ruling ruling_icmp(struct model *m, const struct tcpmig_rule *rule,
				 const struct model_packet *p, const struct tcpmig_endpoint *old)
{
	enum tcpmig_state state = state_of(m, rule);
	bool about_next = same(&p->dst, &NEXT(rule)->peer);
	bool about_cur = same(&p->dst, &CUR(rule)->peer);
	bool path_in_use = state == TCPMIG_ARMED ? about_next : about_cur;

	if (path_in_use && (state == TCPMIG_ACTIVE || p->too_big))
		return delivered(rule, &p->dst, old);
	return dropped(rule, TCPMIG_R_OLD_PATH_ICMP);
}

/* The wire entry by which replies of CUR find the flow: made when first used. */
static bool make_wire(struct model *m, const struct tcpmig_rule *rule,
		      const struct tcpmig_flow_key *flow_key)
{
	struct tcpmig_flow_key key = { .remote = CUR(rule)->peer, .local = flow_key->local };
	struct tcpmig_wire *wire = find_wire(m, &key);

	if (wire && rule_named(m, wire->ref) &&
	    (wire->ref != rule->ref || !same(&wire->old, &flow_key->remote)))
		return false; /* another flow was first */
	if (m->socket_exists && m->socket_exists(&key))
		return false; /* a direct connection was first */
	if (!wire) {
		if (m->wires_count == m->entries_max)
			return false;
		m->wires[m->wires_count].key = key;
		wire = &m->wires[m->wires_count++].value;
	}
	*wire = (struct tcpmig_wire){ .old = flow_key->remote, .ref = rule->ref, .checked = 1 };
	return true;
}

static struct tcpmig_flow *make_flow(struct model *m, const struct tcpmig_rule *rule,
				     const struct tcpmig_flow_key *key)
{
	struct tcpmig_flow *flow = find_flow(m, key);

	if (flow && flow->ref == rule->ref)
		return flow;
	if (ESTABLISHED_ONLY(rule))
		return NULL;
	if (!flow) {
		if (m->flows_count == m->entries_max)
			return NULL;
		m->flows[m->flows_count].key = *key;
		flow = &m->flows[m->flows_count++].value;
	}
	*flow = (struct tcpmig_flow){ .ref = rule->ref };
	return flow;
}

/* TCP that leaves for OLD. */
static struct ruling ruling_egress(struct model *m, const struct tcpmig_rule *rule,
				   const struct model_packet *p)
{
	struct tcpmig_flow_key key = { .remote = p->dst, .local = p->src };
	struct tcpmig_flow *flow = make_flow(m, rule, &key);
	__u32 epoch = tcpmig_word_epoch(rule->word);
	enum tcpmig_state state;
	bool first_data;

	if (!flow)
		return ESTABLISHED_ONLY(rule) ? passed() : dropped(rule, TCPMIG_R_TABLE_FULL);
	state = state_of(m, rule);
	if (state == TCPMIG_HELD || state == TCPMIG_ARMED) {
		first_data = p->has_data && flow->swallowed_epoch != epoch;
		if (first_data)
			flow->swallowed_epoch = epoch;
		if (!first_data && rule->hold_mode == TCPMIG_HOLD_DROP)
			return dropped(rule, TCPMIG_R_HELD_DROPPED);
		return (struct ruling){ .verb = SWALLOW,
					.by = rule,
					.reason = TCPMIG_R_HELD_SWALLOWED };
	}
	if (same(&CUR(rule)->peer, &rule->old))
		return passed();
	if (flow->hop != tcpmig_word_hop(rule->word)) {
		if (!make_wire(m, rule, &key))
			return dropped(rule, TCPMIG_R_WIRE_TAKEN);
		flow->hop = tcpmig_word_hop(rule->word);
	}
	return (struct ruling){
		.verb = REWRITE, .by = rule, .to = CUR(rule)->peer, .ifindex = CUR(rule)->ifindex
	};
}

/* A direct packet to an address where redirected flows go, too: never in one tuple. */
static struct ruling ruling_direct(struct model *m, const struct model_packet *p,
				   const struct tcpmig_endpoint *socket_peer)
{
	struct tcpmig_flow_key key = { .remote = p->dst, .local = p->src };
	const struct tcpmig_remote *remote = find_remote(m, &p->dst);
	const struct tcpmig_wire *wire = remote && remote->wires ? find_wire(m, &key) : NULL;
	const struct tcpmig_rule *rule = wire ? rule_named(m, wire->ref) : NULL;

	if (!rule || !socket_peer || !same(socket_peer, &p->dst))
		return passed();
	if (!wire->checked && !p->syn)
		return passed(); /* it was there before the flow */
	return dropped(rule, TCPMIG_R_WIRE_TAKEN);
}

/* ---- which rule ---- */

/* The rule of the flow that has @peer on the wire, and its OLD. A direct connection has none. */
static const struct tcpmig_rule *rule_of_peer(struct model *m, const struct tcpmig_endpoint *peer,
					      const struct tcpmig_endpoint *local,
					      struct tcpmig_endpoint *old)
{
	struct tcpmig_flow_key key = { .remote = *peer, .local = *local };
	const struct tcpmig_remote *remote = find_remote(m, peer);
	struct tcpmig_wire *wire = remote && remote->wires ? find_wire(m, &key) : NULL;
	const struct tcpmig_rule *rule = wire ? rule_named(m, wire->ref) : NULL;
	const struct tcpmig_flow *flow;

	if (rule && !same(&wire->old, peer) && !wire->checked) {
		if (m->socket_exists && m->socket_exists(&key))
			rule = NULL;
		else
			wire->checked = 1;
	}
	if (rule) {
		*old = wire->old;
		return rule;
	}
	rule = rule_of_old(m, peer);
	if (!rule)
		return NULL;
	flow = find_flow(m, &key);
	if (ESTABLISHED_ONLY(rule) && (!flow || flow->ref != rule->ref))
		return NULL;
	*old = *peer;
	return rule;
}

static struct ruling rule_on(struct model *m, enum model_direction direction,
			     const struct model_packet *p, const struct model_input *in)
{
	bool tcp = p->kind == MODEL_TCP || p->kind == MODEL_TCP_FRAGMENT;
	const struct tcpmig_rule *rule;
	struct tcpmig_endpoint old;
	struct ruling ruling;

	if (direction == MODEL_EGRESS) {
		if (!tcp)
			return passed();
		rule = rule_of_old(m, &p->dst);
		ruling = rule ? ruling_egress(m, rule, p) : ruling_direct(m, p, in->socket_peer);
	} else if (tcp) {
		rule = rule_of_peer(m, &p->src, &p->dst, &old);
		ruling = rule ? ruling_ingress(m, rule, p, &old) : passed();
	} else if (p->kind == MODEL_ICMP_ERROR) {
		rule = rule_of_peer(m, &p->dst, &p->src, &old);
		ruling = rule ? ruling_icmp(m, rule, p, &old) : passed();
	} else {
		return passed();
	}
	if (ruling.verb == REWRITE && p->kind == MODEL_TCP_FRAGMENT)
		return dropped(ruling.by, TCPMIG_R_FRAGMENT);
	return ruling;
}

/* ---- bytes ---- */

static unsigned int get16(const unsigned char *at)
{
	return at[0] << 8 | at[1];
}

/*
 * The checksum @field, where all that it covers summed up to @before and now does to @after:
 * right stays right, and wrong stays wrong by the same amount. RFC 1624, equation 3, never
 * yields 0xffff; of the two zeros of one's complement it is always 0x0000.
 */
static void move_checksum(unsigned char *field, unsigned int before, unsigned int after)
{
	unsigned int moved = (get16(field) + before + 0xffff - after % 0xffff) % 0xffff;

	field[0] = moved >> 8;
	field[1] = moved;
}

/* Sum of @len bytes of which the checksum field at @field counts as 0. */
static unsigned int sum_without(unsigned int start, const unsigned char *data, size_t len,
				size_t field)
{
	unsigned int sum = model_sum(start, data, field);

	return model_sum(sum, data + field + 2, len - field - 2);
}

static unsigned int ip_sum(const unsigned char *ip, size_t len)
{
	return sum_without(0, ip, len, 10);
}

/* Addresses of the header at @ip, and the segment. Length and protocol do not change. */
static unsigned int tcp_sum(const unsigned char *ip, bool v4, const unsigned char *tcp, size_t len)
{
	return sum_without(model_sum(6, ip + (v4 ? 12 : 8), v4 ? 8 : 32), tcp, len, 16);
}

static void set_endpoint(unsigned char *address, unsigned char *port, bool v4,
			 const struct tcpmig_endpoint *to)
{
	memcpy(address, to->addr + (v4 ? 12 : 0), v4 ? 4 : 16);
	memcpy(port, &to->port, 2);
}

static void rewrite_tcp(struct model_output *out, const struct model_packet *p, bool source,
			const struct tcpmig_endpoint *to)
{
	unsigned char *ip = out->data + p->l3, *tcp = out->data + p->l4;
	size_t ip_len = p->l4 - p->l3, tcp_len = out->len - p->l4;
	unsigned int ip_before = p->v4 ? ip_sum(ip, ip_len) : 0;
	unsigned int tcp_before = tcp_sum(ip, p->v4, tcp, tcp_len);
	size_t address = (p->v4 ? 12 : 8) + (source ? 0 : p->v4 ? 4 : 16);

	set_endpoint(ip + address, tcp + (source ? 0 : 2), p->v4, to);
	if (p->v4)
		move_checksum(ip + 10, ip_before, ip_sum(ip, ip_len));
	move_checksum(tcp + 16, tcp_before, tcp_sum(ip, p->v4, tcp, tcp_len));
}

/* The quoted packet went to OLD. Return: false where too little of it is quoted. */
static bool rewrite_icmp(struct model_output *out, const struct model_packet *p,
			 const struct tcpmig_endpoint *to)
{
	size_t end = p->end < out->len ? p->end : out->len;
	unsigned char *icmp = out->data + p->l4, *ip = out->data + p->quote;
	unsigned char *tcp = out->data + p->quote_l4;
	size_t quoted = end - p->quote_l4, ip_len = p->quote_l4 - p->quote;
	bool whole = quoted >= 20;
	unsigned int icmp_before = sum_without(0, icmp, end - p->l4, 2);
	unsigned int ip_before = p->v4 ? ip_sum(ip, ip_len) : 0;
	unsigned int tcp_before = whole ? tcp_sum(ip, p->v4, tcp, quoted) : 0;

	if (quoted < 8)
		return false;
	set_endpoint(ip + (p->v4 ? 16 : 24), tcp + 2, p->v4, to);
	if (p->v4)
		move_checksum(ip + 10, ip_before, ip_sum(ip, ip_len));
	if (whole)
		move_checksum(tcp + 16, tcp_before, tcp_sum(ip, p->v4, tcp, quoted));
	move_checksum(icmp + 2, icmp_before, sum_without(0, icmp, end - p->l4, 2));
	return true;
}

/* ---- counting, and the verdict ---- */

static struct tcpmig_rule_stats *stats_of(struct model *m, const struct ruling *ruling)
{
	return &m->stats[ruling->by - m->rules];
}

static void count_drop(struct model *m, const struct ruling *ruling, enum tcpmig_reason reason)
{
	m->counters[reason]++;
	stats_of(m, ruling)->dropped++;
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
	memmove(out->data + 14, out->data, out->len);
	memset(out->data, 0, 14);
	out->data[12] = p->v4 ? 0x08 : 0x86;
	out->data[13] = p->v4 ? 0x00 : 0xdd;
	out->len += 14;
	return MODEL_REDIRECT;
}

static void rewrite(struct model *m, enum model_direction direction, struct model_output *out,
		    const struct model_packet *p, const struct ruling *ruling)
{
	out->changed = true;
	if (p->kind == MODEL_ICMP_ERROR) {
		if (rewrite_icmp(out, p, &ruling->to)) {
			m->counters[TCPMIG_R_ICMP_TRANSLATED]++;
			return;
		}
		count_drop(m, ruling, TCPMIG_R_REWRITE_FAILED);
		out->verdict = MODEL_DROP;
		out->half_done = true;
		return;
	}
	rewrite_tcp(out, p, direction == MODEL_INGRESS, &ruling->to);
	if (direction == MODEL_INGRESS) {
		m->counters[TCPMIG_R_IN_REWRITTEN]++;
		stats_of(m, ruling)->packets_in++;
		return;
	}
	m->counters[TCPMIG_R_OUT_REWRITTEN]++;
	stats_of(m, ruling)->packets_out++;
	out->verdict = route(m, out, p, ruling->ifindex);
}

void model_run(struct model *m, enum model_direction direction, const struct model_input *in,
	       struct model_output *out)
{
	struct model_packet p;
	struct ruling ruling;

	memcpy(out->data, in->data, in->len);
	out->len = in->len;
	out->verdict = MODEL_NEXT;
	out->changed = false;
	out->half_done = false;
	if (direction == MODEL_EGRESS && in->routed)
		return;
	model_parse(in->data, in->len, m->l2_len, &p);
	ruling = rule_on(m, direction, &p, in);
	switch (ruling.verb) {
	case PASS:
		return;
	case REWRITE:
		return rewrite(m, direction, out, &p, &ruling);
	case SWALLOW:
	case DROP:
		count_drop(m, &ruling, ruling.reason);
		out->verdict = ruling.verb == DROP ? MODEL_DROP : MODEL_REDIRECT;
	}
}
