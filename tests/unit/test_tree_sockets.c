// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sockets of real processes, in a network namespace of their own where we may make one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "clocks.h"
#include "endpoint.h"
#include "tree.h"
#include "tree_sockets.h"

#define STATE_ESTABLISHED 1
#define LIMIT_MS	  5000

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* What most children need: a listener, and connections to it. */
struct server {
	const char *local;
	const char *to; /* connect to this; NULL: @local */
	int v6only;
	int protocol;
	int connect; /* so many, from outside of the tree */
	int accept;
};

static int socket_at(const char *local, int type, int protocol, int v6only)
{
	struct tcpmig_endpoint ep;
	struct sockaddr_storage addr;
	const char *mapped = strstr(local, "::ffff:");
	int one = 1, family, fd;
	socklen_t len;

	must(!endpoint_parse(local, &ep));
	len = endpoint_to_sockaddr(&ep, &addr);
	family = addr.ss_family;
	if (mapped) { /* endpoint_parse() makes it IPv4 */
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = ep.port };

		memcpy(&in6.sin6_addr, ep.addr, sizeof(ep.addr));
		memcpy(&addr, &in6, sizeof(in6));
		len = sizeof(in6);
		family = AF_INET6;
	}
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	must(fd >= 0);
	must(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	if (family == AF_INET6)
		must(!setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)));
	must(!bind(fd, (struct sockaddr *)&addr, len));
	return fd;
}

static int dial(const char *to)
{
	struct sockaddr_storage addr;
	struct tcpmig_endpoint ep;
	socklen_t len;
	int fd;

	assert_null(endpoint_parse(to, &ep));
	len = endpoint_to_sockaddr(&ep, &addr);
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

static void listen_at(void *arg)
{
	const struct server *server = arg;
	int fd = socket_at(server->local, SOCK_STREAM, server->protocol, server->v6only);

	must(!listen(fd, 7));
	must(fd == 3);
}

/** struct look - a tree and its sockets, as they are now. */
struct look {
	struct tree tree;
	struct tree_sockets sockets;
};

static void look_at(struct look *look, pid_t pid)
{
	char why[TREE_WHY];

	assert_int_equal(tree_read(&look->tree, pid, why), 0);
	assert_int_equal(tree_sockets_read(&look->tree, &look->sockets), 0);
}

static void look_away(struct look *look)
{
	tree_sockets_free(&look->sockets);
	tree_free(&look->tree);
}

static void assert_endpoint(const struct tcpmig_endpoint *ep, const char *expected)
{
	char text[ENDPOINT_STRLEN];

	assert_string_equal(endpoint_format(ep, text), expected);
}

static void only_a_listener(const struct server *server, const char *local, bool v6, bool v6only)
{
	pid_t pid = child_start(listen_at, (void *)server);
	struct look look;

	look_at(&look, pid);
	assert_int_equal(look.sockets.listener_count, 1);
	assert_int_equal(look.sockets.connection_count, 0);
	assert_int_equal(look.sockets.others_here_count, 0);
	assert_int_equal(look.sockets.other_count, 0);
	assert_endpoint(&look.sockets.listeners[0].local, local);
	assert_int_equal(look.sockets.listeners[0].v6, v6);
	assert_int_equal(look.sockets.listeners[0].v6only, v6only);
	assert_int_equal(look.sockets.listeners[0].has, 0);
	assert_int_equal(look.sockets.listeners[0].pid, pid);
	assert_int_equal(look.sockets.listeners[0].fd, 3);
	look_away(&look);
	child_stop(pid);
}

static void listeners_are_what_they_are(void **state)
{
	const struct server v4 = { .local = "127.0.0.1:7301" };
	const struct server any4 = { .local = "0.0.0.0:7301" };
	const struct server v6 = { .local = "[::1]:7301" };
	const struct server any6 = { .local = "[::]:7301" };
	const struct server any6only = { .local = "[::]:7301", .v6only = 1 };
	const struct server mapped = { .local = "[::ffff:127.0.0.1]:7301" };

	(void)state;
	only_a_listener(&v4, "127.0.0.1:7301", false, false);
	only_a_listener(&any4, "0.0.0.0:7301", false, false);
	only_a_listener(&v6, "[::1]:7301", true, true); /* bind() makes it so */
	only_a_listener(&any6, "[::]:7301", true, false);
	only_a_listener(&any6only, "[::]:7301", true, true);
	only_a_listener(&mapped, "127.0.0.1:7301", true, false);
}

static void a_listener_covers_what_it_would_take(void **state)
{
	static const struct {
		const char *listener, *local;
		bool v6only, covers;
	} rows[] = {
		{ "10.0.0.1:80", "10.0.0.1:80", false, true },
		{ "10.0.0.1:80", "10.0.0.2:80", false, false },
		{ "10.0.0.1:80", "10.0.0.1:81", false, false },
		{ "0.0.0.0:80", "10.0.0.1:80", false, true },
		{ "0.0.0.0:80", "10.0.0.1:81", false, false },
		{ "0.0.0.0:80", "[fd00::1]:80", false, false },
		{ "[::]:80", "10.0.0.1:80", false, true },
		{ "[::]:80", "10.0.0.1:80", true, false },
		{ "[::]:80", "[fd00::1]:80", true, true },
		{ "[fd00::1]:80", "10.0.0.1:80", false, false },
	};
	struct tree_listener listener = {};
	struct tcpmig_endpoint local;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_null(endpoint_parse(rows[i].listener, &listener.local));
		assert_null(endpoint_parse(rows[i].local, &local));
		listener.v6only = rows[i].v6only;
		if (tree_listener_covers(&listener, &local) != rows[i].covers)
			fail_msg("%s and %s", rows[i].listener, rows[i].local);
	}
}

