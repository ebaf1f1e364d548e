/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PEM files of keys, certificates and CRLs. All: 0; -errno and @why (PKI_WHY_LEN bytes). */
#ifndef TCPMIG_PKI_FILE_H
#define TCPMIG_PKI_FILE_H

#include <openssl/x509.h>
#include <stdbool.h>

/** pki_file_add_key() - write a new file (0600); -EEXIST: it is there already. */
int pki_file_add_key(const char *path, EVP_PKEY *key, char *why);

/** pki_file_add_certs() - the same for certificates (0644). @above: the second; may be NULL. */
int pki_file_add_certs(const char *path, X509 *cert, X509 *above, char *why);

/** pki_file_put_crls() - write the file (0644), in the place of the one that may be there. */
int pki_file_put_crls(const char *path, STACK_OF(X509_CRL) * crls, char *why);

/** pki_file_key() - read a private key, which is not encrypted. */
int pki_file_key(const char *path, EVP_PKEY **key, char *why);

/** pki_file_certs() - read all certificates, at least one; pki_certs_free() them. */
int pki_file_certs(const char *path, STACK_OF(X509) * *certs, char *why);
void pki_certs_free(STACK_OF(X509) * certs);

/** pki_file_crls() - read all CRLs, at least one; pki_crls_free() them. */
int pki_file_crls(const char *path, STACK_OF(X509_CRL) * *crls, char *why);
void pki_crls_free(STACK_OF(X509_CRL) * crls);

#endif
