// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "endpoint.h"
#include "findings.h"
#include "log.h"
#include "output.h"

static int flushed(void)
{
	return fflush(stdout) ? log_errno(errno, "write to stdout") : 0;
}

int output_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
	return flushed();
}

struct json_object *output_finding(const struct finding *finding)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "check", json_object_new_string(finding->check));
	json_object_object_add(json, "result",
			       json_object_new_string(finding_result_name(finding->result)));
	json_object_object_add(json, "detail", json_object_new_string(finding->detail));
	json_object_object_add(json, "cure",
			       finding->cure ? json_object_new_string(finding->cure) : NULL);
	return json;
}

struct json_object *output_endpoint(const struct tcpmig_endpoint *ep)
{
	char text[ENDPOINT_STRLEN];

	return ep->family ? json_object_new_string(endpoint_format(ep, text)) : NULL;
}

struct libscols_table *output_table_new(const struct output_column *columns, size_t count)
{
	static const int flags[] = {
		[OUTPUT_NUMBER] = SCOLS_FL_RIGHT, [OUTPUT_WRAPPED] = SCOLS_FL_WRAP
	};
	struct libscols_table *table;

	scols_init_debug(0);
	table = scols_new_table();
	for (size_t i = 0; table && i < count; i++) {
		if (!scols_table_new_column(table, columns[i].title, 1, flags[columns[i].kind])) {
			scols_unref_table(table);
			return NULL;
		}
	}
	return table;
}

int output_table_row(struct libscols_table *table, const char *const *cells, size_t count)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	int err = line ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++)
		err = scols_line_set_data(line, i, cells[i]);
	return err;
}

int output_table_print(struct libscols_table *table)
{
	int err = scols_print_table(table);

	scols_unref_table(table);
	return err ? log_errno(err, "print the table") : flushed();
}
