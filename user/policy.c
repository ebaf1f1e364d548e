// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "policy.h"

bool policy_allows(const struct tcpmig_policy *policies, size_t count,
		   const struct tcpmig_endpoint *old, const struct tcpmig_endpoint *new)
{
	int same = tcpmig_same_endpoint(old, new);

	for (size_t i = 0; i < count; i++) {
		if (tcpmig_policy_allows(&policies[i], old, new, same))
			return true;
	}
	return false;
}

bool policy_knows_old(const struct tcpmig_policy *policies, size_t count,
		      const struct tcpmig_endpoint *old)
{
	return policy_allows(policies, count, old, old);
}

bool policy_knows_addr(const struct tcpmig_policy *policies, size_t count,
		       const struct tcpmig_endpoint *ep)
{
	for (size_t i = 0; i < count; i++) {
		if (tcpmig_prefix_has_addr(&policies[i].old, ep) ||
		    tcpmig_prefix_has_addr(&policies[i].new, ep))
			return true;
	}
	return false;
}
