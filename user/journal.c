// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clocks.h"
#include "control_message.h"
#include "journal_record.h"

/* Records that there is always room for, behind what is known beforehand. */
#define SPARE_PAGES   12
#define FILE_SIZE_MAX (64 << 20) /* it is read as a whole */

struct journal {
	int dir_fd;
	int fd;
	size_t size; /* of the file: written once, with zeros */
	struct journal_scan at;
	enum journal_type type;
	bool committed;
	uint8_t uuid[16];
	uint8_t boot_id[16];
	char name[JOURNAL_NAME_LEN];
};

static int read_boot_id(uint8_t id[16])
{
	_cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char text[37];

	if (!file)
		return -errno;
	return fgets(text, sizeof(text), file) && message_uuid_parse(text, id) ? 0 : -EIO;
}

/* Return: the directory of all journals, or -errno. */
static int open_dir(const char *state_dir, bool make)
{
	_cleanup_close_ int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (state < 0)
		return -errno;
	if (make && mkdirat(state, JOURNAL_DIR, 0700) && errno != EEXIST)
		return -errno;
	if (make && fsync(state))
		return -errno;
	fd = openat(state, JOURNAL_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Of the open file description: one that was forked has it too, another process has not. */
static int lock(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &all))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

static bool is_locked(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return !fcntl(fd, F_OFD_GETLK, &all) && all.l_type != F_UNLCK;
}

static int write_all(int fd, const void *data, size_t size, size_t at)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		data = (const char *)data + n;
		size -= (size_t)n;
		at += (size_t)n;
	}
	return 0;
}

static int write_zeros(int fd, size_t from, size_t to)
{
	static const uint8_t zeros[16 * JOURNAL_PAGE];
	int err = 0;

	for (size_t at = from; !err && at < to; at += sizeof(zeros))
		err = write_all(fd, zeros, to - at < sizeof(zeros) ? to - at : sizeof(zeros), at);
	return err;
}

/* Real zeros: what fallocate() gives is changed in the file system's metadata when it is written.
 */
static int take_room(struct journal *j, size_t space)
{
	size_t size = j->at.end + space + SPARE_PAGES * JOURNAL_PAGE;
	int err;

	if (size <= j->size)
		return 0;
	err = write_zeros(j->fd, j->size, size);
	if (!err && fsync(j->fd))
		err = -errno;
	if (err)
		return err;
	j->size = size;
	return 0;
}

/*
 * What could not be brought to the disk is taken back: so whoever reads while this host is up finds
 * nothing. After a reboot it may be there all the same; but then the process is not.
 */
static int put(struct journal *j, const struct journal_record *record)
{
	size_t space = journal_record_space(record->length);
	int err = write_all(j->fd, record, space, j->at.end);

	if (!err && fdatasync(j->fd))
		err = -errno;
	if (err && write_zeros(j->fd, j->at.end, j->at.end + space))
		return -ENOTRECOVERABLE;
	if (err) {
		fdatasync(j->fd);
		return err;
	}
	j->at = (struct journal_scan){ j->at.end + space, record->sequence };
	j->type = record->type;
	j->committed |= record->type == JOURNAL_COMMIT;
	return 0;
}

/* Whole pages. Return: free() it; NULL: no memory. */
static struct journal_record *new_record(const struct journal *j, enum journal_type type,
					 size_t length)
{
	struct journal_record *record = calloc(1, journal_record_space(length));

	if (!record)
		return NULL;
	record->length = (uint32_t)length;
	record->type = type;
	record->sequence = j->at.sequence + 1;
	record->boot_ns = clock_boot_ns();
	memcpy(record->uuid, j->uuid, sizeof(record->uuid));
	memcpy(record->boot_id, j->boot_id, sizeof(record->boot_id));
	return record;
}

int journal_append(struct journal *j, enum journal_type type, const char *text)
{
	_cleanup_free_ struct journal_record *record = NULL;
	size_t length = text ? strnlen(text, JOURNAL_TEXT_MAX) : 0;

	if (type == JOURNAL_PREPARED || !journal_may_follow(j->type, j->committed, type))
		return -EINVAL;
	record = new_record(j, type, length);
	if (!record)
		return -ENOMEM;
	if (length)
		memcpy(record + 1, text, length);
	journal_record_seal(record);
	return put(j, record);
}

int journal_prepare(struct journal *j, const TcpmigJournal__Prepared *prepared)
{
	_cleanup_free_ struct journal_record *record = NULL;
	size_t length = tcpmig_journal__prepared__get_packed_size(prepared);
	int err;

	if (!journal_may_follow(j->type, j->committed, JOURNAL_PREPARED))
		return -EINVAL;
	if (length > JOURNAL_PREPARED_MAX || j->at.end + length > FILE_SIZE_MAX / 2)
		return -E2BIG;
	err = take_room(j, journal_record_space(length));
	if (err)
		return err;
	record = new_record(j, JOURNAL_PREPARED, length);
	if (!record)
		return -ENOMEM;
	tcpmig_journal__prepared__pack(prepared, (uint8_t *)(record + 1));
	journal_record_seal(record);
	return put(j, record);
}

