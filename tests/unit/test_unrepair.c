// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP_REPAIR of a server's sockets, from outside: real connections over lo of a network namespace
 * of this test, and every segment on it counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "clocks.h"
#include "unrepair.h"

#define LIMIT_MS 5000
#define MANY	 1000

/* struct seen - what the server tells, in memory that is shared with it. */
struct seen {
	volatile uint64_t sent;
	volatile int error; /* of the last send() that failed */
	volatile uint64_t errors;
	volatile int tracer_ready;
	volatile int quiet; /* stop sending */
	volatile int ready;
};
static struct seen *seen;
static int sniffer;

/* struct served - a connection: @server has its end, @fd is ours. */
struct served {
	pid_t server;
	int listener; /* the server has that too */
	int fd;
};

static int set_up(void **state)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	_cleanup_close_ int fd = -1;

	(void)state;
	if (unshare(CLONE_NEWNET)) {
		print_message("no network namespaces here: not tried\n");
		exit(0);
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		return -1;
	sniffer = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("lo");
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return seen == MAP_FAILED || bind(sniffer, (struct sockaddr *)&at, sizeof(at));
}

/* Segments since the last call, each once; @silent_ms: none for so long, then it is over. */
static int segments(int silent_ms)
{
	uint64_t quiet_from = clock_mono_ms();
	struct sockaddr_ll from;
	socklen_t len;
	char packet[128];
	int count = 0;

	while (clock_mono_ms() < quiet_from + (uint64_t)silent_ms) {
		len = sizeof(from);
		if (recvfrom(sniffer, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len) <
		    0) {
			sched_yield();
			continue;
		}
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue; /* lo shows each twice */
		count++;
		quiet_from = clock_mono_ms();
	}
	return count;
}

static struct sockaddr_in6 address(int family, uint16_t port)
{
	struct sockaddr_in6 at = { .sin6_family = (sa_family_t)family, .sin6_port = htons(port) };

	if (family == AF_INET)
		((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		at.sin6_addr = in6addr_loopback;
	return at;
}

static int listen_on(int family, int reuse, struct sockaddr_in6 *at)
{
	int fd = socket(family, SOCK_STREAM, 0);
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(*at);

	*at = address(family, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, len), 0);
	assert_int_equal(listen(fd, MANY), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static int connect_to(const struct sockaddr_in6 *at)
{
	int fd = socket(at->sin6_family, SOCK_STREAM, 0);
	struct timeval limit = { .tv_sec = LIMIT_MS / 1000 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	return fd;
}

/* Numbers, one after the other, until told to be quiet. */
static void serve(int fd)
{
	for (uint64_t number = 0;;) {
		if (seen->quiet) {
			sched_yield();
			continue;
		}
		if (send(fd, &number, sizeof(number), MSG_NOSIGNAL) == sizeof(number)) {
			seen->sent = ++number;
			continue;
		}
		seen->error = errno;
		seen->errors++;
		sched_yield();
	}
}

/* A server with one connection and its listener. */
static struct served start(int family, int reuse, int quiet)
{
	uint64_t limit = clock_mono_ms() + LIMIT_MS;
	pid_t parent = getpid();
	struct sockaddr_in6 at;
	struct served s;
	int accepted;

	*seen = (struct seen){ .quiet = quiet };
	s.listener = listen_on(family, reuse, &at);
	s.fd = connect_to(&at);
	accepted = accept(s.listener, NULL, NULL);
	assert_true(accepted >= 0);
	s.server = fork();
	assert_true(s.server >= 0);
	if (!s.server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(s.fd);
		seen->ready = 1;
		serve(accepted);
	}
	close(accepted);
	close(s.listener);
	while (!seen->ready && clock_mono_ms() < limit)
		sched_yield();
	assert_true(seen->ready);
	return s;
}

static void stop(struct served *s)
{
	kill(s->server, SIGKILL);
	waitpid(s->server, NULL, 0);
	close(s->fd);
	segments(50);
}

/* Every number once and in order, @count more of them. */
static void check_numbers(const struct served *s, uint64_t *next, uint64_t count)
{
	uint64_t number;

	for (uint64_t end = *next + count; *next < end; (*next)++) {
		assert_int_equal(recv(s->fd, &number, sizeof(number), MSG_WAITALL), sizeof(number));
		assert_int_equal(number, *next);
	}
}

static int of_server(pid_t pid, int fd, int level, int name)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	_cleanup_close_ int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(copy, level, name, &value, &len), 0);
	return value;
}

/* Its connection: the one that is no listener. */
static int repair_of(const struct served *s)
{
	return of_server(s->server, s->fd + 1, IPPROTO_TCP, TCP_REPAIR);
}

static void set(pid_t pid, enum repair value, size_t sockets, size_t changed)
{
	struct repair_result result;

	assert_int_equal(repair_set(&pid, 1, value, &result), 0);
	assert_int_equal(result.sockets, sockets);
	assert_int_equal(result.changed, changed);
	assert_int_equal(result.failed, 0);
}

/* As CRIU: seized, stopped, all sockets in repair; then waits to be killed. */
static pid_t start_tracer(pid_t server)
{
	uint64_t limit = clock_mono_ms() + LIMIT_MS;
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || ptrace(PTRACE_SEIZE, server, NULL, NULL) ||
		    ptrace(PTRACE_INTERRUPT, server, NULL, NULL) ||
		    waitpid(server, NULL, __WALL) != server ||
		    repair_set(&server, 1, REPAIR_ON, NULL))
			_exit(1);
		seen->tracer_ready = 1;
		for (;;)
			pause();
	}
	while (!seen->tracer_ready && clock_mono_ms() < limit)
		sched_yield();
	assert_true(seen->tracer_ready);
	return pid;
}

