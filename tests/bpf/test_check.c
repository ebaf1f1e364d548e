// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tcpmig_check() with real sockets (root): what it says is what TCP_REPAIR says,
 * and it says it of flows in the table alone, whose OLD is in the policy.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "endpoint.h"
#include "fixture.h"
#include "kernel.h"

/* A connection over loopback. The server is OLD. */
struct pair {
	int listener, client, server;
	struct tcpmig_flow_key key;
};

static struct pair pair;

static void name_of(int fd, bool peer, struct tcpmig_endpoint *ep)
{
	struct sockaddr_in6 sa;
	struct sockaddr_in *in = (void *)&sa;
	socklen_t len = sizeof(sa);

	assert_int_equal(
		peer ? getpeername(fd, (void *)&sa, &len) : getsockname(fd, (void *)&sa, &len), 0);
	if (sa.sin6_family == AF_INET)
		endpoint_set4(ep, in->sin_addr.s_addr, in->sin_port);
	else
		endpoint_set6(ep, &sa.sin6_addr, sa.sin6_port);
}

static int connect_pair(void **state)
{
	struct sockaddr_in6 sa = { .sin6_family = family ? AF_INET6 : AF_INET };
	struct sockaddr_in *in = (void *)&sa;
	socklen_t len = sizeof(sa);

	(void)state;
	if (family)
		sa.sin6_addr = in6addr_loopback;
	else
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pair.listener = socket(sa.sin6_family, SOCK_STREAM, 0);
	pair.client = socket(sa.sin6_family, SOCK_STREAM, 0);
	if (bind(pair.listener, (void *)&sa, len) || listen(pair.listener, 5) ||
	    getsockname(pair.listener, (void *)&sa, &len) || connect(pair.client, (void *)&sa, len))
		return -1;
	pair.server = accept(pair.listener, NULL, NULL);
	name_of(pair.client, false, &pair.key.local);
	name_of(pair.client, true, &pair.key.remote);
	return pair.server < 0;
}

static int close_pair(void **state)
{
	const struct tcpmig_policies none = {};

	(void)state;
	tables_set_policy(&policy, &none);
	tables_del_flow(&tables, &pair.key);
	close(pair.listener);
	close(pair.client);
	close(pair.server);
	return 0;
}

static void know(const struct tcpmig_flow_key *key)
{
	const struct tcpmig_flow flow = { .ref = 0x7fffffff };

	assert_int_equal(tables_set_flow(&tables, key, &flow), 0);
}

static struct tcpmig_check ask(const struct tcpmig_flow_key *key)
{
	struct tcpmig_check check = { .key = *key, .rcv_nxt = 1, .snd_una = 2, .snd_nxt = 3 };

	assert_int_equal(tables_check(&tables, 0, &check, 1), 0);
	assert_memory_equal(&check.key, key, sizeof(*key));
	return check;
}

static void assert_told_nothing(const struct tcpmig_flow_key *key)
{
	struct tcpmig_check check = ask(key);

	assert_int_equal(check.socket, TCPMIG_CHECK_NONE);
	assert_true(!check.rcv_nxt && !check.snd_una && !check.snd_nxt);
}

static __u32 queue_seq(int fd, int queue)
{
	__u32 seq = 0;
	socklen_t len = sizeof(seq);

	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len), 0);
	return seq;
}

/* By TCP_REPAIR: 1 and 2 are the queues of what comes and of what goes; -1: off, and no probe. */
static struct tcpmig_check numbers_of(int fd)
{
	struct tcpmig_check check = { .socket = TCPMIG_CHECK_READ };
	int on = 1, off = -1, unacked, unsent;

	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	assert_int_equal(ioctl(fd, SIOCOUTQ, &unacked), 0);
	assert_int_equal(ioctl(fd, SIOCOUTQNSD, &unsent), 0);
	check.rcv_nxt = queue_seq(fd, 1);
	check.snd_una = queue_seq(fd, 2) - unacked;
	check.snd_nxt = queue_seq(fd, 2) - unsent;
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
	return check;
}

static void assert_told(const struct tcpmig_flow_key *key, int fd)
{
	struct tcpmig_check check = ask(key), expected = numbers_of(fd);

	assert_int_equal(check.socket, TCPMIG_CHECK_READ);
	assert_int_equal(check.rcv_nxt, expected.rcv_nxt);
	assert_int_equal(check.snd_una, expected.snd_una);
	assert_int_equal(check.snd_nxt, expected.snd_nxt);
}

