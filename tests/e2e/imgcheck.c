// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * imgcheck IMAGES TLS OLD AGENT STEP...: a host that asks an agent, step by step (reserve, hold,
 * check, abort), whether the images of a dump go together with the client's sockets. TLS is a
 * directory with ca.crt, host.crt and host.key. One line for each check; status 1: something lost,
 * 2: failed. Steps of several calls belong to one migration.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clocks.h"
#include "endpoint.h"
#include "move_agents.h"

#define HOLD_MS	   5000
#define TIMEOUT_MS 5000

static struct tls *open_tls(const char *dir)
{
	char ca[4096], cert[4096], key[4096], why[TLS_WHY_LEN];
	struct tls_paths paths = { .ca = ca, .cert = cert, .key = key };
	const char *failed;
	struct tls_fds fds;
	struct tls *tls;

	snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
	snprintf(cert, sizeof(cert), "%s/host.crt", dir);
	snprintf(key, sizeof(key), "%s/host.key", dir);
	if (tls_open(&fds, &paths, &failed))
		errx(2, "'%s': cannot open it", failed);
	tls = tls_new(TLS_HOST, &fds, why);
	tls_fds_close(&fds);
	if (!tls)
		errx(2, "%s", why);
	return tls;
}

static struct tcpmig_endpoint endpoint(const char *text)
{
	struct tcpmig_endpoint ep;
	const char *why = endpoint_parse(text, &ep);

	if (why)
		errx(2, "'%s': %s", text, why);
	return ep;
}

static void order(struct move_agents *a, enum message_type type)
{
	if (move_agents_order(a, type))
		errx(2, "%s: %s", message_type_name(type), a->list[0].why);
}

/* That of the migration under way, if it is ours, or the next one. */
static void set_epoch(struct move_agents *a)
{
	struct move_agent *agent = &a->list[0];
	const struct message_move *move = &agent->answer.move;

	order(a, MESSAGE_QUERY);
	agent->epoch = move->epoch + 1;
	if (move->state != MESSAGE_NONE && move->state != MESSAGE_ACTIVE &&
	    !memcmp(move->uuid, a->file->moves[0].uuid, sizeof(move->uuid)))
		agent->epoch = move->epoch;
}

/* Return: is nothing lost? */
static int check(struct move_agents *a)
{
	const struct move_agent *agent = &a->list[0];
	char first[ENDPOINT_STRLEN] = "";
	uint64_t began = clock_boot_ns();

	move_agents_order(a, MESSAGE_CHECK);
	if (agent->err && !agent->lost_count)
		errx(2, "check: %s", agent->why);
	if (agent->lost_count)
		endpoint_format(&agent->lost[0], first);
	printf("asked=%zu matching=%zu lost=%zu missing=%zu unchecked=%zu us=%llu first=%s "
	       "why=%s\n",
	       agent->check_count, agent->matching, agent->lost_count + agent->lost_unnamed,
	       agent->missing_count + agent->unnamed, agent->unchecked,
	       (unsigned long long)(clock_boot_ns() - began) / 1000, first, agent->why);
	return !agent->err;
}

static void add_images(struct move_agents *a, const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t began = clock_boot_ns();
	struct tcp_streams streams;
	const char *why;
	size_t unasked;
	int error = fd < 0 ? 0 : tcp_streams_read(fd, &streams, &why);

	if (fd < 0)
		return; /* not dumped yet */
	if (error)
		errx(2, "%s: %s", why, strerror(-error));
	fprintf(stderr, "read %zu streams in %llu us\n", streams.count,
		(unsigned long long)(clock_boot_ns() - began) / 1000);
	error = move_agents_add_streams(a, &streams, &unasked);
	for (size_t i = 0; !error && unasked && i < streams.count; i++)
		if (!endpoint_same_addr(&streams.at[i].remote, &a->list[0].at)) /* its gateway? */
			error = move_agents_add_check(&a->list[0], &streams.at[i].remote,
						      &streams.at[i].seq);
	if (error)
		errx(2, "no memory");
	tcp_streams_free(&streams);
}

int main(int argc, char **argv)
{
	struct move_file file = { .count = 1, .hold_ms = HOLD_MS };
	struct move_agents agents = { .file = &file, .timeout_ms = TIMEOUT_MS, .reason = "test" };
	struct tcpmig_endpoint at;
	bool good = true;

	if (argc < 6)
		errx(2, "expected IMAGES TLS OLD AGENT STEP...");
	agents.tls = open_tls(argv[2]);
	file.moves[0].old = file.moves[0].cur = endpoint(argv[3]);
	file.moves[0].next = file.moves[0].old;
	file.moves[0].next.port ^= 1;
	memcpy(file.moves[0].uuid, "imgcheck-imgcheck", 16);
	at = endpoint(argv[4]);
	if (!move_agents_add(&agents, 0, &at))
		errx(2, "no memory");
	set_epoch(&agents);
	add_images(&agents, argv[1]);
	for (int i = 5; i < argc; i++) {
		if (!strcmp(argv[i], "reserve"))
			order(&agents, MESSAGE_RESERVE);
		else if (!strcmp(argv[i], "hold"))
			order(&agents, MESSAGE_HOLD);
		else if (!strcmp(argv[i], "check"))
			good &= check(&agents);
		else if (!strcmp(argv[i], "abort"))
			order(&agents, MESSAGE_ABORT);
		else
			errx(2, "'%s': expected reserve, hold, check or abort", argv[i]);
	}
	move_agents_free(&agents);
	tls_free(agents.tls);
	return !good;
}
