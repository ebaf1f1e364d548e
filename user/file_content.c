// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Nothing in a file is believed: every offset and length is checked against what was read. */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file_content.h"

#define NOTES_BYTES  65536 /* of one segment; a build-id stands near its beginning */
#define SEGMENTS_MAX 128
#define PIECE	     65536

#define OUR_ORDER    (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

/** struct elf_shape - where the program headers are. */
struct elf_shape {
	bool wide;
	uint64_t offset;
	unsigned int count;
};

/** struct elf_notes - one segment of notes. */
struct elf_notes {
	uint64_t offset, size, align;
};

static bool read_at(int fd, void *buf, size_t size, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, buf, size, (off_t)offset) == (ssize_t)size;
}

static bool read_shape(int fd, struct elf_shape *shape)
{
	union {
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
		unsigned char ident[EI_NIDENT];
	} head = {};

	if (!read_at(fd, &head, sizeof(head.narrow), 0) ||
	    memcmp(head.ident, ELFMAG, SELFMAG) != 0 || head.ident[EI_DATA] != OUR_ORDER)
		return false;
	shape->wide = head.ident[EI_CLASS] == ELFCLASS64;
	if (!shape->wide) {
		shape->offset = head.narrow.e_phoff;
		shape->count = head.narrow.e_phnum;
		return head.narrow.e_phentsize == sizeof(Elf32_Phdr);
	}
	if (!read_at(fd, &head, sizeof(head.wide), 0))
		return false;
	shape->offset = head.wide.e_phoff;
	shape->count = head.wide.e_phnum;
	return head.wide.e_phentsize == sizeof(Elf64_Phdr);
}

static bool read_segment(int fd, const struct elf_shape *shape, unsigned int i,
			 struct elf_notes *notes)
{
	Elf32_Phdr narrow;
	Elf64_Phdr wide;

	if (shape->wide) {
		if (!read_at(fd, &wide, sizeof(wide), shape->offset + i * sizeof(wide)))
			return false;
		*notes = (struct elf_notes){ wide.p_offset, wide.p_filesz, wide.p_align };
		return wide.p_type == PT_NOTE;
	}
	if (!read_at(fd, &narrow, sizeof(narrow), shape->offset + i * sizeof(narrow)))
		return false;
	*notes = (struct elf_notes){ narrow.p_offset, narrow.p_filesz, narrow.p_align };
	return narrow.p_type == PT_NOTE;
}

static size_t aligned(size_t size, size_t align)
{
	return (size + align - 1) / align * align;
}

static int find_id(const uint8_t *buf, size_t size, size_t align, uint8_t *id)
{
	Elf32_Nhdr note; /* the same in both classes */
	size_t name, desc, pos = 0;

	while (pos + sizeof(note) <= size) {
		memcpy(&note, buf + pos, sizeof(note));
		if (note.n_namesz > size || note.n_descsz > size)
			return 0;
		name = pos + sizeof(note);
		desc = aligned(name + note.n_namesz, align);
		pos = aligned(desc + note.n_descsz, align);
		if (desc + note.n_descsz > size)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    !memcmp(buf + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) &&
		    note.n_descsz <= FILE_BUILD_ID_MAX) {
			memcpy(id, buf + desc, note.n_descsz);
			return (int)note.n_descsz;
		}
	}
	return 0;
}

static int id_in_segment(int fd, const struct elf_notes *notes, uint8_t *id)
{
	size_t size = notes->size < NOTES_BYTES ? notes->size : NOTES_BYTES;
	_cleanup_free_ uint8_t *buf = malloc(size ?: 1);

	if (!buf)
		return -ENOMEM;
	if (!read_at(fd, buf, size, notes->offset))
		return 0;
	return find_id(buf, size, notes->align == 8 ? 8 : 4, id);
}

int file_build_id(int fd, uint8_t *id)
{
	struct elf_shape shape;
	struct elf_notes notes;
	int len = 0;

	if (!read_shape(fd, &shape))
		return 0;
	for (unsigned int i = 0; i < shape.count && i < SEGMENTS_MAX && !len; i++) {
		if (read_segment(fd, &shape, i, &notes))
			len = id_in_segment(fd, &notes, id);
	}
	return len;
}

static int digest(EVP_MD_CTX *ctx, int fd, uint8_t *buf)
{
	off_t pos = 0;
	ssize_t got;

	while ((got = pread(fd, buf, PIECE, pos)) > 0) {
		if (!EVP_DigestUpdate(ctx, buf, got))
			return -EIO;
		pos += got;
	}
	return got < 0 ? -errno : 0;
}

int file_sha256(int fd, uint8_t sha256[FILE_SHA256])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	int err = ctx && buf ? 0 : -ENOMEM;

	if (!err && !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		err = -EIO;
	if (!err)
		err = digest(ctx, fd, buf);
	if (!err && !EVP_DigestFinal_ex(ctx, sha256, NULL))
		err = -EIO;
	EVP_MD_CTX_free(ctx);
	return err;
}
