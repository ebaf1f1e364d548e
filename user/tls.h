/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TLS as the control plane uses it (OpenSSL): 1.3 only, mutual, our own CA only, no
 * resumption, no early data. Says who the other side is, not what it may do.
 */
#ifndef TCPMIG_TLS_H
#define TCPMIG_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "tcpmig_shared.h"

/*
 * Certificate policy that every certificate of ours carries, so that one of another purpose
 * for the same address is no licence: an OID under 2.25 (ITU-T X.667), made of the random UUID
 * 60c36107-42f7-4a7a-9756-a465dff1e66a.
 */
#define TLS_POLICY_OID "2.25.128620353451819874040391592202772538986"

#define TLS_KEY_LEN    32
#define TLS_WHY_LEN    256

/** enum tls_role - which side of the connection we are, and what the other must be. */
enum tls_role {
	TLS_AGENT, /* accepts; the other side's certificate must be good for clientAuth */
	TLS_HOST,  /* connects; the other side's must be good for serverAuth */
};

/** struct tls_paths - PEM files; @crl may be NULL. Not owned. */
struct tls_paths {
	const char *ca;
	const char *crl;
	const char *cert; /* and, below it, the CAs between it and @ca */
	const char *key;
};

/** struct tls_fds - the same, open for reading; -1: none. */
struct tls_fds {
	int ca;
	int crl;
	int cert;
	int key;
};

/**
 * tls_open() - open the files.
 * @failed: on error: the path that could not be opened
 * Return: 0 and tls_fds_close() it; or -errno.
 */
int tls_open(struct tls_fds *fds, const struct tls_paths *paths, const char **failed);
void tls_fds_close(struct tls_fds *fds);

struct tls;

/**
 * tls_new() - settings, CA, CRL, certificate and key, read from @fds from their beginning.
 * @why: TLS_WHY_LEN bytes; on error: what is wrong, as a phrase that names the file's role
 *
 * Own certificate and key are checked: they belong together, are valid now, and are such that
 * the other side will accept them for @role. With a CRL file every CA of a chain must have its
 * CRL in there, up to date, or the chain is refused.
 *
 * Nothing of OpenSSL is left to be loaded later: what uses the result opens no file. Neither
 * does this: no openssl.cnf, no system store, no environment.
 * Return: to be freed by tls_free(); NULL.
 */
struct tls *tls_new(enum tls_role role, const struct tls_fds *fds, char *why);
void tls_free(struct tls *tls);

/**
 * tls_session() - a new SSL object, accepting or connecting by role; it may outlive @tls.
 * Return: to be freed by the caller; NULL: no memory.
 */
SSL *tls_session(struct tls *tls);

/**
 * tls_failure() - why SSL_do_handshake(), SSL_read() or SSL_write() has failed; to be called at
 * once, with what the thread's queue of OpenSSL errors holds, which is empty afterwards.
 * A client learns that its certificate was refused when it first reads, not in the handshake.
 * @why: as tls_new()
 */
void tls_failure(const SSL *ssl, char *why);

/**
 * struct tls_peer - the other side of an established session.
 * @cert, @chain: as it has sent them; owned
 * @key_sha256: of its SubjectPublicKeyInfo
 * @name: subject and serial number, for logs; printable
 */
struct tls_peer {
	X509 *cert;
	STACK_OF(X509) * chain;
	uint8_t key_sha256[TLS_KEY_LEN];
	char name[160];
};

/**
 * tls_peer_of() - after the handshake.
 * @why: as tls_new(): no certificate, not TLS 1.3, resumed
 * Return: 0 and tls_peer_free() it; -EACCES.
 */
int tls_peer_of(SSL *ssl, struct tls_peer *peer, char *why);
void tls_peer_free(struct tls_peer *peer);

/**
 * tls_peer_check() - is its certificate still good: chain, purpose, policy, validity, CRL?
 * @tls: may be a newer one than that of the session: after a reload of the CRL
 * Return: 0; -EACCES and @why (TLS_WHY_LEN bytes).
 */
int tls_peer_check(struct tls *tls, const struct tls_peer *peer, char *why);

/**
 * tls_peer_is_host() - is its certificate one for hosts, whichever of the two sides it is?
 * An agent's is not. Arguments and return: as tls_peer_check().
 */
int tls_peer_is_host(struct tls *tls, const struct tls_peer *peer, char *why);

/**
 * tls_peer_speaks_for() - has its certificate an IP SAN equal to the address of @ep?
 * Never by common name or DNS name. The port does not matter.
 */
bool tls_peer_speaks_for(const struct tls_peer *peer, const struct tcpmig_endpoint *ep);

#endif
