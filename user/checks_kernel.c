// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks.h"
#include "cleanup.h"
#include "hook_query.h"
#include "programs.h"

/* Newer than the headers of Debian 12. */
#define CSUM_PSEUDO_HDR (1 << 4)
#define CSUM_IPV6	(1 << 7)

#define PROBE_LIMIT_S	5
#define PROBE_NO_NETNS	99 /* exit status: it could not be tried */

static void check_version(struct findings *f)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	if (major > 6 || (major == 6 && minor >= 1)) {
		findings_add(f, "kernel", FINDING_OK, "Linux %s", name.release);
		return;
	}
	findings_add(f, "kernel", FINDING_FAIL, "Linux %s: expected 6.1 or later", name.release);
	findings_cure(f, "install a kernel of Debian 12 or later");
}

/* The smallest program: "not mine". Return: descriptor or -errno. */
static int load_minimal(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tcpmig_probe", "Dual BSD/GPL", insns,
			       ARRAY_SIZE(insns), NULL);

	return fd < 0 ? -errno : fd;
}

static bool check_bpf(struct findings *f, int prog_fd)
{
	if (prog_fd >= 0) {
		findings_add(f, "bpf", FINDING_OK, "a tc program can be loaded");
		return true;
	}
	findings_add(f, "bpf", FINDING_FAIL,
		     "no tc program can be loaded (%s); nothing that "
		     "needs one is tried here",
		     strerror(-prog_fd));
	if (prog_fd == -ENOSYS)
		findings_cure(f, "a kernel with CONFIG_BPF_SYSCALL=y");
	else
		findings_cure(f, "run as root, or with CAP_BPF and CAP_NET_ADMIN");
	return false;
}

/* The sysctl is not shown in other network namespaces; the loaded program tells. */
static void check_jit(struct findings *f, int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(prog_fd, &info, &len);

	if (!err && info.jited_prog_len) {
		findings_add(f, "jit", FINDING_OK, "programs are compiled");
		return;
	}
	findings_add(f, "jit", FINDING_WARN, "programs are interpreted: each packet costs more");
	findings_cure(f, "sysctl -w net.core.bpf_jit_enable=1, in the first network namespace");
}

static bool check_tcx(struct findings *f)
{
	int has = hook_has_tcx();

	if (has > 0)
		findings_add(f, "tcx", FINDING_OK, "there (Linux 6.6)");
	else if (!has)
		findings_add(f, "tcx", FINDING_OK, "not there (Linux 6.6): clsact is used");
	else
		findings_add(f, "tcx", FINDING_WARN, "cannot ask for it (%s)", strerror(-has));
	if (has < 0)
		findings_cure(f, "run as root, or with CAP_NET_ADMIN");
	return has > 0;
}

/* In a network namespace that goes with the process. Exit status: an errno. */
static int try_clsact(int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = 1, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd);
	int err;

	alarm(PROBE_LIMIT_S);
	if (unshare(CLONE_NEWNET))
		return PROBE_NO_NETNS;
	err = bpf_tc_hook_create(&hook);
	return -(err ? err : bpf_tc_attach(&hook, &opts));
}

static void check_clsact(struct findings *f, int prog_fd, bool has_tcx)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(try_clsact(prog_fd));
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == PROBE_NO_NETNS) {
		findings_add(f, "clsact", FINDING_WARN,
			     "not tried: no network namespace can be made for it");
		findings_cure(f, "run as root, or with CAP_SYS_ADMIN");
	} else if (!WEXITSTATUS(status)) {
		findings_add(f, "clsact", FINDING_OK, "there");
	} else {
		findings_add(f, "clsact", has_tcx ? FINDING_OK : FINDING_FAIL, "not there (%s)%s",
			     strerror(WEXITSTATUS(status)), has_tcx ? ": TCX is used" : "");
		if (!has_tcx)
			findings_cure(f, "a kernel with CONFIG_NET_SCH_INGRESS and "
					 "CONFIG_NET_CLS_BPF; modprobe sch_ingress cls_bpf");
	}
}

