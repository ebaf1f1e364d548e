// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "seccomp_rules.h"

#define ALL_BITS 0xffffffff

/*
 * Other programs, other address spaces, other namespaces and file systems, code in the kernel,
 * and the calls by which such filters are got around.
 */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(fspick),
	SCMP_SYS(fsmount),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(personality),
};

/* With names that some architectures do not have: libseccomp leaves those out. */
static const int harmless[] = {
	/* what is open */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(flock),
	SCMP_SYS(close),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(shutdown),
	/* waiting */
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(signalfd4),
	SCMP_SYS(futex),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	/* signals of one's own */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	/* memory: see also memory_rules() */
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	/* what anybody may know */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrusage),
	SCMP_SYS(getcpu),
	SCMP_SYS(sched_getaffinity),
	/* the end */
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

int seccomp_allow(scmp_filter_ctx ctx, const int *calls, size_t count)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

int seccomp_allow_if(scmp_filter_ctx ctx, int call, unsigned int arg, uint32_t mask,
		     const uint32_t *values, size_t count)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
				       SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, values[i]));
	return err;
}

static int memory_rules(scmp_filter_ctx ctx)
{
	int err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(mmap), 2, PROT_EXEC, 0);

	return err ?: SECCOMP_ALLOW_IF(ctx, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

/* Another process's signals, as by F_SETOWN, are none of its business. */
static int descriptor_rules(scmp_filter_ctx ctx)
{
	int err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(fcntl), 1, ALL_BITS, F_GETFD, F_SETFD, F_GETFL,
				   F_SETFL, F_DUPFD_CLOEXEC);

	/* glibc's fstat() up to 2.38. By name it tells no more than that there is such a file. */
	if (!err)
		err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(newfstatat), 3, ALL_BITS, AT_EMPTY_PATH);
	/* getrlimit() only */
	return err
		       ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
					   SCMP_A0_64(SCMP_CMP_EQ, 0), SCMP_A2_64(SCMP_CMP_EQ, 0));
}

/* A listening socket that is shut down can connect, and does so by MSG_FASTOPEN. */
static int send_rules(scmp_filter_ctx ctx)
{
	int err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(sendto), 3, MSG_FASTOPEN, 0);

	return err ?: SECCOMP_ALLOW_IF(ctx, SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, 0);
}

/* abort() */
static int signal_rules(scmp_filter_ctx ctx)
{
	int err = SECCOMP_ALLOW_IF(ctx, SCMP_SYS(kill), 0, ALL_BITS, getpid());

	return err ?: SECCOMP_ALLOW_IF(ctx, SCMP_SYS(tgkill), 0, ALL_BITS, getpid());
}

static int bpf_rules(scmp_filter_ctx ctx)
{
	return SECCOMP_ALLOW_IF(ctx, SCMP_SYS(bpf), 0, ALL_BITS, BPF_MAP_LOOKUP_ELEM,
				BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
				BPF_MAP_LOOKUP_BATCH, BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH,
				BPF_PROG_TEST_RUN, BPF_OBJ_GET_INFO_BY_FD);
}

static int begin(scmp_filter_ctx ctx)
{
	static int (*const parts[])(scmp_filter_ctx ctx) = {
		memory_rules, descriptor_rules, send_rules, signal_rules, bpf_rules,
	};
	int err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (!err) /* a tree: some 10 comparisons a call in place of 100 */
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; !err && i < ARRAY_SIZE(deadly); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (!err)
		err = seccomp_allow(ctx, harmless, ARRAY_SIZE(harmless));
	for (size_t i = 0; !err && i < ARRAY_SIZE(parts); i++)
		err = parts[i](ctx);
	return err;
}

scmp_filter_ctx seccomp_begin(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx ? begin(ctx) : -ENOMEM;

	if (!err)
		return ctx;
	seccomp_release(ctx);
	errno = -err;
	return NULL;
}