/* The child serves: accepts so many, reads nothing. */
static void accept_some(void *arg)
{
	const struct server *server = arg;

	listen_at(arg);
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < server->accept; i++)
		must(accept(3, NULL, NULL) >= 0);
	for (;;)
		pause();
}

static size_t queued_of(const struct tree_sockets *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->others_here_count; i++)
		count += s->others_here[i].owner == TREE_QUEUED;
	return count;
}

/* Until the child has accepted what it should. */
static void look_until(struct look *look, pid_t pid, size_t connections, size_t others_here)
{
	uint64_t end = clock_mono_ms() + LIMIT_MS;

	for (;;) {
		look_at(look, pid);
		if (look->sockets.connection_count == connections &&
		    look->sockets.others_here_count == others_here)
			return;
		if (clock_mono_ms() > end)
			fail_msg("%zu connections, %zu others", look->sockets.connection_count,
				 look->sockets.others_here_count);
		look_away(look);
	}
}

static void connections_accepted_and_not(const struct server *server, const char *local)
{
	pid_t pid = child_start(accept_some, (void *)server);
	int clients[4];
	struct look look;

	for (int i = 0; i < 4; i++) {
		clients[i] = dial(server->to ?: server->local);
		assert_int_equal(write(clients[i], "hello", 5), 5);
	}
	look_until(&look, pid, 3, 1);
	assert_int_equal(look.sockets.listener_count, 1);
	assert_int_equal(queued_of(&look.sockets), 1);
	assert_int_equal(tree_sockets_pending(&look.sockets), 1);
	for (int i = 0; i < 3; i++) {
		const struct tree_connection *c = &look.sockets.connections[i];

		assert_endpoint(&c->local, local);
		assert_int_equal(c->owner, TREE_OWNED);
		assert_int_equal(c->state, STATE_ESTABLISHED);
		assert_int_equal(c->has, 0);
		assert_true(c->srtt_us > 0);
		assert_true(tree_find(&look.tree, c->pid) && c->fd > 3);
	}
	assert_int_equal(look.sockets.others_here[0].fd, -1);
	look_away(&look);
	for (int i = 0; i < 4; i++)
		close(clients[i]);
	child_stop(pid);
}

