// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What orders cost. Plays A and B, and the client's sockets, in the namespaces of a lab:
 *
 *	control CLIENT A B C AGENT TLS_A TLS_B ROUNDS
 *
 * CLIENT to AGENT are PIDs: of the hosts of the lab, and of the agent; TLS_* directories with
 * ca.crt, host.crt and host.key. Prints figures, one a line: name, value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_conf.h"
#include "clocks.h"
#include "control_link.h"
#include "endpoint.h"
#include "median.h"

#define ROUNDS_MAX  1000
#define ORDERS_S    2
#define HALF_OPEN   10000
#define BACKLOG	    16384
#define OLD_PORT    5000 /* + an index for each size */
#define NEXT_PORT   6000
#define TIMEOUT_MS  20000
#define CLIENT_ADDR "10.9.0.1"
#define A_ADDR	    "10.9.0.2"
#define B_ADDR	    "10.9.0.3"

static const size_t sizes[] = { 1, 1000, 10000 };
#define SIZES (sizeof(sizes) / sizeof(*sizes))

/* Connections to one OLD, and the migration that moves them there and never goes. */
struct service {
	struct message_flows flows;
	struct tcpmig_endpoint old;
	struct tcpmig_endpoint next;
	uint8_t uuid[MESSAGE_UUID_LEN];
	uint64_t epoch;
};

static struct service services[SIZES];
static const char *const *host_pids;
static struct tls *tls_a, *tls_b;
static struct tcpmig_endpoint agent, addr_a, addr_b;

enum host { HOST_CLIENT, HOST_A, HOST_B, HOST_C };

static void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static double now_ms(void)
{
	return clock_mono_ns() / 1e6;
}

/* A socket belongs to the namespace in which it was made. */
static void enter(enum host host)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", host_pids[host]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("%s: %s", path, strerror(errno));
	close(fd);
}

static struct sockaddr_in sockaddr_of(const char *addr, int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, addr, &sa.sin_addr);
	return sa;
}

static void write_somaxconn(void)
{
	int fd = open("/proc/sys/net/core/somaxconn", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", BACKLOG);

	if (fd < 0 || write(fd, text, len) != len)
		die("somaxconn: %s", strerror(errno));
	close(fd);
}

/* Connections that nobody accepts are established for the client all the same. */
static void listen_on(int port)
{
	struct sockaddr_in sa = sockaddr_of(A_ADDR, port);
	int fd;

	enter(HOST_A);
	write_somaxconn();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (void *)&sa, sizeof(sa)) || listen(fd, BACKLOG))
		die("listen on %d: %s", port, strerror(errno));
}

static struct tcpmig_endpoint connect_to(int port)
{
	struct sockaddr_in sa = sockaddr_of(A_ADDR, port), local;
	socklen_t len = sizeof(local);
	struct tcpmig_endpoint ep;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (void *)&sa, sizeof(sa)) || getsockname(fd, (void *)&local, &len))
		die("connect to port %d: %s", port, strerror(errno));
	endpoint_set4(&ep, local.sin_addr.s_addr, local.sin_port);
	return ep;
}

static void parse(const char *addr, int port, struct tcpmig_endpoint *ep)
{
	char text[ENDPOINT_STRLEN];

	snprintf(text, sizeof(text), "%s:%d", addr, port);
	if (endpoint_parse(text, ep))
		die("'%s': no endpoint", text);
}

static void service_open(struct service *s, size_t index)
{
	int port = OLD_PORT + index;

	s->flows.count = sizes[index];
	s->flows.at = calloc(s->flows.count, sizeof(*s->flows.at));
	parse(A_ADDR, port, &s->old);
	parse(B_ADDR, NEXT_PORT + index, &s->next);
	listen_on(port);
	enter(HOST_CLIENT);
	for (size_t i = 0; i < s->flows.count; i++)
		s->flows.at[i] = connect_to(port);
}

static struct control_link *link_from(enum host host)
{
	char why[CONTROL_WHY_LEN];
	struct control_link *link;

	enter(host);
	link = control_link_tls(host == HOST_A ? tls_a : tls_b, &agent,
				host == HOST_A ? &addr_a : &addr_b, TIMEOUT_MS, why);
	if (!link)
		die("%s", why);
	return link;
}

static void order(struct control_link *link, const struct service *s, enum message_type type,
		  const struct message_flows *flows)
{
	struct message_request req = { .type = type, .old = s->old, .epoch = s->epoch };
	struct message_answer answer = {};
	char why[CONTROL_WHY_LEN];

	memcpy(req.uuid, s->uuid, sizeof(req.uuid));
	if (type == MESSAGE_RESERVE || type == MESSAGE_CONSENT)
		req.next = s->next;
	if (type == MESSAGE_RESERVE || type == MESSAGE_HOLD || type == MESSAGE_ARM)
		req.max_ms = 20000;
	if (flows)
		req.flows = *flows;
	if (control_call(link, &req, &answer, why))
		die("%s: %s", message_type_name(type), why);
	if (answer.result != MESSAGE_OK || answer.missing_count)
		die("%s: %s, %u missing: %s", message_type_name(type),
		    message_result_name(answer.result), answer.missing_count, answer.text);
	message_answer_free(&answer);
}

static void reserve(struct control_link *a, struct service *s)
{
	if (getrandom(s->uuid, sizeof(s->uuid), 0) != sizeof(s->uuid))
		die("no random numbers");
	s->epoch++;
	for (size_t done = 0; done < s->flows.count; done += MESSAGE_FLOWS_MAX) {
		struct message_flows part = { .at = s->flows.at + done };

		part.count = s->flows.count - done;
		if (part.count > MESSAGE_FLOWS_MAX)
			part.count = MESSAGE_FLOWS_MAX;
		order(a, s, MESSAGE_RESERVE, &part);
	}
}

