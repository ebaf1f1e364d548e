// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "endpoint.h"
#include "pki.h"
#include "prefix.h"
#include "tls.h"

#define SERIAL_BITS 128
#define DAY_S	    86400L

void pki_ca_free(struct pki_ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	*ca = (struct pki_ca){};
}

EVP_PKEY *pki_key(void)
{
	return EVP_EC_gen("P-256");
}

static bool set_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	bool ok = number;

	/* 0 is no serial number */
	do
		ok = ok && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1;
	while (ok && BN_is_zero(number));
	ok = ok && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return ok;
}

static bool set_name(X509 *cert, const char *name)
{
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName,
					  MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
					  0) == 1;
}

/* Nothing outlives who has signed it. */
static bool set_times(X509 *cert, X509 *issuer, unsigned int days)
{
	const ASN1_TIME *last = X509_get0_notAfter(issuer);

	return X509_gmtime_adj(X509_getm_notBefore(cert), -PKI_SKEW_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_S) &&
	       (issuer == cert || ASN1_TIME_compare(X509_get0_notAfter(cert), last) <= 0 ||
		X509_set1_notAfter(cert, last) == 1);
}

/* As openssl.cnf(5) has it. */
static bool add_ext(X509 *cert, X509 *issuer, int nid, const char *text)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* A GENERAL_NAME of these bytes; NULL: no memory. */
static GENERAL_NAME *ip_name(const void *bytes, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_OCTET_STRING *ip = ASN1_OCTET_STRING_new();

	if (name && ip && ASN1_OCTET_STRING_set(ip, bytes, len) == 1) {
		GENERAL_NAME_set0_value(name, GEN_IPADD, ip);
		return name;
	}
	GENERAL_NAME_free(name);
	ASN1_OCTET_STRING_free(ip);
	return NULL;
}

/* IPv4 is 4 bytes there. */
static int width(int family)
{
	return family == TCPMIG_AF_INET ? 4 : 16;
}

static bool add_addrs(X509 *cert, const struct pki_wanted *wanted)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool ok = names;

	for (size_t i = 0; ok && i < wanted->addr_count; i++) {
		const struct tcpmig_endpoint *ep = &wanted->addrs[i];
		int len = width(ep->family);
		GENERAL_NAME *name = ip_name(ep->addr + 16 - len, len);

		ok = name && sk_GENERAL_NAME_push(names, name) > 0;
		if (!ok)
			GENERAL_NAME_free(name);
	}
	ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return ok;
}

/* RFC 5280, 4.2.1.10: the address, then its mask. */
static GENERAL_SUBTREE *subtree(const struct tcpmig_prefix *net)
{
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	int len = width(net->family);
	unsigned char bytes[32] = {};

	if (!tree)
		return NULL;
	memcpy(bytes, net->addr + 16 - len, len);
	for (int bit = 128 - 8 * len; bit < net->bits; bit++) {
		int at = bit - (128 - 8 * len);

		bytes[len + at / 8] |= 0x80 >> at % 8;
	}
	GENERAL_NAME_free(tree->base);
	tree->base = ip_name(bytes, 2 * len);
	if (tree->base)
		return tree;
	GENERAL_SUBTREE_free(tree);
	return NULL;
}

static bool add_nets(X509 *cert, const struct pki_wanted *wanted)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	bool ok = nc && (nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null());

	for (size_t i = 0; ok && i < wanted->net_count; i++) {
		GENERAL_SUBTREE *tree = subtree(&wanted->nets[i]);

		ok = tree && sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, tree) > 0;
		if (!ok)
			GENERAL_SUBTREE_free(tree);
	}
	ok = ok && X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT) == 1;
	NAME_CONSTRAINTS_free(nc);
	return ok;
}

static bool add_policy(X509 *cert)
{
	CERTIFICATEPOLICIES *policies = CERTIFICATEPOLICIES_new();
	POLICYINFO *policy = POLICYINFO_new();
	bool ok = policies && policy && sk_POLICYINFO_push(policies, policy) > 0;

	if (!ok)
		POLICYINFO_free(policy);
	ok = ok && (policy->policyid = OBJ_txt2obj(TLS_POLICY_OID, 1)) &&
	     X509_add1_ext_i2d(cert, NID_certificate_policies, policies, 0, X509V3_ADD_DEFAULT) ==
		     1;
	CERTIFICATEPOLICIES_free(policies);
	return ok;
}