static void connections_are_those_of_the_tree_and_its_queues(void **state)
{
	const struct server v4 = { .local = "127.0.0.1:7302", .accept = 3 };
	const struct server v6 = { .local = "[::1]:7314", .accept = 3 };
	const struct server mapped = { .local = "[::]:7315", .to = "127.0.0.1:7315", .accept = 3 };

	(void)state;
	connections_accepted_and_not(&v4, "127.0.0.1:7302");
	connections_accepted_and_not(&v6, "[::1]:7314");
	connections_accepted_and_not(&mapped, "127.0.0.1:7315");
}

/* What has sent nothing yet stays in SYN_RECV, though its client believes that it is connected. */
static void listen_for_data(void *arg)
{
	int fd = socket_at(arg, SOCK_STREAM, 0, 0);
	int seconds = 60;

	must(!setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)));
	must(!listen(fd, 7));
}

static void requests_on_their_way_are_pending(void **state)
{
	pid_t pid = child_start(listen_for_data, "127.0.0.1:7303");
	pid_t other = child_start(listen_for_data, "127.0.0.1:7304");
	uint64_t end = clock_mono_ms() + LIMIT_MS;
	struct look look, look_other;
	int clients[2];

	(void)state;
	look_at(&look, pid);
	look_at(&look_other, other);
	assert_int_equal(tree_sockets_pending(&look.sockets), 0);
	clients[0] = dial("127.0.0.1:7303");
	clients[1] = dial("127.0.0.1:7303");
	assert_int_equal(write(clients[0], "x", 1), 1);
	while (tree_sockets_pending(&look.sockets) < 2)
		assert_true(clock_mono_ms() < end);
	assert_int_equal(tree_sockets_pending(&look.sockets), 2);
	assert_int_equal(tree_sockets_pending(&look_other.sockets), 0);
	look_away(&look);
	look_away(&look_other);
	close(clients[0]);
	close(clients[1]);
	child_stop(pid);
	child_stop(other);
}

/* Closed with a client that has not closed: nobody has it, the kernel does. */
static void accept_and_close(void *arg)
{
	listen_at(arg);
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(accept(3, NULL, NULL));
	for (;;)
		pause();
}

static void a_closed_connection_is_an_orphan(void **state)
{
	struct server server = { .local = "127.0.0.1:7305" };
	pid_t pid = child_start(accept_and_close, &server);
	int client = dial("127.0.0.1:7305");
	struct pollfd gone = { .fd = client, .events = POLLIN };
	struct look look;

	(void)state;
	assert_int_equal(poll(&gone, 1, LIMIT_MS), 1);
	look_until(&look, pid, 0, 1);
	assert_int_equal(look.sockets.others_here[0].owner, TREE_ORPHAN);
	assert_int_equal(tree_sockets_pending(&look.sockets), 0);
	look_away(&look);
	close(client);
	child_stop(pid);
}

/* Both have the listener, but each has its own connection. */
static void what_others_have_is_foreign(void **state)
{
	struct server server = { .local = "127.0.0.1:7306", .accept = 1 };
	pid_t pid = child_start(accept_some, &server);
	int client = dial("127.0.0.1:7306");
	struct look look;
	pid_t inheritor;
	char why[TREE_WHY];

	(void)state;
	look_until(&look, pid, 1, 0);
	assert_int_equal(tree_sockets_mark_foreign(&look.tree, &look.sockets), 0);
	assert_int_equal(look.sockets.listeners[0].has, 0);
	assert_int_equal(look.sockets.connections[0].has, 0);
	inheritor = look.tree.tasks[1].pid;
	look_away(&look);

	/* The child alone is a tree whose parent has the listener, too. */
	assert_int_equal(tree_read(&look.tree, inheritor, why), 0);
	assert_int_equal(tree_sockets_read(&look.tree, &look.sockets), 0);
	assert_int_equal(tree_sockets_mark_foreign(&look.tree, &look.sockets), 0);
	assert_int_equal(look.sockets.listeners[0].has, TREE_HAS_FOREIGN);
	assert_int_equal(look.sockets.connections[0].has, 0);
	look_away(&look);
	close(client);
	child_stop(pid);
}

static void accept_in_another_session(void *arg)
{
	struct server server = { .local = arg, .accept = 1 };

	listen_at(&server);
	if (fork())
		return;
	if (fork()) /* the grandchild is the init's, or ours: of no tree of its grandparent */
		_exit(0);
	prctl(PR_SET_PDEATHSIG, 0);
	must(accept(3, NULL, NULL) >= 0);
	for (;;)
		pause();
}

