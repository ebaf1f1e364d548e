// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "args.h"
#include "cleanup.h"
#include "log.h"
#include "output.h"
#include "session.h"

static const struct {
	const char *name;
	bool is_drop;
	const char *text;
} reasons[] = {
#define X(name, json, is_drop, text) { json, is_drop, text },
	TCPMIG_REASONS(X)
#undef X
};

static int print_json(const __u64 counters[TCPMIG_REASONS_COUNT])
{
	struct json_object *json = json_object_new_object();
	struct json_object *passed = json_object_new_object();
	struct json_object *drops = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		json_object_object_add(reasons[i].is_drop ? drops : passed, reasons[i].name,
				       json_object_new_int64(counters[i]));
	json_object_object_add(json, "counters", passed);
	json_object_object_add(json, "drops", drops);
	return output_json(json);
}

static int print_table(const __u64 counters[TCPMIG_REASONS_COUNT])
{
	static const struct output_column columns[] = {
		{ "PACKETS", 1 }, { "", 0 }, { "COUNTER", 0 }, { "MEANING", 0 }
	};
	struct libscols_table *table = output_table_new(columns, ARRAY_SIZE(columns));
	char number[24];

	for (size_t i = 0; table && i < ARRAY_SIZE(reasons); i++) {
		const char *cells[] = { number, reasons[i].is_drop ? "dropped" : "",
					reasons[i].name, reasons[i].text };

		snprintf(number, sizeof(number), "%llu", counters[i]);
		if (output_table_row(table, cells, ARRAY_SIZE(cells))) {
			scols_unref_table(table);
			table = NULL;
		}
	}
	return table ? output_table_print(table) : log_errno(ENOMEM, "print the table");
}

int cmd_stats(struct globals *g, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = { ARGS_GLOBAL };
	__u64 counters[TCPMIG_REASONS_COUNT];
	struct session s;
	int c, err, status = 0;

	c = args_next(g, self, argc, argv, options, &status);
	if (c == ARGS_STOP)
		return status;
	if (!args_operands(self, argc, 0, 0))
		return 2;
	if (session_open(&s, g->pin_dir))
		return 1;
	err = tables_get_counters(&s.tables, counters);
	session_close(&s);
	if (err)
		return log_errno(err, "read the counters");
	return g->json ? print_json(counters) : print_table(counters);
}
