/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What list shows of the agent: the migrations that are under way. */
#ifndef TCPMIG_LIST_AGENT_H
#define TCPMIG_LIST_AGENT_H

#include "local_order.h"

/** list_agent_json() - {"running": ..., "moves": [...]}. Owned by the caller. */
struct json_object *list_agent_json(const struct agent_status *agent);

/** list_agent_print() - a table, if an agent runs and has any. Return: exit status. */
int list_agent_print(const struct agent_status *agent);

#endif
