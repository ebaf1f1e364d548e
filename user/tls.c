// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "cleanup.h"
#include "tls.h"
#include "tls_verify.h"

#define FILE_BYTES_MAX	(16 << 20)
#define CHAIN_BYTES_MAX (32 << 10) /* what an unknown peer may have us keep */
#define CIPHERS		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS		"X25519:P-256:P-384"
#define SIGNATURES                                                                      \
	"ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:" \
	"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"                  \
	"rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512"

struct tls {
	SSL_CTX *ctx;
	enum tls_role role;
};

/*
 * Before anything else can use OpenSSL and so have it read openssl.cnf, whose system_default
 * could allow what we do not.
 */
static void __attribute__((constructor)) no_config(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

/* What would be done when first used: texts, algorithms, the seed of the random numbers. */
static bool load_all(void)
{
	unsigned char random[1];

	return OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
					OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
					OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS,
				NULL) == 1 &&
	       RAND_bytes(random, sizeof(random)) == 1 &&
	       RAND_priv_bytes(random, sizeof(random)) == 1;
}

static const char *last_reason(void)
{
	unsigned long err = ERR_peek_last_error();
	const char *text = err ? ERR_reason_error_string(err) : NULL;

	return text ?: "no memory";
}

static int open_one(int *fd, const char *path, const char **failed)
{
	int err;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd >= 0)
		return 0;
	err = -errno;
	*failed = path;
	return err;
}

int tls_open(struct tls_fds *fds, const struct tls_paths *paths, const char **failed)
{
	int err;

	*fds = (struct tls_fds){ -1, -1, -1, -1 };
	err = open_one(&fds->ca, paths->ca, failed);
	if (!err && paths->crl)
		err = open_one(&fds->crl, paths->crl, failed);
	if (!err)
		err = open_one(&fds->cert, paths->cert, failed);
	if (!err)
		err = open_one(&fds->key, paths->key, failed);
	if (err)
		tls_fds_close(fds);
	return err;
}

void tls_fds_close(struct tls_fds *fds)
{
	cleanup_closep(&fds->ca);
	cleanup_closep(&fds->crl);
	cleanup_closep(&fds->cert);
	cleanup_closep(&fds->key);
	*fds = (struct tls_fds){ -1, -1, -1, -1 };
}

/*
 * By pread: the offset is shared with whoever else has this file open, and may be anywhere.
 * Memory that is wiped when it is freed: one of the files is a private key.
 */
static BIO *read_all(int fd, const char *what, char *why)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char buf[4096];
	off_t pos = 0;
	ssize_t len = 0;

	while (bio && pos <= FILE_BYTES_MAX) {
		len = pread(fd, buf, sizeof(buf), pos);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0 || BIO_write(bio, buf, len) != len)
			break;
		pos += len;
	}
	if (bio && len == 0) {
		OPENSSL_cleanse(buf, sizeof(buf));
		return bio;
	}
	if (len < 0)
		snprintf(why, TLS_WHY_LEN, "the %s file cannot be read: %s", what, strerror(errno));
	else
		snprintf(why, TLS_WHY_LEN, "the %s file: %s", what,
			 bio && len > 0 && pos > FILE_BYTES_MAX ? "more than 16 MiB" : "no memory");
	OPENSSL_cleanse(buf, sizeof(buf));
	BIO_free(bio);
	return NULL;
}

