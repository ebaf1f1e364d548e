// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "cleanup.h"
#include "host_files.h"

#define EXPECTED "the configuration of this host, see tcpmig-host.conf(5)"

static int load_conf(const char *path, struct host_conf *conf, char *why)
{
	_cleanup_free_ char *text = malloc(CONF_BYTES + 1);
	_cleanup_close_ int fd = conf_file_open(path, EXPECTED, why);
	char wrong[CONF_WHY_LEN] = "";
	int len, err;

	if (fd < 0)
		return fd;
	if (!text)
		return conf_file_say(why, -ENOMEM, path, "no memory");
	len = conf_file_read(path, fd, text, why);
	if (len < 0)
		return len;
	err = host_conf_parse(text, len, conf, wrong);
	return err ? conf_file_say(why, err, path, wrong) : 0;
}

/* One certificate for both sides of a connection. */
static int load_tls(struct host_files *files, char *why)
{
	const struct host_conf *conf = &files->conf;
	const struct tls_paths paths = { .ca = conf->ca,
					 .crl = *conf->crl ? conf->crl : NULL,
					 .cert = conf->cert,
					 .key = conf->key };
	struct tls_fds fds;
	int err = conf_file_open_tls(&paths, &fds, why);

	if (!err)
		err = conf_file_make_tls(TLS_AGENT, &fds, conf->cert, &files->accepts, why);
	if (!err)
		err = conf_file_make_tls(TLS_HOST, &fds, conf->cert, &files->connects, why);
	tls_fds_close(&fds);
	return err;
}

int host_files_load(const char *conf_path, struct host_files *files, char *why)
{
	int err;

	*files = (struct host_files){};
	err = load_conf(conf_path, &files->conf, why);
	if (!err)
		err = load_tls(files, why);
	if (err)
		host_files_free(files);
	return err;
}

void host_files_free(struct host_files *files)
{
	tls_free(files->accepts);
	tls_free(files->connects);
	files->accepts = files->connects = NULL;
}
