// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * user/tls.c, tls_peer.c, pki.c: agent and host that take each other, their sessions and what
 * becomes of them, and the files of which all is made. test_tls_refused.c has who is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/err.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs.h"
#include "cleanup.h"
#include "prefix.h"

/* ---- what is good ---- */

static void check_peer(SSL *ssl, struct tls *tls, const struct pki_ca *is, const char *addr)
{
	struct tcpmig_endpoint its = at(addr), not_its = at("10.9.0.77");
	struct tls_peer peer;
	struct cert says;
	char why[TLS_WHY_LEN], hex[65];

	if (tls_peer_of(ssl, &peer, why))
		fail_msg("%s", why);
	assert_int_equal(X509_cmp(peer.cert, is->cert), 0);
	assert_int_equal(cert_read(is->cert, &says), 0);
	for (int i = 0; i < TLS_KEY_LEN; i++)
		sprintf(hex + 2 * i, "%02x", peer.key_sha256[i]);
	assert_string_equal(hex, says.key_sha256);
	assert_says(peer.name, says.subject);
	assert_says(peer.name, says.serial);
	assert_true(tls_peer_speaks_for(&peer, &its));
	assert_false(tls_peer_speaks_for(&peer, &not_its));
	if (tls_peer_check(tls, &peer, why))
		fail_msg("%s", why);
	tls_peer_free(&peer);
}

static void agent_and_host_take_each_other(void **state)
{
	struct meeting m = { tls_session(agent_tls), tls_session(host_tls), "", "" };

	(void)state;
	meet(&m);
	assert_well(&m);
	assert_string_equal(SSL_get_version(m.agent), "TLSv1.3");
	check_peer(m.agent, agent_tls, &host, "10.9.0.2");
	check_peer(m.host, host_tls, &agent, "10.9.0.1");
	part(&m);
}

static void crls_of_root_and_sub_ca_in_one_file(void **state)
{
	struct tls *a = good_tls(TLS_AGENT, root.cert,
				 crl_file(pki_crl(&root, NULL, NULL), pki_crl(&sub, NULL, NULL)),
				 &agent, NULL);
	struct tls *h = good_tls(TLS_HOST, root.cert, -1, &sub_host, sub.cert);
	struct meeting m = { tls_session(a), tls_session(h), "", "" };

	(void)state;
	meet(&m);
	assert_well(&m);
	check_peer(m.agent, a, &sub_host, "10.8.0.3");
	part(&m);
	tls_free(a);
	tls_free(h);
}

static void session_outlives_its_context(void **state)
{
	struct tls *a = good_tls(TLS_AGENT, root.cert, -1, &agent, NULL);
	struct tls *h = good_tls(TLS_HOST, root.cert, -1, &host, NULL);
	struct meeting m = { tls_session(a), tls_session(h), "", "" };

	(void)state;
	tls_free(a); /* as after a reload, while somebody is shaking hands */
	tls_free(h);
	meet(&m);
	assert_well(&m);
	part(&m);
}

static void two_roots_in_the_ca_file(void **state)
{
	struct pki_ca stranger = issue(&other_root, CERT_HOST, "10.9.0.2", NULL);
	struct tls *tls = agent_of_cas(other_root.cert, root.cert, &agent);
	struct meeting m;

	(void)state;
	m = (struct meeting){ tls_session(tls), rogue(TLS_client_method(), &stranger, NULL, NULL),
			      "", "" };
	SSL_set_connect_state(m.host);
	meet(&m);
	assert_well(&m);
	part(&m);
	tls_free(tls);
	pki_ca_free(&stranger);
}

/* ---- sessions ---- */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept);
	kept = session;
	return 1;
}

/* The secrets by which @ssl makes tickets: as if it had made those of somebody else. */
static void share_ticket_keys(SSL *ssl)
{
	unsigned char keys[80];

	memset(keys, 7, sizeof(keys));
	assert_int_equal(SSL_CTX_set_tlsext_ticket_keys(SSL_get_SSL_CTX(ssl), keys, sizeof(keys)),
			 1);
}

#define CIPHER "TLS_AES_128_GCM_SHA256"