static void tells_where_a_socket_stands(void **state)
{
	static char much[4 << 20];
	struct tcpmig_check before;

	(void)state;
	know(&pair.key);
	assert_told(&pair.key, pair.client);
	before = ask(&pair.key);
	assert_int_equal(send(pair.server, "abcde", 5, 0), 5);
	assert_int_equal(recv(pair.client, much, 5, MSG_WAITALL), 5);
	assert_int_equal(ask(&pair.key).rcv_nxt, before.rcv_nxt + 5);
	/* Nobody reads: some are sent, some are not. */
	while (send(pair.client, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	assert_told(&pair.key, pair.client);
	assert_true(ask(&pair.key).snd_nxt - before.snd_nxt > 1000);
}

static void tells_of_flows_in_the_table_alone(void **state)
{
	struct tcpmig_flow_key other = { .remote = pair.key.local, .local = pair.key.remote };

	(void)state;
	assert_told_nothing(&pair.key);
	know(&pair.key);
	assert_told(&pair.key, pair.client);
	assert_told_nothing(&other); /* the server's half */
	know(&other);
	assert_told(&other, pair.server);
	tables_del_flow(&tables, &other);
	tables_del_flow(&tables, &pair.key);
	assert_told_nothing(&pair.key);
}

/* Those of all addresses of @family, or of none but @port. */
static void allow(int of_family, __be16 port)
{
	struct tcpmig_policies policies = { .generation = 1, .count = 1 };
	struct tcpmig_policy *entry = &policies.list[0];

	entry->old.family = entry->new.family = of_family;
	entry->old.port_min = ntohs(port);
	entry->old.port_max = port ? ntohs(port) : 65535;
	entry->new.port_max = 65535;
	assert_int_equal(tables_set_policy(&policy, &policies), 0);
}

static void tells_of_an_old_in_the_policy_alone(void **state)
{
	int own = pair.key.remote.family;
	int other = own == TCPMIG_AF_INET ? TCPMIG_AF_INET6 : TCPMIG_AF_INET;

	(void)state;
	know(&pair.key);
	allow(own, pair.key.remote.port);
	assert_told(&pair.key, pair.client);
	allow(other, pair.key.remote.port);
	assert_told_nothing(&pair.key);
	allow(own, pair.key.remote.port ^ htons(1));
	assert_told_nothing(&pair.key);
	allow(own, 0);
	assert_told(&pair.key, pair.client);
}

static void no_listener_and_no_socket_that_still_connects(void **state)
{
	struct tcpmig_flow_key key = { .local = pair.key.remote, .remote = pair.key.local };
	struct sockaddr_in6 sa = { .sin6_family = family ? AF_INET6 : AF_INET };
	struct sockaddr_in *in = (void *)&sa;
	int full[64], n = 0;

	(void)state;
	key.remote.port = htons(1); /* nobody is there, and the listener is found */
	know(&key);
	assert_told_nothing(&key);
	tables_del_flow(&tables, &key);
	/* A listener without room does not answer. */
	sa.sin6_port = pair.key.remote.port;
	if (family)
		sa.sin6_addr = in6addr_loopback;
	else
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (; n < 64; n++) {
		struct pollfd wait = { .events = POLLOUT };

		full[n] = socket(sa.sin6_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(full[n], (void *)&sa, sizeof(sa));
		wait.fd = full[n];
		if (!poll(&wait, 1, 100))
			break;
	}
	assert_true(n < 64);
	key.remote = pair.key.remote;
	name_of(full[n], false, &key.local);
	know(&key);
	assert_told_nothing(&key);
	tables_del_flow(&tables, &key);
	for (; n >= 0; n--)
		close(full[n]);
}

/* What is left of a client's socket: the plain build cannot read it, and says so. */
static void a_socket_that_is_over(void **state)
{
	bool plain = getenv("TCPMIG_PLAIN") || !kernel_shows_skb();
	struct tcpmig_check before, after;

	(void)state;
	know(&pair.key);
	before = ask(&pair.key);
	close(pair.client);
	pair.client = -1;
	close(pair.server); /* answers the FIN with its own */
	pair.server = -1;
	after = ask(&pair.key);
	assert_int_equal(after.socket, plain ? TCPMIG_CHECK_UNREAD : TCPMIG_CHECK_READ);
	if (plain)
		return;
	assert_int_equal(after.rcv_nxt, before.rcv_nxt + 1);
	assert_int_equal(after.snd_nxt, before.snd_nxt + 1);
	assert_int_equal(after.snd_una, before.snd_nxt + 1);
}

static void many_at_once(void **state)
{
	struct tcpmig_check *list = calloc(100, sizeof(*list)), one;

	(void)state;
	know(&pair.key);
	one = ask(&pair.key);
	for (size_t count = 0; count <= 100; count += count < 70 ? 1 : 10) {
		for (size_t i = 0; i < count; i++) {
			list[i] = (struct tcpmig_check){ .key = pair.key };
			list[i].key.local.port ^= i % 3 ? htons(1) : 0;
		}
		assert_int_equal(tables_check(&tables, 0, list, count), 0);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(list[i].socket,
					 i % 3 ? TCPMIG_CHECK_NONE : TCPMIG_CHECK_READ);
			assert_int_equal(list[i].rcv_nxt, i % 3 ? 0 : one.rcv_nxt);
		}
	}
	assert_int_equal(tables_check(&tables, 9999, list, 1), -ENODEV);
	free(list);
}

static int use_ipv6(void **state)
{
	family = 1;
	return connect_pair(state);
}

static int use_ipv4(void **state)
{
	family = 0;
	return connect_pair(state);
}

static bool own_network(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	return fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &ifr);
}

#define BOTH(fn)                                                   \
	cmocka_unit_test_setup_teardown(fn, use_ipv4, close_pair), \
		cmocka_unit_test_setup_teardown(fn, use_ipv6, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(tells_where_a_socket_stands),
		BOTH(tells_of_flows_in_the_table_alone),
		BOTH(tells_of_an_old_in_the_policy_alone),
		BOTH(no_listener_and_no_socket_that_still_connects),
		BOTH(a_socket_that_is_over),
		BOTH(many_at_once),
	};

	if (!own_network()) {
		printf("# no network namespace of its own: %s\n", strerror(errno));
		return 1;
	}
	return cmocka_run_group_tests(tests, load, unload);
}
