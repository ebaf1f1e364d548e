// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Each reason not to move a process: it is found in a real one that has it, and in no other. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "endpoint.h"
#include "preflight.h"
#include "tree.h"
#include "tree_files.h"
#include "tree_sockets.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define LIMIT_MS 5000

/** struct look - what preflight has to say of a process. */
struct look {
	struct tree tree;
	struct tree_sockets sockets;
	struct tree_files files;
	struct findings found;
	pid_t pid;
};

static void look_at_pid(struct look *look, pid_t pid, const char *target)
{
	struct tcpmig_endpoint to = {};
	const struct preflight p = { &look->tree, &look->sockets, &look->files, &to };
	char why[TREE_WHY];

	*look = (struct look){ .pid = pid };
	if (target)
		assert_null(endpoint_parse_optional_port(target, &to));
	assert_int_equal(tree_read(&look->tree, pid, why), 0);
	assert_int_equal(tree_sockets_read(&look->tree, &look->sockets), 0);
	assert_int_equal(tree_sockets_mark_foreign(&look->tree, &look->sockets), 0);
	assert_int_equal(tree_files_read(&look->tree, false, &look->files), 0);
	assert_int_equal(tree_files_find_outside(&look->tree, &look->files), 0);
	preflight_all(&p, &look->found);
	assert_false(look->found.incomplete);
}

static void look_away(struct look *look)
{
	findings_free(&look->found);
	tree_files_free(&look->files);
	tree_sockets_free(&look->sockets);
	tree_free(&look->tree);
}

static void print_all(const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		print_message("%s %s: %s (%s)\n", finding_result_name(f->list[i].result),
			      f->list[i].check, f->list[i].detail, f->list[i].cure ?: "-");
}

static const struct finding *find(const struct findings *f, const char *text)
{
	for (size_t i = 0; i < f->count; i++) {
		if (strstr(f->list[i].detail, text))
			return &f->list[i];
	}
	print_all(f);
	fail_msg("nothing says \"%s\"", text);
	return NULL;
}

static void assert_found(const struct findings *f, enum finding_result result, const char *check,
			 const char *text, const char *cure)
{
	const struct finding *finding = find(f, text);

	assert_int_equal(finding->result, result);
	assert_string_equal(finding->check, check);
	if (!cure)
		assert_null(finding->cure);
	else if (!finding->cure || !strstr(finding->cure, cure))
		fail_msg("\"%s\" has no \"%s\"", finding->cure ?: "", cure);
}

static void assert_nothing(const struct findings *f)
{
	if (!f->count)
		return;
	print_all(f);
	fail_msg("%zu findings", f->count);
}

/* The only finding of a child that has done @fn(@arg); @text NULL: it has none. */
static void finding_of(void (*fn)(void *arg), void *arg, enum finding_result result,
		       const char *check, const char *text, const char *cure)
{
	pid_t pid = child_start(fn, arg);
	struct look look;

	look_at_pid(&look, pid, NULL);
	if (text) {
		assert_found(&look.found, result, check, text, cure);
		if (look.found.count != 1) {
			print_all(&look.found);
			fail_msg("%zu findings", look.found.count);
		}
	} else {
		assert_nothing(&look.found);
	}
	look_away(&look);
	child_stop(pid);
}

