// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls.h"

#include "cleanup.h"
#include "tls_verify.h"

#define SUBCAS_MAX 4

/** struct purpose - what a certificate must say that it is for. */
struct purpose {
	int id;
	uint32_t usage;
	const char *name;
};

/* By role of the holder. Static: a handshake may outlive the struct tls that it began with. */
static const struct purpose purposes[] = {
	[TLS_AGENT] = { X509_PURPOSE_SSL_SERVER, XKU_SSL_SERVER, "serverAuth" },
	[TLS_HOST] = { X509_PURPOSE_SSL_CLIENT, XKU_SSL_CLIENT, "clientAuth" },
};

static const struct {
	int err;
	const char *words;
} reasons[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "it has expired; expected a new one" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "it is not valid yet; expected a clock that is right" },
	{ X509_V_ERR_CERT_REVOKED, "it has been revoked" },
	{ X509_V_ERR_UNABLE_TO_GET_CRL,
	  "the CRL file has no CRL of the CA that issued it; expected one of every CA" },
	{ X509_V_ERR_CRL_HAS_EXPIRED,
	  "the CRL of the CA that issued it is out of date; expected a new one" },
	{ X509_V_ERR_CRL_NOT_YET_VALID,
	  "the CRL of the CA that issued it is not valid yet; expected a clock that is right" },
	{ X509_V_ERR_NO_EXPLICIT_POLICY,
	  "it, or a CA above it, lacks the certificate policy " TLS_POLICY_OID },
	{ X509_V_ERR_PERMITTED_VIOLATION, "it names an address outside the networks of its CA" },
	{ X509_V_ERR_EXCLUDED_VIOLATION, "it names an address that is excluded for its CA" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "it is not from our CA, but signed by itself" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "it is from a CA that is not ours" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "it is not from our CA" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "it is not from our CA" },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "it is not from our CA" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, "it is not from our CA: wrong signature" },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, "its key is too weak" },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, "the key of a CA above it is too weak" },
	{ X509_V_ERR_CA_MD_TOO_WEAK, "the digest of its signature is too weak" },
};

const char *tls_verify_words(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].err == err)
			return reasons[i].words;
	}
	return X509_verify_cert_error_string(err);
}

/* OpenSSL takes a certificate that says nothing for good for everything, and a CA for a leaf. */
static int leaf_error(X509_STORE_CTX *sctx, const struct purpose *purpose)
{
	X509 *cert = X509_STORE_CTX_get0_cert(sctx);

	if (sk_X509_num(X509_STORE_CTX_get0_chain(sctx)) < 2)
		return X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
	if (!(X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) ||
	    !(X509_get_extended_key_usage(cert) & purpose->usage) || X509_check_ca(cert))
		return X509_V_ERR_INVALID_PURPOSE;
	return X509_V_OK;
}

/* In place of X509_verify_cert() in a handshake. */
static int verify(X509_STORE_CTX *sctx, void *purpose)
{
	int err;

	if (X509_verify_cert(sctx) != 1)
		return 0;
	err = leaf_error(sctx, purpose);
	if (err) {
		X509_STORE_CTX_set_error(sctx, err);
		X509_STORE_CTX_set_error_depth(sctx, 0);
		X509_STORE_CTX_set_current_cert(sctx, X509_STORE_CTX_get0_cert(sctx));
	}
	return !err;
}

static int set_policy(X509_VERIFY_PARAM *param)
{
	ASN1_OBJECT *policy = OBJ_txt2obj(TLS_POLICY_OID, 1);

	if (policy && X509_VERIFY_PARAM_add0_policy(param, policy) == 1)
		return 0;
	ASN1_OBJECT_free(policy);
	return -ENOMEM;
}

int tls_verify_setup(SSL_CTX *ctx, enum tls_role role, bool crl)
{
	const struct purpose *purpose = &purposes[role == TLS_AGENT ? TLS_HOST : TLS_AGENT];
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	/* anyPolicy is not ours, and no CA may declare another policy to be ours */
	unsigned long flags = X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK |
			      X509_V_FLAG_EXPLICIT_POLICY | X509_V_FLAG_INHIBIT_ANY |
			      X509_V_FLAG_INHIBIT_MAP;

	if (crl)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	if (set_policy(param) || X509_VERIFY_PARAM_set_flags(param, flags) != 1 ||
	    X509_VERIFY_PARAM_set_purpose(param, purpose->id) != 1)
		return -ENOMEM;
	X509_VERIFY_PARAM_set_depth(param, SUBCAS_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, TLS_SECURITY_LEVEL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify, (void *)purpose);
	return 0;
}

static void say_why(X509_STORE_CTX *sctx, const struct purpose *purpose, char *why)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(sctx) ?: X509_STORE_CTX_get0_cert(sctx);
	int err = X509_STORE_CTX_get_error(sctx);
	char name[100];

	tls_name(cert, name, sizeof(name));
	if (err == X509_V_ERR_INVALID_PURPOSE)
		snprintf(why, TLS_WHY_LEN, "%s: it is not one for %s (extended key usage)", name,
			 purpose->name);
	else
		snprintf(why, TLS_WHY_LEN, "%s: %s", name, tls_verify_words(err));
}

