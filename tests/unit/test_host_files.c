// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* user/host_files.c, conf_file.c: a real host.conf and real PEM files, and each that is not right.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs.h"
#include "cleanup.h"
#include "host_files.h"

static char here[] = "/tmp/tcpmig-files.XXXXXX";
static struct host_files files;
static char why[HOST_FILES_WHY_LEN];

static const char *path(const char *name)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s/%s", here, name);
	return text;
}

/* What is in @fd, as a file of this name. */
static void put(const char *name, int fd, mode_t mode)
{
	int out = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, mode);
	off_t at = 0;

	assert_true(out >= 0);
	assert_true(sendfile(out, fd, &at, 1 << 20) > 0);
	assert_int_equal(fchmod(out, mode), 0);
	close(out);
	close(fd);
}

static void put_conf(const char *more)
{
	char text[1000];

	snprintf(text, sizeof(text),
		 "[host]\nca = %s/ca.crt\ncert = %s/host.crt\nkey = %s/host.key\n%s\n", here, here,
		 here, more);
	put("host.conf", text_file(text), 0644);
}

static int all_right(void **state)
{
	(void)state;
	put_conf("[accept x]\nfrom = 10.9.0.1");
	put("ca.crt", cert_file(root.cert, NULL, NULL), 0644);
	put("host.crt", cert_file(host.cert, NULL, NULL), 0644);
	put("host.key", key_file(host.key, NULL), 0600);
	return 0;
}

static void a_host_that_can_work(void **state)
{
	(void)state;
	if (host_files_load(path("host.conf"), &files, why))
		fail_msg("%s", why);
	assert_int_equal(files.conf.accept_count, 1);
	assert_non_null(files.accepts);
	assert_non_null(files.connects);
	host_files_free(&files);
	host_files_free(&files);
}

static void refused(int err, const char *name, const char *words)
{
	assert_int_equal(host_files_load(path("host.conf"), &files, why), err);
	assert_null(files.accepts);
	assert_null(files.connects);
	assert_says(why, path(name));
	assert_says(why, words);
}

static void a_conf_that_cannot_be(void **state)
{
	char *large = calloc(1, CONF_BYTES + 2);

	(void)state;
	put_conf("[accept x]");
	refused(-EINVAL, "host.conf", "line 5: 'accept x': expected from =");
	memset(large, '\n', CONF_BYTES + 1);
	put("host.conf", text_file(large), 0644);
	refused(-EFBIG, "host.conf", "longer than 64 KiB");
	free(large);
	put_conf("");
	chmod(path("host.conf"), 0664);
	refused(-EPERM, "host.conf", "others may write it; expected a file of root's");
	unlink(path("host.conf"));
	refused(-ENOENT, "host.conf", "expected the configuration of this host");
	mkdir(path("host.conf"), 0700);
	refused(-EINVAL, "host.conf", "no file that can be read");
	rmdir(path("host.conf"));
}

static void pem_files_that_cannot_be(void **state)
{
	(void)state;
	chmod(path("host.key"), 0644);
	refused(-EPERM, "host.key", "others may read this key");
	unlink(path("host.key"));
	refused(-ENOENT, "host.key", "expected a PEM file, as 'pki issue' makes it");
	put("host.key", key_file(agent.key, NULL), 0600);
	refused(-EINVAL, "host.crt", "");
	all_right(NULL);
	put_conf("crl = /none");
	assert_int_equal(host_files_load(path("host.conf"), &files, why), -ENOENT);
	assert_says(why, "'/none': No such file");
	put_conf("");
	put("ca.crt", cert_file(other_root.cert, NULL, NULL), 0644);
	refused(-EINVAL, "host.crt", "it is not from our CA");
}

/* An agent's is none: its holder could not connect to another host. */
static void a_certificate_that_is_no_hosts(void **state)
{
	(void)state;
	put("host.crt", cert_file(agent.cert, NULL, NULL), 0644);
	put("host.key", key_file(agent.key, NULL), 0600);
	refused(-EINVAL, "host.crt", "it is not one for clientAuth");
}

static int make(void **state)
{
	return !mkdtemp(here) || certs_make(state);
}

static int clean(void **state)
{
	static const char *const names[] = { "host.conf", "ca.crt", "host.crt", "host.key" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(path(names[i]));
	return rmdir(here) || certs_free(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_host_that_can_work, all_right),
		cmocka_unit_test_setup(a_conf_that_cannot_be, all_right),
		cmocka_unit_test_setup(pem_files_that_cannot_be, all_right),
		cmocka_unit_test_setup(a_certificate_that_is_no_hosts, all_right),
	};

	return cmocka_run_group_tests_name("host_files", tests, make, clean);
}
