// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"
#include "tap.h"

/* Sends back what the program in front of it has let pass: return bpf_redirect(ifindex, 0). */
static int load_bounce(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct __sk_buff, ifindex) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bounce", "GPL", insns, ARRAY_SIZE(insns),
			     NULL);
}

static int attach(int ifindex, int prog_fd, int priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = 1, .priority = priority);

	return bpf_tc_attach(&hook, &opts);
}

static int add_hooks(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);

	return bpf_tc_hook_create(&hook);
}

/* GRO would pull the headers into the linear area. Up, and long frames fit. */
static int configure(const char *name)
{
	struct ethtool_value gro = { .cmd = ETHTOOL_SGRO, .data = 0 };
	struct ifreq request = { .ifr_data = (void *)&gro };
	int err, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(request.ifr_name, name);
	err = ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
	request.ifr_mtu = 9000;
	if (!err && ioctl(fd, SIOCSIFMTU, &request))
		err = -errno;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (!err && ioctl(fd, SIOCSIFFLAGS, &request))
		err = -errno;
	close(fd);
	return err;
}

int tap_open(struct tap *tap, const char *name, int prog_fd)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_NAPI | IFF_NAPI_FRAGS };
	int err, bounce;

	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return -errno;
	strcpy(request.ifr_name, name);
	if (ioctl(tap->fd, TUNSETIFF, &request))
		return -errno;
	tap->ifindex = if_nametoindex(name);
	err = configure(name) ?: add_hooks(tap->ifindex);
	if (err)
		return err;
	bounce = load_bounce();
	if (bounce < 0)
		return bounce;
	err = attach(tap->ifindex, prog_fd, 1);
	return err ? err : attach(tap->ifindex, bounce, 2);
}

int tap_send(const struct tap *tap, const unsigned char *data, const size_t pieces[], size_t count)
{
	struct iovec vec[TAP_PIECES_MAX];

	for (size_t i = 0; i < count; i++) {
		vec[i] = (struct iovec){ .iov_base = (void *)data, .iov_len = pieces[i] };
		data += pieces[i];
	}
	return writev(tap->fd, vec, count) < 0 ? -errno : 0;
}

/* The kernel itself asks for neighbours, and tells of multicast groups: not ours. */
static int is_chatter(const unsigned char *data, size_t len)
{
	bool arp = len > 14 && data[12] == 0x08 && data[13] == 0x06 && data[0] == 0xff;

	return arp || (len > 14 && data[0] == 0x33 && data[1] == 0x33);
}

int tap_receive(const struct tap *tap, unsigned char *data, size_t size, int wait_ms)
{
	struct pollfd readable = { .fd = tap->fd, .events = POLLIN };
	ssize_t len;

	do {
		len = read(tap->fd, data, size);
		if (len < 0 && errno == EAGAIN && wait_ms && poll(&readable, 1, wait_ms) == 1)
			len = read(tap->fd, data, size);
	} while (len > 0 && is_chatter(data, len));
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	return len;
}
