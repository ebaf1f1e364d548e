/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A private CA, thin over OpenSSL: makes keys, certificates and CRLs such as tls.h wants them.
 * Reads and writes no file: that is pki_dir.h.
 */
#ifndef TCPMIG_PKI_H
#define TCPMIG_PKI_H

#include <openssl/x509.h>

#include "cert.h"
#include "tcpmig_shared.h"

#define PKI_WHY_LEN 256

/* What holds by default. Once a year somebody must come by: for leaves and for the CRL. */
#define PKI_ROOT_DAYS	3650
#define PKI_SUB_CA_DAYS 1825
#define PKI_LEAF_DAYS	365
#define PKI_CRL_DAYS	365
#define PKI_DAYS_MAX	36500

/* Certificates and CRLs begin so much earlier: clocks differ. */
#define PKI_SKEW_S 3600

/**
 * struct pki_wanted - the certificate to be made.
 * @role:  CERT_ROOT, _SUB_CA, _HOST or _AGENT
 * @name:  common name: for people, nothing is decided by it
 * @days:  from now on, but not longer than the CA itself
 * @addrs: of a leaf, at least one
 * @nets:  of a CA; none: no limit
 */
struct pki_wanted {
	enum cert_role role;
	const char *name;
	unsigned int days;
	const struct tcpmig_endpoint *addrs;
	size_t addr_count;
	const struct tcpmig_prefix *nets;
	size_t net_count;
};

/** struct pki_ca - a CA that can sign, or a leaf; both owned. */
struct pki_ca {
	X509 *cert;
	EVP_PKEY *key;
};

void pki_ca_free(struct pki_ca *ca);

/** pki_key() - a new private key, ECDSA P-256. Return: NULL: OpenSSL refuses, or no memory. */
EVP_PKEY *pki_key(void);

/**
 * pki_certificate() - make it, with a random serial number of 128 bits.
 * @key: of the new certificate; its public half goes in
 * @ca:  who signs; NULL: @key itself (CERT_ROOT)
 * Return: NULL: OpenSSL refuses, or no memory. Whether @ca may issue this is not asked.
 */
X509 *pki_certificate(const struct pki_wanted *wanted, EVP_PKEY *key, const struct pki_ca *ca);

/**
 * pki_may_issue() - does @ca live long enough, and do its networks hold all that is @wanted?
 * @why: PKI_WHY_LEN bytes
 * Return: 0; -EINVAL and @why: value, expectation, cure.
 */
int pki_may_issue(const struct pki_ca *ca, const struct pki_wanted *wanted, char *why);

/**
 * pki_crl() - a new CRL of @ca, valid for PKI_CRL_DAYS.
 * @old:    the one before, whose entries are kept; NULL: none
 * @revoke: a certificate of @ca that is to be in it too; NULL: none
 * Return: NULL: OpenSSL refuses, or no memory.
 */
X509_CRL *pki_crl(const struct pki_ca *ca, X509_CRL *old, X509 *revoke);

/** pki_has_issued() - is @cert (or @crl) signed by the key of @issuer? Either may be NULL. */
bool pki_has_issued(X509 *issuer, X509 *cert, X509_CRL *crl);

/**
 * pki_revoked_at() - when @cert was revoked, by the CRL of its issuer in @crls.
 * Return: seconds since the epoch; 0: it is not; -1: there is no CRL of its issuer.
 */
time_t pki_revoked_at(STACK_OF(X509_CRL) * crls, X509 *cert);

#endif