static void kill_tracer(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Why all of this is needed: the control. */
static void a_tracer_that_dies_breaks_the_server(void **state)
{
	uint64_t next = 0, limit = clock_mono_ms() + LIMIT_MS;
	struct served s = start(AF_INET, 1, 0);
	pid_t tracer;

	(void)state;
	check_numbers(&s, &next, 1000);
	tracer = start_tracer(s.server);
	assert_int_equal(seen->errors, 0);
	kill_tracer(tracer);
	while (!seen->errors && clock_mono_ms() < limit)
		sched_yield();
	assert_int_equal(seen->error, EINVAL);
	set(s.server, REPAIR_OFF, 1, 1); /* late, but it works again */
	check_numbers(&s, &next, 1000);
	stop(&s);
}

static void with_the_order_of_recovery_it_notices_nothing(void **state)
{
	static const uint8_t uuid[16] = { 0xfe };
	struct cgroup cg;
	const char *why;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct served s = start(i % 2 ? AF_INET6 : AF_INET, 1, 0);
		uint64_t next = 0;
		pid_t tracer;

		check_numbers(&s, &next, 1000);
		assert_int_equal(cgroup_plan(&cg, s.server, uuid, &why), 0);
		assert_int_equal(cgroup_enter(&cg, s.server, &why), 0);
		tracer = start_tracer(s.server);
		assert_int_equal(cgroup_freeze(&cg, LIMIT_MS), 0);
		kill_tracer(tracer);
		set(s.server, REPAIR_OFF, 1, 1);
		assert_int_equal(cgroup_put_back(&cg), 0); /* frozen still */
		check_numbers(&s, &next, 10000);
		assert_int_equal(seen->errors, 0);
		stop(&s);
		cgroup_free(&cg);
	}
}

static void killed_in_repair_it_says_nothing(void **state)
{
	for (int repair = 0; repair < 2; repair++) {
		struct served s = start(AF_INET, 1, 1);
		int said;

		segments(50);
		if (repair)
			set(s.server, REPAIR_ON, 1, 1);
		kill(s.server, SIGKILL);
		waitpid(s.server, NULL, 0);
		said = segments(200);
		if (repair)
			assert_int_equal(said, 0);
		else
			assert_true(said > 0); /* the control: a FIN */
		close(s.fd);
		segments(50);
	}
	(void)state;
}

/* With data that nobody has read, which without repair is an RST. */
static void killed_in_repair_it_does_not_reset(void **state)
{
	for (int repair = 0; repair < 2; repair++) {
		struct served s = start(AF_INET6, 1, 1);
		char byte;

		assert_int_equal(send(s.fd, "unread", 6, 0), 6);
		if (repair)
			set(s.server, REPAIR_ON, 1, 1);
		segments(50);
		kill(s.server, SIGKILL);
		waitpid(s.server, NULL, 0);
		assert_int_equal(recv(s.fd, &byte, 1, repair ? MSG_DONTWAIT : 0), -1);
		assert_int_equal(errno, repair ? EAGAIN : ECONNRESET);
		close(s.fd);
		segments(50);
	}
	(void)state;
}

