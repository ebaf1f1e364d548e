// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "cert.h"
#include "endpoint.h"
#include "tls.h"

#define DAY_S 86400

time_t cert_time(const ASN1_TIME *time)
{
	struct tm tm;

	if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
		return 0;
	return timegm(&tm);
}

long cert_days_left(time_t not_after)
{
	time_t left = not_after - time(NULL);

	return left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S);
}

const char *cert_date(time_t when, char *buf)
{
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(buf, CERT_DATE_LEN, "%Y-%m-%d", &tm))
		snprintf(buf, CERT_DATE_LEN, "?");
	return buf;
}

const char *cert_role_name(enum cert_role role)
{
	static const char *const names[] = { "ca", "sub-ca", "host", "agent", "other" };

	return names[role];
}

static enum cert_role role_of(X509 *x509)
{
	uint32_t flags = X509_get_extension_flags(x509);
	uint32_t usage = X509_get_extended_key_usage(x509);

	if (flags & EXFLAG_CA)
		return flags & EXFLAG_SI ? CERT_ROOT : CERT_SUB_CA;
	if (!(flags & EXFLAG_XKUSAGE))
		return CERT_OTHER;
	if (usage & XKU_SSL_CLIENT)
		return CERT_HOST;
	return usage & XKU_SSL_SERVER ? CERT_AGENT : CERT_OTHER;
}

static bool has_policy(X509 *x509)
{
	CERTIFICATEPOLICIES *policies = X509_get_ext_d2i(x509, NID_certificate_policies, NULL,
							 NULL);
	bool found = false;
	char oid[128];

	for (int i = 0; i < sk_POLICYINFO_num(policies); i++) {
		OBJ_obj2txt(oid, sizeof(oid), sk_POLICYINFO_value(policies, i)->policyid, 1);
		found |= !strcmp(oid, TLS_POLICY_OID);
	}
	CERTIFICATEPOLICIES_free(policies);
	return found;
}

static void add_addr(struct cert *cert, const ASN1_OCTET_STRING *ip)
{
	struct tcpmig_endpoint ep = {};
	__be32 addr4;

	if (ip->length == 4) {
		memcpy(&addr4, ip->data, sizeof(addr4));
		endpoint_set4(&ep, addr4, 0);
	} else if (ip->length == 16) {
		endpoint_set6(&ep, ip->data, 0);
		if (ep.family != TCPMIG_AF_INET6)
			return; /* it speaks for nobody: see tls_peer_speaks_for() */
	} else {
		return;
	}
	if (cert->addr_count == CERT_NAMES_MAX)
		cert->more = true;
	else
		cert->addrs[cert->addr_count++] = ep;
}

static void read_addrs(X509 *x509, struct cert *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_IPADD)
			add_addr(cert, name->d.iPAddress);
	}
	GENERAL_NAMES_free(names);
}

static unsigned int count_bits(const unsigned char *mask, int len)
{
	unsigned int bits = 0;

	while (bits < 8U * len && mask[bits / 8] & 0x80 >> bits % 8)
		bits++;
	return bits;
}

/* Address and mask, one behind the other. */
static void add_net(struct cert *cert, const ASN1_OCTET_STRING *ip)
{
	struct tcpmig_prefix *net = &cert->nets[cert->net_count];
	int len = ip->length / 2;

	if (ip->length != 8 && ip->length != 32)
		return;
	if (cert->net_count == CERT_NAMES_MAX) {
		cert->more = true;
		return;
	}
	*net = (struct tcpmig_prefix){
		.family = len == 4 ? TCPMIG_AF_INET : TCPMIG_AF_INET6,
		.bits = 128 - 8 * len + count_bits(ip->data + len, len),
		.port_max = 65535,
	};
	if (len == 4)
		memset(net->addr + 10, 0xff, 2);
	memcpy(net->addr + 16 - len, ip->data, len);
	cert->net_count++;
}

static void read_nets(X509 *x509, struct cert *cert)
{
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(x509, NID_name_constraints, NULL, NULL);

	for (int i = 0; nc && i < sk_GENERAL_SUBTREE_num(nc->permittedSubtrees); i++) {
		const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(nc->permittedSubtrees, i)->base;

		if (base->type == GEN_IPADD)
			add_net(cert, base->d.iPAddress);
	}
	NAME_CONSTRAINTS_free(nc);
}

static bool hash_key(const X509 *x509, char *hex)
{
	unsigned char *der = NULL, hash[32];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
	bool ok = len > 0 && EVP_Digest(der, len, hash, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	for (size_t i = 0; ok && i < sizeof(hash); i++)
		sprintf(hex + 2 * i, "%02x", hash[i]);
	return ok;
}

static bool print_name(const X509_NAME *name, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;
	bool ok = bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0;

	if (ok) {
		len = BIO_get_mem_data(bio, &text);
		snprintf(buf, size, "%.*s", (int)len, text ?: "");
	}
	BIO_free(bio);
	return ok;
}

static bool print_serial(const X509 *x509, char *buf, size_t size)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	bool ok = hex;

	if (ok)
		snprintf(buf, size, "%s", hex);
	OPENSSL_free(hex);
	BN_free(number);
	return ok;
}

int cert_read(X509 *x509, struct cert *cert)
{
	*cert = (struct cert){
		.role = role_of(x509),
		.policy = has_policy(x509),
		.not_before = cert_time(X509_get0_notBefore(x509)),
		.not_after = cert_time(X509_get0_notAfter(x509)),
	};
	read_addrs(x509, cert);
	read_nets(x509, cert);
	ERR_clear_error();
	if (X509_get_extension_flags(x509) & EXFLAG_INVALID)
		return -EINVAL;
	return print_name(X509_get_subject_name(x509), cert->subject, sizeof(cert->subject)) &&
			       print_name(X509_get_issuer_name(x509), cert->issuer,
					  sizeof(cert->issuer)) &&
			       print_serial(x509, cert->serial, sizeof(cert->serial)) &&
			       hash_key(x509, cert->key_sha256)
		       ? 0
		       : -ENOMEM;
}
