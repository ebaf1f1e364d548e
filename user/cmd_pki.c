// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `pki` and what makes things; cmd_pki_show.c shows them. */
#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cleanup.h"
#include "cmd_pki.h"
#include "endpoint.h"
#include "log.h"
#include "output.h"
#include "prefix.h"

#define ROOT_NAME_DEFAULT "tcpmig CA"

static const struct command subcommands[] = {
	{ "pki init", "[--dir DIR] [--name NAME] [--days N] [--net PREFIX]...", "make a CA",
	  cmd_pki_init },
	{ "pki issue",
	  "--ip ADDR... [--role host|agent] [--days N] [--out PREFIX] [--dir DIR] [--ca NAME] | "
	  "--sub-ca NAME --net PREFIX... [--days N] [--dir DIR]",
	  "make a key and its certificate, or a CA that is confined to networks", cmd_pki_issue },
	{ "pki revoke", "[FILE...] [--dir DIR]",
	  "end certificates before their time; without FILE renew the CRL", cmd_pki_revoke },
	{ "pki show", "[FILE...] [--dir DIR]", "list what has been issued, or what files hold",
	  cmd_pki_show },
};

int cmd_pki(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	const char *word = argc > 1 ? argv[1] : "";
	int status = 2;

	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++) {
		if (!strcmp(word, subcommands[i].name + strlen("pki ")))
			return subcommands[i].run(g, &subcommands[i], argc - 1, argv + 1);
	}
	if (*word == '-' && args_next(g, self, argc, argv, options, &status) == ARGS_STOP)
		return status;
	return log_usage("'%s': expected: pki init, issue, revoke or show", word);
}

const char *cmd_pki_iso(time_t when, char *buf)
{
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(buf, 24, "%Y-%m-%dT%H:%M:%SZ", &tm))
		*buf = 0;
	return buf;
}

static bool add_addr(struct pki_args *args, const char *text)
{
	struct tcpmig_endpoint ep;
	const char *wrong = endpoint_parse_optional_port(text, &ep);

	if (!wrong && ep.port)
		wrong = "it has a port";
	if (!wrong)
		wrong = endpoint_check_routable(&ep);
	if (wrong) {
		log_usage("'%s': %s; expected the address of a host, without a port, for --ip",
			  text, wrong);
		return false;
	}
	for (size_t i = 0; i < args->addr_count; i++) {
		if (endpoint_same_addr(&args->addrs[i], &ep))
			return true;
	}
	if (args->addr_count == CERT_NAMES_MAX) {
		log_usage("'%s': too many addresses; expected at most %d for --ip", text,
			  CERT_NAMES_MAX);
		return false;
	}
	args->addrs[args->addr_count++] = ep;
	return true;
}

static bool add_net(struct pki_args *args, const char *text)
{
	struct tcpmig_prefix net = { .port_max = 65535 };
	char why[PREFIX_WHY_LEN];

	if (prefix_parse(text, &net, why)) {
		log_usage("'%s': %s, for --net", text, why);
		return false;
	}
	if (args->net_count == CERT_NAMES_MAX) {
		log_usage("'%s': too many networks; expected at most %d for --net", text,
			  CERT_NAMES_MAX);
		return false;
	}
	args->nets[args->net_count++] = net;
	return true;
}

static bool set_days(struct pki_args *args, const char *text)
{
	char *end = NULL;
	unsigned long days = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

	if (days < 1 || days > PKI_DAYS_MAX || *end) {
		log_usage("'%s': expected whole days, 1..%d, for --days", text, PKI_DAYS_MAX);
		return false;
	}
	args->days = days;
	return true;
}

static bool set_role(struct pki_args *args, const char *text)
{
	args->role = !strcmp(text, "host") ? CERT_HOST : CERT_AGENT;
	if (args->role == CERT_HOST || !strcmp(text, "agent"))
		return true;
	log_usage("'%s': expected host or agent for --role", text);
	return false;
}

static bool set_root_name(struct pki_args *args, const char *text)
{
	size_t len = strlen(text);

	args->name = text;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			len = 0;
	}
	if (len && len <= PKI_ROOT_NAME_MAX)
		return true;
	log_usage("'%s': expected 1..%d ASCII characters for --name", text, PKI_ROOT_NAME_MAX);
	return false;
}

static bool set_sub_name(const char **name, const char *text, const char *option)
{
	*name = text;
	if (pki_name_ok(text) || (!strcmp(option, "--ca") && !strcmp(text, PKI_ROOT)))
		return true;
	log_usage("'%s': expected 1..%d of a-z, 0-9 and '-' for %s, and not '%s'", text,
		  PKI_NAME_MAX, option, PKI_ROOT);
	return false;
}

static bool set_option(struct pki_args *args, int c, const char *text)
{
	switch (c) {
	case ARG_DIR:
		args->dir = text;
		return true;
	case ARG_OUT:
		args->out = text;
		return true;
	case ARG_NAME:
		return set_root_name(args, text);
	case ARG_CA:
		return set_sub_name(&args->ca, text, "--ca");
	case ARG_SUB_CA:
		return set_sub_name(&args->sub_ca, text, "--sub-ca");
	case ARG_ROLE:
		return set_role(args, text);
	case ARG_DAYS:
		return set_days(args, text);
	case ARG_IP:
		return add_addr(args, text);
	default:
		return add_net(args, text);
	}
}

