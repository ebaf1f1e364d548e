/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keeper's end of the line to the agent, see agent_keeper.h for the other one. */
#ifndef TCPMIG_KEEPER_LINE_H
#define TCPMIG_KEEPER_LINE_H

#include "agent_keeper.h"

/** keeper_line() - both ends; @ends[0] is the keeper's. Return: 0 or -errno. */
int keeper_line(int ends[2]);

/**
 * keeper_order() - to the agent. Never blocks.
 * @files: with KEEPER_RELOAD; stay the caller's
 * Return: 0 or -errno; -EAGAIN: it has not read those before.
 */
int keeper_order(int line, enum keeper_order order, const struct keeper_files *files);

/**
 * keeper_note() - the next note of the agent: a byte, whatever else it sends is dropped.
 * Return: enum keeper_note; -EAGAIN: none now; -EPIPE: it is gone; -EPROTO: no note.
 */
int keeper_note(int line);

#endif