/* All that CRIU carries. */
static void be_ordinary(void *arg)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(7401) };
	int pair[2], fd = socket(AF_INET, SOCK_STREAM, 0);
	sigset_t none;

	(void)arg;
	sigemptyset(&none);
	must(!bind(fd, (struct sockaddr *)&any, sizeof(any)) && !listen(fd, 5));
	must(socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	must(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && !pipe(pair));
	must(eventfd(0, 0) >= 0 && epoll_create1(0) >= 0 && inotify_init1(0) >= 0);
	must(timerfd_create(CLOCK_MONOTONIC, 0) >= 0 && signalfd(-1, &none, 0) >= 0);
	must(syscall(SYS_pidfd_open, getpid(), 0) >= 0);
	must(memfd_create("m", 0) >= 0 && open("/dev/urandom", O_RDONLY) >= 0);
	must(open("/proc/self/ns/net", O_RDONLY) >= 0);
	must(open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0);
	must(mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void an_ordinary_server_has_no_findings(void **state)
{
	(void)state;
	finding_of(be_ordinary, NULL, FINDING_OK, NULL, NULL, NULL);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void a_process_in_anothers_session_is_found(void **state)
{
	pid_t pid = child_start(be_ordinary, NULL);
	struct look look;

	(void)state;
	look_at_pid(&look, pid, NULL);
	pid = look.tree.tasks[1].pid;
	look_away(&look);
	look_at_pid(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "session", "is not the leader of its session",
		     "setsid");
	/* All that its parent has, too. */
	assert_found(&look.found, FINDING_FAIL, "sockets", "1 TCP sockets are held by a process",
		     "move the parent");
	assert_found(&look.found, FINDING_FAIL, "sockets", ", a socket, is held by", "0 to 2 only");
	assert_found(&look.found, FINDING_FAIL, "files", "is the pipe pipe:[", "0 to 2 only");
	pid = look.tree.tasks[0].parent;
	look_away(&look);
	child_stop(pid);
}

static void a_traced_process_is_found(void **state)
{
	pid_t pid = child_start(nothing, NULL);
	struct look look;

	(void)state;
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	look_at_pid(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "traced", "is traced by", "end the debugger");
	look_away(&look);
	child_stop(pid);
}

static void be_another_user(void *arg)
{
	must(!setgid(65534) && !setuid(*(uid_t *)arg));
}

static bool we_have_sys_resource(void)
{
	unsigned long long caps = 0;
	_cleanup_fclose_ FILE *file = fopen("/proc/self/status", "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "CapEff: %llx", &caps);
	return caps >> 24 & 1;
}

static void a_task_of_another_user_is_found_where_it_matters(void **state)
{
	uid_t nobody = 65534;

	(void)state;
	if (geteuid()) {
		print_message("skipped: needs root\n");
		skip();
	}
	if (we_have_sys_resource())
		finding_of(be_another_user, &nobody, FINDING_OK, NULL, NULL, NULL);
	else
		finding_of(be_another_user, &nobody, FINDING_FAIL, "user", "runs as user 65534",
			   "CAP_SYS_RESOURCE");
	print_message("with%s CAP_SYS_RESOURCE\n", we_have_sys_resource() ? "" : "out");
}

static void be_init(void *arg)
{
	(void)arg;
	must(!unshare(CLONE_NEWPID));
	if (!fork()) {
		setsid();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void pid_namespaces_are_found(void **state)
{
	struct look look;
	pid_t pid, init;

	(void)state;
	if (geteuid()) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = child_start(be_init, NULL);
	look_at_pid(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "namespaces", "in several PID namespaces",
		     "without namespaces");
	init = look.tree.tasks[1].pid;
	look_away(&look);
	do { /* it has to become a leader first */
		look_at_pid(&look, init, NULL);
		pid = look.tree.tasks[0].session;
		if (pid != init)
			look_away(&look);
	} while (pid != init);
	assert_found(&look.found, FINDING_FAIL, "pids", "is the init of a PID namespace", "below");
	pid = look.tree.tasks[0].parent;
	look_away(&look);
	child_stop(pid);
	kill(init, SIGKILL);
}

static void open_uring(void *arg)
{
	uint8_t params[256] = {};

	(void)arg;
	must(syscall(SYS_io_uring_setup, 4, params) == 3);
}

static void io_uring_is_found(void **state)
{
	uint8_t params[256] = {};
	int fd = (int)syscall(SYS_io_uring_setup, 4, params);

	(void)state;
	if (fd < 0) {
		print_message("skipped: io_uring: %s\n", strerror(errno));
		skip();
	}
	close(fd);
	finding_of(open_uring, NULL, FINDING_FAIL, "files", "descriptor 3 of",
		   "switch io_uring off");
}

static void open_userfaultfd(void *arg)
{
	(void)arg;
	must(syscall(SYS_userfaultfd, O_CLOEXEC | 1) == 3);
}

static void userfaultfd_is_found(void **state)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);

	(void)state;
	if (fd < 0) {
		print_message("skipped: userfaultfd: %s\n", strerror(errno));
		skip();
	}
	close(fd);
	finding_of(open_userfaultfd, NULL, FINDING_FAIL, "files", "[userfaultfd]", "page faults");
}

/* The child's terminal is its own; @arg: whether it has the master, too. */
static void open_terminal(void *arg)
{
	int master, slave;

	(void)arg;
	must(!openpty(&master, &slave, NULL, NULL, NULL));
}

static void take_stdin_of(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/4", *(pid_t *)arg);
	must(open(path, O_RDWR | O_NOCTTY) == 3);
}

static void a_terminal_of_others_is_found(void **state)
{
	pid_t other = child_start(open_terminal, NULL);

	(void)state;
	finding_of(take_stdin_of, &other, FINDING_FAIL, "files", "is the terminal /dev/pts/",
		   "setsid COMMAND </dev/null");
	child_stop(other);
	finding_of(open_terminal, NULL, FINDING_OK, NULL, NULL, NULL);
}

static void map_system_v(void *arg)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	(void)arg;
	must(id >= 0 && shmat(id, NULL, 0) != (void *)-1);
	shmctl(id, IPC_RMID, NULL);
}

static void shared_memory_of_system_v_is_found(void **state)
{
	(void)state;
	finding_of(map_system_v, NULL, FINDING_FAIL, "files", "/SYSV", "mmap or shm_open");
}

static void open_shared_memory(void *arg)
{
	must(shm_open(arg, O_RDWR | O_CREAT, 0600) == 3);
}

static void named_shared_memory_is_told(void **state)
{
	char name[32];

	(void)state;
	snprintf(name, sizeof(name), "/tcpmig-test-%d", getpid());
	finding_of(open_shared_memory, name, FINDING_WARN, "files", "does not go along",
		   "unlinked");
	shm_unlink(name);
}

static void open_large_deleted(void *arg)
{
	(void)arg;
	must(open("/tmp", O_TMPFILE | O_RDWR, 0600) == 3 && !ftruncate(3, 32 << 20));
}

static void a_large_deleted_file_is_told(void **state)
{
	(void)state;
	finding_of(open_large_deleted, NULL, FINDING_WARN, "files", "32 MiB more", NULL);
}

static void open_it(void *arg)
{
	must(open(arg, O_RDONLY) == 3);
}

static void a_device_is_found(void **state)
{
	static const char *const devices[] = { "/dev/hwrng", "/dev/fuse", "/dev/loop-control",
					       "/dev/rtc0",  "/dev/ppp",  "/dev/cpu_dma_latency" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		int fd = open(devices[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		close(fd);
		finding_of(open_it, (void *)devices[i], FINDING_FAIL, "files",
			   "a device, which CRIU does not carry", "close it");
		return;
	}
	print_message("skipped: no device here that CRIU does not carry\n");
	skip();
}

static void open_protocol(void *arg)
{
	const int *which = arg;

	must(socket(which[0], which[1], which[2]) == 3);
}

static void kinds_of_sockets_that_stay_behind_are_found(void **state)
{
	static int mptcp[] = { AF_INET, SOCK_STREAM, IPPROTO_MPTCP };
	static int vsock[] = { AF_VSOCK, SOCK_STREAM, 0 };
	static int alg[] = { AF_ALG, SOCK_SEQPACKET, 0 };
	static const struct {
		int *which;
		const char *text, *cure;
	} rows[] = {
		{ mptcp, "(MPTCP)", "GODEBUG=multipathtcp=0" },
		{ vsock, "a socket of family 40", "close it" },
		{ alg, "a socket of family 38", "close it" },
	};
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fd = socket(rows[i].which[0], rows[i].which[1] | SOCK_CLOEXEC, rows[i].which[2]);
		if (fd < 0) {
			print_message("not tried: family %d, protocol %d: %s\n", rows[i].which[0],
				      rows[i].which[2], strerror(errno));
			continue;
		}
		close(fd);
		finding_of(open_protocol, rows[i].which, FINDING_FAIL, "sockets", rows[i].text,
			   rows[i].cure);
	}
}

static void listen_at(const char *local, int protocol, const char *device)
{
	struct sockaddr_storage addr;
	struct tcpmig_endpoint ep;
	int one = 1, fd;
	socklen_t len;

	must(!endpoint_parse(local, &ep));
	len = endpoint_to_sockaddr(&ep, &addr);
	if (ep.family == AF_INET6 && device)
		((struct sockaddr_in6 *)&addr)->sin6_scope_id = if_nametoindex(device);
	fd = socket(addr.ss_family, SOCK_STREAM, protocol);
	must(fd == 3);
	must(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	must(!setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)));
	if (device)
		must(!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device)));
	must(!bind(fd, (struct sockaddr *)&addr, len) && !listen(fd, 5));
}

static void listen_multipath(void *arg)
{
	listen_at(arg, IPPROTO_MPTCP, NULL);
}

static void listen_signed(void *arg)
{
	struct tcp_md5sig key = { .tcpm_keylen = 3, .tcpm_key = "key" };
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };

	listen_at(arg, 0, NULL);
	memcpy(&key.tcpm_addr, &peer, sizeof(peer));
	must(!setsockopt(3, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)));
}

