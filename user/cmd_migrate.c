// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "control_message.h"
#include "endpoint.h"
#include "log.h"
#include "migrate.h"
#include "migrate_settle.h"

#define MAX_FREEZE_MS (MIGRATE_LEASE_MS - MIGRATE_MARGIN_MS)

/* What the command line says, beside what is asked of migrate_run(). */
struct request {
	struct migrate_options opt;
	bool has_uuid;
	bool has_other; /* an option that is for a new migration */
	bool back;
	uint8_t uuid[MESSAGE_UUID_LEN];
};

/* Return: 0, or 2 after saying what is wrong. */
static int read_number(const char *option, const char *text, unsigned long max,
		       unsigned long *value)
{
	char *end;

	errno = 0;
	*value = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (!*value || errno || *end || *value > max)
		return log_usage("'%s': expected a number, 1..%lu, for %s", text, max, option);
	return 0;
}

static int read_new(const char *text, struct migrate_options *opt)
{
	const char *why;
	struct tcpmig_endpoint ep;

	why = endpoint_parse_optional_port(text, &ep);
	if (why || ep.port)
		return log_usage("'%s': %s; expected an address of HOST for --new", text,
				 why ?: "has a port");
	opt->new[ep.family == TCPMIG_AF_INET6] = ep;
	return 0;
}

static int read_to(const char *text, struct migrate_options *opt)
{
	const char *why = endpoint_parse_optional_port(text, &opt->to);

	if (why)
		return log_usage("'%s': %s; expected ADDR or ADDR:PORT for --to", text, why);
	opt->to_text = text;
	if (!opt->to.port)
		opt->to.port = htons(HOST_PORT);
	return 0;
}

static int read_hold(const char *text, struct migrate_options *opt)
{
	if (!strcmp(text, "drop"))
		opt->hold_mode = TCPMIG_HOLD_DROP;
	else if (!strcmp(text, "swallow"))
		opt->hold_mode = TCPMIG_HOLD_SWALLOW;
	else if (!strcmp(text, "pen"))
		return log_usage("'pen': agents keep no packets yet; expected drop or swallow for "
				 "--hold");
	else
		return log_usage("'%s': expected drop or swallow for --hold", text);
	return 0;
}

static int read_files(const char *text, struct migrate_options *opt)
{
	opt->ignore_files = !strcmp(text, "ignore");
	if (opt->ignore_files || !strcmp(text, "check"))
		return 0;
	return log_usage("'%s': expected check or ignore for --files", text);
}

static int read_uuid(const char *text, struct request *req, bool back)
{
	if (req->has_uuid)
		return log_usage("'%s': expected one of --resume and --abort, once", text);
	req->has_uuid = true;
	req->back = back;
	if (message_uuid_parse(text, req->uuid))
		return 0;
	return log_usage("'%s': expected the UUID of a migration", text);
}

/* An option, in optarg. Return: 0, or the exit status after saying what is wrong. */
static int read_option(int option, struct request *req)
{
	struct migrate_options *opt = &req->opt;
	unsigned long number;
	int status;

	req->has_other |= option != ARG_CONFIG && option != ARG_RESUME && option != ARG_ABORT;
	switch (option) {
	case ARG_CONFIG:
		opt->config = optarg;
		return 0;
	case ARG_PID:
		status = read_number("--pid", optarg, 1 << 22, &number);
		opt->pid = number;
		return status;
	case ARG_TO:
		return read_to(optarg, opt);
	case ARG_NEW:
		return read_new(optarg, opt);
	case ARG_NEW_PORT:
		status = read_number("--new-port", optarg, 65535, &number);
		opt->new_port = htons(number);
		return status;
	case ARG_DRY_RUN:
		opt->dry_run = true;
		return 0;
	case ARG_REQUIRE_AGENTS:
		if (move_need_parse(optarg, &opt->need))
			return 0;
		return log_usage("'%s': expected all, any or none for --require-agents", optarg);
	case ARG_MAX_FREEZE:
		status = read_number("--max-freeze", optarg, MAX_FREEZE_MS, &number);
		opt->max_freeze_ms = number;
		return status;
	case ARG_HOLD:
		return read_hold(optarg, opt);
	case ARG_FILES:
		return read_files(optarg, opt);
	}
	return read_uuid(optarg, req, option == ARG_ABORT);
}

static int settle(const struct request *req)
{
	char why[HOST_FILES_WHY_LEN];
	struct host_files files;
	int status;

	if (req->has_other)
		return log_usage("--resume and --abort take no other option but --config");
	if (host_files_load(req->opt.config, &files, why))
		return log_error("%s", why);
	status = migrate_settle_uuid(&files, req->uuid, req->back);
	host_files_free(&files);
	return status;
}

static int run_request(struct globals *g, struct request *req)
{
	if (req->has_uuid)
		return settle(req);
	if (!req->opt.pid || !req->opt.to_text)
		return log_usage("%s is missing: expected --pid PID --to HOST",
				 req->opt.pid ? "--to" : "--pid");
	req->opt.json = g->json;
	return migrate_run(&req->opt);
}

int cmd_migrate(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, ARG_CONFIG },
		{ "pid", required_argument, NULL, ARG_PID },
		{ "to", required_argument, NULL, ARG_TO },
		{ "new", required_argument, NULL, ARG_NEW },
		{ "new-port", required_argument, NULL, ARG_NEW_PORT },
		{ "dry-run", no_argument, NULL, ARG_DRY_RUN },
		{ "require-agents", required_argument, NULL, ARG_REQUIRE_AGENTS },
		{ "max-freeze", required_argument, NULL, ARG_MAX_FREEZE },
		{ "hold", required_argument, NULL, ARG_HOLD },
		{ "files", required_argument, NULL, ARG_FILES },
		{ "resume", required_argument, NULL, ARG_RESUME },
		{ "abort", required_argument, NULL, ARG_ABORT },
		ARGS_GLOBAL,
	};
	static struct request req = { .opt = { .config = HOST_CONF_DEFAULT,
					       .max_freeze_ms = MIGRATE_FREEZE_MS } };
	int c, status = 0;

	while (!status && (c = args_next(g, self, argc, argv, options, &status)) >= 0)
		status = read_option(c, &req);
	if (status || c == ARGS_STOP)
		return status;
	return args_operands(self, argc, 0, 0) ? run_request(g, &req) : 2;
}