static void only_what_must_be_changed_is_changed(void **state)
{
	struct served s = start(AF_INET, 1, 1);

	(void)state;
	segments(50);
	set(s.server, REPAIR_OFF, 1, 0);
	set(s.server, REPAIR_QUIET, 1, 0);
	assert_int_equal(segments(50), 0); /* the kernel would have sent a probe */
	set(s.server, REPAIR_ON, 1, 1);
	set(s.server, REPAIR_ON, 1, 0);
	assert_int_equal(repair_of(&s), 1);
	set(s.server, REPAIR_QUIET, 1, 1);
	assert_int_equal(segments(50), 0);
	assert_int_equal(repair_of(&s), 0);
	set(s.server, REPAIR_ON, 1, 1);
	set(s.server, REPAIR_OFF, 1, 1);
	assert_in_range(segments(50), 1, 2); /* the probe and its answer */
	stop(&s);
}

/* CRIU's own way back does the same: the kernel forgets it. */
static void reuse_is_that_of_the_listener(void **state)
{
	for (int reuse = 0; reuse < 2; reuse++) {
		struct served s = start(AF_INET, reuse, 1);
		int accepted = s.fd + 1, listener = s.listener;

		set(s.server, REPAIR_ON, 1, 1);
		assert_int_equal(of_server(s.server, accepted, SOL_SOCKET, SO_REUSEADDR), 2);
		set(s.server, REPAIR_OFF, 1, 1);
		assert_int_equal(of_server(s.server, accepted, SOL_SOCKET, SO_REUSEADDR), reuse);
		assert_int_equal(of_server(s.server, listener, SOL_SOCKET, SO_REUSEADDR), reuse);
		stop(&s);
	}
	(void)state;
}

/* A process that has all descriptors that we have. */
static pid_t hold(void)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

/* Everything that is no TCP connection is left alone; one that two processes have is changed once.
 */
static void other_sockets_and_shared_ones(void **state)
{
	struct repair_result result;
	struct sockaddr_in6 at;
	int pair[2], udp, listener, client, accepted;
	pid_t pids[3];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	udp = socket(AF_INET6, SOCK_DGRAM, 0);
	listener = listen_on(AF_INET6, 0, &at);
	client = connect_to(&at);
	accepted = accept(listener, NULL, NULL);
	pids[0] = hold();
	pids[1] = hold();
	pids[2] = 4194304; /* there is none */
	assert_int_equal(repair_set(pids, 3, REPAIR_ON, &result), 0);
	assert_int_equal(result.sockets, 4);
	assert_int_equal(result.changed, 2);
	assert_int_equal(repair_set(pids, 3, REPAIR_OFF, &result), 0);
	assert_int_equal(result.changed, 2);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	close(pair[0]);
	close(pair[1]);
	close(udp);
	close(listener);
	close(client);
	close(accepted);
	segments(50);
}

/* Without CAP_NET_ADMIN, which is what a socket asks for. */
static void what_fails_is_told(void **state)
{
	struct served s = start(AF_INET, 1, 1);
	pid_t pids[] = { s.server, 4194304 /* there is none */ };
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* In a user namespace of its own it has no capability over any of this. */
		if (unshare(CLONE_NEWUSER))
			_exit(99);
		_exit(repair_set(pids, 2, REPAIR_ON, NULL) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 99)
		print_message("no user namespaces here: what fails was not tried\n");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(repair_of(&s), 0);
	stop(&s);
}

static void many(void **state)
{
	struct rlimit limit = { 3 * MANY, 3 * MANY };
	static int clients[MANY], accepted[MANY];
	struct sockaddr_in6 at;
	uint64_t begin, on_us;
	int listener;
	pid_t pid;

	(void)state;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		skip();
	listener = listen_on(AF_INET, 1, &at);
	for (int i = 0; i < MANY; i++) {
		clients[i] = connect_to(&at);
		accepted[i] = accept(listener, NULL, NULL);
		assert_true(accepted[i] >= 0);
	}
	pid = hold();
	begin = clock_mono_ns();
	set(pid, REPAIR_ON, 2 * MANY, 2 * MANY);
	on_us = (clock_mono_ns() - begin) / 1000;
	begin = clock_mono_ns();
	set(pid, REPAIR_QUIET, 2 * MANY, 2 * MANY);
	print_message("%d sockets: on %lu us, off %lu us\n", 2 * MANY, on_us,
		      (clock_mono_ns() - begin) / 1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < MANY; i++) {
		close(clients[i]);
		close(accepted[i]);
	}
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tracer_that_dies_breaks_the_server),
		cmocka_unit_test(with_the_order_of_recovery_it_notices_nothing),
		cmocka_unit_test(killed_in_repair_it_says_nothing),
		cmocka_unit_test(killed_in_repair_it_does_not_reset),
		cmocka_unit_test(only_what_must_be_changed_is_changed),
		cmocka_unit_test(reuse_is_that_of_the_listener),
		cmocka_unit_test(other_sockets_and_shared_ones),
		cmocka_unit_test(what_fails_is_told),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