int tls_verify(SSL_CTX *ctx, enum tls_role holder, X509 *cert, STACK_OF(X509) * chain, char *why)
{
	const struct purpose *purpose = &purposes[holder];
	X509_STORE_CTX *sctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int err = -EACCES;

	if (!sctx || X509_STORE_CTX_init(sctx, SSL_CTX_get_cert_store(ctx), cert, chain) != 1) {
		snprintf(why, TLS_WHY_LEN, "no memory");
		goto out;
	}
	param = X509_STORE_CTX_get0_param(sctx);
	if (X509_VERIFY_PARAM_set1(param, SSL_CTX_get0_param(ctx)) != 1 ||
	    X509_VERIFY_PARAM_set_purpose(param, purpose->id) != 1) {
		snprintf(why, TLS_WHY_LEN, "no memory");
		goto out;
	}
	if (verify(sctx, (void *)purpose))
		err = 0;
	else
		say_why(sctx, purpose, why);
out:
	ERR_clear_error();
	X509_STORE_CTX_free(sctx);
	return err;
}

char *tls_name(const X509 *cert, char *buf, size_t size)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *serial = number ? BN_bn2hex(number) : NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	char *subject = NULL;
	long len = 0;
	int room = size;

	/* RFC 2253 as OpenSSL has it: what is not printable ASCII is escaped */
	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_get_mem_data(bio, &subject);
	room -= sizeof("'' ()") + 40; /* the longest serial number: 20 bytes */
	snprintf(buf, size, "'%.*s' (%.40s)", (int)(len < room ? len : room), subject ?: "",
		 serial ?: "");
	BIO_free(bio);
	OPENSSL_free(serial);
	BN_free(number);
	return buf;
}

void tls_failure(const SSL *ssl, char *why)
{
	long result = SSL_get_verify_result(ssl);
	unsigned long err = ERR_peek_error();
	const char *text = err ? ERR_reason_error_string(err) : NULL;
	int reason = ERR_GET_LIB(err) == ERR_LIB_SSL ? ERR_GET_REASON(err) : 0;

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(why, TLS_WHY_LEN, "the certificate of the other side: %s",
			 result == X509_V_ERR_INVALID_PURPOSE
				 ? "it is not one for this purpose (extended key usage)"
				 : tls_verify_words(result));
	else if (reason > SSL_AD_REASON_OFFSET)
		snprintf(why, TLS_WHY_LEN, "the other side refuses: %s", text ?: "unknown alert");
	else
		snprintf(why, TLS_WHY_LEN, "%s",
			 text ?: "the other side has closed the connection");
	ERR_clear_error();
}

static int hash_key(struct tls_peer *peer)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(peer->cert), &der);
	int ok = len > 0 && EVP_Digest(der, len, peer->key_sha256, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok ? 0 : -EACCES;
}

int tls_peer_of(SSL *ssl, struct tls_peer *peer, char *why)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

	*peer = (struct tls_peer){ .cert = SSL_get1_peer_certificate(ssl) };
	if (!peer->cert || SSL_get_verify_result(ssl) != X509_V_OK) {
		snprintf(why, TLS_WHY_LEN, "no certificate that has been verified");
	} else if (SSL_version(ssl) != TLS1_3_VERSION) {
		snprintf(why, TLS_WHY_LEN, "%s; expected TLSv1.3", SSL_get_version(ssl));
	} else if (SSL_session_reused(ssl)) {
		snprintf(why, TLS_WHY_LEN, "a resumed session; expected a full handshake");
	} else {
		tls_name(peer->cert, peer->name, sizeof(peer->name));
		peer->chain = chain ? X509_chain_up_ref(chain) : sk_X509_new_null();
		if (peer->chain && !hash_key(peer))
			return 0;
		snprintf(why, TLS_WHY_LEN, "no memory");
	}
	tls_peer_free(peer);
	return -EACCES;
}

void tls_peer_free(struct tls_peer *peer)
{
	X509_free(peer->cert);
	sk_X509_pop_free(peer->chain, X509_free);
	*peer = (struct tls_peer){};
}

/* As many bytes as the family has: a SAN of ::ffff:192.0.2.1 does not speak for 192.0.2.1. */
bool tls_peer_speaks_for(const struct tls_peer *peer, const struct tcpmig_endpoint *ep)
{
	static const __u8 mapped[12] = { [10] = 0xff, 0xff };
	bool is_mapped = !memcmp(ep->addr, mapped, sizeof(mapped));

	if (ep->family == TCPMIG_AF_INET)
		return is_mapped && X509_check_ip(peer->cert, ep->addr + sizeof(mapped), 4, 0) == 1;
	return ep->family == TCPMIG_AF_INET6 && !is_mapped &&
	       X509_check_ip(peer->cert, ep->addr, sizeof(ep->addr), 0) == 1;
}
