/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Migrations from this host whose migrator has ended before they had: by what the journal says
 * they go forward (COMMIT is in it) or back, and never anywhere else. Each step may have been done
 * before, also in part; done again it changes nothing.
 */
#ifndef TCPMIG_MIGRATE_SETTLE_H
#define TCPMIG_MIGRATE_SETTLE_H

#include "host_files.h"
#include "host_message.h"
#include "journal.h"

/** enum settle_end - where a migration has ended. */
enum settle_end {
	SETTLE_MOVED,
	SETTLE_STAYED,
	SETTLE_STAYED_UNTOLD, /* and B has still to hear of it; its journal is kept */
	SETTLE_LOST,	      /* committed, and B cannot make it run: its connections are gone */
	SETTLE_WAITING,	      /* somebody who has to know cannot be reached: again later */
	SETTLE_FAILED,	      /* here: nothing can be done without a person */
};

/**
 * migrate_settle() - one of them.
 * @j:   open, with @state of it; closed here, and removed where it has ended
 * @why: HOST_FILES_WHY_LEN bytes; of anything but SETTLE_MOVED and SETTLE_STAYED
 */
enum settle_end migrate_settle(struct host_files *files, struct journal *j,
			       const struct journal_state *state, char *why);

/**
 * migrate_settle_all() - all that nobody drives any more. Speaks by agent_log.h.
 * Return: SETTLE_WAITING where one is; else SETTLE_FAILED where a journal is kept for another
 * reason; else SETTLE_STAYED.
 */
enum settle_end migrate_settle_all(struct host_files *files);

/** migrate_settle_uuid() - by the user: --resume, or @back: --abort. Return: exit status. */
int migrate_settle_uuid(struct host_files *files, const uint8_t uuid[HOST_UUID_LEN], bool back);

#endif
