// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_files.h"
#include "cleanup.h"

static int say(char *why, int err, const char *path, const char *what)
{
	snprintf(why, AGENT_FILES_WHY_LEN, "'%s': %s", path, what);
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

/* Return: length, or -errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n && len < size) {
		n = pread(fd, buf + len, size - len, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? n : 0;
	}
	return len;
}

static int open_conf(const char *path, int *fd, char *why)
{
	int err;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0) {
		err = -errno;
		snprintf(why, AGENT_FILES_WHY_LEN,
			 "'%s': %s; expected the configuration of the agent, see tcpmig-bpf(8)",
			 path, strerror(-err));
		return err;
	}
	err = check_mode(*fd, 022);
	if (err == -EPERM)
		return say(why, err, path,
			   "others may write it; expected a file of root's; chown root, "
			   "chmod 644");
	return err ? say(why, err, path, "no file that can be read") : 0;
}

static int parse_conf(const char *path, int fd, struct agent_conf *conf, char *why)
{
	_cleanup_free_ char *text = malloc(AGENT_CONF_BYTES + 1);
	char wrong[AGENT_CONF_WHY_LEN] = "";
	ssize_t len;
	int err;

	if (!text)
		return say(why, -ENOMEM, path, "no memory");
	len = read_all(fd, text, AGENT_CONF_BYTES + 1);
	if (len < 0)
		return say(why, len, path, strerror(-len));
	if (len > AGENT_CONF_BYTES)
		return say(why, -EFBIG, path, "longer than 64 KiB");
	err = agent_conf_parse(text, len, conf, wrong);
	return err ? say(why, err, path, wrong) : 0;
}

static int open_tls(const struct agent_conf *conf, struct tls_fds *fds, char *why)
{
	const struct tls_paths paths = { .ca = conf->ca,
					 .crl = *conf->crl ? conf->crl : NULL,
					 .cert = conf->cert,
					 .key = conf->key };
	const char *failed = "";
	int err = tls_open(fds, &paths, &failed);

	if (err) {
		snprintf(why, AGENT_FILES_WHY_LEN,
			 "'%s': %s; expected a PEM file, as 'pki issue' makes it", failed,
			 strerror(-err));
		return err;
	}
	err = check_mode(fds->key, 027);
	if (err == -EPERM)
		return say(why, err, conf->key,
			   "others may read this key; expected a file of root's; chown root, "
			   "chmod 600");
	if (err)
		return say(why, err, conf->key, "no file that can be read");
	return 0;
}

static int make_tls(const struct agent_conf *conf, const struct tls_fds *fds, struct tls **tls,
		    char *why)
{
	char wrong[TLS_WHY_LEN] = "";

	*tls = tls_new(TLS_AGENT, fds, wrong);
	return *tls ? 0 : say(why, -EINVAL, conf->cert, wrong);
}

int agent_files_parse(const char *conf_path, const struct keeper_files *files,
		      struct agent_conf *conf, struct tls **tls, char *why)
{
	int err = parse_conf(conf_path, files->conf, conf, why);

	*tls = NULL;
	return err ? err : make_tls(conf, &files->tls, tls, why);
}

int agent_files_open(const char *conf_path, struct agent_conf *conf, struct keeper_files *files,
		     struct tls **tls, char *why)
{
	int err;

	*files = (struct keeper_files){ -1, { -1, -1, -1, -1 } };
	*tls = NULL;
	err = open_conf(conf_path, &files->conf, why);
	if (!err)
		err = parse_conf(conf_path, files->conf, conf, why);
	if (!err)
		err = open_tls(conf, &files->tls, why);
	if (!err)
		err = make_tls(conf, &files->tls, tls, why);
	if (err)
		agent_files_close(files);
	return err;
}

void agent_files_close(struct keeper_files *files)
{
	cleanup_closep(&files->conf);
	files->conf = -1;
	tls_fds_close(&files->tls);
}
