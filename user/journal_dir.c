// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* All journals of a host. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control_message.h"
#include "journal_record.h"

#define SUFFIX ".journal"

void journal_name(const uint8_t uuid[16], char *name)
{
	message_uuid_text(uuid, name);
	strcat(name, SUFFIX);
}

static bool parse_name(const char *name, uint8_t uuid[16])
{
	char text[JOURNAL_NAME_LEN];
	size_t length = strlen(name);

	if (length != sizeof(text) - 1 || strcmp(name + length - strlen(SUFFIX), SUFFIX))
		return false;
	memcpy(text, name, length);
	text[length - strlen(SUFFIX)] = 0;
	return message_uuid_parse(text, uuid);
}

static DIR *open_migrations(const char *state_dir)
{
	DIR *state = opendir(state_dir);
	DIR *dir = NULL;
	int fd;

	if (!state)
		return NULL;
	fd = openat(dirfd(state), JOURNAL_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		dir = fdopendir(fd);
	if (fd >= 0 && !dir)
		close(fd);
	closedir(state);
	return dir;
}

int journal_each(const char *state_dir,
		 int (*fn)(const struct journal_state *state, int err, void *ctx), void *ctx)
{
	DIR *dir = open_migrations(state_dir);
	struct journal_state state;
	const struct dirent *entry;
	uint8_t uuid[16];
	int result = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!result && (entry = readdir(dir))) {
		if (!parse_name(entry->d_name, uuid))
			continue;
		result = journal_open_read(state_dir, uuid, &state);
		/* Removed by who has ended it. */
		result = result == -ENOENT ? 0 : fn(&state, result, ctx);
		journal_state_free(&state);
	}
	closedir(dir);
	return result;
}
