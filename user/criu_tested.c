// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "checks.h"
#include "cleanup.h"
#include "clocks.h"
#include "criu_swrk.h"
#include "criu_tested.h"

#define STAMP_DIR  "/run/tcpmig"
#define STAMP	   STAMP_DIR "/criu-tested"
#define STAMP_MAX  (PATH_MAX + 256)
#define VERSION_MS 5000

char *criu_find(const char *criu)
{
	_cleanup_free_ char *dirs = NULL;
	char *save = NULL;

	criu = *criu ? criu : "criu";
	if (strchr(criu, '/'))
		return access(criu, X_OK) ? NULL : strdup(criu);
	if (asprintf(&dirs, "%s:/usr/local/sbin:/usr/sbin:/sbin", getenv("PATH") ?: "") < 0)
		return NULL;
	for (char *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		char *path;

		if (asprintf(&path, "%s/%s", dir, criu) < 0)
			return NULL;
		if (!access(path, X_OK))
			return path;
		free(path);
	}
	return NULL;
}

/* What the result is of: this program on this kernel. Return: 0 or -errno. */
static int describe(const char *path, char stamp[STAMP_MAX])
{
	struct utsname kernel;
	struct stat st;

	if (uname(&kernel) || stat(path, &st))
		return -errno;
	snprintf(stamp, STAMP_MAX, "%s %lld.%09ld %lld %s %s\n", path, (long long)st.st_mtim.tv_sec,
		 st.st_mtim.tv_nsec, (long long)st.st_size, kernel.release, kernel.version);
	return 0;
}

static bool is_known(const char *stamp)
{
	_cleanup_close_ int fd = open(STAMP, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char known[STAMP_MAX] = "";
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && !st.st_uid && !(st.st_mode & 022) &&
	       read(fd, known, sizeof(known) - 1) > 0 && !strcmp(known, stamp);
}

/* If it cannot be kept, it is tried again the next time. */
static void keep(const char *stamp)
{
	_cleanup_close_ int fd = -1;

	mkdir(STAMP_DIR, 0755);
	unlink(STAMP);
	fd = open(STAMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && write(fd, stamp, strlen(stamp)) != (ssize_t)strlen(stamp))
		unlink(STAMP);
}

int criu_tested(const char *criu, int *version, char *why)
{
	_cleanup_free_ char *path = criu_find(criu);
	char stamp[STAMP_MAX], text[400];
	int err;

	if (!path) {
		snprintf(why, CRIU_TESTED_WHY,
			 "'%s': not found; install criu 4.2 or later, or name it in host.conf",
			 criu);
		return -ENOEXEC;
	}
	err = criu_swrk_version(path, version, clock_mono_ms() + VERSION_MS, text);
	if (err) {
		snprintf(why, CRIU_TESTED_WHY, "%s", text);
		return err;
	}
	if (*version < CRIU_OLDEST) {
		snprintf(why, CRIU_TESTED_WHY, "'%s': is %d.%d; expected criu 4.2 or later", path,
			 *version / 10000, *version / 100 % 100);
		return -ENOEXEC;
	}
	err = describe(path, stamp);
	if (err)
		snprintf(why, CRIU_TESTED_WHY, "'%s': %s", path, strerror(-err));
	if (err || is_known(stamp))
		return err;
	if (!checks_criu_works(path, text, sizeof(text))) {
		snprintf(why, CRIU_TESTED_WHY,
			 "'%s': fails its self-test: %s; 'tcpmig-bpf doctor' says more", path,
			 text);
		return -ENOEXEC;
	}
	keep(stamp);
	return 0;
}
