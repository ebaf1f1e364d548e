// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_sandbox.h"
#include "privileges.h"
#include "seccomp_rules.h"

#define ALL_BITS 0xffffffff

static int become(const struct passwd *user)
{
	if (setgroups(0, NULL) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		return -errno;
	return 0;
}

/* No child, no thread; and it does not outlive its parent. A change of user resets the latter. */
static int stay_alone(void)
{
	const struct rlimit none = {};

	return setrlimit(RLIMIT_NPROC, &none) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ? -errno
											   : 0;
}

/* None that attaches a program, binds to a device or another address, or speaks to others. */
static int socket_rules(scmp_filter_ctx ctx)
{
	static const int accepts[] = { SCMP_SYS(accept), SCMP_SYS(accept4) };
	static const struct {
		int level;
		int option;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE },	    { SOL_SOCKET, SO_LINGER },
		{ SOL_SOCKET, SO_RCVTIMEO },	    { SOL_SOCKET, SO_SNDTIMEO },
		{ SOL_SOCKET, SO_RCVBUF },	    { SOL_SOCKET, SO_SNDBUF },
		{ IPPROTO_TCP, TCP_NODELAY },	    { IPPROTO_TCP, TCP_USER_TIMEOUT },
		{ IPPROTO_TCP, TCP_KEEPIDLE },	    { IPPROTO_TCP, TCP_KEEPINTVL },
		{ IPPROTO_TCP, TCP_KEEPCNT },	    { IPPROTO_TCP, TCP_QUICKACK },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT },
	};
	int err = seccomp_allow(ctx, accepts, ARRAY_SIZE(accepts));

	for (size_t i = 0; !err && i < ARRAY_SIZE(options); i++)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
			SCMP_A1_64(SCMP_CMP_MASKED_EQ, ALL_BITS, (unsigned int)options[i].level),
			SCMP_A2_64(SCMP_CMP_MASKED_EQ, ALL_BITS, (unsigned int)options[i].option));
	return err;
}

static int filter(void)
{
	scmp_filter_ctx ctx = seccomp_begin();
	int err;

	if (!ctx)
		return -errno;
	err = socket_rules(ctx);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int sandbox_enter(const char *user, const char **why)
{
	const struct passwd *pw;
	int err;

	*why = "no such user";
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return errno ? -errno : -ENOENT;
	*why = "its user is root, or in its group";
	if (!pw->pw_uid || !pw->pw_gid)
		return -EPERM;
	*why = "limit the capabilities";
	err = privileges_bound(0);
	if (err)
		return err;
	*why = "become another user";
	err = become(pw);
	if (err)
		return err;
	*why = "give up the capabilities";
	err = privileges_keep(0);
	if (!err && (!setresuid(0, 0, 0) || !seteuid(0)))
		err = -EPERM;
	if (err)
		return err;
	*why = "give up core dumps, children, new privileges";
	err = stay_alone();
	if (!err)
		err = privileges_seal();
	if (err)
		return err;
	*why = "filter the system calls";
	return filter();
}