static void hold_arm_commit(struct control_link *a, const struct service *s)
{
	order(a, s, MESSAGE_HOLD, NULL);
	order(a, s, MESSAGE_ARM, NULL);
	order(a, s, MESSAGE_COMMIT, NULL);
}

/* All is reserved and consented to: what is left when the server is to be frozen. */
static void bench_warm(struct control_link *a, struct control_link *b, struct service *s,
		       int rounds)
{
	double ms[ROUNDS_MAX], start;

	for (int i = 0; i < rounds; i++) {
		reserve(a, s);
		order(b, s, MESSAGE_CONSENT, NULL);
		start = now_ms();
		hold_arm_commit(a, s);
		ms[i] = now_ms() - start;
		order(b, s, MESSAGE_ABORT, NULL);
	}
	printf("order_ms.warm.%zu %.3f\n", s->flows.count, median(ms, rounds));
}

/* From nothing: connection, handshake, everything. */
static void bench_cold(struct service *s, int rounds)
{
	struct control_link *a, *b;
	double ms[ROUNDS_MAX], start;

	for (int i = 0; i < rounds; i++) {
		start = now_ms();
		a = link_from(HOST_A);
		b = link_from(HOST_B);
		reserve(a, s);
		order(b, s, MESSAGE_CONSENT, NULL);
		hold_arm_commit(a, s);
		ms[i] = now_ms() - start;
		order(b, s, MESSAGE_ABORT, NULL);
		control_link_close(a);
		control_link_close(b);
	}
	printf("order_ms.cold.%zu %.3f\n", s->flows.count, median(ms, rounds));
}

/* One after the other, each changing the maps: a hold is made longer. */
static void bench_orders(struct control_link *a, struct control_link *b, struct service *s)
{
	double start, end;
	int count = 0;

	reserve(a, s);
	start = now_ms();
	for (end = start; end < start + ORDERS_S * 1e3; end = now_ms(), count++)
		order(a, s, MESSAGE_HOLD, NULL);
	printf("orders_per_s %.0f\n", count / (end - start) * 1e3);
	order(b, s, MESSAGE_CONSENT, NULL);
	order(a, s, MESSAGE_COMMIT, NULL);
	order(b, s, MESSAGE_ABORT, NULL);
}

static long rss_kib(const char *pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld kB", &kib);
	if (!f || kib < 0)
		die("%s: %s", path, strerror(errno));
	fclose(f);
	return kib;
}

/* From C, in the policy's prefixes: connected, and silent. */
static void half_open(void)
{
	struct sockaddr_in sa = sockaddr_of(CLIENT_ADDR, AGENT_PORT);
	int fd;

	enter(HOST_C);
	for (int i = 0; i < HALF_OPEN; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			die("flood: %s", strerror(errno));
		if (connect(fd, (void *)&sa, sizeof(sa)) && errno != EINPROGRESS)
			die("flood: %s", strerror(errno));
		if (i % 1000 == 0) /* they go on coming while the hold does */
			usleep(1000);
	}
}

static void bench_flood(struct service *s)
{
	struct control_link *a, *b;
	double start;
	pid_t flooder;

	fflush(stdout);
	flooder = fork();
	if (flooder < 0)
		die("fork: %s", strerror(errno));
	if (!flooder) {
		closefrom(3);
		half_open();
		pause();
	}
	usleep(200 * 1000);
	start = now_ms();
	a = link_from(HOST_A);
	reserve(a, s);
	order(a, s, MESSAGE_HOLD, NULL);
	printf("valid_hold_ms_under_flood %.3f\n", now_ms() - start);
	b = link_from(HOST_B);
	order(b, s, MESSAGE_ABORT, NULL);
	kill(flooder, SIGKILL);
	control_link_close(a);
	control_link_close(b);
}

static struct tls *tls_of(const char *dir)
{
	char ca[256], cert[256], key[256], why[TLS_WHY_LEN];
	const struct tls_paths paths = { .ca = ca, .cert = cert, .key = key };
	const char *failed;
	struct tls_fds fds;
	struct tls *tls;

	snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
	snprintf(cert, sizeof(cert), "%s/host.crt", dir);
	snprintf(key, sizeof(key), "%s/host.key", dir);
	if (tls_open(&fds, &paths, &failed))
		die("%s: %s", failed, strerror(errno));
	tls = tls_new(TLS_HOST, &fds, why);
	tls_fds_close(&fds);
	if (!tls)
		die("%s: %s", dir, why);
	return tls;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct control_link *a, *b;
	int rounds;

	if (argc != 9)
		return 2;
	host_pids = (const char *const *)argv + 1;
	tls_a = tls_of(argv[6]);
	tls_b = tls_of(argv[7]);
	rounds = atoi(argv[8]);
	if (rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	parse(CLIENT_ADDR, AGENT_PORT, &agent);
	parse(A_ADDR, 1, &addr_a);
	parse(B_ADDR, 1, &addr_b);
	printf("agent_rss_kib %ld\n", rss_kib(argv[5]));
	for (size_t i = 0; i < SIZES; i++)
		service_open(&services[i], i);
	a = link_from(HOST_A);
	b = link_from(HOST_B);
	for (size_t i = 0; i < SIZES; i++)
		bench_warm(a, b, &services[i], rounds);
	bench_orders(a, b, &services[0]);
	control_link_close(a);
	control_link_close(b);
	for (size_t i = 0; i < SIZES; i++)
		bench_cold(&services[i], rounds < 10 ? rounds : 10);
	printf("agent_rss_kib.after %ld\n", rss_kib(argv[5]));
	bench_flood(&services[0]);
	return 0;
}
