/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection as the kernel's lookup of sockets wants it, as its local socket sees it. */
#ifndef TCPMIG_TUPLE_BPF_H
#define TCPMIG_TUPLE_BPF_H

#include "tcpmig_shared.h"

static __always_inline void tuple_of(struct bpf_sock_tuple *tuple,
				     const struct tcpmig_flow_key *key)
{
	__builtin_memset(tuple, 0, sizeof(*tuple));
	if (key->remote.family == TCPMIG_AF_INET) {
		tuple->ipv4.saddr = key->remote.addr32[3];
		tuple->ipv4.daddr = key->local.addr32[3];
		tuple->ipv4.sport = key->remote.port;
		tuple->ipv4.dport = key->local.port;
	} else {
		__builtin_memcpy(tuple->ipv6.saddr, key->remote.addr, 16);
		__builtin_memcpy(tuple->ipv6.daddr, key->local.addr, 16);
		tuple->ipv6.sport = key->remote.port;
		tuple->ipv6.dport = key->local.port;
	}
}

static __always_inline __u32 tuple_size(const struct tcpmig_flow_key *key)
{
	const struct bpf_sock_tuple *tuple = 0;

	return key->remote.family == TCPMIG_AF_INET ? sizeof(tuple->ipv4) : sizeof(tuple->ipv6);
}

#endif
