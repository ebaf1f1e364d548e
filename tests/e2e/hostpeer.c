// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * hostpeer receive TLS-DIR ADDR:PORT IMAGE-DIR
 * hostpeer send TLS-DIR ADDR:PORT IMAGE-DIR [COMMAND...]
 *
 * One side of the protocol between hosts, images only; with a COMMAND while that writes them. Says
 * in a line of JSON how it went: as receiver once it listens, and in the end. "ms" is from the end
 * of COMMAND on, or all.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "endpoint.h"
#include "host_link.h"
#include "image_receive.h"
#include "image_send.h"

#define LIMIT_MS    20000
#define LIMIT_BYTES (1ULL << 30)

static char why[HOST_WHY_LEN];
static uint64_t start_ns;

static uint64_t end_ms(void)
{
	return clock_mono_ms() + LIMIT_MS;
}

static struct tls *load_tls(enum tls_role role, const char *dir)
{
	char ca[4096], crl[4096], cert[4096], key[4096], wrong[TLS_WHY_LEN];
	const struct tls_paths paths = { ca, crl, cert, key };
	const char *failed;
	struct tls_fds fds;
	struct tls *tls;

	snprintf(ca, sizeof(ca), "%s/ca.crt", dir);
	snprintf(crl, sizeof(crl), "%s/ca.crl", dir);
	snprintf(cert, sizeof(cert), "%s/host.crt", dir);
	snprintf(key, sizeof(key), "%s/host.key", dir);
	if (tls_open(&fds, &paths, &failed))
		err(1, "%s", failed);
	tls = tls_new(role, &fds, wrong);
	if (!tls)
		errx(1, "%s", wrong);
	tls_fds_close(&fds);
	return tls;
}

static void report(size_t files, uint64_t bytes)
{
	double ms = (clock_mono_ns() - start_ns) / 1e6;
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("{\"result\":\"ok\",\"files\":%zu,\"bytes\":%llu,\"ms\":%.1f,\"mb_s\":%.0f,"
	       "\"cpu_ms\":%.1f}\n",
	       files, (unsigned long long)bytes, ms, bytes / ms / 1e3,
	       cpu.tv_sec * 1e3 + cpu.tv_nsec / 1e6);
}

static int accept_at(const struct tcpmig_endpoint *ep)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(ep, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 1))
		err(1, "listen");
	puts("{\"listens\":true}");
	fflush(stdout);
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

/* Return: 1: goes on; 0: all is there; -errno. */
static int take(struct image_receive *receive, const TcpmigHost__Request *req)
{
	int err;

	switch (req->body_case) {
	case TCPMIG_HOST__REQUEST__BODY_IMAGE:
		err = image_receive_piece(receive, req->image, why);
		return err ?: 1;
	case TCPMIG_HOST__REQUEST__BODY_DIGESTS:
		err = image_receive_digests(receive, req->digests->images, req->digests->n_images,
					    why);
		return err ?: 1;
	case TCPMIG_HOST__REQUEST__BODY_RESTORE:
		err = image_receive_digests(receive, req->restore->images, req->restore->n_images,
					    why);
		return err ?: image_receive_done(receive, why);
	default:
		return -EPROTO;
	}
}

static void receive(struct host_link *link, int dir)
{
	struct image_receive *images = image_receive_new(dir, LIMIT_BYTES, "inventory.img",
							 "inventory.img.tcpmig");
	TcpmigHost__Answer answer = TCPMIG_HOST__ANSWER__INIT;
	const TcpmigHost__Request *req;
	int more = 1;

	while (more > 0) {
		if (host_receive_request(link, &req, end_ms(), why))
			errx(1, "%s", why);
		if (!start_ns)
			start_ns = clock_mono_ns();
		answer.id = req->id;
		more = take(images, req);
	}
	if (more) {
		answer.result = TCPMIG_HOST__RESULT__FAILED;
		answer.text = why;
	}
	if (host_send_answer(link, &answer, end_ms(), why) || more)
		errx(1, "%s", why);
	report(image_receive_files(images), image_receive_bytes(images));
	image_receive_free(images);
}

static int run(char **command)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(*command, command);
		_exit(127);
	}
	return pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
}

static void send_while(struct image_send *images, struct host_link *link, char **command)
{
	struct pollfd fds[] = { { image_send_fd(images), POLLIN, 0 }, { run(command), POLLIN, 0 } };
	siginfo_t info = {};

	if (fds[1].fd < 0)
		err(1, "%s", *command);
	while (!fds[1].revents) {
		if (poll(fds, 2, LIMIT_MS) <= 0)
			errx(1, "%s: no end of it", *command);
		if (fds[0].revents && image_send_some(images, link, end_ms(), why))
			errx(1, "%s", why);
	}
	if (waitid(P_PIDFD, fds[1].fd, &info, WEXITED) || info.si_status)
		errx(1, "%s: exit %d", *command, info.si_status);
	fprintf(stderr, "# %.1f MB sent before its end\n",
		image_send_stats(images).sent_bytes / 1e6);
}

static void send_all(struct host_link *link, int dir, char **command)
{
	static const uint8_t uuid[HOST_UUID_LEN] = { 1 };
	struct image_send *images = image_send_new(dir, uuid);
	const TcpmigHost__Answer *answer;

	if (!images)
		err(1, "images");
	if (*command)
		send_while(images, link, command);
	start_ns = clock_mono_ns();
	if (image_send_all(images, link, end_ms(), why) &&
	    strcmp(why, "the other host does not listen any more"))
		errx(1, "%s", why);
	if (host_receive_answer(link, &answer, end_ms(), why))
		errx(1, "%s", why);
	if (answer->result != TCPMIG_HOST__RESULT__OK)
		errx(1, "%s: %s", host_result_name(answer->result), answer->text);
	report(image_send_stats(images).files, image_send_stats(images).bytes);
	image_send_free(images);
}

int main(int argc, char **argv)
{
	bool receives = argc > 1 && !strcmp(argv[1], "receive");
	struct tcpmig_endpoint at;
	struct host_link *link;
	struct tls *tls;
	int dir;

	if (argc < 5 || endpoint_parse(argv[3], &at))
		errx(2, "expected receive|send TLS-DIR ADDR:PORT IMAGE-DIR [COMMAND...]");
	alarm(60);
	tls = load_tls(receives ? TLS_AGENT : TLS_HOST, argv[2]);
	dir = open(argv[4], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		err(1, "%s", argv[4]);
	link = receives ? host_link_accept(tls, accept_at(&at), LIMIT_MS, why)
			: host_link_connect(tls, &at, NULL, LIMIT_MS, why);
	if (!link)
		errx(1, "%s", why);
	if (receives)
		receive(link, dir);
	else
		send_all(link, dir, argv + 5);
	host_link_close(link);
	tls_free(tls);
	return 0;
}
