// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <json-c/json.h>
#include <stdio.h>

#include "endpoint.h"
#include "log.h"
#include "migrate.h"
#include "output.h"

static const char *result_name(enum migrate_result result)
{
	static const char *const names[] = { "stayed", "moved", "unsettled", "lost" };

	return names[result];
}

static double freeze_ms(const struct migrate *m)
{
	return m->running_ns ? (m->running_ns - m->frozen_ns) / 1e6 : 0;
}

static json_object *phases(const struct migrate *m)
{
	json_object *list = json_object_new_array();

	for (enum phase p = 0; p < PHASES_COUNT; p++) {
		json_object *one;

		if (!m->progress.took_ns[p])
			continue;
		one = json_object_new_object();
		json_object_object_add(one, "name", json_object_new_string(phase_name(p)));
		json_object_object_add(one, "ms",
				       json_object_new_double(m->progress.took_ns[p] / 1e6));
		json_object_array_add(list, one);
	}
	return list;
}

static json_object *clients(const struct migrate *m)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->orders.agents.count; i++) {
		const struct move_agent *agent = &m->orders.agents.list[i];
		json_object *one = json_object_new_object();

		json_object_object_add(one, "agent", output_endpoint(&agent->at));
		json_object_object_add(one, "flows", json_object_new_int64(agent->answer.flows));
		json_object_object_add(one, "takes_part", json_object_new_boolean(!agent->skipped));
		json_object_array_add(list, one);
	}
	return list;
}

static json_object *moves(const struct migrate *m)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->orders.file.count; i++) {
		const struct move_record *move = &m->orders.file.moves[i];
		json_object *one = json_object_new_object();

		json_object_object_add(one, "old", output_endpoint(&move->old));
		json_object_object_add(one, "cur", output_endpoint(&move->cur));
		json_object_object_add(one, "new", output_endpoint(&move->next));
		json_object_array_add(list, one);
	}
	return list;
}

/*
 * Roughly: what a small process takes, what each connection adds at both hosts, and memory at the
 * rate at which it is dumped, sent and restored (scripts/bench migrate, on two cores). Memory goes
 * while it is dumped, so it is not counted for each.
 */
static double expected_freeze_ms(const struct migrate *m)
{
	return 20 + 0.25 * m->flow_count + m->memory_bytes / (300 * 1048576.0) * 1000;
}

static int report_json(const struct migrate *m, enum migrate_result result)
{
	json_object *json = json_object_new_object();

	json_object_object_add(json, "result", json_object_new_string(result_name(result)));
	json_object_object_add(json, "uuid", json_object_new_string(m->uuid_text));
	if (m->pid_at_target)
		json_object_object_add(json, "pid", json_object_new_int64(m->pid_at_target));
	json_object_object_add(json, "freeze_ms", json_object_new_double(freeze_ms(m)));
	if (m->would_move)
		json_object_object_add(json, "expected_freeze_ms",
				       json_object_new_double(expected_freeze_ms(m)));
	json_object_object_add(json, "connections", json_object_new_int64(m->flow_count));
	json_object_object_add(json, "image_bytes", json_object_new_int64(m->image_bytes));
	json_object_object_add(json, "moves", moves(m));
	json_object_object_add(json, "phases", phases(m));
	json_object_object_add(json, "clients", clients(m));
	return output_json(json);
}

static void report_plan(const struct migrate *m)
{
	const struct move_agents *agents = &m->orders.agents;
	char old[ENDPOINT_STRLEN], next[ENDPOINT_STRLEN];

	printf("would move %d to %s: %zu connection%s, %zu process%s, %.1f MiB, frozen for some "
	       "%.0f ms\n",
	       m->opt->pid, m->opt->to_text, m->flow_count, m->flow_count == 1 ? "" : "s",
	       m->tree.count, m->tree.count == 1 ? "" : "es", m->memory_bytes / 1048576.0,
	       expected_freeze_ms(m));
	for (size_t i = 0; i < m->orders.file.count; i++) {
		const struct move_record *move = &m->orders.file.moves[i];

		printf("  %s -> %s\n", endpoint_format(&move->old, old),
		       endpoint_format(&move->next, next));
		for (size_t k = 0; k < agents->count; k++) {
			const struct move_agent *agent = &agents->list[k];

			if (agent->move == i)
				printf("    agent %s: %zu connection%s%s\n",
				       endpoint_format(&agent->at, old), agent->client_count,
				       agent->client_count == 1 ? "" : "s",
				       agent->skipped ? ", does not answer: they would be lost"
						      : "");
		}
	}
}

static void report_text(const struct migrate *m, enum migrate_result result)
{
	const char *s = m->flow_count == 1 ? "" : "s";

	if (result == MIGRATE_MOVED)
		printf("moved %d to %s as %u: frozen %.1f ms, %zu connection%s, %.1f MiB\n",
		       m->opt->pid, m->opt->to_text, m->pid_at_target, freeze_ms(m), m->flow_count,
		       s, m->image_bytes / 1048576.0);
	else if (m->would_move)
		report_plan(m);
	else if (result == MIGRATE_UNSETTLED)
		log_error("%s: not settled; 'tcpmig-bpf host' goes on with it, or "
			  "'tcpmig-bpf migrate --resume %s'",
			  m->uuid_text, m->uuid_text);
}

int migrate_report(const struct migrate *m, enum migrate_result result)
{
	bool well = result == MIGRATE_MOVED || m->would_move;
	int status = 0;

	if (m->opt->json)
		status = report_json(m, result);
	else
		report_text(m, result);
	return well ? status : 1;
}
