/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs shall do, said once more in plain C: any bytes in, verdict, bytes and
 * counters out. Written for reading, not for speed, and sharing no code with bpf/: its own
 * parser byte by byte, its own tables, every checksum from scratch by RFC 1071.
 *
 * model_parse.c: what a packet is. model.c: what is to happen to it. model_bytes.c: it happens.
 */
#ifndef TCPMIG_TEST_MODEL_H
#define TCPMIG_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpmig_shared.h"

#define MODEL_PACKET_MAX  4096
#define MODEL_RULES_MAX	  8
#define MODEL_ENTRIES_MAX 256

#define MODEL_NEXT	  (-1)
#define MODEL_DROP	  2
#define MODEL_REDIRECT	  7

enum model_direction { MODEL_EGRESS, MODEL_INGRESS };

struct model_remote {
	struct tcpmig_endpoint key;
	struct tcpmig_remote value;
};

struct model_flow {
	struct tcpmig_flow_key key;
	struct tcpmig_flow value;
};

struct model_wire {
	struct tcpmig_flow_key key;
	struct tcpmig_wire value;
};

/**
 * struct model - the configured world, and what was counted in it.
 * @l2_len:        of the device: 14 or 0
 * @ifindex:       of the device
 * @plain:         the programs see no skb->ip_summed, and answer nothing that is forwarded
 * @entries_max:   size of the flow and of the wire table
 * @socket_exists: is a local socket connected from key->local to key->remote itself?
 */
struct model {
	unsigned int l2_len;
	unsigned int ifindex;
	bool plain;
	size_t entries_max;
	bool (*socket_exists)(const struct tcpmig_flow_key *key);
	struct tcpmig_policies policy;
	struct tcpmig_rule rules[MODEL_RULES_MAX];
	struct model_remote remotes[MODEL_ENTRIES_MAX];
	struct model_flow flows[MODEL_ENTRIES_MAX];
	struct model_wire wires[MODEL_ENTRIES_MAX];
	size_t remotes_count, flows_count, wires_count;
	__u64 now_ns;
	__u64 counters[TCPMIG_REASONS_COUNT];
	struct tcpmig_rule_stats stats[MODEL_RULES_MAX];
};

/**
 * struct model_input - a packet at a hook.
 * @marked:      it bears the mark of a packet that our own redirect brings by
 * @local:       a socket of this host sends it
 * @socket_peer: what that is connected to, or NULL
 */
struct model_input {
	const unsigned char *data;
	size_t len;
	bool marked;
	bool local;
	const struct tcpmig_endpoint *socket_peer;
};

/**
 * struct model_output - what the hook does.
 * @changed:   the bytes are others
 * @refused:   it has become an RST to its sender
 * @half_done: that failed on the way, and the bytes are of no interest
 */
struct model_output {
	int verdict;
	unsigned char data[MODEL_PACKET_MAX];
	size_t len;
	bool changed;
	bool refused;
	bool half_done;
};

/** model_run() - one packet; changes the tables and counters of @m as the programs shall. */
void model_run(struct model *m, enum model_direction direction, const struct model_input *in,
	       struct model_output *out);

enum model_kind {
	MODEL_OTHER,	    /* not ours, or not understood */
	MODEL_TCP,	    /* whole */
	MODEL_TCP_FRAGMENT, /* the first fragment */
	MODEL_ICMP_ERROR,   /* quotes TCP: @src and @dst are those of the quote */
};

/**
 * struct model_packet - offsets in bytes.
 * @end:       of what the IP header says is the packet; what follows is padding
 * @payload:   behind the TCP header, without padding
 * @has_data:  payload, SYN or FIN
 * @too_big:   the ICMP error is "packet too big"
 */
struct model_packet {
	enum model_kind kind;
	bool v4, tagged, syn, fin, rst, has_data, too_big;
	size_t l3, l4, end, payload, quote, quote_l4;
	struct tcpmig_endpoint src, dst;
};

void model_parse(const unsigned char *data, size_t len, unsigned int l2_len,
		 struct model_packet *packet);

/*
 * The bytes: the server's side of @p becomes @to in @out, all sums with it.
 * model_rewrite_tcp(): as the source of a segment, or as its destination.
 * model_rewrite_icmp(): in the quote; of one that leaves also as the receiver.
 * model_make_rst(): the segment becomes the RST that answers it. False: it is one itself.
 * model_add_ethernet(): an empty header in front.
 */
void model_rewrite_tcp(struct model_output *out, const struct model_packet *p, bool source,
		       const struct tcpmig_endpoint *to);
void model_rewrite_icmp(struct model_output *out, const struct model_packet *p, bool leaves,
			const struct tcpmig_endpoint *to);
bool model_make_rst(struct model_output *out, const struct model_packet *p, unsigned int l2_len);
void model_add_ethernet(struct model_output *out, const struct model_packet *p);

/** model_sum() - one's complement sum of 16-bit words, on top of @start; RFC 1071. */
unsigned int model_sum(unsigned int start, const unsigned char *data, size_t len);

/** model_sums_right() - are all checksums of the packet, as far as it is TCP or ICMP, right? */
bool model_sums_right(const unsigned char *data, size_t len, const struct model_packet *packet);

#endif
