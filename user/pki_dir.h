/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The directory of a private CA:
 *
 *	ca.crt, ca.key          the root
 *	NAME.crt, NAME.key      a sub-CA; may have gone elsewhere, key and all
 *	ca.crl                  the CRLs of all CAs, one behind the other
 *	issued/SERIAL.crt       what has been issued: leaves and sub-CAs
 *
 * What is made is whole or not there; no key and no certificate is ever overwritten.
 */
#ifndef TCPMIG_PKI_DIR_H
#define TCPMIG_PKI_DIR_H

#include "pki.h"
#include "pki_file.h"

#define PKI_DIR_DEFAULT "/etc/tcpmig/pki"
#define PKI_ROOT	"ca" /* its name, as that of a sub-CA */
#define PKI_NAME_MAX	31
#define PKI_ROOT_NAME_MAX                                                       \
	32 /* CN; with the name of a sub-CA behind it 64: the most there may be \
	    */

/** struct pki_dir - open, and locked if it is to be changed. */
struct pki_dir {
	int fd;
	const char *path; /* not owned */
};

/* All of these: Return: 0; -errno, and @why (PKI_WHY_LEN bytes): what is wrong, with the cure. */

/** pki_dir_open() - to be changed: must belong to us alone (0700). Waits for who is at it. */
int pki_dir_open(struct pki_dir *dir, const char *path, char *why);

/** pki_dir_look() - to be read only. */
int pki_dir_look(struct pki_dir *dir, const char *path, char *why);

/** pki_dir_make() - a new one, or one that is there and has no CA. Then as pki_dir_open(). */
int pki_dir_make(struct pki_dir *dir, const char *path, char *why);

void pki_dir_close(struct pki_dir *dir);

/** pki_dir_ca() - certificate and key of the CA @name. */
int pki_dir_ca(const struct pki_dir *dir, const char *name, struct pki_ca *ca, char *why);

/** pki_dir_add_ca() - write NAME.key and NAME.crt, and for all but the root the copy. */
int pki_dir_add_ca(const struct pki_dir *dir, const char *name, const struct pki_ca *ca, char *why);

/**
 * pki_dir_add_leaf() - write PREFIX.key and PREFIX.crt (@leaf, then @above), and the copy.
 * @prefix: a path; relative to the working directory, not to @dir
 * @above:  the sub-CA that has issued it; NULL: the root has
 */
int pki_dir_add_leaf(const struct pki_dir *dir, const char *prefix, const struct pki_ca *leaf,
		     X509 *above, char *why);

/**
 * pki_dir_crls() - bring ca.crl up to date: every CA whose key is here gets a CRL if it has
 * none, or one that has lived half its life.
 * @revoke: to be in the CRL of its issuer; NULL: none
 * @all:    renew all of them
 * Return: as above; -EEXIST: @revoke was in it already (not an error: nothing in @why).
 */
int pki_dir_crls(const struct pki_dir *dir, X509 *revoke, bool all, char *why);

/** pki_dir_read_crls() - all of ca.crl, none if it is not there; pki_crls_free() them. */
int pki_dir_read_crls(const struct pki_dir *dir, STACK_OF(X509_CRL) * *crls, char *why);

/**
 * pki_dir_each() - call @fn for the certificate of every CA that is there, then for all else that
 * has been issued; stops when it returns not 0.
 * @path: of the file
 * Return: what @fn has returned last, or as above.
 */
int pki_dir_each(const struct pki_dir *dir, int (*fn)(X509 *cert, const char *path, void *ctx),
		 void *ctx, char *why);

/** pki_name_ok() - can this be the name of a sub-CA, and so of a file? */
bool pki_name_ok(const char *name);

#endif
