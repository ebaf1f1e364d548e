// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "pki_dir.h"

#define ISSUED	      "issued"
#define CRT	      ".crt"
#define HALF_A_LIFE_S (PKI_CRL_DAYS * 86400L / 2)

bool pki_name_ok(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len && !name[len] && len <= PKI_NAME_MAX && *name != '-' && strcmp(name, PKI_ROOT);
}

static int no_memory(char *why)
{
	ERR_clear_error();
	snprintf(why, PKI_WHY_LEN, "no memory");
	return -ENOMEM;
}

/* @buf: PATH_MAX bytes. A path that is cut exists nowhere. */
static char *path_of(const struct pki_dir *dir, const char *name, const char *suffix, char *buf)
{
	if (snprintf(buf, PATH_MAX, "%s/%s%s", dir->path, name, suffix) >= PATH_MAX)
		*buf = 0;
	return buf;
}

int pki_dir_look(struct pki_dir *dir, const char *path, char *why)
{
	int err;

	dir->path = path;
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd >= 0)
		return 0;
	err = -errno;
	if (err == -ENOENT)
		snprintf(why, PKI_WHY_LEN,
			 "'%.120s': no such directory; 'tcpmig-bpf pki init --dir DIR' makes a CA",
			 path);
	else
		snprintf(why, PKI_WHY_LEN, "'%.120s': cannot open it: %s", path, strerror(-err));
	return err;
}

int pki_dir_open(struct pki_dir *dir, const char *path, char *why)
{
	struct stat st;
	int err = pki_dir_look(dir, path, why);

	if (err)
		return err;
	if (fstat(dir->fd, &st) || flock(dir->fd, LOCK_EX)) {
		err = -errno;
		snprintf(why, PKI_WHY_LEN, "'%.120s': cannot lock it: %s", path, strerror(-err));
	} else if (st.st_uid != geteuid() || st.st_mode & 077) {
		err = -EPERM;
		snprintf(why, PKI_WHY_LEN,
			 "'%.70s': user %u, mode %04o; expected user %u, mode 0700, for it holds "
			 "the "
			 "keys of the CA: chown and chmod it",
			 path, st.st_uid, st.st_mode & 07777, geteuid());
	}
	if (err)
		pki_dir_close(dir);
	return err;
}