/* One level of sub-CAs, and none below them. The root needs no policy: a chain ends there. */
static bool add_ca_exts(X509 *cert, X509 *issuer, const struct pki_wanted *wanted)
{
	bool root = wanted->role == CERT_ROOT;

	return add_ext(cert, issuer, NID_basic_constraints,
		       root ? "critical,CA:TRUE,pathlen:1" : "critical,CA:TRUE,pathlen:0") &&
	       add_ext(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       (root || add_policy(cert)) && (!wanted->net_count || add_nets(cert, wanted));
}

static bool add_leaf_exts(X509 *cert, X509 *issuer, const struct pki_wanted *wanted)
{
	return add_ext(cert, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_ext(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
	       add_ext(cert, issuer, NID_ext_key_usage,
		       wanted->role == CERT_HOST ? "clientAuth,serverAuth" : "serverAuth") &&
	       add_policy(cert) && add_addrs(cert, wanted);
}

static bool fill(X509 *cert, const struct pki_wanted *wanted, EVP_PKEY *key, X509 *issuer)
{
	bool is_ca = wanted->role == CERT_ROOT || wanted->role == CERT_SUB_CA;

	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	       set_name(cert, wanted->name) && set_times(cert, issuer, wanted->days) &&
	       X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	       X509_set_pubkey(cert, key) == 1 &&
	       add_ext(cert, issuer, NID_subject_key_identifier, "hash") &&
	       (issuer == cert ||
		add_ext(cert, issuer, NID_authority_key_identifier, "keyid:always")) &&
	       (is_ca ? add_ca_exts : add_leaf_exts)(cert, issuer, wanted);
}

X509 *pki_certificate(const struct pki_wanted *wanted, EVP_PKEY *key, const struct pki_ca *ca)
{
	X509 *cert = X509_new();

	if (cert && fill(cert, wanted, key, ca ? ca->cert : cert) &&
	    X509_sign(cert, ca ? ca->key : key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

/* The networks of @ca, as text, for a message. */
static void list_nets(const struct cert *ca, char *buf, size_t size)
{
	char text[PREFIX_STRLEN];
	size_t used = 0;

	*buf = 0;
	for (size_t i = 0; i < ca->net_count && used + PREFIX_STRLEN + 2 < size; i++)
		used += snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
				 prefix_format(&ca->nets[i], text));
}

static int outside(const struct cert *ca, const char *text, char *why)
{
	char nets[120];

	list_nets(ca, nets, sizeof(nets));
	snprintf(why, PKI_WHY_LEN,
		 "'%s': outside the networks of the CA %.64s; expected one in %s, or another --ca",
		 text, ca->subject, nets);
	return -EINVAL;
}

static bool holds_addr(const struct cert *ca, const struct tcpmig_endpoint *ep)
{
	for (size_t i = 0; i < ca->net_count; i++) {
		if (prefix_has_addr(&ca->nets[i], ep))
			return true;
	}
	return !ca->net_count;
}

static bool holds_net(const struct cert *ca, const struct tcpmig_prefix *net)
{
	for (size_t i = 0; i < ca->net_count; i++) {
		if (prefix_has_prefix(&ca->nets[i], net))
			return true;
	}
	return !ca->net_count;
}

static int check_names(const struct cert *ca, const struct pki_wanted *wanted, char *why)
{
	char text[ENDPOINT_STRLEN], net[PREFIX_STRLEN];

	for (size_t i = 0; i < wanted->addr_count; i++) {
		if (!holds_addr(ca, &wanted->addrs[i]))
			return outside(ca, endpoint_format_addr(&wanted->addrs[i], text), why);
	}
	for (size_t i = 0; i < wanted->net_count; i++) {
		if (!holds_net(ca, &wanted->nets[i]))
			return outside(ca, prefix_format(&wanted->nets[i], net), why);
	}
	return 0;
}

int pki_may_issue(const struct pki_ca *ca, const struct pki_wanted *wanted, char *why)
{
	char date[CERT_DATE_LEN];
	struct cert says;
	long left;

	if (cert_read(ca->cert, &says)) {
		snprintf(why, PKI_WHY_LEN, "the certificate of the CA cannot be understood");
		return -EINVAL;
	}
	left = cert_days_left(says.not_after) + 1; /* the last one is no whole one */
	cert_date(says.not_after, date);
	if (left < 1) {
		snprintf(why, PKI_WHY_LEN,
			 "the CA %.64s has ended on %s; expected one that is valid", says.subject,
			 date);
		return -EINVAL;
	}
	if (wanted->days > left) {
		snprintf(why, PKI_WHY_LEN,
			 "'%u' days: the CA %.64s itself ends on %s; expected --days 1..%ld",
			 wanted->days, says.subject, date, left);
		return -EINVAL;
	}
	return check_names(&says, wanted, why);
}

static bool set_crl_number(X509_CRL *crl, X509_CRL *old)
{
	ASN1_INTEGER *before = old ? X509_CRL_get_ext_d2i(old, NID_crl_number, NULL, NULL) : NULL;
	BIGNUM *number = before ? ASN1_INTEGER_to_BN(before, NULL) : BN_new();
	ASN1_INTEGER *next = NULL;
	bool ok = number && BN_add_word(number, 1) == 1 &&
		  (next = BN_to_ASN1_INTEGER(number, NULL)) &&
		  X509_CRL_add1_ext_i2d(crl, NID_crl_number, next, 0, X509V3_ADD_REPLACE) == 1;

	ASN1_INTEGER_free(before);
	ASN1_INTEGER_free(next);
	BN_free(number);
	return ok;
}

static bool set_crl_issuer(X509_CRL *crl, X509 *ca)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	ok = ext && X509_CRL_add_ext(crl, ext, -1) == 1 &&
	     X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool set_crl_times(X509_CRL *crl)
{
	ASN1_TIME *time = X509_gmtime_adj(NULL, -PKI_SKEW_S);
	bool ok = time && X509_CRL_set1_lastUpdate(crl, time) == 1 &&
		  X509_gmtime_adj(time, PKI_CRL_DAYS * DAY_S) &&
		  X509_CRL_set1_nextUpdate(crl, time) == 1;

	ASN1_TIME_free(time);
	return ok;
}

static bool add_revoked(X509_CRL *crl, const ASN1_INTEGER *serial, const ASN1_TIME *when)
{
	X509_REVOKED *entry = X509_REVOKED_new();

	if (entry && X509_REVOKED_set_serialNumber(entry, (ASN1_INTEGER *)serial) == 1 &&
	    X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)when) == 1 &&
	    X509_CRL_add0_revoked(crl, entry) == 1)
		return true;
	X509_REVOKED_free(entry);
	return false;
}

static bool copy_revoked(X509_CRL *crl, X509_CRL *old)
{
	STACK_OF(X509_REVOKED) *entries = old ? X509_CRL_get_REVOKED(old) : NULL;
	bool ok = true;

	for (int i = 0; ok && i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);

		ok = add_revoked(crl, X509_REVOKED_get0_serialNumber(entry),
				 X509_REVOKED_get0_revocationDate(entry));
	}
	return ok;
}

static bool revoke_now(X509_CRL *crl, X509 *cert)
{
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	bool ok = now && add_revoked(crl, X509_get0_serialNumber(cert), now);

	ASN1_TIME_free(now);
	return ok;
}

X509_CRL *pki_crl(const struct pki_ca *ca, X509_CRL *old, X509 *revoke)
{
	X509_CRL *crl = X509_CRL_new();

	if (crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	    set_crl_issuer(crl, ca->cert) && set_crl_times(crl) && set_crl_number(crl, old) &&
	    copy_revoked(crl, old) && (!revoke || revoke_now(crl, revoke)) &&
	    X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, ca->key, EVP_sha256()))
		return crl;
	X509_CRL_free(crl);
	return NULL;
}

bool pki_has_issued(X509 *issuer, X509 *cert, X509_CRL *crl)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	bool ok = key && (!cert || X509_verify(cert, key) == 1) &&
		  (!crl || X509_CRL_verify(crl, key) == 1);

	ERR_clear_error();
	return ok;
}

time_t pki_revoked_at(STACK_OF(X509_CRL) * crls, X509 *cert)
{
	time_t when = -1;

	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(crls, i);
		X509_REVOKED *entry;

		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert)))
			continue;
		if (X509_CRL_get0_by_cert(crl, &entry, cert) == 1)
			return cert_time(X509_REVOKED_get0_revocationDate(entry));
		when = 0;
	}
	return when;
}
