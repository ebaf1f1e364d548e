// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The files of the control plane in /etc/tcpmig: would hosts and agents take each other? */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "checks.h"
#include "cleanup.h"
#include "endpoint.h"
#include "netlink_socks.h"
#include "pki_dir.h"
#include "tls.h"

#define WARN_DAYS 14

/** struct certs - what is there. @crl: NULL: no such file, so nobody uses one */
struct certs {
	const char *dir;
	char ca[PATH_MAX];
	char crl_path[PATH_MAX];
	const char *crl;
	struct findings *f;
};

/** struct own - one pair of certificate and key. */
struct own {
	const char *name; /* "agent" */
	enum tls_role role;
	char cert[PATH_MAX];
	char key[PATH_MAX];
	bool cert_there;
	bool key_there;
};

static bool path_of(const char *dir, const char *name, const char *suffix, char *path)
{
	snprintf(path, PATH_MAX, "%s/%s%s", dir, name, suffix);
	return !access(path, F_OK) || errno != ENOENT;
}

/* What makes a new one: the command with the addresses that it has now. */
static void cure_issue(struct findings *f, const struct own *own, const char *dir,
		       const struct cert *cert)
{
	char addrs[600] = " --ip ADDR", text[ENDPOINT_STRLEN];
	size_t used = 0;

	for (size_t i = 0; cert && i < cert->addr_count && used < sizeof(addrs) - 60; i++)
		used += snprintf(addrs + used, sizeof(addrs) - used, " --ip %s",
				 endpoint_format_addr(&cert->addrs[i], text));
	findings_cure(f,
		      "where the CA is: tcpmig-bpf pki issue --role %s%s --out new-%s; then put "
		      "new-%s.crt and .key in the place of %s/%s.crt and .key",
		      own->name, addrs, own->name, own->name, dir, own->name);
}

/* Return: is there something to cure? */
static bool check_end(struct findings *f, const char *check, const char *path, time_t end)
{
	long left = cert_days_left(end);
	char date[CERT_DATE_LEN];

	cert_date(end, date);
	if (left < 0)
		findings_add(f, check, FINDING_FAIL, "%s: over since %s", path, date);
	else if (left < WARN_DAYS)
		findings_add(f, check, FINDING_WARN, "%s: ends on %s, in %ld days", path, date,
			     left);
	else
		findings_add(f, check, FINDING_OK, "%s: until %s, %ld days", path, date, left);
	return left < WARN_DAYS;
}

static void cannot_read(struct findings *f, const char *check, const char *why)
{
	findings_add(f, check, FINDING_FAIL, "%s", why);
	findings_cure(f, geteuid() ? "run as root"
				   : "the file as 'tcpmig-bpf pki' has made it, where the CA is");
}

static void check_ca(const struct certs *certs)
{
	STACK_OF(X509) * cas;
	char why[PKI_WHY_LEN];
	int err = pki_file_certs(certs->ca, &cas, why);

	if (err == -ENOENT) {
		findings_add(certs->f, "tls_ca", FINDING_FAIL, "%s: not there", certs->ca);
		findings_cure(certs->f,
			      "copy ca.crt there from the directory of the CA (" PKI_DIR_DEFAULT
			      ")");
		return;
	}
	if (err) {
		cannot_read(certs->f, "tls_ca", why);
		return;
	}
	for (int i = 0; i < sk_X509_num(cas); i++) {
		time_t end = cert_time(X509_get0_notAfter(sk_X509_value(cas, i)));

		if (check_end(certs->f, "tls_ca", certs->ca, end))
			findings_cure(
				certs->f,
				"make a new CA (tcpmig-bpf pki init --dir DIR) and append its "
				"ca.crt to this one on every host, then issue anew");
	}
	pki_certs_free(cas);
}

static void check_crl(const struct certs *certs)
{
	STACK_OF(X509_CRL) * crls;
	time_t first = 0;
	char why[PKI_WHY_LEN];

	if (!certs->crl) {
		findings_add(certs->f, "tls_crl", FINDING_OK, "%s: not there: nothing is revoked",
			     certs->crl_path);
		return;
	}
	if (pki_file_crls(certs->crl, &crls, why)) {
		cannot_read(certs->f, "tls_crl", why);
		return;
	}
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		time_t end = cert_time(X509_CRL_get0_nextUpdate(sk_X509_CRL_value(crls, i)));

		if (end && (!first || end < first))
			first = end;
	}
	if (!first)
		findings_add(certs->f, "tls_crl", FINDING_OK, "%s: without an end", certs->crl);
	else if (check_end(certs->f, "tls_crl", certs->crl, first))
		findings_cure(
			certs->f,
			"where the CA is: tcpmig-bpf pki revoke (renews it); then copy ca.crl to "
			"%s",
			certs->crl);
	pki_crls_free(crls);
}

