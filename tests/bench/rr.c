// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Request and response of one byte over one TCP connection.
 *
 *	rr serve ADDR:PORT		for one connection after the other
 *	rr measure ADDR:PORT SECONDS	prints the median round trip in microseconds
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clocks.h"
#include "endpoint.h"

#define SAMPLES_MAX 1000000

static double now_us(void)
{
	return clock_mono_ns() / 1e3;
}

static int by_value(const void *a, const void *b)
{
	float d = *(const float *)a - *(const float *)b;

	return (d > 0) - (d < 0);
}

static void no_delay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static int serve(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (const void *)addr, sizeof(*addr)) || listen(fd, 8))
		return 1;
	for (;;) {
		int client = accept(fd, NULL, NULL);

		no_delay(client);
		while (read(client, &byte, 1) == 1 && write(client, &byte, 1) == 1)
			;
		close(client);
	}
}

static int measure(const struct sockaddr_in *addr, double seconds)
{
	static float samples[SAMPLES_MAX];
	int fd = socket(AF_INET, SOCK_STREAM, 0), n = 0;
	double end = now_us() + seconds * 1e6, start;
	char byte = 0;

	if (connect(fd, (const void *)addr, sizeof(*addr)))
		return 1;
	no_delay(fd);
	for (start = now_us(); start < end && n < SAMPLES_MAX; n++) {
		double stop;

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return 1;
		stop = now_us();
		samples[n] = stop - start;
		start = stop;
	}
	qsort(samples, n, sizeof(*samples), by_value);
	printf("%.3f\n", samples[n / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct tcpmig_endpoint ep;

	if (argc < 3 || endpoint_parse(argv[2], &ep) || ep.family != AF_INET)
		return 2;
	addr.sin_port = ep.port;
	addr.sin_addr.s_addr = ep.addr32[3];
	return strcmp(argv[1], "serve") ? measure(&addr, atof(argv[3])) : serve(&addr);
}