static bool kernel_has_md5(void)
{
	struct tcp_md5sig none = {};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &none, sizeof(none)) &&
		   errno != ENOPROTOOPT && !geteuid();

	close(fd);
	return has;
}

static void what_tcp_sockets_have_is_found(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	(void)state;
	if (fd >= 0)
		finding_of(listen_multipath, "0.0.0.0:7402", FINDING_FAIL, "sockets",
			   "1 TCP sockets use MPTCP; one is descriptor 3",
			   "GODEBUG=multipathtcp=0");
	else
		print_message("not tried: no MPTCP in this kernel\n");
	close(fd);
	if (kernel_has_md5())
		finding_of(listen_signed, "0.0.0.0:7403", FINDING_FAIL, "sockets",
			   "are signed with TCP MD5", "without such peers");
	else
		print_message("not tried: no TCP MD5 in this kernel, or not root\n");
}

static void listen_here(void *arg)
{
	listen_at(arg, 0, NULL);
}

static void listen_at_lo(void *arg)
{
	listen_at(arg, 0, "lo");
}

static void listeners_that_mean_nothing_elsewhere_are_found(void **state)
{
	(void)state;
	finding_of(listen_here, "127.0.0.1:7404", FINDING_WARN, "peers", "only programs there",
		   NULL);
	finding_of(listen_here, "169.254.7.7:7404", FINDING_FAIL, "peers",
		   "169.254.7.7:7404: a link-local", "another address");
	if (geteuid()) {
		print_message("not tried: to bind to an interface is for root\n");
		return;
	}
	finding_of(listen_at_lo, "0.0.0.0:7404", FINDING_WARN, "peers", "of interface lo only",
		   NULL);
}

