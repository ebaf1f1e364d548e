// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * restart.h by hand, for a host with a systemd of its own.
 *
 *	restart_tool find PID			UNIT POLICY WATCHDOG-MS USER TRIGGERS
 *	restart_tool preflight PID		RESULT: DETAIL (CURE), a line for each finding
 *	restart_tool disable|enable UNIT
 *	restart_tool ended UNIT			waits 5 s
 *	restart_tool kill PID			into a private cgroup, frozen, and killed there
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "preflight.h"
#include "restart.h"
#include "tree.h"

static const uint8_t uuid[16] = { 0xab, [6] = 0x40, [8] = 0x80 };

static int find(pid_t pid, char *why)
{
	struct restart_unit unit;
	int err = restart_find(pid, &unit, why);

	if (!err)
		printf("%s %s %lu %d %s\n", unit.unit, unit.policy, unit.watchdog_ms, unit.user,
		       unit.triggers);
	return err;
}

static int look(pid_t pid, char *why)
{
	struct findings f = {};
	struct tree tree;
	const struct preflight p = { .tree = &tree };
	int err = tree_read(&tree, pid, why);

	if (err)
		return err;
	preflight_restart(&p, &f);
	for (size_t i = 0; i < f.count; i++)
		printf("%s: %s (%s)\n", finding_result_name(f.list[i].result), f.list[i].detail,
		       f.list[i].cure);
	findings_free(&f);
	tree_free(&tree);
	return 0;
}

static int kill_frozen(pid_t pid, char *why)
{
	struct cgroup cg;
	const char *phrase;
	int err = cgroup_plan(&cg, pid, uuid, &phrase);

	if (!err)
		err = cgroup_enter(&cg, pid, &phrase);
	if (err) {
		strcpy(why, phrase);
		return err;
	}
	printf("%s\n", cg.path);
	err = cgroup_freeze(&cg, 5000);
	if (!err)
		err = cgroup_kill(&cg, 5000);
	if (!err && cg.made)
		err = cgroup_remove(&cg, 5000);
	cgroup_free(&cg);
	return err;
}

int main(int argc, char **argv)
{
	char why[RESTART_WHY_LEN] = "";
	int err = -1;

	if (argc != 3)
		return 2;
	if (!strcmp(argv[1], "find"))
		err = find(atoi(argv[2]), why);
	else if (!strcmp(argv[1], "preflight"))
		err = look(atoi(argv[2]), why);
	else if (!strcmp(argv[1], "disable"))
		err = restart_disable(argv[2], uuid, why);
	else if (!strcmp(argv[1], "enable"))
		err = restart_enable(argv[2], uuid, why);
	else if (!strcmp(argv[1], "ended"))
		err = restart_wait_ended(argv[2], 5000, why);
	else if (!strcmp(argv[1], "kill"))
		err = kill_frozen(atoi(argv[2]), why);
	if (err)
		fprintf(stderr, "%s: %s\n", strerror(-err), why);
	return !!err;
}
