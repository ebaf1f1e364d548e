// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cleanup.h"
#include "endpoint.h"
#include "prefix.h"

static void add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	CONF *conf;

	if (!value)
		return;
	conf = NCONF_new(NULL);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	ext = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
	if (!ext)
		fail_msg("%s: not understood", value);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
	NCONF_free(conf);
}

struct pki_ca cook(const struct recipe *r)
{
	struct pki_ca made = { .cert = X509_new() };
	X509 *issuer = r->ca ? r->ca->cert : made.cert;
	static long serial = 1000;

	made.key = r->rsa_bits ? EVP_RSA_gen(r->rsa_bits) : pki_key();
	X509_set_version(made.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(made.cert), "CN", MBSTRING_UTF8,
				   (const unsigned char *)r->name, -1, -1, 0);
	X509_set_issuer_name(made.cert, X509_get_subject_name(issuer));
	X509_gmtime_adj(X509_getm_notBefore(made.cert), r->from_s);
	X509_gmtime_adj(X509_getm_notAfter(made.cert), r->to_s);
	X509_set_pubkey(made.cert, made.key);
	add(made.cert, issuer, NID_subject_key_identifier, "hash");
	if (r->ca)
		add(made.cert, issuer, NID_authority_key_identifier, "keyid:always");
	add(made.cert, issuer, NID_basic_constraints, r->basic);
	add(made.cert, issuer, NID_key_usage, r->usage);
	add(made.cert, issuer, NID_ext_key_usage, r->extended);
	add(made.cert, issuer, NID_certificate_policies, r->policy);
	add(made.cert, issuer, NID_policy_mappings, r->mapping);
	add(made.cert, issuer, NID_subject_alt_name, r->san);
	add(made.cert, issuer, NID_name_constraints, r->constraints);
	assert_true(X509_sign(made.cert, r->ca ? r->ca->key : made.key, r->md ?: EVP_sha256()) > 0);
	return made;
}

struct pki_ca issue(const struct pki_ca *ca, enum cert_role role, const char *addr, const char *net)
{
	struct tcpmig_endpoint ep;
	struct tcpmig_prefix prefix = { .port_max = 65535 };
	struct pki_wanted wanted = { .role = role,
				     .name = cert_role_name(role),
				     .days = role == CERT_ROOT	   ? 60
					     : role == CERT_SUB_CA ? 40
								   : 20 };
	struct pki_ca made = { .key = pki_key() };
	char why[PKI_WHY_LEN];

	if (addr) {
		assert_null(endpoint_parse_optional_port(addr, &ep));
		wanted.addrs = &ep;
		wanted.addr_count = 1;
	}
	if (net) {
		assert_int_equal(prefix_parse(net, &prefix, why), 0);
		wanted.nets = &prefix;
		wanted.net_count = 1;
	}
	if (ca && pki_may_issue(ca, &wanted, why))
		fail_msg("%s", why);
	made.cert = pki_certificate(&wanted, made.key, ca);
	assert_non_null(made.cert);
	return made;
}

struct pki_ca root, other_root, sub, agent, host, sub_host;
struct tls *agent_tls, *host_tls;

/* ---- files that are no files ---- */

static int memory_file(BIO *bio)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len); /* and the offset is at its end */
	BIO_free(bio);
	return fd;
}

int text_file(const char *text)
{
	BIO *bio = BIO_new(BIO_s_mem());

	BIO_puts(bio, text);
	return memory_file(bio);
}

int cert_file(X509 *cert, X509 *above, X509 *above_that)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, cert);
	if (above)
		PEM_write_bio_X509(bio, above);
	if (above_that)
		PEM_write_bio_X509(bio, above_that);
	return memory_file(bio);
}

int key_file(EVP_PKEY *key, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, password,
				      password ? strlen(password) : 0, NULL, NULL);
	return memory_file(bio);
}

int crl_file(X509_CRL *a, X509_CRL *b)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (a)
		PEM_write_bio_X509_CRL(bio, a);
	if (b)
		PEM_write_bio_X509_CRL(bio, b);
	X509_CRL_free(a);
	X509_CRL_free(b);
	return memory_file(bio);
}

struct tls *new_tls(enum tls_role role, X509 *ca, int crl, const struct pki_ca *own, X509 *above,
		    char *why)
{
	struct tls_fds fds = { cert_file(ca, NULL, NULL), crl, cert_file(own->cert, above, NULL),
			       key_file(own->key, NULL) };
	struct tls *tls = tls_new(role, &fds, why);

	tls_fds_close(&fds);
	return tls;
}

struct tls *good_tls(enum tls_role role, X509 *ca, int crl, const struct pki_ca *own, X509 *above)
{
	char why[TLS_WHY_LEN];
	struct tls *tls = new_tls(role, ca, crl, own, above, why);

	if (!tls)
		fail_msg("%s", why);
	return tls;
}

struct tls *agent_of_cas(X509 *first, X509 *second, const struct pki_ca *own)
{
	struct tls_fds fds = { cert_file(first, second, NULL), -1, cert_file(own->cert, NULL, NULL),
			       key_file(own->key, NULL) };
	char why[TLS_WHY_LEN];
	struct tls *tls = tls_new(TLS_AGENT, &fds, why);

