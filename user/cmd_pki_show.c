// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cleanup.h"
#include "cmd_pki.h"
#include "endpoint.h"
#include "log.h"
#include "output.h"
#include "prefix.h"

/** struct show - the list as it grows; one of @array and @table. @crls: NULL: none are known */
struct show {
	STACK_OF(X509_CRL) * crls;
	struct json_object *array;
	struct libscols_table *table;
};

static struct json_object *addrs_json(const struct cert *cert)
{
	struct json_object *array = json_object_new_array();
	char text[ENDPOINT_STRLEN];

	for (size_t i = 0; i < cert->addr_count; i++)
		json_object_array_add(
			array, json_object_new_string(endpoint_format_addr(&cert->addrs[i], text)));
	return array;
}

static struct json_object *nets_json(const struct cert *cert)
{
	struct json_object *array = json_object_new_array();
	char text[PREFIX_STRLEN];

	for (size_t i = 0; i < cert->net_count; i++)
		json_object_array_add(array,
				      json_object_new_string(prefix_format(&cert->nets[i], text)));
	return array;
}

/* @revoked_at: as pki_revoked_at() says it. */
static void add_json(struct json_object *array, const struct cert *cert, const char *path,
		     time_t revoked_at)
{
	struct json_object *json = json_object_new_object();
	char iso[24];

	json_object_object_add(json, "subject", json_object_new_string(cert->subject));
	json_object_object_add(json, "role", json_object_new_string(cert_role_name(cert->role)));
	json_object_object_add(json, "addresses", addrs_json(cert));
	json_object_object_add(json, "networks", nets_json(cert));
	json_object_object_add(json, "not_before",
			       json_object_new_string(cmd_pki_iso(cert->not_before, iso)));
	json_object_object_add(json, "not_after",
			       json_object_new_string(cmd_pki_iso(cert->not_after, iso)));
	json_object_object_add(json, "days_left",
			       json_object_new_int64(cert_days_left(cert->not_after)));
	json_object_object_add(json, "revoked",
			       revoked_at < 0 ? NULL : json_object_new_boolean(revoked_at > 0));
	json_object_object_add(json, "revoked_at",
			       revoked_at > 0 ? json_object_new_string(cmd_pki_iso(revoked_at, iso))
					      : NULL);
	json_object_object_add(json, "policy", json_object_new_boolean(cert->policy));
	json_object_object_add(json, "issuer", json_object_new_string(cert->issuer));
	json_object_object_add(json, "serial", json_object_new_string(cert->serial));
	json_object_object_add(json, "key_sha256", json_object_new_string(cert->key_sha256));
	json_object_object_add(json, "file", json_object_new_string(path));
	json_object_array_add(array, json);
}

/* The strings of a JSON array with spaces between them. */
static char *join(struct json_object *array)
{
	size_t count = json_object_array_length(array), len = 1, used = 0;
	char *text;

	for (size_t i = 0; i < count; i++)
		len += strlen(json_object_get_string(json_object_array_get_idx(array, i))) + 1;
	text = calloc(1, len);
	for (size_t i = 0; text && i < count; i++)
		used += snprintf(text + used, len - used, "%s%s", i ? " " : "",
				 json_object_get_string(json_object_array_get_idx(array, i)));
	json_object_put(array);
	return text;
}

static int add_row(struct libscols_table *table, const struct cert *cert, const char *path,
		   time_t revoked_at)
{
	_cleanup_free_ char *addrs = join(addrs_json(cert));
	_cleanup_free_ char *nets = join(nets_json(cert));
	char until[CERT_DATE_LEN], revoked[CERT_DATE_LEN] = "no", days[24];
	const char *cells[] = {
		cert->subject, cert_role_name(cert->role), addrs, nets, until, days, revoked, path
	};

	if (!addrs || !nets)
		return -ENOMEM;
	cert_date(cert->not_after, until);
	snprintf(days, sizeof(days), "%ld", cert_days_left(cert->not_after));
	if (revoked_at < 0)
		strcpy(revoked, "?");
	else if (revoked_at > 0)
		cert_date(revoked_at, revoked);
	return output_table_row(table, cells, ARRAY_SIZE(cells));
}

static int show_one(X509 *x509, const char *path, void *ctx)
{
	struct show *show = ctx;
	time_t revoked_at = pki_revoked_at(show->crls, x509);
	struct cert cert;
	int err = cert_read(x509, &cert);

	if (err)
		return err;
	if (show->table)
		return add_row(show->table, &cert, path, revoked_at);
	add_json(show->array, &cert, path, revoked_at);
	return 0;
}

static int show_files(struct show *show, int count, char **files, char *why)
{
	STACK_OF(X509) * certs;
	int err = 0;

	for (int i = 0; !err && i < count; i++) {
		err = pki_file_certs(files[i], &certs, why);
		if (err)
			break;
		for (int k = 0; !err && k < sk_X509_num(certs); k++)
			err = show_one(sk_X509_value(certs, k), files[i], show);
		pki_certs_free(certs);
	}
	return err;
}

/* With files named, a directory that is not there is none to look for CRLs in. */
static int collect(struct show *show, const char *path, int count, char **files, char *why)
{
	struct pki_dir dir = { .fd = -1 };
	int err = pki_dir_look(&dir, path, why);

	if (err && !count)
		return err;
	err = err ? 0 : pki_dir_read_crls(&dir, &show->crls, why);
	if (!err && count)
		err = show_files(show, count, files, why);
	else if (!err)
		err = pki_dir_each(&dir, show_one, show, why);
	pki_dir_close(&dir);
	pki_crls_free(show->crls);
	return err;
}

int cmd_pki_show(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { { "dir", required_argument, NULL, ARG_DIR },
						 ARGS_GLOBAL };
	static const struct output_column columns[] = { { "SUBJECT", 0 },
							{ "ROLE", 0 },
							{ "ADDRESSES", OUTPUT_WRAPPED },
							{ "NETWORKS", OUTPUT_WRAPPED },
							{ "UNTIL", 0 },
							{ "DAYS", OUTPUT_NUMBER },
							{ "REVOKED", 0 },
							{ "FILE", 0 } };
	const char *dir = PKI_DIR_DEFAULT;
	char why[PKI_WHY_LEN] = "";
	struct show show = {};
	int c, err, status = 0;

	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0)
		dir = optarg;
	if (c == ARGS_STOP)
		return status;
	if (g->json)
		show.array = json_object_new_array();
	else
		show.table = output_table_new(columns, ARRAY_SIZE(columns));
	err = !show.array && !show.table ? -ENOMEM
					 : collect(&show, dir, argc - optind, argv + optind, why);
	if (!err)
		return g->json ? output_json(show.array) : output_table_print(show.table);
	json_object_put(show.array);
	scols_unref_table(show.table);
	return *why ? log_error("%s", why) : log_errno(err, "'%s'", dir);
}
