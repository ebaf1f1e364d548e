/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a file is, told by few bytes: the build-id of a program, the sha256 of anything. */
#ifndef TCPMIG_FILE_CONTENT_H
#define TCPMIG_FILE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#define FILE_BUILD_ID_MAX 64
#define FILE_SHA256	  32

/**
 * file_build_id() - the GNU build-id in the notes of an ELF file of this host's byte order.
 * @fd: open for reading; its position stays
 * @id: FILE_BUILD_ID_MAX bytes
 * Return: its length; 0: it is no such file, or has none; or -errno.
 */
int file_build_id(int fd, uint8_t *id);

/** file_sha256() - of all that @fd has, from its beginning. Return: 0 or -errno. */
int file_sha256(int fd, uint8_t sha256[FILE_SHA256]);

#endif
