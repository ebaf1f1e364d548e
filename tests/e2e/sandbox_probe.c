// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tries, inside the sandbox of the agent, what an intruder would, and what the agent must be
 * able to do; as TAP. With --keeper the same as its keeper. With --free without either: then
 * every attempt must succeed, or it proves nothing that it is refused inside. As root.
 *
 *	sandbox_probe PIN_DIR USER [--keeper|--free]
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_sandbox.h"
#include "cleanup.h"
#include "endpoint.h"
#include "keeper_sandbox.h"
#include "netlink.h"
#include "netlink_neigh.h"
#include "netlink_socks.h"
#include "pindir.h"
#include "tables.h"

/* What was opened before the sandbox: as the agent has it, and what the attempts are about. */
static struct {
	struct pindir pins;
	struct tables tables;
	__u32 map_id;
	int listener;	 /* TCP, on loopback; each attempt has its own */
	int target;	 /* another, to connect to */
	int unix_target; /* at unix_addr */
	int tty;
	int file;
	struct sockaddr_in target_addr;
	struct sockaddr_un unix_addr;
	char path[64];
	pid_t probe;  /* who starts the attempts */
	pid_t victim; /* a process of root's */
	pid_t agent;  /* one of another user */
} world;

/* Each returns 0 or -errno. */
static int result(long value)
{
	return value < 0 ? -errno : 0;
}

static int load_program(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return result(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", insns,
				    ARRAY_SIZE(insns), NULL));
}

static int create_map(void)
{
	return result(bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 8, 1, NULL));
}

static int get_pin(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/tcpmig_policy", world.pins.fd);
	return result(bpf_obj_get(path));
}

static int get_map_by_id(void)
{
	return result(bpf_map_get_fd_by_id(world.map_id));
}

static int make_memory_file(void)
{
	return result(syscall(SYS_memfd_create, "probe", 0));
}

static int trace_parent(void)
{
	return result(ptrace(PTRACE_SEIZE, world.probe, 0, 0));
}

static int read_parent(void)
{
	char buf[8];
	struct iovec to = { buf, sizeof(buf) }, from = { &world, sizeof(buf) };

	return result(process_vm_readv(world.probe, &to, 1, &from, 1, 0));
}

static int open_shadow(void)
{
	return result(open("/etc/shadow", O_RDONLY));
}

static int open_world_readable(void)
{
	return result(open("/etc/passwd", O_RDONLY));
}

static int open_for_writing(void)
{
	return result(open(world.path, O_WRONLY));
}

static int make_file(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.new", world.path);
	return result(creat(path, 0600)) ?: result(unlink(path));
}

static int remove_name(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.link", world.path);
	return result(link(world.path, path)) ?: result(unlink(path));
}

static int connect_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -errno
		      : result(connect(fd, (void *)&world.target_addr, sizeof(world.target_addr)));
}

static int connect_unix(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? -errno
		      : result(connect(fd, (void *)&world.unix_addr, sizeof(world.unix_addr)));
}

/* connect() itself, on a socket that is open. */
static int connect_listener(void)
{
	if (shutdown(world.listener, SHUT_RDWR))
		return -errno;
	return result(
		connect(world.listener, (void *)&world.target_addr, sizeof(world.target_addr)));
}

static int send_fast_open(void)
{
	if (shutdown(world.listener, SHUT_RDWR))
		return -errno;
	return result(sendto(world.listener, "x", 1, MSG_FASTOPEN, (void *)&world.target_addr,
			     sizeof(world.target_addr)));
}

static int sendmsg_fast_open(void)
{
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_name = &world.target_addr,
			      .msg_namelen = sizeof(world.target_addr),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };

	if (shutdown(world.listener, SHUT_RDWR))
		return -errno;
	return result(sendmsg(world.listener, &msg, MSG_FASTOPEN));
}

