// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Other people's tc programs, each in a section of its own, for tests of living beside them. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_OK     0
#define ETH_P_IP      0x0800
#define ETH_P_IPV6    0x86DD
#define ETH_P_8021Q   0x8100
#define IPPROTO_TCP   6
#define OLD_PORT      5000
#define NEW_PORT      6000
#define TAG	      7
#define MIRROR	      77 /* ifindex */

/* TCP packets that a program has seen, by their port: 0: OLD's, 1: NEW's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} beside_seen SEC(".maps");

/* OLD_PORT or NEW_PORT if one end has it, or 0. Packets have no options here. */
static int service_port(struct __sk_buff *skb)
{
	__u32 proto_off = 23, tcp_off = 34;
	__be16 ports[2];
	__u8 proto;

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		proto_off = 20;
		tcp_off = 54;
	} else if (skb->protocol != bpf_htons(ETH_P_IP)) {
		return 0;
	}
	if (bpf_skb_load_bytes(skb, proto_off, &proto, 1) || proto != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, tcp_off, ports, sizeof(ports)))
		return 0;
	for (int i = 0; i < 2; i++) {
		if (ports[i] == bpf_htons(OLD_PORT) || ports[i] == bpf_htons(NEW_PORT))
			return bpf_ntohs(ports[i]);
	}
	return 0;
}

/* Counts and leaves the packet to the next. */
SEC("tc_count")
int beside_count(struct __sk_buff *skb)
{
	int port = service_port(skb);
	__u32 key = port == NEW_PORT;
	__u64 *seen = port ? bpf_map_lookup_elem(&beside_seen, &key) : 0;

	if (seen)
		__sync_fetch_and_add(seen, 1);
	return TC_ACT_UNSPEC;
}

/* Lets everything pass at once: whoever comes behind sees nothing. */
SEC("tc_ok")
int beside_ok(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_OK;
}

/* Puts a VLAN tag beside what goes to OLD. */
SEC("tc_tag")
int beside_tag(struct __sk_buff *skb)
{
	if (service_port(skb) == OLD_PORT)
		bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), TAG);
	return TC_ACT_UNSPEC;
}

/* Sends a copy of every packet out of the interface MIRROR, tag and all. */
SEC("tc_mirror")
int beside_mirror(struct __sk_buff *skb)
{
	bpf_clone_redirect(skb, MIRROR, 0);
	return TC_ACT_UNSPEC;
}
