// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "keeper_sandbox.h"
#include "privileges.h"
#include "seccomp_rules.h"

#define ALL_BITS 0xffffffff
#define KEPT	 (1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_RAW | 1ULL << CAP_KILL)

static const int files[] = {
	SCMP_SYS(openat), SCMP_SYS(open),  SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(rmdir),  SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(bind),
};

/* UNIX to tell systemd, and because if_indextoname() asks by one. */
static int socket_rules(scmp_filter_ctx ctx)
{
	int err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(socket), 0, ALL_BITS, AF_UNIX, AF_NETLINK,
				   AF_PACKET);

	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				       SCMP_A0_64(SCMP_CMP_MASKED_EQ, ALL_BITS, AF_INET6),
				       SCMP_A2_64(SCMP_CMP_MASKED_EQ, ALL_BITS, IPPROTO_ICMPV6));
	if (!err)
		err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(setsockopt), 1, ALL_BITS, IPPROTO_ICMPV6,
				       IPPROTO_IPV6);
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				       SCMP_A1_64(SCMP_CMP_MASKED_EQ, ALL_BITS, SOL_SOCKET),
				       SCMP_A2_64(SCMP_CMP_MASKED_EQ, ALL_BITS, SO_RCVTIMEO));
	return err
		       ?: SECCOMP_ALLOW_IF(ctx, SCMP_SYS(ioctl), 1, ALL_BITS, SIOCGIFNAME,
					   SIOCGIFHWADDR);
}

static int filter(pid_t agent)
{
	scmp_filter_ctx ctx = seccomp_begin();
	int err;

	if (!ctx)
		return -errno;
	err = seccomp_allow(ctx, files, ARRAY_SIZE(files));
	if (!err)
		err = socket_rules(ctx);
	if (!err)
		err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(kill), 0, ALL_BITS, agent);
	if (!err)
		err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(bpf), 0, ALL_BITS, BPF_OBJ_GET);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int keeper_confine(pid_t agent, const char **why)
{
	int err;

	*why = "limit the capabilities";
	err = privileges_bound(KEPT);
	if (!err)
		err = privileges_keep(KEPT);
	if (err)
		return err;
	*why = "give up core dumps and new privileges";
	err = privileges_seal();
	if (err)
		return err;
	*why = "filter the system calls";
	return filter(agent);
}
