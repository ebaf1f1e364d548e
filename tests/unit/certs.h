/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Agents and hosts with certificates of all kinds, and handshakes between them over a
 * socketpair. What goes wrong in here fails the test.
 */
#ifndef TESTS_UNIT_CERTS_H
#define TESTS_UNIT_CERTS_H

#include "endpoint.h"
#include "pki.h"
#include "tls.h"

/**
 * struct recipe - a certificate made of OpenSSL alone; what is NULL or 0 is left out.
 * @ca: who signs; NULL: itself
 * @from_s, @to_s: from now on
 */
struct recipe {
	const struct pki_ca *ca;
	const char *name, *basic, *usage, *extended, *policy, *san, *constraints, *mapping;
	long from_s, to_s;
	const EVP_MD *md;
	int rsa_bits;
};

/* A row says what is as usual, then what is not. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* As `pki issue` makes it for a host. */
#define HOST                                                                                 \
	.name = "h", .basic = "critical,CA:FALSE", .usage = "critical,digitalSignature",     \
	.extended = "clientAuth,serverAuth", .policy = TLS_POLICY_OID, .san = "IP:10.9.0.2", \
	.from_s = -3600, .to_s = 86400

#define SUB_CA                                                                             \
	.name = "s", .basic = "critical,CA:TRUE", .usage = "critical,keyCertSign,cRLSign", \
	.policy = TLS_POLICY_OID, .from_s = -3600, .to_s = 86400

/** cook() - make it, with a key of its own. */
struct pki_ca cook(const struct recipe *r);

/** issue() - by pki.c, for one address (leaf) or confined to one network (CA); NULL: none. */
struct pki_ca issue(const struct pki_ca *ca, enum cert_role role, const char *addr,
		    const char *net);

/* Made by certs_make(): @other_root has the name of @root, @sub is for 10.8.0.0/16. */
extern struct pki_ca root, other_root, sub, agent, host, sub_host;
extern struct tls *agent_tls, *host_tls;
int certs_make(void **state);
int certs_free(void **state);

/* PEM files in memory, their offset at the end; @crl of the last is freed. */
int text_file(const char *text);
int cert_file(X509 *cert, X509 *above, X509 *above_that);
int key_file(EVP_PKEY *key, const char *password);
int crl_file(X509_CRL *a, X509_CRL *b);

/** new_tls() - tls_new() of these. @crl: closed; -1: none */
struct tls *new_tls(enum tls_role role, X509 *ca, int crl, const struct pki_ca *own, X509 *above,
		    char *why);

/** good_tls() - the same, which must succeed. */
struct tls *good_tls(enum tls_role role, X509 *ca, int crl, const struct pki_ca *own, X509 *above);

/** agent_of_cas() - an agent with two certificates in its CA file. */
struct tls *agent_of_cas(X509 *first, X509 *second, const struct pki_ca *own);

/** struct meeting - what came of it: an empty text for each side with which all is well. */
struct meeting {
	SSL *agent, *host;
	char agent_why[TLS_WHY_LEN], host_why[TLS_WHY_LEN];
};

/** meet() - shake hands, then one byte from the agent to the host; part() frees both. */
void meet(struct meeting *m);
void part(struct meeting *m);

/** rogue() - a peer that does what it wants: checks nobody, takes any key. */
SSL *rogue(const SSL_METHOD *method, const struct pki_ca *own, X509 *above, X509 *above_that);

/** refuses_host() - an agent with @tls must refuse a host that shows @own, with these words. */
void refuses_host(struct tls *tls, const struct pki_ca *own, X509 *above, X509 *above_that,
		  const char *words);

/** refuses_agent() - the other way round. */
void refuses_agent(struct tls *tls, const struct pki_ca *own, const char *words);

void assert_says(const char *text, const char *part_of_it);
void assert_well(const struct meeting *m);

/** at() - the endpoint of this text. */
struct tcpmig_endpoint at(const char *text);

#endif