static void check_key_file(const struct certs *certs, const struct own *own)
{
	struct stat st;

	if (!own->key_there) {
		findings_add(certs->f, "tls_key", FINDING_FAIL,
			     "%s: not there, but its certificate is", own->key);
		cure_issue(certs->f, own, certs->dir, NULL);
	} else if (stat(own->key, &st)) {
		findings_add(certs->f, "tls_key", FINDING_FAIL, "%s: %s", own->key,
			     strerror(errno));
		findings_cure(certs->f, "run as root");
	} else if (st.st_uid || st.st_mode & 077) {
		findings_add(certs->f, "tls_key", FINDING_FAIL,
			     "%s: others may read it (mode %04o, user %u)", own->key,
			     st.st_mode & 07777, st.st_uid);
		findings_cure(certs->f,
			      "chown root %s; chmod 0600 %s; if somebody may have read it: "
			      "tcpmig-bpf pki revoke, and issue anew",
			      own->key, own->key);
	} else {
		findings_add(certs->f, "tls_key", FINDING_OK, "%s: for root alone", own->key);
	}
}

static void check_addrs(const struct certs *certs, const struct own *own, const struct cert *cert)
{
	char text[ENDPOINT_STRLEN], others[600] = "";
	size_t used = 0, here = 0;

	for (size_t i = 0; i < cert->addr_count; i++) {
		if (netlink_is_local(&cert->addrs[i]) == 1)
			here++;
		else if (used < sizeof(others) - 60)
			used += snprintf(others + used, sizeof(others) - used, "%s%s",
					 used ? ", " : "",
					 endpoint_format_addr(&cert->addrs[i], text));
	}
	if (here == cert->addr_count) {
		findings_add(certs->f, "tls_address", FINDING_OK,
			     "%s: all addresses in it are of this host", own->cert);
		return;
	}
	findings_add(certs->f, "tls_address", here ? FINDING_WARN : FINDING_FAIL,
		     "%s: %s not of this host: %s", own->cert,
		     here ? "some addresses in it are" : "the addresses in it are", others);
	findings_cure(certs->f,
		      "give this host the address, or issue it a certificate for its own: "
		      "tcpmig-bpf pki issue --role %s --ip ADDR",
		      own->name);
}

/* As the agent or the command would, with all that there is to be refused for. */
static void check_good(const struct certs *certs, const struct own *own, const struct cert *cert)
{
	const struct tls_paths paths = { certs->ca, certs->crl, own->cert, own->key };
	const char *failed = own->key;
	struct tls_fds fds;
	char why[TLS_WHY_LEN];
	struct tls *tls;
	int err = tls_open(&fds, &paths, &failed);

	if (err) {
		findings_add(certs->f, "tls_chain", FINDING_FAIL, "%s: not tried: %s: %s",
			     own->cert, failed, strerror(-err));
		findings_cure(certs->f, err == -ENOENT ? "make what is missing" : "run as root");
		return;
	}
	tls = tls_new(own->role, &fds, why);
	tls_fds_close(&fds);
	if (tls) {
		findings_add(certs->f, "tls_chain", FINDING_OK,
			     "%s: from our CA, for the role %s, and the key is its own", own->cert,
			     own->name);
	} else {
		findings_add(certs->f, "tls_chain", FINDING_FAIL, "%s: %s", own->cert, why);
		cure_issue(certs->f, own, certs->dir, cert);
	}
	tls_free(tls);
}

static void check_own(const struct certs *certs, const struct own *own)
{
	STACK_OF(X509) * chain;
	char why[PKI_WHY_LEN];
	struct cert cert;
	int err;

	check_key_file(certs, own);
	err = pki_file_certs(own->cert, &chain, why);
	if (err == -ENOENT) {
		findings_add(certs->f, "tls_cert", FINDING_FAIL, "%s: not there, but its key is",
			     own->cert);
		cure_issue(certs->f, own, certs->dir, NULL);
		return;
	}
	if (err) {
		cannot_read(certs->f, "tls_cert", why);
		return;
	}
	err = cert_read(sk_X509_value(chain, 0), &cert);
	pki_certs_free(chain);
	if (err) {
		findings_add(certs->f, "tls_cert", FINDING_FAIL, "%s: %s", own->cert,
			     strerror(-err));
		cure_issue(certs->f, own, certs->dir, NULL);
		return;
	}
	if (check_end(certs->f, "tls_cert", own->cert, cert.not_after))
		cure_issue(certs->f, own, certs->dir, &cert);
	check_good(certs, own, &cert);
	check_addrs(certs, own, &cert);
}

void checks_certs(const char *dir, struct findings *f)
{
	struct own owns[] = { { .name = "agent", .role = TLS_AGENT },
			      { .name = "host", .role = TLS_HOST } };
	struct certs certs = { .dir = dir, .f = f };
	bool any;

	any = path_of(dir, "ca", ".crt", certs.ca);
	if (path_of(dir, "ca", ".crl", certs.crl_path)) {
		certs.crl = certs.crl_path;
		any = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(owns); i++) {
		owns[i].cert_there = path_of(dir, owns[i].name, ".crt", owns[i].cert);
		owns[i].key_there = path_of(dir, owns[i].name, ".key", owns[i].key);
		any |= owns[i].cert_there || owns[i].key_there;
	}
	if (!any) {
		findings_add(f, "tls_ca", FINDING_OK,
			     "%s: no certificates: the control plane is not set up", dir);
		return;
	}
	check_ca(&certs);
	check_crl(&certs);
	for (size_t i = 0; i < ARRAY_SIZE(owns); i++) {
		if (owns[i].cert_there || owns[i].key_there)
			check_own(&certs, &owns[i]);
	}
}
