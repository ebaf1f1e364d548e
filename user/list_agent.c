// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "cleanup.h"
#include "endpoint.h"
#include "list_agent.h"
#include "log.h"
#include "output.h"

static struct json_object *json_move(const struct message_move *move)
{
	struct json_object *json = json_object_new_object();
	char uuid[MESSAGE_UUID_STRLEN];

	json_object_object_add(json, "uuid",
			       json_object_new_string(message_uuid_text(move->uuid, uuid)));
	json_object_object_add(json, "epoch", json_object_new_uint64(move->epoch));
	json_object_object_add(json, "old", output_endpoint(&move->old));
	json_object_object_add(json, "cur", output_endpoint(&move->cur));
	json_object_object_add(json, "next", output_endpoint(&move->next));
	json_object_object_add(json, "state",
			       json_object_new_string(message_state_name(move->state)));
	json_object_object_add(json, "consented", json_object_new_boolean(move->consented));
	json_object_object_add(json, "committed", json_object_new_boolean(move->committed));
	return json;
}

struct json_object *list_agent_json(const struct agent_status *agent)
{
	struct json_object *json = json_object_new_object();
	struct json_object *moves = json_object_new_array();

	for (size_t i = 0; i < agent->answer.move_count; i++)
		json_object_array_add(moves, json_move(&agent->answer.moves[i]));
	json_object_object_add(json, "running", json_object_new_boolean(agent->running));
	json_object_object_add(json, "moves", moves);
	return json;
}

static int add_row(struct libscols_table *table, const struct message_move *move)
{
	char old[ENDPOINT_STRLEN], cur[ENDPOINT_STRLEN], next[ENDPOINT_STRLEN] = "-";
	char epoch[24], uuid[MESSAGE_UUID_STRLEN];
	const char *cells[] = { old,
				cur,
				next,
				message_state_name(move->state),
				move->consented ? "yes" : "no",
				move->committed ? "yes" : "no",
				epoch,
				message_uuid_text(move->uuid, uuid) };

	endpoint_format(&move->old, old);
	endpoint_format(&move->cur, cur);
	if (move->next.family)
		endpoint_format(&move->next, next);
	snprintf(epoch, sizeof(epoch), "%" PRIu64, move->epoch);
	return output_table_row(table, cells, ARRAY_SIZE(cells));
}

int list_agent_print(const struct agent_status *agent)
{
	static const struct output_column columns[] = {
		{ "OLD", 0 },	    { "OWNER", 0 },	{ "NEXT", 0 },	{ "MIGRATION", 0 },
		{ "CONSENTED", 0 }, { "COMMITTED", 0 }, { "EPOCH", 1 }, { "UUID", 0 },
	};
	struct libscols_table *table;

	if (!agent->answer.move_count)
		return 0;
	putchar('\n');
	table = output_table_new(columns, ARRAY_SIZE(columns));
	for (size_t i = 0; table && i < agent->answer.move_count; i++) {
		if (add_row(table, &agent->answer.moves[i])) {
			scols_unref_table(table);
			table = NULL;
		}
	}
	return table ? output_table_print(table) : log_errno(ENOMEM, "print the table");
}