/* A server that gives tickets, and takes them back with early data. */
static SSL *giver(void)
{
	SSL *ssl = rogue(TLS_server_method(), &agent, NULL, NULL);

	share_ticket_keys(ssl);
	SSL_set_max_early_data(ssl, 1024);
	SSL_set_options(ssl, SSL_OP_NO_ANTI_REPLAY); /* else it would look for them in a cache */
	SSL_set_accept_state(ssl);
	return ssl;
}

/*
 * A client that keeps what it is given; another one of it has @kept to offer. With one cipher,
 * because a session of another would not be taken for that reason.
 */
static SSL *keeper(void)
{
	SSL *ssl = rogue(TLS_client_method(), &host, NULL, NULL);

	assert_int_equal(SSL_set_ciphersuites(ssl, CIPHER), 1);
	SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(ssl), SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(SSL_get_SSL_CTX(ssl), keep_session);
	SSL_set_connect_state(ssl);
	return ssl;
}

static SSL *keeper_again(SSL *before)
{
	SSL *ssl = SSL_new(SSL_get_SSL_CTX(before));

	assert_int_equal(SSL_set_ciphersuites(ssl, CIPHER), 1);
	SSL_set_session(ssl, kept);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void forget_session(void)
{
	SSL_SESSION_free(kept);
	kept = NULL;
}

static void get_ticket(SSL *client)
{
	struct meeting m = { giver(), client, "", "" };

	meet(&m);
	assert_well(&m);
	assert_non_null(kept);
	assert_true(SSL_SESSION_is_resumable(kept));
	SSL_up_ref(client);
	part(&m);
}

static void session_is_never_resumed(void **state)
{
	SSL *client = keeper();
	struct meeting m;
	struct tls_peer peer;
	char why[TLS_WHY_LEN];

	(void)state;
	get_ticket(client);
	m = (struct meeting){ tls_session(agent_tls), keeper_again(client), "", "" };
	share_ticket_keys(m.agent);
	meet(&m);
	assert_well(&m);
	assert_false(SSL_session_reused(m.agent));
	assert_false(SSL_session_reused(m.host));
	assert_int_equal(tls_peer_of(m.agent, &peer, why), 0); /* a certificate has been shown */
	tls_peer_free(&peer);
	part(&m);
	forget_session();
	SSL_free(client);
}

/* Were it to happen all the same: it is nobody who has shown anything. */
static void resumed_session_is_nobodys(void **state)
{
	SSL *client = keeper();
	struct meeting m;
	struct tls_peer peer;
	char why[TLS_WHY_LEN];

	(void)state;
	get_ticket(client);
	m = (struct meeting){ giver(), keeper_again(client), "", "" };
	meet(&m);
	assert_well(&m);
	assert_true(SSL_session_reused(m.host));
	SSL_set_verify_result(m.host, X509_V_OK);
	assert_int_equal(tls_peer_of(m.host, &peer, why), -EACCES);
	assert_says(why, "resumed");
	part(&m);
	forget_session();
	SSL_free(client);
}

static void tls_1_2_is_nobodys(void **state)
{
	struct meeting m = { rogue(TLS_server_method(), &agent, NULL, NULL),
			     rogue(TLS_client_method(), &host, NULL, NULL), "", "" };
	struct tls_peer peer;
	char why[TLS_WHY_LEN];

	(void)state;
	SSL_set_accept_state(m.agent);
	SSL_set_connect_state(m.host);
	SSL_set_max_proto_version(m.host, TLS1_2_VERSION);
	meet(&m);
	assert_well(&m);
	assert_int_equal(tls_peer_of(m.host, &peer, why), -EACCES); /* not verified either */
	assert_says(why, "no certificate that has been verified");
	SSL_set_verify_result(m.host, X509_V_OK);
	assert_int_equal(tls_peer_of(m.host, &peer, why), -EACCES);
	assert_says(why, "TLSv1.2; expected TLSv1.3");
	part(&m);
}

static void no_ticket_is_given(void **state)
{
	struct meeting m = { tls_session(agent_tls), keeper(), "", "" };

	(void)state;
	meet(&m);
	assert_well(&m);
	assert_null(kept);
	assert_int_equal(SSL_get_max_early_data(m.agent), 0);
	part(&m);
}

/* What came with the ticket is neither read nor does it open a session. */
static void early_data_is_not_read(void **state)
{
	SSL *client = keeper();
	struct meeting m;
	size_t written;
	int fds[2];

	(void)state;
	get_ticket(client);
	assert_int_equal(SSL_SESSION_get_max_early_data(kept), 1024);
	m = (struct meeting){ tls_session(agent_tls), keeper_again(client), "", "" };
	share_ticket_keys(m.agent);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	SSL_set_fd(m.agent, fds[0]);
	SSL_set_fd(m.host, fds[1]);
	assert_int_equal(SSL_write_early_data(m.host, "go", 2, &written), 1);
	for (int i = 0; i < 10; i++) {
		char byte[2];

		assert_true(SSL_read(m.agent, byte, sizeof(byte)) <= 0);
		SSL_do_handshake(m.host);
	}
	assert_int_not_equal(SSL_get_early_data_status(m.agent), SSL_EARLY_DATA_ACCEPTED);
	assert_false(SSL_session_reused(m.agent));
	ERR_clear_error();
	part(&m);
	forget_session();
	SSL_free(client);
}

/* ---- who is who ---- */

static void addresses_it_speaks_for(void **state)
{
	static const struct {
		const char *name, *san, *addr;
		bool speaks;
	} cases[] = {
		{ "h", "IP:10.9.0.2", "10.9.0.2", true },
		{ "h", "IP:10.9.0.2", "10.9.0.2:5000", true },
		{ "h", "IP:10.9.0.1,IP:10.9.0.2", "10.9.0.2", true },
		{ "h", "IP:fd09::2", "fd09::2", true },
		{ "h", "IP:10.9.0.20", "10.9.0.2", false },
		{ "h", "IP:fd09::2", "fd09::3", false },
		{ "10.9.0.2", NULL, "10.9.0.2", false },
		{ "10.9.0.2", "IP:10.9.0.3", "10.9.0.2", false },
		{ "h", "DNS:10.9.0.2", "10.9.0.2", false },
		{ "10.9.0.2", "DNS:10.9.0.2,URI:tcp://10.9.0.2,email:a@10.9.0.2", "10.9.0.2",
		  false },
		{ "h", "IP:::ffff:10.9.0.2", "10.9.0.2", false },
		{ "h", "IP:0.0.0.0", "10.9.0.2", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct recipe recipe = { HOST, .ca = &root, .name = cases[i].name,
					 .san = cases[i].san };
		struct pki_ca made = cook(&recipe);
		struct tls_peer peer = { .cert = made.cert };
		struct tcpmig_endpoint ep = at(cases[i].addr);

		if (tls_peer_speaks_for(&peer, &ep) != cases[i].speaks)
			fail_msg("CN %s, SAN %s: wrong for %s", cases[i].name, cases[i].san,
				 cases[i].addr);
		pki_ca_free(&made);
	}
}

/* An endpoint that says IPv6 of what is IPv4 on the wire matches nothing. */
static void mapped_address_is_nobodys(void **state)
{
	struct recipe recipe = { HOST, .ca = &root, .san = "IP:::ffff:10.9.0.2,IP:0.0.0.2" };
	struct pki_ca made = cook(&recipe);
	struct tls_peer peer = { .cert = made.cert };
	struct tcpmig_endpoint ep = at("10.9.0.2");
	struct cert says;

	(void)state;
	ep.family = TCPMIG_AF_INET6;
	assert_false(tls_peer_speaks_for(&peer, &ep));
	ep = at("fd09::2");
	ep.family = TCPMIG_AF_INET;
	assert_false(tls_peer_speaks_for(&peer, &ep));
	assert_int_equal(cert_read(made.cert, &says), 0);
	assert_int_equal(says.addr_count, 1);
	pki_ca_free(&made);
}

static void names_are_printable(void **state)
{
	struct recipe recipe = { HOST, .ca = &root, .name = "a\n\x1b[31mb,c=\xc3\xa9" };
	struct pki_ca made = cook(&recipe);
	struct tls *tls = good_tls(TLS_HOST, root.cert, -1, &made, NULL);
	struct meeting m = { tls_session(agent_tls), tls_session(tls), "", "" };
	struct tls_peer peer;
	char why[TLS_WHY_LEN];

	(void)state;
	meet(&m);
	assert_int_equal(tls_peer_of(m.agent, &peer, why), 0);
	for (const char *c = peer.name; *c; c++)
		assert_in_range(*c, ' ', '~');
	tls_peer_free(&peer);
	part(&m);
	tls_free(tls);
	pki_ca_free(&made);
}

/* ---- later ---- */

static void check_again(struct tls *tls, SSL *ssl, const char *words)
{
	struct tls_peer peer;
	char why[TLS_WHY_LEN] = "";

	assert_int_equal(tls_peer_of(ssl, &peer, why), 0);
	assert_int_equal(tls_peer_check(tls, &peer, why), words ? -EACCES : 0);
	if (words)
		assert_says(why, words);
	tls_peer_free(&peer);
}

static void revoked_in_mid_session(void **state)
{
	struct tls *h = good_tls(TLS_HOST, root.cert, -1, &sub_host, sub.cert);
	struct meeting m = { tls_session(agent_tls), tls_session(h), "", "" };
	struct tls *same = good_tls(
		TLS_AGENT, root.cert,
		crl_file(pki_crl(&root, NULL, host.cert), pki_crl(&sub, NULL, NULL)), &agent, NULL);
	struct tls *leaf =
		good_tls(TLS_AGENT, root.cert,
			 crl_file(pki_crl(&root, NULL, NULL), pki_crl(&sub, NULL, sub_host.cert)),
			 &agent, NULL);
	struct tls *ca = good_tls(
		TLS_AGENT, root.cert,
		crl_file(pki_crl(&root, NULL, sub.cert), pki_crl(&sub, NULL, NULL)), &agent, NULL);

	(void)state;
	meet(&m);
	assert_well(&m);
	check_again(agent_tls, m.agent, NULL);
	check_again(same, m.agent, NULL);
	check_again(leaf, m.agent, "it has been revoked");
	check_again(ca, m.agent, "it has been revoked");
	part(&m);
	tls_free(h);
	tls_free(same);
	tls_free(leaf);
	tls_free(ca);
}

static void expires_in_mid_session(void **state)
{
	struct recipe recipe = { HOST, .ca = &root, .to_s = 2 };
	struct pki_ca brief = cook(&recipe);
	struct tls *h = good_tls(TLS_HOST, root.cert, -1, &brief, NULL);
	struct meeting m = { tls_session(agent_tls), tls_session(h), "", "" };

	(void)state;
	meet(&m);
	assert_well(&m);
	check_again(agent_tls, m.agent, NULL);
	sleep(3);
	check_again(agent_tls, m.agent, "it has expired");
	part(&m);
	tls_free(h);
	pki_ca_free(&brief);
}

static void another_ca_after_a_reload(void **state)
{
	struct pki_ca theirs = issue(&other_root, CERT_AGENT, "10.9.0.1", NULL);
	struct tls *tls = good_tls(TLS_AGENT, other_root.cert, -1, &theirs, NULL);
	struct meeting m = { tls_session(agent_tls), tls_session(host_tls), "", "" };

	(void)state;
	meet(&m);
	assert_well(&m);
	check_again(tls, m.agent, "it is not from our CA");
	part(&m);
	tls_free(tls);
	pki_ca_free(&theirs);
}

/* ---- files ---- */

static void refuses_files(struct tls_fds fds, const char *words)
{
	char why[TLS_WHY_LEN] = "";

	if (tls_new(TLS_AGENT, &fds, why))
		fail_msg("accepted, though: %s", words);
	assert_says(why, words);
	assert_int_equal(ERR_peek_error(), 0);
	tls_fds_close(&fds);
}

static struct tls_fds good_files(void)
{
	return (struct tls_fds){ cert_file(root.cert, NULL, NULL), -1,
				 cert_file(agent.cert, NULL, NULL), key_file(agent.key, NULL) };
}

static int swapped(int *fd, int with)
{
	close(*fd);
	*fd = with;
	return 0;
}

static void files_that_are_no_good(void **state)
{
	struct recipe nameless = { HOST, .ca = &root, .san = "DNS:10.9.0.1" };
	struct pki_ca made = cook(&nameless);
	struct tls_fds f;

	(void)state;
	f = good_files(), swapped(&f.ca, text_file(""));
	refuses_files(f, "the CA file holds no certificate");
	f = good_files(), swapped(&f.ca, -1);
	refuses_files(f, "the CA file cannot be read");
	f = good_files(), swapped(&f.ca, text_file("-----BEGIN CERTIFICATE-----\nAAAA\n"));
	refuses_files(f, "the CA file: its certificate number 1 cannot be used");
	f = good_files(), f.crl = cert_file(root.cert, NULL, NULL);
	refuses_files(f, "the CRL file holds no CRL");
	f = good_files(), swapped(&f.cert, key_file(agent.key, NULL));
	refuses_files(f, "the certificate file holds no certificate");
	f = good_files(), swapped(&f.key, cert_file(agent.cert, NULL, NULL));
	refuses_files(f, "the key file: it holds no private key");
	f = good_files(), swapped(&f.key, key_file(host.key, NULL));
	refuses_files(f, "the key in the key file is not that of the certificate file");
	f = good_files(), swapped(&f.key, key_file(agent.key, "secret"));
	refuses_files(f, "the key is encrypted");
	f = good_files(), swapped(&f.cert, cert_file(made.cert, NULL, NULL)),
	swapped(&f.key, key_file(made.key, NULL));
	refuses_files(f, "it names no IP address");
	pki_ca_free(&made);
}

static void files_are_read_from_their_beginning(void **state)
{
	struct tls_fds fds = good_files();
	char why[TLS_WHY_LEN];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tls *tls = tls_new(TLS_AGENT, &fds, why);

		if (!tls)
			fail_msg("%s", why);
		tls_free(tls);
	}
	tls_fds_close(&fds);
}

static void paths_that_are_not_there(void **state)
{
	struct tls_paths paths = { "/dev/null", "/nowhere/crl", "/dev/null", "/dev/null" };
	const char *failed;
	struct tls_fds fds;

	(void)state;
	assert_int_equal(tls_open(&fds, &paths, &failed), -ENOENT);
	assert_string_equal(failed, "/nowhere/crl");
	paths.crl = NULL;
	assert_int_equal(tls_open(&fds, &paths, &failed), 0);
	assert_int_equal(fds.crl, -1);
	tls_fds_close(&fds);
}

/* ---- in the sandbox ---- */

static void deny_open(void)
{
	static const char *const denied[] = { "open",	   "openat",	 "openat2",    "creat",
					      "stat",	   "lstat",	 "newfstatat", "access",
					      "faccessat", "faccessat2", "readlink",   "readlinkat",
					      "socket",	   "connect" };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		int number = seccomp_syscall_resolve_name(denied[i]);

		if (number >= 0 && seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 0))
			_exit(3);
	}
	if (seccomp_load(filter))
		_exit(4);
}