static void connections_of_others_at_the_same_listener_are_foreign(void **state)
{
	uint64_t end = clock_mono_ms() + LIMIT_MS;
	pid_t pid;
	struct look look;
	int client;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid = child_start(accept_in_another_session, "127.0.0.1:7307");
	client = dial("127.0.0.1:7307");
	look_until(&look, pid, 0, 1);
	while (look.sockets.others_here[0].owner != TREE_FOREIGN) {
		assert_true(clock_mono_ms() < end);
		look_away(&look);
		look_until(&look, pid, 0, 1);
	}
	assert_int_equal(tree_sockets_mark_foreign(&look.tree, &look.sockets), 0);
	assert_int_equal(look.sockets.listeners[0].has, TREE_HAS_FOREIGN);
	assert_int_equal(tree_sockets_pending(&look.sockets), 0);
	look_away(&look);
	close(client);
	child_stop(pid); /* the group, and so the grandchild too */
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void set_md5(void *arg)
{
	struct tcp_md5sig key = { .tcpm_keylen = 3, .tcpm_key = "key" };
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	listen_at(arg);
	memcpy(&key.tcpm_addr, &peer, sizeof(peer));
	must(!setsockopt(3, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)));
}

static bool option_is_known(int protocol, int level, int option, const void *value, socklen_t len)
{
	int fd = socket(AF_INET, SOCK_STREAM, protocol);
	bool known = fd >= 0 && (!option || !setsockopt(fd, level, option, value, len) ||
				 (errno != ENOPROTOOPT && errno != EPERM));

	if (fd >= 0)
		close(fd);
	return known;
}

static void has_of_listener(void (*fn)(void *arg), const struct server *server, uint32_t has)
{
	pid_t pid = child_start(fn, (void *)server);
	struct look look;

	look_at(&look, pid);
	assert_int_equal(look.sockets.listener_count, 1);
	assert_int_equal(tree_sockets_mark_foreign(&look.tree, &look.sockets), 0);
	assert_int_equal(look.sockets.listeners[0].has, has);
	look_away(&look);
	child_stop(pid);
}

static void md5_keys_are_seen(void **state)
{
	struct server server = { .local = "127.0.0.1:7308" };
	struct tcp_md5sig none = {};

	(void)state;
	if (geteuid() || !option_is_known(0, IPPROTO_TCP, TCP_MD5SIG, &none, sizeof(none))) {
		print_message("skipped: no TCP MD5 signatures in this kernel, or not root\n");
		skip();
	}
	has_of_listener(set_md5, &server, TREE_HAS_MD5);
}

static void be_transparent(void *arg)
{
	int one = 1;

	listen_at(arg);
	must(!setsockopt(3, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)));
}

static void transparent_sockets_are_seen(void **state)
{
	struct server server = { .local = "127.0.0.1:7309" };
	int one = 1;

	(void)state;
	if (!option_is_known(0, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one))) {
		print_message("skipped: IP_TRANSPARENT is for root\n");
		skip();
	}
	has_of_listener(be_transparent, &server, TREE_HAS_TRANSPARENT);
}

static void multipath_is_seen(void **state)
{
	struct server server = { .local = "127.0.0.1:7310", .protocol = IPPROTO_MPTCP };

	(void)state;
	if (!option_is_known(IPPROTO_MPTCP, 0, 0, NULL, 0)) {
		print_message("skipped: no MPTCP in this kernel\n");
		skip();
	}
	has_of_listener(listen_at, &server, TREE_HAS_MPTCP);
}

/* Only a connected socket can have it. */
static void talk_tls_to_itself(void *arg)
{
	struct tcpmig_endpoint ep;
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;

	listen_at(arg);
	must(!endpoint_parse(((struct server *)arg)->local, &ep));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	len = endpoint_to_sockaddr(&ep, &addr);
	must(!connect(fd, (struct sockaddr *)&addr, len));
	must(!setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3));
}

static bool kernel_has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool has = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) && errno == ENOTCONN;

	close(fd);
	return has;
}