/* The directory above is for everybody: on hosts it holds ca.crt too. */
static int make_dirs(const char *path, char *why)
{
	_cleanup_free_ char *above = strdup(path);
	char *slash = above ? strrchr(above, '/') : NULL;
	int err = 0;

	if (!above)
		return no_memory(why);
	if (slash && slash != above) {
		*slash = 0;
		if (mkdir(above, 0755) && errno != EEXIST)
			err = -errno;
	}
	if (!err && mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	if (err)
		snprintf(why, PKI_WHY_LEN, "'%.120s': cannot make it: %s", path, strerror(-err));
	return err;
}

int pki_dir_make(struct pki_dir *dir, const char *path, char *why)
{
	static const char *const ours[] = { PKI_ROOT ".crt", PKI_ROOT ".key", PKI_ROOT ".crl" };
	int err = make_dirs(path, why) ?: pki_dir_open(dir, path, why);

	for (size_t i = 0; !err && i < ARRAY_SIZE(ours); i++) {
		if (faccessat(dir->fd, ours[i], F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
			continue;
		snprintf(
			why, PKI_WHY_LEN,
			"'%.120s': %s is there already, and nothing is overwritten; expected --dir "
			"with a new directory",
			path, ours[i]);
		pki_dir_close(dir);
		return -EEXIST;
	}
	return err;
}

void pki_dir_close(struct pki_dir *dir)
{
	cleanup_closep(&dir->fd);
	dir->fd = -1;
}

static int read_first(const char *path, X509 **cert, char *why)
{
	STACK_OF(X509) * certs;
	int err = pki_file_certs(path, &certs, why);

	if (err)
		return err;
	*cert = sk_X509_shift(certs);
	pki_certs_free(certs);
	return 0;
}

int pki_dir_ca(const struct pki_dir *dir, const char *name, struct pki_ca *ca, char *why)
{
	char path[PATH_MAX];
	int err;

	*ca = (struct pki_ca){};
	err = read_first(path_of(dir, name, CRT, path), &ca->cert, why);
	if (!err && !X509_check_ca(ca->cert)) {
		snprintf(why, PKI_WHY_LEN, "'%.120s': not the certificate of a CA", path);
		err = -EINVAL;
	}
	if (!err)
		err = pki_file_key(path_of(dir, name, ".key", path), &ca->key, why);
	if (!err && X509_check_private_key(ca->cert, ca->key) != 1) {
		ERR_clear_error();
		snprintf(why, PKI_WHY_LEN, "'%.120s': not the key of %s" CRT " beside it", path,
			 name);
		err = -EINVAL;
	}
	if (err)
		pki_ca_free(ca);
	return err;
}

/* @path: PATH_MAX bytes: where it is now; empty: nowhere */
static int add_copy(const struct pki_dir *dir, X509 *cert, char *path, char *why)
{
	char name[sizeof(ISSUED "/") + sizeof(((struct cert *)0)->serial)];
	struct cert says;
	int err;

	*path = 0;
	if (cert_read(cert, &says))
		return no_memory(why);
	if (mkdirat(dir->fd, ISSUED, 0700) && errno != EEXIST) {
		err = -errno;
		snprintf(why, PKI_WHY_LEN, "'%.120s': cannot make " ISSUED " in it: %s", dir->path,
			 strerror(-err));
		return err;
	}
	snprintf(name, sizeof(name), ISSUED "/%s", says.serial);
	err = pki_file_add_certs(path_of(dir, name, CRT, path), cert, NULL, why);
	if (err)
		*path = 0;
	return err;
}

/* The copy before the certificate: none gets out that could not be revoked. */
static int add_pair(const struct pki_dir *dir, const char *key_path, const char *path,
		    const struct pki_ca *made, X509 *above, bool copied, char *why)
{
	char copy[PATH_MAX] = "";
	int err = pki_file_add_key(key_path, made->key, why);

	if (err)
		return err;
	if (copied)
		err = add_copy(dir, made->cert, copy, why);
	err = err ?: pki_file_add_certs(path, made->cert, above, why);
	if (err) {
		unlink(key_path);
		unlink(copy);
	}
	return err;
}

int pki_dir_add_ca(const struct pki_dir *dir, const char *name, const struct pki_ca *ca, char *why)
{
	char key[PATH_MAX], crt[PATH_MAX];

	return add_pair(dir, path_of(dir, name, ".key", key), path_of(dir, name, CRT, crt), ca,
			NULL, strcmp(name, PKI_ROOT), why);
}

int pki_dir_add_leaf(const struct pki_dir *dir, const char *prefix, const struct pki_ca *leaf,
		     X509 *above, char *why)
{
	char key[PATH_MAX], crt[PATH_MAX];

	if (snprintf(key, PATH_MAX, "%s.key", prefix) < PATH_MAX &&
	    snprintf(crt, PATH_MAX, "%s" CRT, prefix) < PATH_MAX)
		return add_pair(dir, key, crt, leaf, above, true, why);
	snprintf(why, PKI_WHY_LEN, "'%.120s...': too long for a path", prefix);
	return -ENAMETOOLONG;
}

int pki_dir_read_crls(const struct pki_dir *dir, STACK_OF(X509_CRL) * *crls, char *why)
{
	char path[PATH_MAX];
	int err = pki_file_crls(path_of(dir, PKI_ROOT, ".crl", path), crls, why);

	if (err != -ENOENT)
		return err;
	*crls = sk_X509_CRL_new_null();
	return *crls ? 0 : no_memory(why);
}

/* Position of the CRL of @ca; -1: none. */
static int find_crl(STACK_OF(X509_CRL) * crls, X509 *ca)
{
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		if (pki_has_issued(ca, NULL, sk_X509_CRL_value(crls, i)))
			return i;
	}
	return -1;
}

/* The name of what may be a CA: NAME.crt. */
static bool name_of(const char *file, char *name)
{
	size_t len = strlen(file);

	if (len <= strlen(CRT) || len - strlen(CRT) > PKI_NAME_MAX ||
	    strcmp(file + len - strlen(CRT), CRT))
		return false;
	snprintf(name, PKI_NAME_MAX + 1, "%.*s", (int)(len - strlen(CRT)), file);
	return !strcmp(name, PKI_ROOT) || pki_name_ok(name);
}

/* fn() for NAME.crt of every CA, in order of the names. Return: what it returned last. */
static int each_ca(const struct pki_dir *dir, int (*fn)(const char *name, X509 *cert, void *ctx),
		   void *ctx, char *why)
{
	char path[PATH_MAX], name[PKI_NAME_MAX + 1];
	struct dirent **files = NULL;
	int count = scandirat(dir->fd, ".", &files, NULL, alphasort);
	int err = count < 0 ? no_memory(why) : 0;
	X509 *cert;

	for (int i = 0; i < count; i++) {
		if (!err && name_of(files[i]->d_name, name)) {
			err = read_first(path_of(dir, name, CRT, path), &cert, why);
			if (!err) {
				err = X509_check_ca(cert) ? fn(name, cert, ctx) : 0;
				X509_free(cert);
			}
		}
		free(files[i]);
	}
	free(files);
	return err;
}

/**
 * struct crl_update - what pki_dir_crls() is at.
 * @found:   the CA that has issued @revoke
 * @changed: @crls is not what the file holds
 */
struct crl_update {
	const struct pki_dir *dir;
	STACK_OF(X509_CRL) * crls;
	X509 *revoke;
	bool all;
	bool found;
	bool changed;
	char *why;
};

static int renew_crl(struct crl_update *update, const struct pki_ca *ca, int at, X509 *revoke)
{
	X509_CRL *old = sk_X509_CRL_value(update->crls, at);
	X509_CRL *new = pki_crl(ca, old, revoke);

	if (!new)
		return no_memory(update->why);
	if (old) {
		sk_X509_CRL_set(update->crls, at, new);
		X509_CRL_free(old);
	} else if (sk_X509_CRL_push(update->crls, new) <= 0) {
		X509_CRL_free(new);
		return no_memory(update->why);
	}
	update->changed = true;
	return 0;
}

static int update_crl(const char *name, X509 *cert, void *ctx)
{
	struct crl_update *update = ctx;
	bool its = update->revoke && pki_has_issued(cert, update->revoke, NULL);
	int at = find_crl(update->crls, cert), err;
	X509_CRL *old = sk_X509_CRL_value(update->crls, at);
	X509_REVOKED *entry;
	char key[PATH_MAX];
	struct pki_ca ca;

	if (access(path_of(update->dir, name, ".key", key), F_OK))
		return 0; /* who has the key has its CRL */
	update->found |= its;
	if (its && old && X509_CRL_get0_by_cert(old, &entry, update->revoke) == 1)
		return -EEXIST;
	if (!its && !update->all && old &&
	    cert_time(X509_CRL_get0_nextUpdate(old)) - time(NULL) > HALF_A_LIFE_S)
		return 0;
	err = pki_dir_ca(update->dir, name, &ca, update->why);
	if (err)
		return err;
	err = renew_crl(update, &ca, at, its ? update->revoke : NULL);
	pki_ca_free(&ca);
	return err;
}

int pki_dir_crls(const struct pki_dir *dir, X509 *revoke, bool all, char *why)
{
	struct crl_update update = { .dir = dir, .revoke = revoke, .all = all, .why = why };
	char path[PATH_MAX];
	int err = pki_dir_read_crls(dir, &update.crls, why);

	if (!err)
		err = each_ca(dir, update_crl, &update, why);
	if (!err && revoke && !update.found) {
		snprintf(why, PKI_WHY_LEN,
			 "no CA in '%.100s' has issued it and has its key there; expected --dir "
			 "with "
			 "the directory of its CA",
			 dir->path);
		err = -ENOENT;
	}
	if (!err && update.changed)
		err = pki_file_put_crls(path_of(dir, PKI_ROOT, ".crl", path), update.crls, why);
	if (!err && fsync(dir->fd)) {
		err = -errno;
		snprintf(why, PKI_WHY_LEN, "'%.120s': %s", dir->path, strerror(-err));
	}
	pki_crls_free(update.crls);
	return err;
}

/** struct walk - what pki_dir_each() is at. @cas: those that it has been at already */
struct walk {
	const struct pki_dir *dir;
	int (*fn)(X509 *cert, const char *path, void *ctx);
	void *ctx;
	STACK_OF(X509) * cas;
};

static int show_ca(const char *name, X509 *cert, void *ctx)
{
	struct walk *walk = ctx;
	char path[PATH_MAX];

	if (sk_X509_push(walk->cas, cert) <= 0)
		return -ENOMEM;
	X509_up_ref(cert);
	return walk->fn(cert, path_of(walk->dir, name, CRT, path), walk->ctx);
}

static bool is_known(STACK_OF(X509) * certs, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		if (!X509_cmp(sk_X509_value(certs, i), cert))
			return true;
	}
	return false;
}

static int show_issued(struct walk *walk, const char *file, char *why)
{
	size_t len = strlen(file);
	char path[PATH_MAX];
	X509 *cert;
	int err;

	if (len <= strlen(CRT) || strcmp(file + len - strlen(CRT), CRT))
		return 0;
	err = read_first(path_of(walk->dir, ISSUED "/", file, path), &cert, why);
	if (err)
		return err;
	if (!is_known(walk->cas, cert))
		err = walk->fn(cert, path, walk->ctx);
	X509_free(cert);
	return err;
}

int pki_dir_each(const struct pki_dir *dir, int (*fn)(X509 *cert, const char *path, void *ctx),
		 void *ctx, char *why)
{
	struct walk walk = { .dir = dir, .fn = fn, .ctx = ctx, .cas = sk_X509_new_null() };
	struct dirent **files = NULL;
	int count = 0, err;

	err = walk.cas ? each_ca(dir, show_ca, &walk, why) : no_memory(why);
	if (!err)
		count = scandirat(dir->fd, ISSUED, &files, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		err = err ?: show_issued(&walk, files[i]->d_name, why);
		free(files[i]);
	}
	free(files);
	pki_certs_free(walk.cas);
	return err;
}
