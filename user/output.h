/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two ways in which commands answer: one JSON document, or a table for people. */
#ifndef TCPMIG_OUTPUT_H
#define TCPMIG_OUTPUT_H

#include <stddef.h>

struct finding;
struct json_object;
struct libscols_table;
struct tcpmig_endpoint;

/** output_json() - print @json on stdout and free it. Return: exit status. */
int output_json(struct json_object *json);

/** output_finding() - as JSON object: check, result, detail, cure (null where there is none). */
struct json_object *output_finding(const struct finding *finding);

/** output_endpoint() - as JSON string; null where its family is 0: not known. */
struct json_object *output_endpoint(const struct tcpmig_endpoint *ep);

/* What a column holds: short text, numbers, or text to be wrapped at the terminal's edge. */
enum { OUTPUT_TEXT, OUTPUT_NUMBER, OUTPUT_WRAPPED };

/** struct output_column - title and OUTPUT_*. */
struct output_column {
	const char *title;
	int kind;
};

/** output_table_new() - an empty table; NULL if there is no memory. */
struct libscols_table *output_table_new(const struct output_column *columns, size_t count);

/** output_table_row() - one line: as many printed cells as columns, each a string. */
int output_table_row(struct libscols_table *table, const char *const *cells, size_t count);

/** output_table_print() - on stdout; frees it. Return: exit status. */
int output_table_print(struct libscols_table *table);

#endif