/* Accepts one, reads nothing. */
static void serve_one(void *arg)
{
	listen_at(arg, 0, NULL);
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(accept(3, NULL, NULL) >= 0);
	for (;;)
		pause();
}

static int dial(const char *to)
{
	struct sockaddr_storage addr;
	struct tcpmig_endpoint ep;
	int fd;

	assert_null(endpoint_parse(to, &ep));
	endpoint_to_sockaddr(&ep, &addr);
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(struct sockaddr_in6)), 0);
	return fd;
}

/* The server has accepted it, else there is no connection of its own yet. */
static void look_at_connection(struct look *look, pid_t pid, const char *target)
{
	for (int i = 0; i < LIMIT_MS; i++) {
		look_at_pid(look, pid, target);
		if (look->sockets.connection_count)
			return;
		look_away(look);
		poll(NULL, 0, 1);
	}
	fail_msg("it has accepted nothing");
}

static void peers_on_loopback_are_found(void **state)
{
	pid_t pid = child_start(serve_one, "0.0.0.0:7405");
	int client = dial("127.0.0.1:7405");
	struct look look;

	(void)state;
	look_at_connection(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "peers",
		     "1 connections have their peer on loopback", "into the tree");
	assert_int_equal(look.found.count, 1);
	look_away(&look);
	close(client);
	child_stop(pid);
}

