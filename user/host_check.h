/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is a right message between hosts: for host_message.c, both ways. */
#ifndef TCPMIG_HOST_CHECK_H
#define TCPMIG_HOST_CHECK_H

#include "host_message.h"

/**
 * host_check_request(), host_check_answer() - is every field within its bounds?
 * Return: NULL, or what is wrong as a phrase (static storage).
 */
const char *host_check_request(const TcpmigHost__Request *req);
const char *host_check_answer(const TcpmigHost__Answer *answer);

#endif