/* A PEM file ends where no further begin line is; anything else is damage. */
static bool at_end(void)
{
	unsigned long err = ERR_peek_last_error();

	if (ERR_GET_LIB(err) != ERR_LIB_PEM || ERR_GET_REASON(err) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

/* What take_*() has done with the next object of a PEM file. */
enum taken { TAKEN_NONE, TAKEN_ONE, TAKEN_REFUSED };

/* All that is in the file of @what, one after the other, is put into @ctx. */
static bool take_all(int fd, const char *what, const char *object,
		     enum taken (*take)(BIO *bio, void *ctx), void *ctx, char *why)
{
	BIO *bio = read_all(fd, what, why);
	enum taken taken = TAKEN_ONE;
	int count = 0;

	if (!bio)
		return false;
	ERR_clear_error();
	while (taken == TAKEN_ONE) {
		taken = take(bio, ctx);
		count += taken != TAKEN_NONE;
	}
	BIO_free(bio);
	if (taken == TAKEN_NONE && at_end()) {
		if (count)
			return true;
		snprintf(why, TLS_WHY_LEN, "the %s file holds no %s (PEM)", what, object);
		return false;
	}
	snprintf(why, TLS_WHY_LEN, "the %s file: its %s number %d cannot be used: %s", what, object,
		 taken == TAKEN_NONE ? count + 1 : count, last_reason());
	return false;
}

static enum taken take_ca(BIO *bio, void *store)
{
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool ok = cert && X509_STORE_add_cert(store, cert) == 1;

	X509_free(cert);
	return !cert ? TAKEN_NONE : ok ? TAKEN_ONE : TAKEN_REFUSED;
}

static enum taken take_crl(BIO *bio, void *store)
{
	X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	bool ok = crl && X509_STORE_add_crl(store, crl) == 1;

	X509_CRL_free(crl);
	return !crl ? TAKEN_NONE : ok ? TAKEN_ONE : TAKEN_REFUSED;
}

/* The first is ours, the others are sent with it. */
static enum taken take_own(BIO *bio, void *ctx)
{
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool ok = false;

	if (cert)
		ok = SSL_CTX_get0_certificate(ctx) ? SSL_CTX_add1_chain_cert(ctx, cert) == 1
						   : SSL_CTX_use_certificate(ctx, cert) == 1;
	X509_free(cert);
	return !cert ? TAKEN_NONE : ok ? TAKEN_ONE : TAKEN_REFUSED;
}

/* Asked for a password: there is nobody who could type one. */
static int no_password(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool load_key(SSL_CTX *ctx, int fd, char *why)
{
	BIO *bio = read_all(fd, "key", why);
	bool encrypted = false, ok = false;
	EVP_PKEY *key;

	if (!bio)
		return false;
	ERR_clear_error();
	key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted);
	if (!key)
		snprintf(why, TLS_WHY_LEN, "the key file: %s",
			 encrypted ? "the key is encrypted; expected one without a password"
				   : "it holds no private key (PEM)");
	else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1)
		snprintf(why, TLS_WHY_LEN,
			 "the key in the key file is not that of the certificate file");
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		snprintf(why, TLS_WHY_LEN, "the key file: %s", last_reason());
	else
		ok = true;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

/* All of it is said here, so that no default of the library or its builder counts. */
static bool set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, TLS_SECURITY_LEVEL);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx,
			 SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES_MAX);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, CIPHERS) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
	       SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
	       SSL_CTX_set1_client_sigalgs_list(ctx, SIGNATURES) == 1;
}

static bool names_an_address(X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		found |= sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD;
	GENERAL_NAMES_free(names);
	return found;
}

/* Would the other side take us for what we are? */
static bool check_own(struct tls *tls, char *why)
{
	X509 *cert = SSL_CTX_get0_certificate(tls->ctx);
	STACK_OF(X509) *chain = NULL;
	char reason[TLS_WHY_LEN];

	SSL_CTX_get0_chain_certs(tls->ctx, &chain);
	if (tls_verify(tls->ctx, tls->role, cert, chain, reason)) {
		snprintf(why, TLS_WHY_LEN, "the certificate file: %.230s", reason);
		return false;
	}
	if (names_an_address(cert))
		return true;
	snprintf(why, TLS_WHY_LEN,
		 "the certificate file: it names no IP address (subjectAltName); expected at least "
		 "one");
	return false;
}

static bool load(struct tls *tls, const struct tls_fds *fds, char *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(tls->ctx);

	if (!set_up(tls->ctx)) {
		snprintf(why, TLS_WHY_LEN, "TLS cannot be set up: %s", last_reason());
		return false;
	}
	if (!take_all(fds->ca, "CA", "certificate", take_ca, store, why) ||
	    (fds->crl >= 0 && !take_all(fds->crl, "CRL", "CRL", take_crl, store, why)))
		return false;
	if (tls_verify_setup(tls->ctx, tls->role, fds->crl >= 0)) {
		snprintf(why, TLS_WHY_LEN, "TLS cannot be set up: no memory");
		return false;
	}
	return take_all(fds->cert, "certificate", "certificate", take_own, tls->ctx, why) &&
	       load_key(tls->ctx, fds->key, why) && check_own(tls, why);
}

struct tls *tls_new(enum tls_role role, const struct tls_fds *fds, char *why)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	bool loaded = load_all();

	if (tls && loaded) {
		tls->role = role;
		tls->ctx = SSL_CTX_new(role == TLS_AGENT ? TLS_server_method()
							 : TLS_client_method());
	}
	if (!tls || !tls->ctx)
		snprintf(why, TLS_WHY_LEN, "TLS cannot be set up: %s", last_reason());
	else if (load(tls, fds, why))
		return tls;
	ERR_clear_error();
	tls_free(tls);
	return NULL;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

SSL *tls_session(struct tls *tls)
{
	SSL *ssl = SSL_new(tls->ctx);

	if (ssl && tls->role == TLS_AGENT)
		SSL_set_accept_state(ssl);
	else if (ssl)
		SSL_set_connect_state(ssl);
	return ssl;
}

int tls_peer_check(struct tls *tls, const struct tls_peer *peer, char *why)
{
	return tls_verify(tls->ctx, tls->role == TLS_AGENT ? TLS_HOST : TLS_AGENT, peer->cert,
			  peer->chain, why);
}

int tls_peer_is_host(struct tls *tls, const struct tls_peer *peer, char *why)
{
	return tls_verify(tls->ctx, TLS_HOST, peer->cert, peer->chain, why);
}