static void talk_to_itself(void *arg)
{
	struct sockaddr_storage addr;
	struct tcpmig_endpoint ep;
	socklen_t len;
	int fd;

	listen_at("0.0.0.0:7406", 0, NULL);
	must(!endpoint_parse(arg, &ep));
	len = endpoint_to_sockaddr(&ep, &addr);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(fd, (struct sockaddr *)&addr, len) && accept(3, NULL, NULL) >= 0);
}

static void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* Only in a network of our own are there addresses to play with. */
static bool have_addresses(void)
{
	static int have = -1;

	if (have >= 0)
		return have;
	have = !geteuid() && own_network() == 0;
	if (have) {
		run("ip link add t0 type veth peer name t1 && ip link set t0 up && ip link set t1 "
		    "up");
		run("ip addr add 10.74.0.1/24 dev t0 && ip addr add 10.74.0.2/24 dev t0");
		run("ip addr add 169.254.7.7/16 dev t0");
	}
	return have;
}

static void a_tree_that_talks_to_itself_is_told(void **state)
{
	(void)state;
	finding_of(talk_to_itself, "127.0.0.1:7406", FINDING_WARN, "peers",
		   "2 connections lead from the tree to itself, over loopback", NULL);
	if (!have_addresses()) {
		print_message("not tried: over an address, which needs root\n");
		return;
	}
	finding_of(talk_to_itself, "10.74.0.1:7406", FINDING_FAIL, "peers",
		   "2 connections lead from the tree to itself, over an address", "127.0.0.1");
}

static void peers_on_this_host_and_link_local_are_found(void **state)
{
	struct look look;
	pid_t pid;
	int client;

	(void)state;
	if (!have_addresses()) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = child_start(serve_one, "0.0.0.0:7407");
	client = dial("10.74.0.1:7407");
	look_at_connection(&look, pid, "10.74.0.9");
	assert_found(&look.found, FINDING_FAIL, "peers", "have their peer on this host",
		     "into the tree");
	look_away(&look);
	close(client);
	child_stop(pid);

	pid = child_start(serve_one, "0.0.0.0:7408");
	client = dial("169.254.7.7:7408");
	look_at_connection(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "peers", "have a link-local address",
		     "another address");
	look_away(&look);
	close(client);
	child_stop(pid);
}

/* The address of the peer goes away, and so it is another host's. */
static void peers_on_the_target_are_found(void **state)
{
	struct look look;
	pid_t pid;
	int client;

	(void)state;
	if (!have_addresses()) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = child_start(serve_one, "10.74.0.1:7409");
	client = dial("10.74.0.1:7409");
	look_at_connection(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "peers", "on this host", "into");
	look_away(&look);
	run("ip addr del 10.74.0.1/24 dev t0");
	look_at_connection(&look, pid, "10.74.0.1:7171");
	assert_found(&look.found, FINDING_FAIL, "peers", "have their peer on the target",
		     "before the move");
	look_away(&look);
	look_at_connection(&look, pid, "10.74.0.9:7171");
	assert_nothing(&look.found);
	look_away(&look);
	run("ip addr add 10.74.0.1/24 dev t0");
	close(client);
	child_stop(pid);
}

/* By abstract names, which need no file. */
static struct sockaddr_un unix_name(const char *what)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "tcpmig-%s-%d", what, getpid());
	return addr;
}

