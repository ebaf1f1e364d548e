// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "args.h"
#include "checks.h"
#include "checks_rules.h"
#include "cleanup.h"
#include "findings.h"
#include "host_conf.h"
#include "log.h"
#include "output.h"
#include "session.h"

/* Only in their own network namespace do interfaces and routes mean something. */
static void check_attached(const struct session *s, const char *pin_dir, struct findings *f)
{
	if (session_is_our_netns(s)) {
		checks_ifaces(&s->tables, s->dir.fd, f);
		checks_rules(&s->tables, f);
		return;
	}
	findings_add(f, "interface", FINDING_WARN,
		     "%s: it serves another network namespace: interfaces and rules are not "
		     "looked at",
		     pin_dir);
	findings_cure(f, "run doctor in that one: nsenter --net -t PID");
}

static void check_pins(const char *pin_dir, struct findings *f)
{
	struct session s;
	int err = pindir_open(&s.dir, pin_dir, false);

	if (!err) {
		err = tables_open(&s.tables, s.dir.fd);
		if (err)
			pindir_close(&s.dir);
	}
	checks_pin_dir(pin_dir, err, f);
	if (err)
		return;
	checks_policy(&s.tables, s.dir.fd, f);
	check_attached(&s, pin_dir, f);
	session_close(&s);
}

static int print_json(const struct findings *f)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < f->count; i++)
		json_object_array_add(array, output_finding(&f->list[i]));
	return output_json(array);
}

static int print_table(const struct findings *f)
{
	static const struct output_column columns[] = { { "CHECK", 0 },
							{ "RESULT", 0 },
							{ "DETAIL", OUTPUT_WRAPPED },
							{ "CURE", OUTPUT_WRAPPED } };
	struct libscols_table *table = output_table_new(columns, ARRAY_SIZE(columns));
	int err = table ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < f->count; i++) {
		const struct finding *finding = &f->list[i];
		const char *cells[] = { finding->check, finding_result_name(finding->result),
					finding->detail, finding->cure ?: "" };

		err = output_table_row(table, cells, ARRAY_SIZE(cells));
	}
	if (!err)
		return output_table_print(table);
	scols_unref_table(table);
	return log_errno(err, "print the table");
}

static bool has_failed(const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->list[i].result == FINDING_FAIL)
			return true;
	}
	return false;
}

static int doctor(const struct globals *g)
{
	struct findings f = {};
	char criu[PATH_MAX];
	int status;

	checks_kernel(&f);
	checks_host(&f);
	check_pins(g->pin_dir, &f);
	checks_certs("/etc/tcpmig", &f);
	checks_server(HOST_CONF_DEFAULT, criu, &f);
	checks_criu(criu, &f); /* last, and without the lock: it takes its time */
	if (f.incomplete)
		status = log_errno(ENOMEM, "doctor");
	else
		status = g->json ? print_json(&f) : print_table(&f);
	if (!status && has_failed(&f))
		status = 1;
	findings_free(&f);
	return status;
}

int cmd_doctor(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	int c, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	return doctor(g);
}