	tls_fds_close(&fds);
	if (!tls)
		fail_msg("%s", why);
	return tls;
}

/* ---- handshakes ---- */

enum step { AGAIN, DONE, FAILED };

static enum step step(SSL *ssl, int ret, char *why)
{
	int err;

	if (ret == 1)
		return DONE;
	err = SSL_get_error(ssl, ret);
	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		return AGAIN;
	tls_failure(ssl, why);
	return FAILED;
}

/* The host is told in its first read what the agent thinks of its certificate. */
static enum step step_host(SSL *ssl, char *why)
{
	enum step shaken = step(ssl, SSL_do_handshake(ssl), why);
	char byte;

	return shaken == DONE ? step(ssl, SSL_read(ssl, &byte, 1), why) : shaken;
}

static enum step step_agent(SSL *ssl, char *why)
{
	enum step shaken = step(ssl, SSL_do_handshake(ssl), why);

	return shaken == DONE ? step(ssl, SSL_write(ssl, "!", 1), why) : shaken;
}

void meet(struct meeting *m)
{
	enum step a = AGAIN, h = AGAIN;
	int fds[2];

	*m->agent_why = *m->host_why = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	SSL_set_fd(m->agent, fds[0]);
	SSL_set_fd(m->host, fds[1]);
	for (int i = 0; i < 50 && (a == AGAIN || h == AGAIN); i++) {
		if (h == AGAIN)
			h = step_host(m->host, m->host_why);
		if (a == AGAIN)
			a = step_agent(m->agent, m->agent_why);
		if (a == FAILED && h == AGAIN)
			shutdown(fds[0], SHUT_RDWR); /* as if it had closed */
		if (h == FAILED && a == AGAIN)
			shutdown(fds[1], SHUT_RDWR);
	}
	assert_true(a != AGAIN && h != AGAIN);
}

void part(struct meeting *m)
{
	close(SSL_get_fd(m->agent));
	close(SSL_get_fd(m->host));
	SSL_free(m->agent);
	SSL_free(m->host);
}

SSL *rogue(const SSL_METHOD *method, const struct pki_ca *own, X509 *above, X509 *above_that)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	if (own) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, own->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, own->key), 1);
	}
	if (above)
		SSL_CTX_add1_chain_cert(ctx, above);
	if (above_that)
		SSL_CTX_add1_chain_cert(ctx, above_that);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return ssl;
}

void assert_says(const char *text, const char *part_of_it)
{
	if (!strstr(text, part_of_it))
		fail_msg("'%s' not in '%s'", part_of_it, text);
}

void assert_well(const struct meeting *m)
{
	if (*m->agent_why || *m->host_why)
		fail_msg("agent: '%s', host: '%s'", m->agent_why, m->host_why);
}

void refuses_host(struct tls *tls, const struct pki_ca *own, X509 *above, X509 *above_that,
		  const char *words)
{
	struct meeting m = { tls_session(tls), rogue(TLS_client_method(), own, above, above_that),
			     "", "" };
	struct tls_peer peer;
	char why[TLS_WHY_LEN];

	SSL_set_connect_state(m.host);
	meet(&m);
	if (!*m.agent_why)
		fail_msg("accepted, though it should be: %s", words);
	assert_says(m.agent_why, words);
	assert_says(m.host_why, "the other side refuses: ");
	assert_int_equal(tls_peer_of(m.agent, &peer, why), -EACCES);
	part(&m);
}

void refuses_agent(struct tls *tls, const struct pki_ca *own, const char *words)
{
	struct meeting m = { rogue(TLS_server_method(), own, NULL, NULL), tls_session(tls), "",
			     "" };

	SSL_set_accept_state(m.agent);
	meet(&m);
	if (!*m.host_why)
		fail_msg("accepted, though it should be: %s", words);
	assert_says(m.host_why, words);
	part(&m);
}

struct tcpmig_endpoint at(const char *text)
{
	struct tcpmig_endpoint ep;

	assert_null(endpoint_parse_optional_port(text, &ep));
	return ep;
}

int certs_make(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	root = issue(NULL, CERT_ROOT, NULL, NULL);
	other_root = issue(NULL, CERT_ROOT, NULL, NULL); /* of the same name */
	sub = issue(&root, CERT_SUB_CA, NULL, "10.8.0.0/16");
	agent = issue(&root, CERT_AGENT, "10.9.0.1", NULL);
	host = issue(&root, CERT_HOST, "10.9.0.2", NULL);
	sub_host = issue(&sub, CERT_HOST, "10.8.0.3", NULL);
	agent_tls = good_tls(TLS_AGENT, root.cert, -1, &agent, NULL);
	host_tls = good_tls(TLS_HOST, root.cert, -1, &host, NULL);
	return 0;
}

int certs_free(void **state)
{
	struct pki_ca *all[] = { &root, &other_root, &sub, &agent, &host, &sub_host };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		pki_ca_free(all[i]);
	tls_free(agent_tls);
	tls_free(host_tls);
	return 0;
}