static void connect_stream(void *arg)
{
	must(!connect(socket(AF_UNIX, SOCK_STREAM, 0), arg, sizeof(struct sockaddr_un)));
}

static void connect_datagrams(void *arg)
{
	must(!connect(socket(AF_UNIX, SOCK_DGRAM, 0), arg, sizeof(struct sockaddr_un)));
}

static void unix_peers_outside_are_found(void **state)
{
	struct sockaddr_un stream = unix_name("stream"), log = unix_name("log");
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
	int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct look look;
	pid_t pid;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&stream, sizeof(stream)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(bind(receiver, (struct sockaddr *)&log, sizeof(log)), 0);
	finding_of(connect_datagrams, &log, FINDING_WARN, "sockets",
		   "will be connected to that name", "listen there");
	pid = child_start(connect_stream, &stream);
	accepted = accept(listener, NULL, NULL); /* until then it is nobody's */
	look_at_pid(&look, pid, NULL);
	assert_found(&look.found, FINDING_FAIL, "sockets", "whose peer (@tcpmig-stream-",
		     "move both ends");
	look_away(&look);
	child_stop(pid);
	close(accepted);
	close(listener);
	close(receiver);
}

static void accept_unix(void *arg)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	must(!bind(fd, arg, sizeof(struct sockaddr_un)) && !listen(fd, 5));
}

static void unix_connections_that_wait_are_told(void **state)
{
	struct sockaddr_un addr = unix_name("wait");
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid = child_start(accept_unix, &addr);
	struct look look;

	(void)state;
	assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	look_at_pid(&look, pid, NULL);
	assert_found(&look.found, FINDING_WARN, "sockets", "1 connections that it has not accepted",
		     NULL);
	look_away(&look);
	close(client);
	child_stop(pid);
}

/* The parent is called as a program that starts others again; it is the name that counts. */
static void be_supervised(void *arg)
{
	must(!prctl(PR_SET_NAME, arg));
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "server");
		setsid();
		for (;;)
			pause();
	}
}

static void supervised_by(char *name, const char *text, const char *cure)
{
	pid_t pid = child_start(be_supervised, name), child = 0;
	struct look look;

	for (int i = 0; i < LIMIT_MS && !child; i++) {
		look_at_pid(&look, pid, NULL);
		if (look.tree.tasks[1].session == look.tree.tasks[1].pid)
			child = look.tree.tasks[1].pid;
		look_away(&look);
	}
	look_at_pid(&look, child, NULL);
	if (text)
		assert_found(&look.found, FINDING_FAIL, "restart", text, cure);
	else
		assert_nothing(&look.found);
	look_away(&look);
	child_stop(child);
	child_stop(pid);
}

static void who_would_start_it_again_is_found(void **state)
{
	(void)state;
	supervised_by("supervisord", "supervisord would start it again", "autorestart");
	supervised_by("conmon", "podman or CRI-O would", "podman update --restart=no");
	supervised_by("containerd-shim-runc-v2", "containerd (Docker, Kubernetes) would", "docker");
	supervised_by("conmonitor", NULL, NULL);
	supervised_by("sh", NULL, NULL);
}

static void kernels_on_both_sides_of_6_7_are_told(void **state)
{
	static const struct {
		const char *source, *target;
		bool told;
	} rows[] = {
		{ "6.12.1-amd64", "6.1.0-30-amd64", true },
		{ "6.7.0", "6.6.99", true },
		{ "10.0.0", "6.6.0", true },
		{ "6.1.0-30-amd64", "6.12.1", false },
		{ "6.7.0", "6.7.0", false },
		{ "6.18.44-fc", "6.10", false },
		{ "5.10.0", "5.4.0", false },
		{ "6.12.1", "something", false },
	};
	struct findings f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f = (struct findings){};
		preflight_kernels(rows[i].source, rows[i].target, &f);
		if (f.count != rows[i].told)
			fail_msg("%s to %s", rows[i].source, rows[i].target);
		if (f.count)
			assert_found(&f, FINDING_WARN, "kernel", "before 6.7", "newer kernel");
		findings_free(&f);
	}
	assert_true(preflight_source_is_old("6.6.12"));
	assert_true(preflight_source_is_old("5.10.0-30-amd64"));
	assert_false(preflight_source_is_old("6.7.0-rc1"));
	assert_false(preflight_source_is_old("6.18.44"));
	assert_false(preflight_source_is_old("7.0"));
}

