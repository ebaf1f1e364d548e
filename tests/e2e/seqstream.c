// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A stream that proves itself: both ends send numbered records whose second half
 * is a hash over all numbers before, and check what they receive. In the end both
 * tell each other what they have sent and seen, so a byte that is lost, doubled,
 * moved or changed in either direction is found.
 *
 *	seqstream serve [-m MIB] ENDPOINT...	with so much memory in use, checked at the end
 *	seqstream connect ENDPOINT SECONDS MODE...	a connection for each MODE, or N of
 *							them for N*MODE
 *	seqstream pause ENDPOINT	prints how many milliseconds the server has not run
 *					at a stretch, at most, since it was last asked
 *
 * connect ends after SECONDS or at SIGTERM, prints one JSON line a connection and
 * exits 0 only if all of them were right. At SIGUSR1 it prints the longest time since
 * the last that nothing came over a connection where something should come every
 * millisecond, as soon as something has come over all of these. The server is a single
 * process with no file open but its sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"

#define PEERS_MAX	 4096
#define RECORDS_MAX	 4096
#define FINISH_WITHIN_MS 20000
#define HELLO_MAGIC	 0x7365717374726d31ULL
#define PAUSE_MAGIC	 0x7365717061757365ULL
#define FINAL_MARK	 UINT64_MAX
#define TIMED_US	 1000 /* gaps of connections that are no faster say nothing */

/* All in host byte order: both ends are this program. */
struct record {
	uint64_t number;
	uint64_t chain; /* over all numbers up to this one */
};

/* What one side sends: @burst records every @interval_us, or nothing (interval 0). */
struct pace {
	uint32_t interval_us;
	uint32_t burst;
};

struct hello {
	uint64_t magic;
	struct pace server;
};

/* The last thing a server says: the client compares. */
struct final {
	uint64_t mark;
	uint64_t sent, sent_chain;
	uint64_t received, received_chain;
};

struct flow {
	uint64_t count;
	uint64_t chain;
};

enum result { OK, RUNNING, RESET, CORRUPT, HUNG };
static const char *const result_names[] = { "ok", "running", "reset", "corrupt", "hung" };

struct peer {
	int fd;
	bool is_server;
	bool finishing; /* nothing new is sent */
	bool said_final;
	bool got_hello;
	enum result result;
	const char *mode;
	struct pace pace;
	struct flow sent, received;
	uint64_t lost; /* records that are missing, doubled or wrong, as far as is known */
	uint64_t due_us;
	unsigned char out[RECORDS_MAX * sizeof(struct record)];
	size_t out_len, out_done;
	unsigned char in[65536];
	size_t in_len;
	/* progress: when something last arrived (or, for a sender only, left) */
	bool gap_by_send, timed, since_lap;
	uint64_t last_us, gap_us, gap_from_us;
};

static struct peer *peers[PEERS_MAX];
static size_t n_peers;
static volatile sig_atomic_t stop, lap_wanted;
static uint64_t pause_us; /* of the server */
static uint64_t *ballast;
static size_t ballast_words;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t chained(uint64_t chain, uint64_t number)
{
	uint64_t x = chain ^ (number + 0x9e3779b97f4a7c15ULL);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void die(const char *what, const char *text)
{
	fprintf(stderr, "seqstream: %s '%s': %s\n", what, text, strerror(errno));
	exit(2);
}

static struct peer *peer_add(int fd, bool is_server)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p || n_peers == PEERS_MAX)
		die("cannot add", "connection");
	p->fd = fd;
	p->is_server = is_server;
	p->result = RUNNING;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	p->last_us = p->due_us = now_us();
	return peers[n_peers++] = p;
}

static void peer_end(struct peer *p, enum result result)
{
	if (p->result == RUNNING)
		p->result = result;
	close(p->fd);
	p->fd = -1;
}

static void progress(struct peer *p)
{
	uint64_t now = now_us();

	if (now - p->last_us > p->gap_us) {
		p->gap_us = now - p->last_us;
		p->gap_from_us = p->last_us;
	}
	p->last_us = now;
	p->since_lap = true;
}

static uint64_t ballast_word(size_t i)
{
	return chained(i, i);
}

static void ballast_fill(size_t mib)
{
	ballast_words = mib * 1024 * 1024 / sizeof(*ballast);
	ballast = malloc(ballast_words * sizeof(*ballast));
	if (!ballast)
		die("cannot allocate", "memory");
	for (size_t i = 0; i < ballast_words; i++)
		ballast[i] = ballast_word(i);
}

