/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets below a control_link: connecting and waiting, never longer than is said. */
#ifndef TCPMIG_CONTROL_DIAL_H
#define TCPMIG_CONTROL_DIAL_H

#include <openssl/bio.h>
#include <stdint.h>

#include "control_path.h"
#include "tcpmig_shared.h"

/** control_wait() - until @fd has one of @events, POLLIN or POLLOUT. Return: 0; -ETIMEDOUT. */
int control_wait(int fd, short events, uint64_t end_ms);

/**
 * control_dial() - a non-blocking TCP connection.
 * @from: address to connect from, whatever its port; NULL: as the route says
 * @hint: what to ask oneself if nobody answers: "; is the agent running?"
 * @timeout_ms, @end_ms: how long that is altogether, for the message; until when
 * @why:  CONTROL_WHY_LEN bytes; on error: what is wrong, as a phrase that names @agent
 * Return: descriptor; -errno.
 */
int control_dial(const struct tcpmig_endpoint *agent, const struct tcpmig_endpoint *from,
		 const char *hint, unsigned int timeout_ms, uint64_t end_ms, char *why);

/** control_dial_local() - likewise to the UNIX socket at @path. */
int control_dial_local(const char *path, unsigned int timeout_ms, uint64_t end_ms, char *why);

/**
 * control_bio_method() - a BIO over a descriptor, to which its data points: that of OpenSSL
 * raises SIGPIPE. What is sent to a side that has gone is lost without an error: what that side
 * had to say before, why it went, is still to be read.
 * Return: to be freed by BIO_meth_free(), after the BIO; NULL: no memory.
 */
BIO_METHOD *control_bio_method(void);

#endif