static void kernel_tls_is_seen(void **state)
{
	struct server server = { .local = "127.0.0.1:7313" };
	struct look look;
	pid_t pid;

	(void)state;
	if (!kernel_has_tls()) {
		print_message("skipped: no kTLS in this kernel\n");
		skip();
	}
	pid = child_start(talk_tls_to_itself, &server);
	look_at(&look, pid);
	assert_int_equal(look.sockets.connection_count, 1);
	assert_int_equal(look.sockets.connections[0].has, TREE_HAS_ULP);
	look_away(&look);
	child_stop(pid);
}

static void open_one_of_each(void *arg)
{
	int pair[2];

	(void)arg;
	must(socket_at("127.0.0.1:7311", SOCK_DGRAM, 0, 0) == 3);
	must(socket(AF_INET6, SOCK_STREAM, 0) == 4); /* no address, no peer */
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(socket(AF_NETLINK, SOCK_RAW, 0) == 7);
	must(dup(3) == 8);
	if (!geteuid()) {
		must(socket(AF_PACKET, SOCK_RAW, 0) == 9);
		must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == 10);
	}
}

static const struct tree_other *other_at(const struct tree_sockets *s, int fd)
{
	for (size_t i = 0; i < s->other_count; i++) {
		if (s->others[i].fd == fd)
			return &s->others[i];
	}
	fail_msg("no descriptor %d", fd);
	return NULL;
}

static void assert_kind(const struct look *look, int fd, int domain, int type, int protocol)
{
	const struct tree_other *other = other_at(&look->sockets, fd);

	assert_int_equal(other->domain, domain);
	assert_int_equal(other->type, type);
	assert_int_equal(other->protocol, protocol);
	assert_false(other->foreign || other->peer_outside);
}

static void other_sockets_are_what_they_are(void **state)
{
	pid_t pid = child_start(open_one_of_each, NULL);
	struct look look;

	(void)state;
	look_at(&look, pid);
	assert_int_equal(tree_sockets_mark_foreign(&look.tree, &look.sockets), 0);
	assert_int_equal(look.sockets.listener_count + look.sockets.connection_count, 0);
	assert_int_equal(look.sockets.other_count, geteuid() ? 5 : 7);
	assert_kind(&look, 3, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	assert_endpoint(&other_at(&look.sockets, 3)->local, "127.0.0.1:7311");
	assert_kind(&look, 4, AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	assert_kind(&look, 5, AF_UNIX, SOCK_STREAM, 0);
	assert_kind(&look, 6, AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(other_at(&look.sockets, 5)->peer, other_at(&look.sockets, 6)->inode);
	assert_kind(&look, 7, AF_NETLINK, SOCK_RAW, 0);
	if (!geteuid()) {
		assert_kind(&look, 9, AF_PACKET, SOCK_RAW, 0);
		assert_kind(&look, 10, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	}
	look_away(&look);
	child_stop(pid);
}

/* What it leaves out is nothing that the TCP sockets need. */
static void tcp_alone_is_tcp_as_before(void **state)
{
	struct server server = { .local = "127.0.0.1:7313" };
	pid_t pid = child_start(listen_at, &server), others = child_start(open_one_of_each, NULL);
	struct look all, tcp;
	char why[TREE_WHY];

	(void)state;
	look_at(&all, pid);
	assert_int_equal(tree_read(&tcp.tree, pid, why), 0);
	assert_int_equal(tree_sockets_read_tcp(&tcp.tree, &tcp.sockets), 0);
	assert_int_equal(tcp.sockets.listener_count, 1);
	assert_int_equal(tcp.sockets.listeners[0].inode, all.sockets.listeners[0].inode);
	assert_int_equal(tcp.sockets.listeners[0].fd, all.sockets.listeners[0].fd);
	look_away(&tcp);
	look_away(&all);
	assert_int_equal(tree_read(&tcp.tree, others, why), 0);
	assert_int_equal(tree_sockets_read_tcp(&tcp.tree, &tcp.sockets), 0);
	assert_int_equal(tcp.sockets.other_count, 0);
	look_away(&tcp);
	child_stop(others);
	child_stop(pid);
}

/* The same path for both: of abstract names, which need no file. */
static struct sockaddr_un unix_name(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "tcpmig-test-%d", getpid());
	return addr;
}

static void connect_unix(void *arg)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	must(!connect(fd, arg, sizeof(struct sockaddr_un)));
}

static void listen_unix(void *arg)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	must(!bind(fd, arg, sizeof(struct sockaddr_un)) && !listen(fd, 5));
}

static void unix_peers_outside_are_named(void **state)
{
	struct sockaddr_un addr = unix_name();
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
	struct look look;
	char name[32];
	pid_t pid;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 5), 0);
	pid = child_start(connect_unix, &addr);
	accepted = accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	look_at(&look, pid);
	assert_int_equal(look.sockets.other_count, 1);
	assert_true(look.sockets.others[0].peer_outside);
	snprintf(name, sizeof(name), "@tcpmig-test-%d", getpid());
	assert_string_equal(look.sockets.others[0].peer_name, name);
	look_away(&look);
	child_stop(pid);
	close(accepted);
	close(listener);
}

