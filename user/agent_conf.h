/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* agent.conf: what it says, with defaults for what it does not (libinih). Pure: reads no file. */
#ifndef TCPMIG_AGENT_CONF_H
#define TCPMIG_AGENT_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"
#include "tcpmig_shared.h"

#define AGENT_CONF_DEFAULT "/etc/tcpmig/agent.conf"
#define AGENT_PORT	   7170
#define AGENT_LISTEN_MAX   8

/**
 * struct agent_limits - [limits]; each for one certificate.
 * @flows:          in all its migrations together (flows, 100000)
 * @moves:          that are open at the same time (moves, 16)
 * @moves_a_minute: begun (moves-a-minute, 60)
 * @hold_s:         of one hold (hold-s, 30)
 * @held_s_an_hour: of all its holds together (held-s-an-hour, 600)
 */
struct agent_limits {
	unsigned int flows;
	unsigned int moves;
	unsigned int moves_a_minute;
	unsigned int hold_s;
	unsigned int held_s_an_hour;
};

/**
 * struct agent_conf - all of it.
 * @listen:   [agent] listen: ADDR or ADDR:PORT, a list; default: 0.0.0.0 and [::], AGENT_PORT.
 *            Unspecified addresses are allowed here. IPv6 means IPv6 only (IPV6_V6ONLY).
 * @user:     [agent] user: becomes this one (tcpmig)
 * @ca, @crl, @cert, @key: [agent] PEM files (/etc/tcpmig/ca.crt, no CRL, /etc/tcpmig/agent.crt,
 * .key)
 * @state:    [agent] state: directory of what must survive a restart (/var/lib/tcpmig)
 * @check_source: [agent] check-source = yes|no: orders must come from the address they are about
 * @policies: [move NAME] old = PREFIX list, new = PREFIX list, ports = list of PORT or FROM-TO
 *            (of OLD, default any), new-ports (default any): every combination is one entry
 */
struct agent_conf {
	struct tcpmig_endpoint listen[AGENT_LISTEN_MAX];
	size_t listen_count;
	char user[32];
	char ca[CONF_PATH_LEN];
	char crl[CONF_PATH_LEN]; /* empty: none */
	char cert[CONF_PATH_LEN];
	char key[CONF_PATH_LEN];
	char state[CONF_PATH_LEN];
	bool check_source;
	struct agent_limits limits;
	struct tcpmig_policy policies[TCPMIG_POLICIES_MAX];
	size_t policy_count;
};

/**
 * agent_conf_parse() - read the text of a whole file.
 * @text: @len bytes, at most CONF_BYTES
 * @why:  CONF_WHY_LEN bytes; on error: the line, what it says, what was expected
 *
 * Unknown sections and keys are errors, and so is a section or a value that is there twice.
 * Without any [move] nothing may move (default deny).
 * Return: 0; -EINVAL; -E2BIG: more than TCPMIG_POLICIES_MAX combinations.
 */
int agent_conf_parse(const char *text, size_t len, struct agent_conf *conf, char *why);

#endif
