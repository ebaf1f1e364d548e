// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "pki.h"
#include "pki_file.h"

#define PEM_BYTES_MAX (16 << 20)

static int no_memory(char *why)
{
	ERR_clear_error();
	snprintf(why, PKI_WHY_LEN, "no memory");
	return -ENOMEM;
}

static int cannot(const char *verb, const char *path, int err, char *why)
{
	if (err == -EEXIST)
		snprintf(why, PKI_WHY_LEN,
			 "'%.160s': there already, and nothing is overwritten; expected a new name",
			 path);
	else
		snprintf(why, PKI_WHY_LEN, "'%.160s': cannot %s it: %s", path, verb,
			 strerror(-err));
	return err;
}

static int write_all(int fd, const char *data, long len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0)
			return -errno;
		data += done;
		len -= done;
	}
	return fsync(fd) ? -errno : 0;
}

/* A name beside @path that nobody else has; 0600 until it is whole. */
static int open_temporary(const char *path, char *tmp)
{
	int fd;

	if (snprintf(tmp, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = mkostemp(tmp, O_CLOEXEC); /* O_EXCL */
	return fd < 0 ? -errno : fd;
}

/* link() fails where rename() would overwrite. */
static int put_in_place(const char *tmp, const char *path, bool replace)
{
	int err;

	if (replace)
		return rename(tmp, path) ? -errno : 0;
	err = link(tmp, path) ? -errno : 0;
	unlink(tmp);
	return err;
}

static int write_file(const char *path, BIO *pem, mode_t mode, bool replace, char *why)
{
	char *data, tmp[PATH_MAX];
	long len = BIO_get_mem_data(pem, &data);
	int fd = open_temporary(path, tmp), err;

	if (fd < 0)
		return cannot("write", path, fd, why);
	err = write_all(fd, data, len);
	if (!err && fchmod(fd, mode))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err)
		err = put_in_place(tmp, path, replace);
	if (err) {
		unlink(tmp);
		return cannot("write", path, err, why);
	}
	return 0;
}

int pki_file_add_key(const char *path, EVP_PKEY *key, char *why)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
	int err;

	if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		err = write_file(path, bio, 0600, false, why);
	else
		err = no_memory(why);
	BIO_free(bio);
	return err;
}

int pki_file_add_certs(const char *path, X509 *cert, X509 *above, char *why)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int err;

	if (bio && PEM_write_bio_X509(bio, cert) == 1 &&
	    (!above || PEM_write_bio_X509(bio, above) == 1))
		err = write_file(path, bio, 0644, false, why);
	else
		err = no_memory(why);
	BIO_free(bio);
	return err;
}

int pki_file_put_crls(const char *path, STACK_OF(X509_CRL) * crls, char *why)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio;
	int err;

	for (int i = 0; ok && i < sk_X509_CRL_num(crls); i++)
		ok = PEM_write_bio_X509_CRL(bio, sk_X509_CRL_value(crls, i)) == 1;
	err = ok ? write_file(path, bio, 0644, true, why) : no_memory(why);
	BIO_free(bio);
	return err;
}

/* The whole file, of no unreasonable size. */
static int open_pem(const char *path, BIO **bio, char *why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	FILE *file;
	int err;

	if (fd < 0)
		return cannot("read", path, -errno, why);
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (!err && st.st_size > PEM_BYTES_MAX)
		err = -EFBIG;
	file = err ? NULL : fdopen(fd, "r");
	if (!file) {
		close(fd);
		return cannot("read", path, err ?: -ENOMEM, why);
	}
	*bio = BIO_new_fp(file, BIO_CLOSE);
	if (*bio)
		return 0;
	fclose(file);
	return no_memory(why);
}

static int no_password(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

int pki_file_key(const char *path, EVP_PKEY **key, char *why)
{
	BIO *bio;
	int err = open_pem(path, &bio, why);

	if (err)
		return err;
	*key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (*key)
		return 0;
	snprintf(why, PKI_WHY_LEN,
		 "'%.160s': not a private key; expected one as PEM, without a password", path);
	return -EINVAL;
}

/* After the last one that could be read: is that the end, or is there one that cannot? */
static int check_end(const char *path, int count, const char *what, char *why)
{
	unsigned long err = ERR_peek_last_error();
	bool end = ERR_GET_LIB(err) == ERR_LIB_PEM && ERR_GET_REASON(err) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	if (end && count)
		return 0;
	if (end)
		snprintf(why, PKI_WHY_LEN, "'%.160s': no %s in it; expected PEM", path, what);
	else
		snprintf(why, PKI_WHY_LEN, "'%.160s': the %s number %d in it is damaged", path,
			 what, count + 1);
	return -EINVAL;
}

void pki_certs_free(STACK_OF(X509) * certs)
{
	sk_X509_pop_free(certs, X509_free);
}

int pki_file_certs(const char *path, STACK_OF(X509) * *certs, char *why)
{
	X509 *cert;
	BIO *bio;
	int err = open_pem(path, &bio, why);

	if (err)
		return err;
	*certs = sk_X509_new_null();
	while (*certs && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (sk_X509_push(*certs, cert) > 0)
			continue;
		X509_free(cert);
		break;
	}
	BIO_free(bio);
	err = *certs ? check_end(path, sk_X509_num(*certs), "certificate", why) : no_memory(why);
	if (err) {
		pki_certs_free(*certs);
		*certs = NULL;
	}
	return err;
}

void pki_crls_free(STACK_OF(X509_CRL) * crls)
{
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
}

int pki_file_crls(const char *path, STACK_OF(X509_CRL) * *crls, char *why)
{
	X509_CRL *crl;
	BIO *bio;
	int err = open_pem(path, &bio, why);

	if (err)
		return err;
	*crls = sk_X509_CRL_new_null();
	while (*crls && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
		if (sk_X509_CRL_push(*crls, crl) > 0)
			continue;
		X509_CRL_free(crl);
		break;
	}
	BIO_free(bio);
	err = *crls ? check_end(path, sk_X509_CRL_num(*crls), "CRL", why) : no_memory(why);
	if (err) {
		pki_crls_free(*crls);
		*crls = NULL;
	}
	return err;
}
