// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clocks.h"
#include "host_pair.h"

struct tls *a_tls, *b_tls;
struct tcpmig_endpoint b_end, a_from;
static struct pki_ca a_cert, b_cert;
static int listener;

uint64_t in_ms(unsigned int ms)
{
	return clock_mono_ms() + ms;
}

int accept_one(void)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	return accept(listener, (struct sockaddr *)&addr, &len);
}

void *accepts(void *arg)
{
	struct side *b = arg;

	b->link = host_link_accept(b->tls, accept_one(), LIMIT_MS, b->why);
	return NULL;
}

void meet_tls(struct side *b, struct tls *of_a, struct tls *of_b,
	      const struct tcpmig_endpoint *from, struct host_link **a, char *a_why)
{
	*b = (struct side){ .tls = of_b };
	assert_int_equal(pthread_create(&b->thread, NULL, accepts, b), 0);
	*a = host_link_connect(of_a, &b_end, from, LIMIT_MS, a_why);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
}

struct host_link *pair(struct host_link **b)
{
	char why[HOST_WHY_LEN] = "";
	struct host_link *a;
	struct side side;

	meet_tls(&side, a_tls, b_tls, &a_from, &a, why);
	if (!a || !side.link)
		fail_msg("A: %s, B: %s", why, side.why);
	*b = side.link;
	return a;
}

static int bind_listener(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(addr);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 5) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		return -1;
	endpoint_of_sockaddr(&b_end, (struct sockaddr *)&addr);
	return 0;
}

int host_pair_make(void **state)
{
	if (certs_make(state) || bind_listener())
		return -1;
	a_from = at("127.0.0.2:1");
	a_cert = cook(&(struct recipe){ HOST, .ca = &root, .san = "IP:127.0.0.1,IP:127.0.0.2" });
	b_cert = cook(&(struct recipe){ HOST, .ca = &root, .san = "IP:127.0.0.1" });
	a_tls = good_tls(TLS_HOST, root.cert, -1, &a_cert, NULL);
	b_tls = good_tls(TLS_AGENT, root.cert, -1, &b_cert, NULL);
	return 0;
}

int host_pair_free(void **state)
{
	pki_ca_free(&a_cert);
	pki_ca_free(&b_cert);
	tls_free(a_tls);
	tls_free(b_tls);
	return close(listener) || certs_free(state);
}