/* All that an agent does with TLS, where nothing can be opened any more. */
static void works_without_opening_anything(void **state)
{
	struct pki_ca stranger = issue(&other_root, CERT_HOST, "10.9.0.2", NULL);
	struct tls_fds fds = good_files();
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		struct meeting m = { tls_session(agent_tls), tls_session(host_tls), "", "" };
		char why[TLS_WHY_LEN];
		struct tls *again;

		deny_open();
		meet(&m);
		assert_well(&m);
		check_again(agent_tls, m.agent, NULL);
		refuses_host(agent_tls, &stranger, NULL, NULL, "it is not from our CA");
		again = tls_new(TLS_AGENT, &fds, why); /* a reload, of what others have opened */
		_exit(again ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("wait status %#x (signal 31: a denied system call)", status);
	tls_fds_close(&fds);
	pki_ca_free(&stranger);
}

/* What main() does as "--min-version". */
static int min_version(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	int version = ctx ? (int)SSL_CTX_get_min_proto_version(ctx) : -1;

	SSL_CTX_free(ctx);
	return version;
}

static void openssl_cnf_is_not_read(void **state)
{
	char path[] = "/tmp/test-tls-XXXXXX", line[32] = "", command[128];
	int fd = mkstemp(path);
	FILE *out;

	(void)state;
	dprintf(fd, "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
		    "MinProtocol = TLSv1.1\n");
	close(fd);
	snprintf(command, sizeof(command), "OPENSSL_CONF=%s /proc/%d/exe --min-version", path,
		 getpid());
	out = popen(command, "r");
	assert_non_null(fgets(line, sizeof(line), out));
	pclose(out);
	unlink(path);
	assert_string_equal(line, "0\n");
}

/* ---- what the CA agrees to ---- */

static void ca_refuses_what_would_be_refused(void **state)
{
	struct tcpmig_endpoint ep = at("10.9.0.2");
	struct tcpmig_prefix net = { .port_max = 65535 };
	struct pki_wanted wanted = {
		.role = CERT_HOST, .name = "h", .days = 20, .addrs = &ep, .addr_count = 1
	};
	char why[PKI_WHY_LEN];

	(void)state;
	assert_int_equal(pki_may_issue(&root, &wanted, why), 0);
	assert_int_equal(pki_may_issue(&sub, &wanted, why), -EINVAL);
	assert_says(why, "'10.9.0.2': outside the networks");
	assert_says(why, "expected one in 10.8.0.0/16");
	ep = at("10.8.255.255");
	assert_int_equal(pki_may_issue(&sub, &wanted, why), 0);
	ep = at("fd09::2");
	assert_int_equal(pki_may_issue(&sub, &wanted, why), -EINVAL);
	wanted.addr_count = 0;
	wanted.nets = &net;
	wanted.net_count = 1;
	assert_int_equal(prefix_parse("10.8.1.0/24", &net, why), 0);
	assert_int_equal(pki_may_issue(&sub, &wanted, why), 0);
	assert_int_equal(prefix_parse("10.0.0.0/8", &net, why), 0);
	assert_int_equal(pki_may_issue(&sub, &wanted, why), -EINVAL);
	wanted.days = 60;
	wanted.net_count = 0;
	assert_int_equal(pki_may_issue(&sub, &wanted, why), -EINVAL);
	assert_says(why, "expected --days 1..");
}

static void serial_numbers_are_random(void **state)
{
	struct pki_ca a = issue(&root, CERT_HOST, "10.9.0.2", NULL);
	struct pki_ca b = issue(&root, CERT_HOST, "10.9.0.2", NULL);
	struct cert says;

	(void)state;
	assert_int_not_equal(
		ASN1_INTEGER_cmp(X509_get0_serialNumber(a.cert), X509_get0_serialNumber(b.cert)),
		0);
	assert_int_equal(cert_read(a.cert, &says), 0);
	assert_in_range(strlen(says.serial), 20, 32);
	assert_true(says.policy);
	assert_int_equal(says.role, CERT_HOST);
	pki_ca_free(&a);
	pki_ca_free(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_and_host_take_each_other),
		cmocka_unit_test(crls_of_root_and_sub_ca_in_one_file),
		cmocka_unit_test(session_outlives_its_context),
		cmocka_unit_test(two_roots_in_the_ca_file),
		cmocka_unit_test(session_is_never_resumed),
		cmocka_unit_test(resumed_session_is_nobodys),
		cmocka_unit_test(tls_1_2_is_nobodys),
		cmocka_unit_test(no_ticket_is_given),
		cmocka_unit_test(early_data_is_not_read),
		cmocka_unit_test(addresses_it_speaks_for),
		cmocka_unit_test(mapped_address_is_nobodys),
		cmocka_unit_test(names_are_printable),
		cmocka_unit_test(revoked_in_mid_session),
		cmocka_unit_test(expires_in_mid_session),
		cmocka_unit_test(another_ca_after_a_reload),
		cmocka_unit_test(files_that_are_no_good),
		cmocka_unit_test(files_are_read_from_their_beginning),
		cmocka_unit_test(paths_that_are_not_there),
		cmocka_unit_test(works_without_opening_anything),
		cmocka_unit_test(openssl_cnf_is_not_read),
		cmocka_unit_test(ca_refuses_what_would_be_refused),
		cmocka_unit_test(serial_numbers_are_random),
	};

	if (argc > 1 && !strcmp(argv[1], "--min-version"))
		return printf("%d\n", min_version()) < 0;
	return cmocka_run_group_tests_name("tls", tests, certs_make, certs_free);
}