static bool ballast_right(void)
{
	for (size_t i = 0; i < ballast_words; i++) {
		if (ballast[i] != ballast_word(i))
			return false;
	}
	return true;
}

static void put(struct peer *p, const void *data, size_t len)
{
	memcpy(p->out + p->out_len, data, len);
	p->out_len += len;
}

/* Fills the empty buffer if it is time to. */
static void produce(struct peer *p)
{
	uint64_t now = now_us();

	if (p->finishing || p->out_len || !p->pace.interval_us || now < p->due_us)
		return;
	p->due_us = now + p->pace.interval_us;
	for (uint32_t i = 0; i < p->pace.burst; i++) {
		struct record r = { .number = p->sent.count };

		r.chain = p->sent.chain = chained(p->sent.chain, r.number);
		p->sent.count++;
		put(p, &r, sizeof(r));
	}
}

static void flush_out(struct peer *p)
{
	while (p->fd >= 0 && p->out_done < p->out_len) {
		ssize_t n = send(p->fd, p->out + p->out_done, p->out_len - p->out_done,
				 MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			peer_end(p, RESET);
			return;
		}
		p->out_done += n;
		if (p->gap_by_send)
			progress(p);
	}
	p->out_len = p->out_done = 0;
}

static bool consume_record(struct peer *p, const struct record *r)
{
	p->received.chain = chained(p->received.chain, p->received.count);
	if (r->number != p->received.count || r->chain != p->received.chain) {
		p->lost = 1; /* at least */
		return false;
	}
	p->received.count++;
	return true;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void consume_final(struct peer *p, const struct final *f)
{
	bool same = f->sent == p->received.count && f->sent_chain == p->received.chain &&
		    f->received == p->sent.count && f->received_chain == p->sent.chain;

	if (!same)
		p->lost = difference(f->sent, p->received.count) +
			  difference(f->received, p->sent.count);
	if (!same && !p->lost)
		p->lost = 1;
	peer_end(p, same ? OK : CORRUPT);
}

/* Somebody asks for the server's longest pause, which begins anew. */
static void say_pause(struct peer *p)
{
	send(p->fd, &pause_us, sizeof(pause_us), MSG_NOSIGNAL);
	pause_us = 0;
	peer_end(p, OK);
}

static size_t consume_one(struct peer *p, const unsigned char *at, size_t len)
{
	struct record r;
	struct hello h;
	struct final f;

	if (p->is_server && !p->got_hello) {
		if (len < sizeof(h))
			return 0;
		memcpy(&h, at, sizeof(h));
		if (h.magic == PAUSE_MAGIC) {
			say_pause(p);
			return sizeof(h);
		}
		if (h.magic != HELLO_MAGIC || h.server.burst > RECORDS_MAX)
			peer_end(p, CORRUPT);
		p->got_hello = true;
		p->pace = h.server;
		return sizeof(h);
	}
	if (len < sizeof(r))
		return 0;
	memcpy(&r, at, sizeof(r));
	if (!p->is_server && r.number == FINAL_MARK) {
		if (len < sizeof(f))
			return 0;
		memcpy(&f, at, sizeof(f));
		consume_final(p, &f);
		return sizeof(f);
	}
	if (!consume_record(p, &r))
		peer_end(p, CORRUPT);
	return sizeof(r);
}

static void consume(struct peer *p)
{
	size_t done = 0, one;

	while (p->fd >= 0 && (one = consume_one(p, p->in + done, p->in_len - done)))
		done += one;
	memmove(p->in, p->in + done, p->in_len - done);
	p->in_len -= done;
}

/* The client has said all: say what was sent and seen, then end. */
static void say_final(struct peer *p)
{
	struct final f = { FINAL_MARK, p->sent.count, p->sent.chain, p->received.count,
			   p->received.chain };

	p->finishing = true;
	if (p->out_len || p->said_final)
		return;
	if (!ballast_right())
		f.sent_chain = ~f.sent_chain; /* what the client takes for corrupt */
	put(p, &f, sizeof(f));
	p->said_final = true;
}

static void on_eof(struct peer *p)
{
	if (p->is_server)
		say_final(p);
	else
		peer_end(p, CORRUPT); /* without a final word */
}

static void receive(struct peer *p)
{
	ssize_t n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - p->in_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		peer_end(p, RESET);
	} else if (n == 0) {
		on_eof(p);
	} else {
		p->in_len += n;
		if (!p->gap_by_send)
			progress(p);
		consume(p);
	}
}