int cmd_pki_parse(struct globals *g, const struct command *self, int argc, char **argv,
		  const struct option *options, struct pki_args *args)
{
	int c, status = 0;

	*args = (struct pki_args){ .dir = PKI_DIR_DEFAULT, .role = CERT_OTHER };
	while ((c = args_next(g, self, argc, argv, options, &status)) >= 0) {
		if (!set_option(args, c, optarg))
			return 2;
	}
	return c == ARGS_STOP ? status : -1;
}

static int make_root(const struct pki_dir *dir, const struct pki_args *args, struct pki_ca *ca,
		     char *why)
{
	const struct pki_wanted wanted = {
		.role = CERT_ROOT,
		.name = args->name ?: ROOT_NAME_DEFAULT,
		.days = args->days ?: PKI_ROOT_DAYS,
		.nets = args->nets,
		.net_count = args->net_count,
	};

	ca->key = pki_key();
	ca->cert = ca->key ? pki_certificate(&wanted, ca->key, NULL) : NULL;
	if (!ca->cert) {
		snprintf(why, PKI_WHY_LEN, "OpenSSL cannot make the certificate");
		return -EINVAL;
	}
	return pki_dir_add_ca(dir, PKI_ROOT, ca, why) ?: pki_dir_crls(dir, NULL, true, why);
}

static int print_root(const struct globals *g, const struct pki_dir *dir, X509 *cert)
{
	time_t until = cert_time(X509_get0_notAfter(cert));
	char date[CERT_DATE_LEN], iso[24];
	struct json_object *json;

	if (!g->json) {
		printf("made a CA in %s, valid until %s\n", dir->path, cert_date(until, date));
		printf("to /etc/tcpmig of every host: %s/ca.crt and ca.crl\n", dir->path);
		return 0;
	}
	json = json_object_new_object();
	json_object_object_add(json, "dir", json_object_new_string(dir->path));
	json_object_object_add(json, "not_after", json_object_new_string(cmd_pki_iso(until, iso)));
	return output_json(json);
}

int cmd_pki_init(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, ARG_DIR },
		{ "name", required_argument, NULL, ARG_NAME },
		{ "days", required_argument, NULL, ARG_DAYS },
		{ "net", required_argument, NULL, ARG_NET },
		ARGS_GLOBAL,
	};
	char why[PKI_WHY_LEN];
	struct pki_ca ca = {};
	struct pki_args args;
	struct pki_dir dir;
	int status = cmd_pki_parse(g, self, argc, argv, options, &args);

	if (status >= 0)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	if (pki_dir_make(&dir, args.dir, why))
		return log_error("%s", why);
	if (make_root(&dir, &args, &ca, why))
		status = log_error("%s", why);
	else
		status = print_root(g, &dir, ca.cert);
	pki_ca_free(&ca);
	pki_dir_close(&dir);
	return status;
}

static int revoke_file(const struct globals *g, const struct pki_dir *dir, const char *file,
		       struct json_object *list)
{
	STACK_OF(X509) * certs;
	char why[PKI_WHY_LEN], serial[48] = "";
	struct cert says;
	int err = pki_file_certs(file, &certs, why);

	if (err)
		return log_error("%s", why);
	err = pki_dir_crls(dir, sk_X509_value(certs, 0), false, why);
	if (!cert_read(sk_X509_value(certs, 0), &says))
		snprintf(serial, sizeof(serial), "%s", says.serial);
	pki_certs_free(certs);
	if (err && err != -EEXIST)
		return log_error("'%.120s': %s", file, why);
	if (g->json)
		json_object_array_add(list, json_object_new_string(serial));
	else
		printf("%s %s (%s)\n", err ? "was revoked already:" : "revoked", file, serial);
	return 0;
}

int cmd_pki_revoke(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { { "dir", required_argument, NULL, ARG_DIR },
						 ARGS_GLOBAL };
	struct json_object *json, *list;
	char why[PKI_WHY_LEN];
	struct pki_args args;
	struct pki_dir dir;
	int status = cmd_pki_parse(g, self, argc, argv, options, &args);

	if (status >= 0)
		return status;
	if (pki_dir_open(&dir, args.dir, why))
		return log_error("%s", why);
	list = json_object_new_array();
	status = optind == argc && pki_dir_crls(&dir, NULL, true, why) ? log_error("%s", why) : 0;
	for (int i = optind; !status && i < argc; i++)
		status = revoke_file(g, &dir, argv[i], list);
	pki_dir_close(&dir);
	if (status || !g->json) {
		json_object_put(list);
		if (!status)
			printf("to /etc/tcpmig of every host: %s/ca.crl\n", args.dir);
		return status;
	}
	json = json_object_new_object();
	json_object_object_add(json, "revoked", list);
	return output_json(json);
}
