/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The administrator's prefixes: from where to where flows may move at all. Pure. */
#ifndef TCPMIG_POLICY_H
#define TCPMIG_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "tcpmig_shared.h"

/**
 * policy_allows() - may flows of @old be sent to @new? An empty list allows nothing.
 *
 * Where @new is @old itself (nothing has moved, or it moves back) an entry for @old is enough.
 * As BPF asks for each packet (bpf/policy.bpf.h).
 */
bool policy_allows(const struct tcpmig_policy *policies, size_t count,
		   const struct tcpmig_endpoint *old, const struct tcpmig_endpoint *new);

/** policy_knows_old() - may flows of @old move to anywhere? */
bool policy_knows_old(const struct tcpmig_policy *policies, size_t count,
		      const struct tcpmig_endpoint *old);

/** policy_knows_addr() - is the address of @ep (whatever its port) in any old or new prefix? */
bool policy_knows_addr(const struct tcpmig_policy *policies, size_t count,
		       const struct tcpmig_endpoint *ep);

#endif