static int bind_to_device(void)
{
	return result(setsockopt(world.listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
}

static int attach_filter(void)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog prog = { 1, &pass };

	return result(
		setsockopt(world.listener, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

static int raw_socket(void)
{
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
}

static int packet_socket(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, htons(3)));
}

static int netlink_socket(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int udp_socket(void)
{
	return result(socket(AF_INET, SOCK_DGRAM, 0));
}

static int execute(void)
{
	execl("/bin/true", "true", NULL);
	return -errno;
}

static int execute_by_fd(void)
{
	char *argv[] = { "true", NULL };
	int fd = open("/bin/true", O_PATH);

	return result(syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH));
}

static int become_root(void)
{
	return result(setuid(0));
}

static int mount_tmpfs(void)
{
	return result(mount("tmpfs", "/mnt", "tmpfs", 0, NULL));
}

static int unshare_uts(void)
{
	return result(unshare(CLONE_NEWUTS));
}

static int unshare_user(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int fork_child(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return result(pid);
}

static int kill_victim(void)
{
	return result(kill(world.victim, SIGURG));
}

static int kill_group(void)
{
	return result(kill(0, SIGURG));
}

static int type_into_terminal(void)
{
	return result(ioctl(world.tty, TIOCSTI, "x"));
}

static int ask_bytes_readable(void)
{
	int bytes;

	return result(ioctl(world.tty, FIONREAD, &bytes));
}

static int be_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

/* As root an image that is none comes as far as being looked at, if the kernel takes modules. */
static int load_module(void)
{
	int err = result(syscall(SYS_init_module, "no module", 9, ""));

	return err == -ENOEXEC || err == -ENOSYS ? 0 : err;
}

static int map_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static int make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -errno : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int raise_limit(void)
{
	const struct rlimit limit = { 1, 1 };

	return result(setrlimit(RLIMIT_CORE, &limit));
}

static int own_signals_of_file(void)
{
	return result(fcntl(world.listener, F_SETOWN, world.victim));
}

static int set_neighbour(void)
{
	struct neigh n = { .ifindex = if_nametoindex("eth0") };

	if (!n.ifindex) /* no ioctl here: the second one is eth0 in a lab */
		n.ifindex = 2;
	n.state = NUD_STALE;
	endpoint_parse("10.9.0.77:1", &n.addr);
	n.addr.port = 0;
	return neigh_set(&n) ?: neigh_delete(&n);
}

/* The one process that the keeper may signal. */
static int kill_agent(void)
{
	return result(kill(world.agent, SIGURG));
}

/* What detach believes, and the keeper looks at. */
static int change_interfaces(void)
{
	struct tcpmig_iface iface = { .name = "none", .mode = TCPMIG_ATTACH_TCX };
	const __u32 none = 0x7fffffff;
	int err = tables_set_iface(&world.tables, none, &iface);

	return err ?: tables_del_iface(&world.tables, none);
}

/* Allowed. */

static int change_flows(void)
{
	struct tcpmig_flow flow = { .ref = 0x7fffffff }, found;
	struct tcpmig_flow_key key = {};
	int err;

	endpoint_parse("10.9.0.98:1", &key.remote);
	endpoint_parse("10.9.0.99:1", &key.local);
	err = tables_set_flow(&world.tables, &key, &flow);
	if (!err)
		err = tables_get_flow(&world.tables, &key, &found);
	return err ?: tables_del_flow(&world.tables, &key);
}

/* Of the client to world.target. */
static int read_sequences(void)
{
	struct tcpmig_flow flow = { .ref = 0x7fffffff };
	struct tcpmig_check check = {};
	struct rules_flows clients;
	int err;

	endpoint_set4(&check.key.remote, world.target_addr.sin_addr.s_addr,
		      world.target_addr.sin_port);
	err = netlink_sockets_to(&check.key.remote, &clients);
	if (!err && !clients.count)
		err = -ENODATA;
	if (!err)
		check.key.local = clients.local[0];
	free(clients.local);
	if (!err)
		err = tables_set_flow(&world.tables, &check.key, &flow);
	if (!err)
		err = tables_check(&world.tables, 0, &check, 1);
	tables_del_flow(&world.tables, &check.key);
	return err ?: check.socket == TCPMIG_CHECK_READ ? 0 : -ENODATA;
}

static int count_flow(const struct tcpmig_flow_key *key, const struct tcpmig_flow *flow, void *ctx)
{
	(void)key, (void)flow, (void)ctx;
	return 0;
}

static int read_all_flows(void)
{
	return tables_each_flow(&world.tables, count_flow, NULL);
}

/* For each CPU: how many there are stands in a file. */
static int use_counters(void)
{
	__u64 counters[TCPMIG_REASONS_COUNT];
	int err = tables_get_counters(&world.tables, counters);

	return err ?: tables_zero_stats(&world.tables, TCPMIG_RULES_MAX - 1);
}

static int send_event(void)
{
	struct tcpmig_event event = { .type = TCPMIG_E_RULE };

	return tables_announce(&world.tables, &event);
}

static int look_up_sockets(void)
{
	struct tcpmig_endpoint none;
	struct connections c;
	struct rules_flows flows;
	int err;

	endpoint_parse("127.0.0.1:1", &none);
	err = netlink_sockets_to(&none, &flows);
	free(flows.local);
	if (!err)
		err = netlink_connections(&c);
	/* That of a client to world.target: both its ends. */
	if (!err && c.count < 2)
		err = -ENODATA;
	if (!err)
		connections_free(&c);
	return err;
}

static int look_up_route(void)
{
	struct tcpmig_endpoint ep;
	int ifindex;

	endpoint_parse("127.0.0.1:1", &ep);
	ifindex = netlink_route(&ep, NULL);
	return ifindex < 0 ? ifindex : ifindex == 1 ? 0 : -ENODEV;
}

static int give_up(const struct nlmsghdr *nlh, void *ctx)
{
	(void)nlh, (void)ctx;
	errno = ECANCELED;
	return MNL_CB_ERROR;
}

/* A dump that is given up half-way leaves nothing that the next talk would take for its own. */
static int talk_after_failure(void)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *gen;
	int err;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->rtgen_family = AF_UNSPEC;
	err = netlink_talk(NETLINK_ROUTE, nlh, give_up, NULL);
	return err == -ECANCELED ? look_up_route() : err ?: -EINVAL;
}

static int accept_connection(void)
{
	return result(accept4(world.target, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

static int keep_state(void)
{
	struct stat st;

	if (pwrite(world.file, "state", 5, 0) != 5 || fdatasync(world.file) ||
	    fstat(world.file, &st) || flock(world.pins.fd, LOCK_EX | LOCK_NB) ||
	    flock(world.pins.fd, LOCK_UN))
		return -errno;
	return st.st_size == 5 ? 0 : -EIO;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	*(int *)ctx = 0;
}

static int run_event_loop(void)
{
	const struct timeval soon = { .tv_usec = 1000 };
	struct event_base *base = event_base_new();
	struct event *timer, *sig;
	int err = -ETIME;

	if (!base)
		return -ENOMEM;
	timer = evtimer_new(base, on_timer, &err);
	sig = evsignal_new(base, SIGUSR1, on_timer, &err);
	if (!timer || !sig || event_add(timer, &soon) || event_add(sig, NULL))
		return -EIO;
	event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	event_free(sig);
	event_base_free(base);
	return err;
}

static int use_memory(void)
{
	char *p = malloc(64 << 20);

	if (!p)
		return -ENOMEM;
	memset(p, 1, 64 << 20);
	p = realloc(p, 128 << 20);
	if (!p)
		return -ENOMEM;
	free(p);
	p = malloc(1000);
	free(p);
	return p ? 0 : -ENOMEM;
}

static int signal_oneself(void)
{
	signal(SIGURG, SIG_DFL);
	return result(raise(SIGURG));
}

/* What must come of it. */
enum {
	AGENT_REFUSED = 1,
	AGENT_DONE = 2,
	KEEPER_REFUSED = 4,
	KEEPER_DONE = 8,
};

/* clang-format off */
#define IN_NONE(fn)   { #fn, fn, AGENT_REFUSED | KEEPER_REFUSED }
#define IN_KEEPER(fn) { #fn, fn, AGENT_REFUSED | KEEPER_DONE }
#define IN_AGENT(fn)  { #fn, fn, AGENT_DONE | KEEPER_REFUSED }
#define IN_BOTH(fn)   { #fn, fn, AGENT_DONE | KEEPER_DONE }
static const struct attempt {
	const char *name;
	int (*fn)(void);
	unsigned int expected;
} attempts[] = {
	IN_NONE(load_program), IN_NONE(create_map), IN_KEEPER(get_pin), IN_NONE(get_map_by_id),
	IN_NONE(make_memory_file), IN_NONE(trace_parent), IN_NONE(read_parent),
	{ "open_shadow", open_shadow, AGENT_REFUSED }, /* as root's file, the keeper may */
	IN_KEEPER(open_world_readable), IN_NONE(open_for_writing), IN_NONE(make_file),
	IN_NONE(remove_name), IN_NONE(connect_tcp), IN_NONE(connect_unix),
	IN_NONE(connect_listener), IN_NONE(send_fast_open), IN_NONE(sendmsg_fast_open),
	IN_NONE(bind_to_device), IN_NONE(attach_filter), IN_NONE(raw_socket),
	IN_KEEPER(packet_socket), IN_KEEPER(netlink_socket), IN_NONE(udp_socket),
	IN_NONE(execute), IN_NONE(execute_by_fd), IN_NONE(become_root), IN_NONE(mount_tmpfs),
	IN_NONE(unshare_uts), IN_NONE(unshare_user), IN_NONE(fork_child), IN_NONE(kill_victim),
	IN_NONE(kill_group), IN_NONE(type_into_terminal), IN_NONE(ask_bytes_readable),
	IN_NONE(be_dumpable), IN_NONE(load_module), IN_NONE(map_executable),
	IN_NONE(make_executable), IN_NONE(raise_limit), IN_NONE(own_signals_of_file),
	IN_KEEPER(set_neighbour), IN_KEEPER(kill_agent), IN_KEEPER(change_interfaces),
	IN_BOTH(change_flows), IN_BOTH(read_sequences), IN_BOTH(read_all_flows),
	IN_BOTH(use_counters), IN_BOTH(send_event),
	IN_BOTH(look_up_sockets), IN_BOTH(look_up_route), IN_BOTH(talk_after_failure),
	IN_AGENT(accept_connection), IN_BOTH(keep_state), IN_BOTH(run_event_loop),
	IN_BOTH(use_memory), IN_BOTH(signal_oneself),
};
/* clang-format on */

static int listen_tcp(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET };
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (void *)addr, len) || listen(fd, 64) ||
	    getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static bool make_sockets(void)
{
	world.target = listen_tcp(&world.target_addr);
	world.unix_target = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	world.unix_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(world.unix_addr.sun_path, sizeof(world.unix_addr.sun_path), "%s.sock", world.path);
	return world.target >= 0 && world.unix_target >= 0 &&
	       !bind(world.unix_target, (void *)&world.unix_addr, sizeof(world.unix_addr)) &&
	       !listen(world.unix_target, 64) && !connect_tcp();
}

static pid_t make_process(uid_t uid)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (setresuid(uid, uid, uid))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static bool make_world(const char *pin_dir)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int pty = posix_openpt(O_RDWR | O_NOCTTY);

	strcpy(world.path, "/tmp/sandbox_probe.XXXXXX");
	world.file = mkstemp(world.path);
	if (pindir_open(&world.pins, pin_dir, false) || tables_open(&world.tables, world.pins.fd) ||
	    bpf_obj_get_info_by_fd(tables_events_fd(&world.tables), &info, &len))
		return false;
	pindir_unlock(&world.pins);
	world.map_id = info.id;
	world.probe = getpid();
	world.victim = make_process(0);
	world.agent = make_process(65534);
	if (pty < 0 || grantpt(pty) || unlockpt(pty))
		return false;
	world.tty = open(ptsname(pty), O_RDWR | O_NOCTTY);
	return world.file >= 0 && world.victim > 0 && world.agent > 0 && world.tty >= 0 &&
	       !chmod(world.path, 0666) && make_sockets();
}

enum mode { AGENT, KEEPER, FREE };

static int confine(enum mode mode, const char *user, const char **why)
{
	if (mode == AGENT)
		return sandbox_enter(user, why);
	return mode == KEEPER ? keeper_confine(world.agent, why) : 0;
}

/* Mounts, and whatever else the attempt changes if it succeeds, are its own. */
static int run_child(const struct attempt *attempt, enum mode mode, const char *user)
{
	const char *why = "netlink";
	struct sockaddr_in own;
	int err;

	setpgid(0, 0);
	world.listener = listen_tcp(&own);
	if (world.listener < 0 || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 98;
	err = netlink_keep_open();
	if (!err && mode == AGENT)
		err = tables_narrow(&world.tables, world.pins.fd);
	if (!err)
		err = confine(mode, user, &why);
	if (err) {
		printf("# sandbox: %s: %s\n", why, strerror(-err));
		fflush(stdout);
		return 98;
	}
	err = attempt->fn();
	return err ? -err : 0;
}

/* Return: 0: it succeeded; errno; 99: killed by the filter; 98: it could not be tried. */
static int try(const struct attempt *attempt, enum mode mode, const char *user)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(run_child(attempt, mode, user));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 98;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return WTERMSIG(status) == SIGSYS ? 99 : 98;
}

static bool is_as_expected(const struct attempt *a, enum mode mode, int got)
{
	bool refused = got == EPERM || got == 99;

	if (mode == FREE || a->expected & (mode == AGENT ? AGENT_DONE : KEEPER_DONE))
		return !got;
	if (a->expected & (mode == AGENT ? AGENT_REFUSED : KEEPER_REFUSED))
		return refused;
	return got != 98;
}

static int run_all(enum mode mode, const char *user)
{
	int failed = 0;

	printf("1..%zu\n", ARRAY_SIZE(attempts));
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *a = &attempts[i];
		int got = try(a, mode, user);
		bool ok = is_as_expected(a, mode, got);

		printf("%s %zu %s: %s\n", ok ? "ok" : "not ok", i + 1, a->name,
		       got == 99   ? "killed"
		       : got == 98 ? "not tried"
		       : got	   ? strerror(got)
				   : "done");
		failed += !ok;
	}
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 3 || argc > 4)
		return 2;
	if (!make_world(argv[1])) {
		printf("Bail out! %s\n", strerror(errno));
		return 1;
	}
	status = run_all(argc == 3 ? AGENT : strcmp(argv[3], "--keeper") ? FREE : KEEPER, argv[2]);
	kill(world.victim, SIGKILL);
	kill(world.agent, SIGKILL);
	unlink(world.path);
	unlink(world.unix_addr.sun_path);
	return status;
}