/* Return: journal_close() it; NULL and errno. */
static struct journal *new_journal(const char *state_dir, const uint8_t uuid[16], bool make)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return NULL;
	j->fd = -1;
	memcpy(j->uuid, uuid, sizeof(j->uuid));
	journal_name(uuid, j->name);
	j->dir_fd = open_dir(state_dir, make);
	err = j->dir_fd < 0 ? j->dir_fd : read_boot_id(j->boot_id);
	if (!err)
		return j;
	journal_close(j);
	errno = -err;
	return NULL;
}

static int begin(struct journal *j, const TcpmigJournal__Prepared *prepared)
{
	int err = lock(j->fd);

	if (!err)
		err = journal_prepare(j, prepared);
	if (!err && fsync(j->dir_fd))
		err = -errno;
	return err;
}

int journal_create(const char *state_dir, const uint8_t uuid[16],
		   const TcpmigJournal__Prepared *prepared, struct journal **result)
{
	struct journal *j = new_journal(state_dir, uuid, true);
	int err;

	if (!j)
		return -errno;
	j->fd = openat(j->dir_fd, j->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (j->fd < 0) {
		err = -errno;
		journal_close(j);
		return err;
	}
	err = begin(j, prepared);
	if (err)
		journal_remove(j);
	else
		*result = j;
	return err;
}

/* Return: the whole file, free() it; NULL and errno. */
static uint8_t *read_file(int fd, size_t *size)
{
	struct stat st;
	uint8_t *data;
	ssize_t n;

	if (fstat(fd, &st))
		return NULL;
	errno = EBADMSG;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX)
		return NULL;
	*size = (size_t)st.st_size;
	data = malloc(*size + 1);
	for (size_t have = 0; data && have < *size; have += (size_t)n) {
		n = pread(fd, data + have, *size - have, (off_t)have);
		if (n > 0)
			continue;
		errno = n ? errno : EBADMSG;
		free(data);
		return NULL;
	}
	return data;
}

/* What @j->fd has to say. */
static int read_journal(struct journal *j, struct journal_state *state)
{
	_cleanup_free_ uint8_t *data = read_file(j->fd, &j->size);
	int err;

	if (!data)
		return -errno;
	err = journal_scan(data, j->size, j->boot_id, state, &j->at);
	j->type = state->type;
	j->committed = state->committed;
	return err;
}

/* For reading, or, if @write, as the only writer. */
static int open_journal(struct journal *j, bool write, struct journal_state *state)
{
	struct stat st;
	int err;

	j->fd = openat(j->dir_fd, j->name,
		       (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (j->fd < 0)
		return -errno;
	err = write ? lock(j->fd) : 0;
	if (!write || err == -EBUSY)
		state->busy = is_locked(j->fd);
	if (err)
		return err;
	/* The writer before us may have removed it while we waited for nothing. */
	if (fstat(j->fd, &st))
		return -errno;
	return st.st_nlink ? read_journal(j, state) : -ENOENT;
}

static int open_any(const char *state_dir, const uint8_t uuid[16], bool write, struct journal **j,
		    struct journal_state *state)
{
	int err;

	*state = (struct journal_state){};
	memcpy(state->uuid, uuid, sizeof(state->uuid));
	*j = new_journal(state_dir, uuid, false);
	if (!*j)
		return -errno;
	err = open_journal(*j, write, state);
	if (!err)
		return 0;
	journal_close(*j);
	*j = NULL;
	return err;
}

int journal_open(const char *state_dir, const uint8_t uuid[16], struct journal **j,
		 struct journal_state *state)
{
	return open_any(state_dir, uuid, true, j, state);
}

int journal_open_read(const char *state_dir, const uint8_t uuid[16], struct journal_state *state)
{
	struct journal *j;
	int err = open_any(state_dir, uuid, false, &j, state);

	journal_close(j);
	return err;
}

enum journal_type journal_type(const struct journal *j)
{
	return j->type;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	free(j);
}

int journal_remove(struct journal *j)
{
	int err = unlinkat(j->dir_fd, j->name, 0) || fsync(j->dir_fd) ? -errno : 0;

	journal_close(j);
	return err;
}

void journal_state_free(struct journal_state *state)
{
	if (state->prepared)
		tcpmig_journal__prepared__free_unpacked(state->prepared, NULL);
	state->prepared = NULL;
}
