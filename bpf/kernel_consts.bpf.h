/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* UAPI macros that BTF does not carry. */
#ifndef TCPMIG_KERNEL_CONSTS_BPF_H
#define TCPMIG_KERNEL_CONSTS_BPF_H

#define ETH_P_IP       0x0800
#define ETH_P_8021Q    0x8100
#define ETH_P_8021AD   0x88A8
#define ETH_P_IPV6     0x86DD

#define IP_MF	       0x2000
#define IP_OFFSET      0x1fff

#define IPPROTO_ICMP   1
#define IPPROTO_TCP    6
#define IPPROTO_ICMPV6 58

/* IPv6 extension headers that may stand before TCP (RFC 8200) */
#define NEXTHDR_HOP	    0
#define NEXTHDR_ROUTING	    43
#define NEXTHDR_FRAGMENT    44
#define NEXTHDR_DEST	    60

#define ICMP_DEST_UNREACH   3
#define ICMP_FRAG_NEEDED    4 /* a code of ICMP_DEST_UNREACH */
#define ICMP_TIME_EXCEEDED  11
#define ICMP_PARAMETERPROB  12

#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_PKT_TOOBIG   2
#define ICMPV6_PARAMPROB    4

/* Byte 13 of the TCP header (RFC 9293) */
#define TCP_FLAGS_OFFSET 13
#define TCP_FLAG_FIN	 0x01
#define TCP_FLAG_SYN	 0x02
#define TCP_FLAG_RST	 0x04
#define TCP_FLAG_ACK	 0x10

/* bpf_sock.state */
#define BPF_TCP_SYN_SENT  2
#define BPF_TCP_TIME_WAIT 6
#define BPF_TCP_CLOSE	  7 /* of what the kernel itself answers with, too */
#define BPF_TCP_LAST_ACK  9
#define BPF_TCP_LISTEN	  10
#define BPF_TCP_CLOSING	  11

#define CLOCK_BOOTTIME	  7 /* of bpf_timer_init() */

/*
 * The only verdicts that mean the same under TCX (6.6) and clsact: under TCX
 * every other number, TC_ACT_STOLEN among them, lets the packet pass.
 */
#define VERDICT_NEXT (-1) /* TCX_NEXT, TC_ACT_UNSPEC: the next program decides */
#define VERDICT_DROP 2	  /* TCX_DROP, TC_ACT_SHOT */

#endif