static void peer_step(struct peer *p, short revents)
{
	if (revents & (POLLIN | POLLHUP | POLLERR))
		receive(p);
	if (p->fd < 0)
		return;
	if (p->finishing && p->is_server)
		say_final(p);
	produce(p);
	flush_out(p);
	if (p->is_server && p->fd >= 0 && p->said_final && !p->out_len)
		peer_end(p, OK);
}

static void forget_ended(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < n_peers; i++) {
		if (peers[i]->fd < 0)
			free(peers[i]);
		else
			peers[kept++] = peers[i];
	}
	n_peers = kept;
}

/* One round of everything. @listeners may be none. */
static void step(const int *listeners, size_t n_listeners)
{
	static struct pollfd fds[PEERS_MAX + 16];
	size_t n = 0, serving = n_peers;

	for (size_t i = 0; i < n_listeners; i++)
		fds[n++] = (struct pollfd){ .fd = listeners[i], .events = POLLIN };
	for (size_t i = 0; i < n_peers; i++)
		fds[n++] = (struct pollfd){ .fd = peers[i]->fd,
					    .events = POLLIN | (peers[i]->out_len ? POLLOUT : 0) };
	poll(fds, n, 1);
	for (size_t i = 0; i < serving; i++) {
		if (peers[i]->fd >= 0)
			peer_step(peers[i], fds[n_listeners + i].revents);
	}
	for (size_t i = 0; i < n_listeners; i++) {
		int fd;

		while (fds[i].revents && (fd = accept(listeners[i], NULL, NULL)) >= 0)
			peer_add(fd, true);
	}
}

static int open_socket(const char *text, bool listening)
{
	struct tcpmig_endpoint ep;
	const char *wrong = endpoint_parse(text, &ep);
	struct sockaddr_storage addr = {};
	struct sockaddr_in *in = (void *)&addr;
	struct sockaddr_in6 *in6 = (void *)&addr;
	int fd;

	if (wrong)
		die(wrong, text);
	addr.ss_family = ep.family;
	if (ep.family == AF_INET) {
		in->sin_port = ep.port;
		in->sin_addr.s_addr = ep.addr32[3];
	} else {
		in6->sin6_port = ep.port;
		memcpy(&in6->sin6_addr, ep.addr, sizeof(ep.addr));
	}
	fd = socket(ep.family, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket", text);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (listening && (bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 1024) ||
			  fcntl(fd, F_SETFL, O_NONBLOCK)))
		die("listen on", text);
	if (!listening && connect(fd, (void *)&addr, sizeof(addr)))
		die("connect to", text);
	return fd;
}

static void serve(int argc, char **argv)
{
	int listeners[16];
	int n = 0;
	uint64_t last, now;

	if (argc > 2 && !strcmp(argv[0], "-m")) {
		ballast_fill(strtoul(argv[1], NULL, 10));
		argc -= 2, argv += 2;
	}
	for (; n < argc && n < 16; n++)
		listeners[n] = open_socket(argv[n], true);
	for (last = now_us();; last = now) {
		step(listeners, n);
		forget_ended();
		now = now_us();
		if (now - last > pause_us)
			pause_us = now - last;
	}
}

static int ask_pause(const char *endpoint)
{
	struct hello hello = { .magic = PAUSE_MAGIC };
	int fd = open_socket(endpoint, false);
	uint64_t us;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 10 },
		   sizeof(struct timeval));
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello) ||
	    recv(fd, &us, sizeof(us), MSG_WAITALL) != sizeof(us))
		die("no answer of", endpoint);
	printf("%.1f\n", us / 1000.0);
	return 0;
}

struct mode {
	const char *name;
	struct pace client, server;
};

static const struct mode modes[] = {
	{ "chat", { 1000, 1 }, { 1000, 1 } },	  /* every millisecond, both ways */
	{ "up", { 1000, 1024 }, { 50000, 1 } },	  /* 16 KiB a millisecond to the server */
	{ "down", { 50000, 1 }, { 1000, 1024 } }, /* and from it */
	{ "push", { 0, 0 }, { 20000, 1 } },	  /* only the server speaks */
	{ "calm", { 100000, 1 }, { 100000, 1 } }, /* for many at once */
	{ "flood", { 1, RECORDS_MAX }, { 1, RECORDS_MAX } },
	{ "idle", { 0, 0 }, { 0, 0 } }, /* nobody says anything before the end */
};

