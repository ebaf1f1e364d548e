/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a certificate says, in our words. Verifies nothing. */
#ifndef TCPMIG_CERT_H
#define TCPMIG_CERT_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tcpmig_shared.h"

#define CERT_NAMES_MAX 64

/** enum cert_role - what it is for, by its extensions. */
enum cert_role {
	CERT_ROOT,
	CERT_SUB_CA,
	CERT_HOST,  /* clientAuth: may give orders */
	CERT_AGENT, /* serverAuth alone */
	CERT_OTHER,
};

/**
 * struct cert - what it says.
 * @policy:      it carries TLS_POLICY_OID
 * @not_before, @not_after: seconds since the epoch
 * @addrs:       IP addresses of its subjectAltName, without ports; a v4-mapped one is left out
 * @nets:        the networks to which a CA is confined
 * @more:        there are more of either than CERT_NAMES_MAX
 * @key_sha256:  of its SubjectPublicKeyInfo, as lower-case hex
 * @subject, @issuer: printable
 */
struct cert {
	enum cert_role role;
	bool policy;
	bool more;
	time_t not_before;
	time_t not_after;
	struct tcpmig_endpoint addrs[CERT_NAMES_MAX];
	size_t addr_count;
	struct tcpmig_prefix nets[CERT_NAMES_MAX];
	size_t net_count;
	char subject[128];
	char issuer[128];
	char serial[48];
	char key_sha256[65];
};

/** cert_read() - fill @cert. Return: 0; -EINVAL: not to be understood; -ENOMEM. */
int cert_read(X509 *x509, struct cert *cert);

/** cert_role_name() - "ca", "sub-ca", "host", "agent" or "other" (static storage). */
const char *cert_role_name(enum cert_role role);

/** cert_days_left() - whole days until @not_after; negative: over for so many. */
long cert_days_left(time_t not_after);

#define CERT_DATE_LEN 11

/** cert_date() - YYYY-MM-DD, UTC. @buf: CERT_DATE_LEN bytes. Return: @buf. */
const char *cert_date(time_t when, char *buf);

/** cert_time() - seconds since the epoch; 0 where @time is NULL or damaged. */
time_t cert_time(const ASN1_TIME *time);

#endif