/* bpf_l4_csum_replace(skb, 36, 0, 0, flags): its answer is the program's. */
static int try_csum_ipv6(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 36 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_5,
		  .imm = CSUM_PSEUDO_HDR | CSUM_IPV6 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_l4_csum_replace },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tcpmig_probe",
					       "Dual BSD/GPL", insns, ARRAY_SIZE(insns), NULL);
	char packet[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet));

	if (fd < 0 || bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	return (int)opts.retval;
}

/* As attach loads them, but for the room in the maps. Return: is it the plain build? */
static bool check_programs(struct findings *f)
{
	struct programs p;
	int err = programs_load(&p, NULL, ETHER_HDR_LEN);
	bool plain = p.plain;

	programs_unload(&p);
	if (err) {
		findings_add(f, "programs", FINDING_FAIL, "tcpmig-bpf's own cannot be loaded (%s)",
			     strerror(-err));
		if (err == -EPERM)
			findings_cure(f, "run as root, or with CAP_BPF, CAP_PERFMON and "
					 "CAP_NET_ADMIN");
		else
			findings_cure(f, "'tcpmig-bpf -vv attach IFACE' says what the kernel has "
					 "against them");
	} else if (plain) {
		findings_add(f, "programs", FINDING_OK,
			     "the plain build: the kernel does not show skb->ip_summed (Linux "
			     "6.2 with BTF does), so each packet costs some calls more");
	} else {
		findings_add(f, "programs", FINDING_OK,
			     "the full build: it sees skb->ip_summed, and does the sums itself");
	}
	return plain;
}

/* Only the plain build needs it. */
static void check_csum_ipv6(struct findings *f, bool plain)
{
	int err = try_csum_ipv6();

	if (!err || !plain) {
		findings_add(f, "csum_ipv6", FINDING_OK, "bpf_l4_csum_replace %s BPF_F_IPV6%s",
			     err ? "does not know" : "knows",
			     plain ? "" : " (the full build does not need it)");
		return;
	}
	findings_add(f, "csum_ipv6", FINDING_WARN,
		     "bpf_l4_csum_replace does not know BPF_F_IPV6 (%s): IPv6 packets of moved "
		     "connections are dropped where the device sums whole packets",
		     strerror(-err));
	findings_cure(f, "a kernel with the fix (6.16, or a later 6.1 or 6.12), or 'ethtool -K "
			 "IFACE rx off'");
}

static void check_supported(struct findings *f, const char *check, int supported, const char *what,
			    const char *cure, enum finding_result without)
{
	if (supported > 0) {
		findings_add(f, check, FINDING_OK, "%s: there", what);
		return;
	}
	findings_add(f, check, without, "%s: not there", what);
	findings_cure(f, "%s", cure);
}

static void check_tun(struct findings *f)
{
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		findings_add(f, "tun", FINDING_OK, "/dev/net/tun can be opened");
		return;
	}
	findings_add(f, "tun", FINDING_WARN,
		     "/dev/net/tun cannot be opened (%s): only needed "
		     "where packets are kept while held",
		     strerror(errno));
	findings_cure(f, errno == ENOENT || errno == ENODEV ? "modprobe tun" : "run as root");
}

static void check_btf(struct findings *f)
{
	bool there = !access("/sys/kernel/btf/vmlinux", R_OK);

	findings_add(f, "btf", FINDING_OK, "%s",
		     there ? "there: the full build of the programs needs it"
			   : "not there: the plain build of the programs does without");
}

void checks_kernel(struct findings *f)
{
	_cleanup_close_ int prog_fd = load_minimal();
	bool has_tcx;

	check_version(f);
	if (check_bpf(f, prog_fd)) {
		check_jit(f, prog_fd);
		has_tcx = check_tcx(f);
		check_clsact(f, prog_fd, has_tcx);
		check_csum_ipv6(f, check_programs(f));
		check_supported(f, "redirect_neigh",
				libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS,
							BPF_FUNC_redirect_neigh, NULL),
				"bpf_redirect_neigh", "Linux 6.1 or later", FINDING_FAIL);
		check_supported(f, "ring_buffer",
				libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL),
				"BPF ring buffer", "Linux 6.1 or later", FINDING_FAIL);
	}
	check_tun(f);
	check_btf(f);
}
