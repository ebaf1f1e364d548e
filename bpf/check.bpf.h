/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where sockets of this host stand, for who has no capability to ask them: run by the agent, with
 * questions as the packet. Answers for flows in the table alone, and for an OLD that the policy
 * knows: so an agent that was taken over learns nothing of other connections.
 */
#ifndef TCPMIG_CHECK_BPF_H
#define TCPMIG_CHECK_BPF_H

#include "flow.bpf.h"
#include "policy.bpf.h"
#include "skb_csum.bpf.h"

/* Its socket is gone, but for what the kernel keeps to answer a last FIN: TIME_WAIT, FIN_WAIT2. */
static __always_inline void check_over(struct bpf_sock *sk, struct tcpmig_check *check)
{
#ifdef TCPMIG_KERNEL_SKB
	struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(sk);

	if (tw && bpf_core_field_exists(tw->tw_sk.__tw_common.skc_tw_rcv_nxt) &&
	    bpf_core_field_exists(tw->tw_sk.__tw_common.skc_tw_snd_nxt)) {
		check->socket = TCPMIG_CHECK_READ;
		check->rcv_nxt = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
		check->snd_nxt = tw->tw_sk.__tw_common.skc_tw_snd_nxt;
		check->snd_una = check->snd_nxt; /* else it would not be over */
		return;
	}
#endif
	if (sk->state == BPF_TCP_TIME_WAIT)
		check->socket = TCPMIG_CHECK_UNREAD;
}

static __always_inline void check_socket(struct bpf_sock *sk, struct tcpmig_check *check)
{
	struct bpf_tcp_sock *tcp = bpf_tcp_sock(sk);

	if (!tcp) {
		check_over(sk, check);
		return;
	}
	if (sk->state == BPF_TCP_LISTEN || sk->state == BPF_TCP_SYN_SENT)
		return;
	check->socket = TCPMIG_CHECK_READ;
	check->rcv_nxt = tcp->rcv_nxt;
	check->snd_una = tcp->snd_una;
	check->snd_nxt = tcp->snd_nxt;
}

/* Global: so the verifier goes through it once. Return: 0: there is no question at @off. */
__noinline int check_one(struct __sk_buff *skb, __u32 off)
{
	struct tcpmig_check check;
	struct bpf_sock_tuple tuple;
	struct bpf_sock *sk;

	if (bpf_skb_load_bytes(skb, off, &check, sizeof(check)))
		return 0;
	check.socket = TCPMIG_CHECK_NONE;
	check.rcv_nxt = check.snd_una = check.snd_nxt = 0;
	if (bpf_map_lookup_elem(&tcpmig_flows, &check.key) &&
	    policy_allows(&check.key.remote, &check.key.remote)) {
		tuple_of(&tuple, &check.key);
		sk = bpf_skc_lookup_tcp(skb, &tuple, tuple_size(&check.key), BPF_F_CURRENT_NETNS,
					0);
		if (sk) {
			check_socket(sk, &check);
			bpf_sk_release(sk);
		}
	}
	return !bpf_skb_store_bytes(skb, off, &check, sizeof(check), 0);
}

#endif
