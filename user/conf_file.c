// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_file.h"

int conf_file_say(char *why, int err, const char *path, const char *what)
{
	snprintf(why, CONF_FILE_WHY_LEN, "'%s': %s", path, what);
	return err;
}

/* @forbidden: bits of the mode. */
static int check_mode(int fd, mode_t forbidden)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return st.st_uid == geteuid() && !(st.st_mode & forbidden) ? 0 : -EPERM;
}

int conf_file_open(const char *path, const char *expected, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err;

	if (fd < 0) {
		err = -errno;
		snprintf(why, CONF_FILE_WHY_LEN, "'%s': %s; expected %s", path, strerror(-err),
			 expected);
		return err;
	}
	err = check_mode(fd, 022);
	if (!err)
		return fd;
	close(fd);
	if (err == -EPERM)
		return conf_file_say(
			why, err, path,
			"others may write it; expected a file of root's; chown root, chmod 644");
	return conf_file_say(why, err, path, "no file that can be read");
}

int conf_file_read(const char *path, int fd, char *text, char *why)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n && len <= CONF_BYTES) {
		n = pread(fd, text + len, CONF_BYTES + 1 - len, len);
		if (n < 0 && errno != EINTR)
			return conf_file_say(why, -errno, path, strerror(errno));
		len += n > 0 ? n : 0;
	}
	return len > CONF_BYTES ? conf_file_say(why, -EFBIG, path, "longer than 64 KiB") : (int)len;
}

int conf_file_open_tls(const struct tls_paths *paths, struct tls_fds *fds, char *why)
{
	const char *failed = "";
	int err = tls_open(fds, paths, &failed);

	if (err) {
		snprintf(why, CONF_FILE_WHY_LEN,
			 "'%s': %s; expected a PEM file, as 'pki issue' makes it", failed,
			 strerror(-err));
		return err;
	}
	err = check_mode(fds->key, 027);
	if (err == -EPERM)
		return conf_file_say(
			why, err, paths->key,
			"others may read this key; expected a file of root's; chown root, "
			"chmod 600");
	return err ? conf_file_say(why, err, paths->key, "no file that can be read") : 0;
}

int conf_file_make_tls(enum tls_role role, const struct tls_fds *fds, const char *cert,
		       struct tls **tls, char *why)
{
	char wrong[TLS_WHY_LEN] = "";

	*tls = tls_new(role, fds, wrong);
	return *tls ? 0 : conf_file_say(why, -EINVAL, cert, wrong);
}
