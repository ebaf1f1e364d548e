/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host.conf: what it says, with defaults for what it does not (libinih). Pure: reads no file. */
#ifndef TCPMIG_HOST_CONF_H
#define TCPMIG_HOST_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"
#include "tcpmig_shared.h"

#define HOST_CONF_DEFAULT "/etc/tcpmig/host.conf"
#define HOST_LISTEN_MAX	  8
#define HOST_ACCEPTS_MAX  16 /* sections [accept] */
#define HOST_PREFIXES_MAX 32 /* of each list of a section */

/** struct host_prefixes - a list of them; of ports: prefixes without an address. */
struct host_prefixes {
	struct tcpmig_prefix at[HOST_PREFIXES_MAX];
	size_t count;
};

/**
 * struct host_accept - [accept NAME]: who may send trees here, and what they may take.
 * @from:  from = PREFIX list; addresses of hosts
 * @new:   new = PREFIX list, addresses that become the tree's; none: any
 * @ports: ports = list of PORT or FROM-TO, of @new; none: any
 */
struct host_accept {
	char name[CONF_NAME_LEN + 1];
	struct host_prefixes from;
	struct host_prefixes new;
	struct host_prefixes ports;
};

/**
 * struct host_conf - all of it.
 * @listen: [host] listen: ADDR or ADDR:PORT, a list; default: 0.0.0.0 and [::], HOST_PORT.
 *          IPv6 means IPv6 only (IPV6_V6ONLY)
 * @ca, @crl, @cert, @key: [host] PEM files (/etc/tcpmig/ca.crt, no CRL, /etc/tcpmig/host.crt,
 *          .key)
 * @state:  [host] directory of what must survive a restart (/var/lib/tcpmig)
 * @images: [host] directory of images, better in memory (/run/tcpmig/images)
 * @pins:   [host] directory in a bpffs, of fence and gate (/sys/fs/bpf/tcpmig-host)
 * @criu:   [host] criu; empty: the one in PATH
 * @agent_port: [host] agent-port: of the agents of clients (7170)
 * @agent_timeout_ms: [host] agent-timeout-ms: how long one may take to answer (2000)
 */
struct host_conf {
	struct tcpmig_endpoint listen[HOST_LISTEN_MAX];
	size_t listen_count;
	char ca[CONF_PATH_LEN];
	char crl[CONF_PATH_LEN]; /* empty: none */
	char cert[CONF_PATH_LEN];
	char key[CONF_PATH_LEN];
	char state[CONF_PATH_LEN];
	char images[CONF_PATH_LEN];
	char pins[CONF_PATH_LEN];
	char criu[CONF_PATH_LEN];
	unsigned int agent_port;
	unsigned int agent_timeout_ms;
	struct host_accept accepts[HOST_ACCEPTS_MAX];
	size_t accept_count;
};

/**
 * host_conf_parse() - read the text of a whole file.
 * @text: @len bytes, at most CONF_BYTES
 * @why:  CONF_WHY_LEN bytes; on error: the line, what it says, what was expected
 *
 * Unknown sections and keys are errors, and so is a section or a value that is there twice.
 * Without any [accept] no tree may come (default deny).
 * Return: 0; -EINVAL; -E2BIG: more of something than there may be.
 */
int host_conf_parse(const char *text, size_t len, struct host_conf *conf, char *why);

/** host_conf_knows() - may the host at the address of @from send any tree? */
bool host_conf_knows(const struct host_conf *conf, const struct tcpmig_endpoint *from);

/** host_conf_accepts() - may it send one that takes @next, an endpoint of ours? */
bool host_conf_accepts(const struct host_conf *conf, const struct tcpmig_endpoint *from,
		       const struct tcpmig_endpoint *next);

#endif
