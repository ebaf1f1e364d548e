// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd_pki.h"
#include "endpoint.h"
#include "log.h"
#include "output.h"

/* "host-192.0.2.1"; a colon would be a host's name to scp. */
static void default_out(const struct pki_args *args, char *out)
{
	char addr[ENDPOINT_STRLEN];

	endpoint_format_addr(&args->addrs[0], addr);
	for (char *c = addr; *c; c++)
		*c = *c == ':' ? '-' : *c;
	snprintf(out, PATH_MAX, "%s-%s", cert_role_name(args->role), addr);
}

static int print_leaf(const struct globals *g, const struct pki_args *args, const char *out,
		      X509 *cert)
{
	time_t until = cert_time(X509_get0_notAfter(cert));
	const char *role = cert_role_name(args->role);
	char date[CERT_DATE_LEN], iso[24];
	struct json_object *json;
	struct cert says;

	if (!g->json) {
		printf("wrote %s.crt and %s.key, valid until %s\n", out, out,
		       cert_date(until, date));
		printf("to /etc/tcpmig of that host: these as %s.crt and %s.key, %s/ca.crt and "
		       "ca.crl\n",
		       role, role, args->dir);
		return 0;
	}
	if (cert_read(cert, &says))
		return log_errno(ENOMEM, "'%s'", out);
	json = json_object_new_object();
	json_object_object_add(json, "prefix", json_object_new_string(out));
	json_object_object_add(json, "role", json_object_new_string(role));
	json_object_object_add(json, "serial", json_object_new_string(says.serial));
	json_object_object_add(json, "key_sha256", json_object_new_string(says.key_sha256));
	json_object_object_add(json, "not_after", json_object_new_string(cmd_pki_iso(until, iso)));
	return output_json(json);
}

static int print_sub_ca(const struct globals *g, const struct pki_args *args, X509 *cert)
{
	time_t until = cert_time(X509_get0_notAfter(cert));
	char date[CERT_DATE_LEN], iso[24];
	struct json_object *json;

	if (!g->json) {
		printf("made the sub-CA %s in %s, valid until %s\n", args->sub_ca, args->dir,
		       cert_date(until, date));
		printf("to /etc/tcpmig of every host that uses a CRL, before the first "
		       "certificate: %s/ca.crl\n",
		       args->dir);
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "sub_ca", json_object_new_string(args->sub_ca));
	json_object_object_add(json, "not_after", json_object_new_string(cmd_pki_iso(until, iso)));
	return output_json(json);
}

/* As long as usual, or as the CA still lives. */
static unsigned int default_days(const struct pki_ca *ca, unsigned int usual)
{
	long left = cert_days_left(cert_time(X509_get0_notAfter(ca->cert)));

	return left < 1 ? 1 : left < usual ? left : usual;
}

/* Return: NULL and @why. */
static X509 *sign(const struct pki_ca *ca, const struct pki_wanted *wanted, EVP_PKEY *key,
		  char *why)
{
	X509 *cert = NULL;

	if (pki_may_issue(ca, wanted, why))
		return NULL;
	if (key)
		cert = pki_certificate(wanted, key, ca);
	if (!cert)
		snprintf(why, PKI_WHY_LEN, "OpenSSL cannot make the certificate");
	return cert;
}

static int issue_leaf(const struct globals *g, const struct pki_dir *dir,
		      const struct pki_args *args, const struct pki_ca *ca)
{
	char name[sizeof("agent ") + ENDPOINT_STRLEN], addr[ENDPOINT_STRLEN];
	char out[PATH_MAX], why[PKI_WHY_LEN];
	const struct pki_wanted wanted = {
		.role = args->role,
		.name = name,
		.days = args->days ?: default_days(ca, PKI_LEAF_DAYS),
		.addrs = args->addrs,
		.addr_count = args->addr_count,
	};
	bool by_root = !args->ca || !strcmp(args->ca, PKI_ROOT);
	struct pki_ca leaf = { .key = pki_key() };
	int status;

	snprintf(name, sizeof(name), "%s %s", cert_role_name(args->role),
		 endpoint_format_addr(&args->addrs[0], addr));
	default_out(args, out);
	leaf.cert = sign(ca, &wanted, leaf.key, why);
	if (!leaf.cert ||
	    pki_dir_add_leaf(dir, args->out ?: out, &leaf, by_root ? NULL : ca->cert, why) ||
	    pki_dir_crls(dir, NULL, false, why))
		status = log_error("%s", why);
	else
		status = print_leaf(g, args, args->out ?: out, leaf.cert);
	pki_ca_free(&leaf);
	return status;
}

