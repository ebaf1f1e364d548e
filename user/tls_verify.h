/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What makes a certificate good, for the handshake and for every check after it. */
#ifndef TCPMIG_TLS_VERIFY_H
#define TCPMIG_TLS_VERIFY_H

#include "tls.h"

/* Bits of security: RSA of 2048 and more, elliptic curves, SHA-256 and better. */
#define TLS_SECURITY_LEVEL 2

/**
 * tls_verify_setup() - have the handshakes of @ctx verify the other side. Once, with the store
 * of @ctx filled.
 * @role: ours
 * @crl:  the store has CRLs: nothing passes without one
 * Return: 0 or -ENOMEM.
 */
int tls_verify_setup(SSL_CTX *ctx, enum tls_role role, bool crl);

/**
 * tls_verify() - is @cert good for a side of this role?
 * @ctx:    of tls_verify_setup(), of either role
 * @holder: whose certificate it is
 * @chain:  CAs between it and ours, in any order; may be NULL
 * Return: 0; -EACCES and @why (TLS_WHY_LEN bytes): which certificate, and what is wrong with it.
 */
int tls_verify(SSL_CTX *ctx, enum tls_role holder, X509 *cert, STACK_OF(X509) * chain, char *why);

/** tls_verify_words() - what a X509_V_ERR_* means here (static storage). */
const char *tls_verify_words(int err);

/** tls_name() - subject and serial number, printable, cut to @size bytes. Return: @buf. */
char *tls_name(const X509 *cert, char *buf, size_t size);

#endif
