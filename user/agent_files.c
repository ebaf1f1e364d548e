// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "agent_files.h"
#include "cleanup.h"
#include "conf_file.h"

#define EXPECTED "the configuration of the agent, see tcpmig-bpf(8)"

static int parse_conf(const char *path, int fd, struct agent_conf *conf, char *why)
{
	_cleanup_free_ char *text = malloc(CONF_BYTES + 1);
	char wrong[CONF_WHY_LEN] = "";
	int len, err;

	if (!text)
		return conf_file_say(why, -ENOMEM, path, "no memory");
	len = conf_file_read(path, fd, text, why);
	if (len < 0)
		return len;
	err = agent_conf_parse(text, len, conf, wrong);
	return err ? conf_file_say(why, err, path, wrong) : 0;
}

static int open_tls(const struct agent_conf *conf, struct tls_fds *fds, char *why)
{
	const struct tls_paths paths = { .ca = conf->ca,
					 .crl = *conf->crl ? conf->crl : NULL,
					 .cert = conf->cert,
					 .key = conf->key };

	return conf_file_open_tls(&paths, fds, why);
}

int agent_files_parse(const char *conf_path, const struct keeper_files *files,
		      struct agent_conf *conf, struct tls **tls, char *why)
{
	int err = parse_conf(conf_path, files->conf, conf, why);

	*tls = NULL;
	return err ? err : conf_file_make_tls(TLS_AGENT, &files->tls, conf->cert, tls, why);
}

int agent_files_open(const char *conf_path, struct agent_conf *conf, struct keeper_files *files,
		     struct tls **tls, char *why)
{
	int err = 0;

	*files = (struct keeper_files){ -1, { -1, -1, -1, -1 } };
	*tls = NULL;
	files->conf = conf_file_open(conf_path, EXPECTED, why);
	if (files->conf < 0)
		err = files->conf;
	if (!err)
		err = parse_conf(conf_path, files->conf, conf, why);
	if (!err)
		err = open_tls(conf, &files->tls, why);
	if (!err)
		err = conf_file_make_tls(TLS_AGENT, &files->tls, conf->cert, tls, why);
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