static int issue_sub_ca(const struct globals *g, const struct pki_dir *dir,
			const struct pki_args *args, const struct pki_ca *ca)
{
	char name[PKI_ROOT_NAME_MAX + PKI_NAME_MAX + 2], root[PKI_ROOT_NAME_MAX + 1] = "",
										  why[PKI_WHY_LEN];
	const struct pki_wanted wanted = {
		.role = CERT_SUB_CA,
		.name = name,
		.days = args->days ?: default_days(ca, PKI_SUB_CA_DAYS),
		.nets = args->nets,
		.net_count = args->net_count,
	};
	struct pki_ca sub = { .key = pki_key() };
	int status;

	X509_NAME_get_text_by_NID(X509_get_subject_name(ca->cert), NID_commonName, root,
				  sizeof(root));
	snprintf(name, sizeof(name), "%s %s", root, args->sub_ca);
	sub.cert = sign(ca, &wanted, sub.key, why);
	if (!sub.cert || pki_dir_add_ca(dir, args->sub_ca, &sub, why) ||
	    pki_dir_crls(dir, NULL, false, why))
		status = log_error("%s", why);
	else
		status = print_sub_ca(g, args, sub.cert);
	pki_ca_free(&sub);
	return status;
}

static int check_issue(const struct command *self, struct pki_args *args)
{
	const char *wrong = NULL;

	if (args->sub_ca && (args->addr_count || args->role != CERT_OTHER || args->out || args->ca))
		wrong = "--sub-ca goes with --net, --days and --dir alone";
	else if (args->sub_ca && !args->net_count)
		wrong = "--net is missing: the networks to which the sub-CA is confined";
	else if (!args->sub_ca && args->net_count)
		wrong = "--net goes with --sub-ca";
	else if (!args->sub_ca && !args->addr_count)
		wrong = "--ip is missing: an address of the host";
	if (args->role == CERT_OTHER)
		args->role = CERT_HOST;
	return wrong ? log_usage("%s; expected: %s %s", wrong, self->name, self->args) : 0;
}

int cmd_pki_issue(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "ip", required_argument, NULL, ARG_IP },
		{ "role", required_argument, NULL, ARG_ROLE },
		{ "days", required_argument, NULL, ARG_DAYS },
		{ "out", required_argument, NULL, ARG_OUT },
		{ "dir", required_argument, NULL, ARG_DIR },
		{ "ca", required_argument, NULL, ARG_CA },
		{ "sub-ca", required_argument, NULL, ARG_SUB_CA },
		{ "net", required_argument, NULL, ARG_NET },
		ARGS_GLOBAL,
	};
	char why[PKI_WHY_LEN];
	struct pki_args args;
	struct pki_dir dir;
	struct pki_ca ca;
	int status = cmd_pki_parse(g, self, argc, argv, options, &args);

	if (status >= 0)
		return status;
	if (!args_operands(self, argc, 0, 0) || check_issue(self, &args))
		return 2;
	if (pki_dir_open(&dir, args.dir, why))
		return log_error("%s", why);
	if (pki_dir_ca(&dir, args.ca ?: PKI_ROOT, &ca, why)) {
		status = log_error("%s", why);
	} else {
		status = (args.sub_ca ? issue_sub_ca : issue_leaf)(g, &dir, &args, &ca);
		pki_ca_free(&ca);
	}
	pki_dir_close(&dir);
	return status;
}