static void connect_one(const char *endpoint, const char *name)
{
	struct hello hello = { .magic = HELLO_MAGIC };
	struct peer *p;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name))
			continue;
		p = peer_add(open_socket(endpoint, false), false);
		p->mode = modes[i].name;
		p->pace = modes[i].client;
		p->gap_by_send = !strcmp(name, "up");
		p->timed = !p->gap_by_send && modes[i].server.interval_us == TIMED_US;
		hello.server = modes[i].server;
		put(p, &hello, sizeof(hello));
		return;
	}
	errno = EINVAL;
	die("mode", name);
}

/* @name: a mode, or N*MODE. */
static void connect_some(const char *endpoint, const char *name)
{
	const char *star = strchr(name, '*');
	unsigned long count = star ? strtoul(name, NULL, 10) : 1;

	while (count--)
		connect_one(endpoint, star ? star + 1 : name);
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		lap_wanted = 1;
	else
		stop = 1;
}

/* Once all timed connections have gone on. */
static void say_lap(void)
{
	static unsigned int laps;
	uint64_t longest = 0;

	if (lap_wanted == 1) { /* from now on */
		for (size_t i = 0; i < n_peers; i++)
			peers[i]->since_lap = false;
		lap_wanted = 2;
	}
	for (size_t i = 0; i < n_peers; i++) {
		if (peers[i]->timed && !peers[i]->since_lap && peers[i]->result == RUNNING)
			return;
		if (peers[i]->timed && peers[i]->gap_us > longest)
			longest = peers[i]->gap_us;
	}
	for (size_t i = 0; i < n_peers; i++)
		peers[i]->gap_us = 0;
	printf("{\"lap\":%u,\"gap_ms\":%.1f}\n", ++laps, longest / 1000.0);
	fflush(stdout);
	lap_wanted = 0;
}

/* What was begun is sent, then the server is told that this was all. */
static void finish(uint64_t until_us)
{
	size_t running = 1;

	for (size_t i = 0; i < n_peers; i++) {
		peers[i]->finishing = true;
		progress(peers[i]); /* a gap that has not ended counts as well */
		peers[i]->gap_by_send = false;
	}
	while (running && now_us() < until_us) {
		running = 0;
		for (size_t i = 0; i < n_peers; i++) {
			struct peer *p = peers[i];

			running += p->fd >= 0;
			if (p->fd >= 0 && !p->out_len && !p->said_final) {
				shutdown(p->fd, SHUT_WR);
				p->said_final = true;
			}
		}
		step(NULL, 0);
	}
}

static void report(const struct peer *p)
{
	printf("{\"mode\":\"%s\",\"result\":\"%s\",\"sent\":%" PRIu64 ",\"received\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"gap_ms\":%.1f,\"gap_from\":%.6f,\"gap_to\":%.6f}\n",
	       p->mode, result_names[p->result], p->sent.count, p->received.count,
	       (p->sent.count + p->received.count) * sizeof(struct record),
	       p->lost * sizeof(struct record), p->gap_us / 1000.0, p->gap_from_us / 1e6,
	       (p->gap_from_us + p->gap_us) / 1e6);
}

static int connect_all(int argc, char **argv)
{
	uint64_t until;
	int status = 0;

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGUSR1, on_signal);
	for (int i = 2; i < argc; i++)
		connect_some(argv[0], argv[i]);
	until = now_us() + strtoul(argv[1], NULL, 10) * 1000000;
	while (!stop && now_us() < until) {
		step(NULL, 0);
		if (lap_wanted)
			say_lap();
	}
	finish(now_us() + FINISH_WITHIN_MS * 1000ULL);
	for (size_t i = 0; i < n_peers; i++) {
		if (peers[i]->result == RUNNING)
			peers[i]->result = HUNG;
		if (peers[i]->result != OK)
			status = 1;
		report(peers[i]);
	}
	return status;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "serve"))
		serve(argc - 2, argv + 2); /* does not return */
	if (argc > 4 && !strcmp(argv[1], "connect"))
		return connect_all(argc - 2, argv + 2);
	if (argc == 3 && !strcmp(argv[1], "pause"))
		return ask_pause(argv[2]);
	fputs("Usage: seqstream serve [-m MIB] ENDPOINT... | connect ENDPOINT SECONDS MODE... | "
	      "pause ENDPOINT\n",
	      stderr);
	return 2;
}