static void a_cpu_that_lacks_something_is_found(void **state)
{
	char *more[] = { "avx2", "fpu", "hypervisor", "sse2" };
	char *less[] = { "fpu", "sse2" };
	char *arm_more[] = { "asimd", "fp", "sve" };
	char *arm_less[] = { "asimd", "fp" };
	struct findings f = {};

	(void)state;
	preflight_cpu(less, 2, more, 4, &f);
	preflight_cpu(more, 4, more, 4, &f);
	preflight_cpu(arm_less, 2, arm_more, 3, &f);
	preflight_cpu(NULL, 0, less, 2, &f);
	assert_nothing(&f);
	preflight_cpu(more, 4, less, 2, &f);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.list[0].detail, "the CPU of the target lacks avx2");
	assert_int_equal(f.list[0].result, FINDING_FAIL);
	preflight_cpu(arm_more, 3, arm_less, 2, &f);
	assert_int_equal(f.count, 2);
	assert_string_equal(f.list[1].detail, "the CPU of the target lacks sve");
	findings_free(&f);
}

static void the_flags_of_this_cpu_are_read(void **state)
{
	struct findings f = {};
	struct cpu_flags flags;

	(void)state;
	assert_int_equal(cpu_flags_read(&flags), 0);
	assert_true(flags.count > 5);
	for (size_t i = 1; i < flags.count; i++)
		assert_true(strcmp(flags.names[i - 1], flags.names[i]) < 0);
	preflight_cpu(flags.names, flags.count, flags.names, flags.count, &f);
	assert_nothing(&f);
	preflight_cpu(flags.names, flags.count, NULL, 0, &f);
	assert_int_equal(f.count, 1);
	findings_free(&f);
	cpu_flags_free(&flags);
	cpu_flags_free(&flags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_server_has_no_findings),
		cmocka_unit_test(a_process_in_anothers_session_is_found),
		cmocka_unit_test(a_traced_process_is_found),
		cmocka_unit_test(a_task_of_another_user_is_found_where_it_matters),
		cmocka_unit_test(pid_namespaces_are_found),
		cmocka_unit_test(io_uring_is_found),
		cmocka_unit_test(userfaultfd_is_found),
		cmocka_unit_test(a_terminal_of_others_is_found),
		cmocka_unit_test(shared_memory_of_system_v_is_found),
		cmocka_unit_test(named_shared_memory_is_told),
		cmocka_unit_test(a_large_deleted_file_is_told),
		cmocka_unit_test(a_device_is_found),
		cmocka_unit_test(kinds_of_sockets_that_stay_behind_are_found),
		cmocka_unit_test(what_tcp_sockets_have_is_found),
		cmocka_unit_test(listeners_that_mean_nothing_elsewhere_are_found),
		cmocka_unit_test(peers_on_loopback_are_found),
		cmocka_unit_test(a_tree_that_talks_to_itself_is_told),
		cmocka_unit_test(peers_on_this_host_and_link_local_are_found),
		cmocka_unit_test(peers_on_the_target_are_found),
		cmocka_unit_test(unix_peers_outside_are_found),
		cmocka_unit_test(unix_connections_that_wait_are_told),
		cmocka_unit_test(who_would_start_it_again_is_found),
		cmocka_unit_test(kernels_on_both_sides_of_6_7_are_told),
		cmocka_unit_test(a_cpu_that_lacks_something_is_found),
		cmocka_unit_test(the_flags_of_this_cpu_are_read),
	};

	if (!have_addresses())
		print_message("in the network namespace of the caller: not root\n");
	return cmocka_run_group_tests_name("preflight", tests, NULL, NULL);
}