static void unix_connections_that_wait_are_counted(void **state)
{
	struct sockaddr_un addr = unix_name();
	pid_t pid = child_start(listen_unix, &addr);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct look look;

	(void)state;
	assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	look_at(&look, pid);
	assert_int_equal(look.sockets.other_count, 1);
	assert_int_equal(look.sockets.others[0].waiting, 1);
	assert_false(look.sockets.others[0].peer_outside);
	look_away(&look);
	close(client);
	child_stop(pid);
}

/* With 1,000 connections. Printed, not judged: hosts differ. */
static void accept_a_thousand(void *arg)
{
	struct server server = { .local = arg, .accept = 1000 };

	accept_some(&server);
}

static void it_is_fast_enough_to_be_asked_often(void **state)
{
	pid_t pid = child_start(accept_a_thousand, "127.0.0.1:7312");
	uint64_t begin, all, pending;
	struct look look;
	int *clients = calloc(1000, sizeof(*clients));

	(void)state;
	for (int i = 0; i < 1000; i++) {
		clients[i] = dial("127.0.0.1:7312");
	}
	look_until(&look, pid, 1000, 0);
	tree_sockets_free(&look.sockets);
	begin = clock_mono_ns();
	assert_int_equal(tree_sockets_read(&look.tree, &look.sockets), 0);
	all = clock_mono_ns() - begin;
	begin = clock_mono_ns();
	assert_int_equal(tree_sockets_pending(&look.sockets), 0);
	pending = clock_mono_ns() - begin;
	print_message("1000 connections: read %.1f ms, pending %.1f ms\n", all / 1e6,
		      pending / 1e6);
	assert_int_equal(look.sockets.connection_count, 1000);
	look_away(&look);
	for (int i = 0; i < 1000; i++)
		close(clients[i]);
	free(clients);
	child_stop(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_are_what_they_are),
		cmocka_unit_test(a_listener_covers_what_it_would_take),
		cmocka_unit_test(connections_are_those_of_the_tree_and_its_queues),
		cmocka_unit_test(requests_on_their_way_are_pending),
		cmocka_unit_test(a_closed_connection_is_an_orphan),
		cmocka_unit_test(what_others_have_is_foreign),
		cmocka_unit_test(connections_of_others_at_the_same_listener_are_foreign),
		cmocka_unit_test(md5_keys_are_seen),
		cmocka_unit_test(transparent_sockets_are_seen),
		cmocka_unit_test(multipath_is_seen),
		cmocka_unit_test(kernel_tls_is_seen),
		cmocka_unit_test(other_sockets_are_what_they_are),
		cmocka_unit_test(tcp_alone_is_tcp_as_before),
		cmocka_unit_test(unix_peers_outside_are_named),
		cmocka_unit_test(unix_connections_that_wait_are_counted),
		cmocka_unit_test(it_is_fast_enough_to_be_asked_often),
	};

	if (own_network())
		print_message("in the network namespace of the caller: not root\n");
	return cmocka_run_group_tests_name("tree sockets", tests, NULL, NULL);
}
