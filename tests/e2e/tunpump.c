// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A link without Ethernet header between two network namespaces: a tun device in each,
 * and this process, which carries what leaves by the one in by the other.
 *
 *	tunpump NAME NETNS NETNS [vnet]
 *
 * NETNS is a path as /proc/PID/ns/net. With vnet the devices take GSO packets and
 * partial checksums (IFF_VNET_HDR). Prints a line when both are there; the devices go
 * when it ends, by itself after LIFETIME_S.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LIFETIME_S 300
#define FRAME_MAX  (65535 + 64)

static void die(const char *what, const char *text)
{
	fprintf(stderr, "tunpump: %s '%s': %s\n", what, text, strerror(errno));
	exit(1);
}

static int open_tun(const char *netns, const char *name, bool vnet)
{
	struct ifreq req = { .ifr_flags = IFF_TUN | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0) };
	int ns = open(netns, O_RDONLY);
	int fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die("cannot enter", netns);
	close(ns);
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &req))
		die("cannot make", name);
	if (vnet && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		die("no offload for", name);
	return fd;
}

/* A frame that does not fit is lost, as on any link. */
static void carry(int from, int to)
{
	static char frame[FRAME_MAX];
	ssize_t n;

	while ((n = read(from, frame, sizeof(frame))) > 0) {
		if (write(to, frame, n) < 0 && errno != EAGAIN && errno != EIO)
			die("cannot write", "frame");
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[2];

	if (argc < 4 || argc > 5 || (argc == 5 && strcmp(argv[4], "vnet"))) {
		fputs("Usage: tunpump NAME NETNS NETNS [vnet]\n", stderr);
		return 2;
	}
	alarm(LIFETIME_S);
	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){ .fd = open_tun(argv[2 + i], argv[1], argc == 5),
					  .events = POLLIN };
	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0) {
		carry(fds[0].fd, fds[1].fd);
		carry(fds[1].fd, fds[0].fd);
	}
	die("poll", argv[1]);
}
