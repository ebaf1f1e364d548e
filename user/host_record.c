// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "control_message.h"
#include "host_record.h"

#define RECORD		"record"
#define RECORD_NEW	"record.new"
#define RECORD_IMAGES	"images"
#define RECORD_MAX	(64 << 20) /* bytes */
#define RECORD_PATH	4096
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

static int path_of(char *buf, const char *dir, const uint8_t uuid[HOST_UUID_LEN])
{
	char name[MESSAGE_UUID_STRLEN];
	int len = snprintf(buf, RECORD_PATH, "%s/%s", dir, message_uuid_text(uuid, name));

	return len < RECORD_PATH ? 0 : -ENAMETOOLONG;
}

/* Nobody but root reads images: they are the memory of a process. */
int host_record_make_dir(const char *path)
{
	char part[RECORD_PATH];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdir(part, 0755) && errno != EEXIST)
			return -errno;
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	return 0;
}

static int open_dirs(struct host_record *rec, const char *path)
{
	rec->dir_fd = open(path, DIRECTORY_FLAGS);
	if (rec->dir_fd < 0)
		return -errno;
	if (flock(rec->dir_fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	rec->images_fd = openat(rec->dir_fd, RECORD_IMAGES, DIRECTORY_FLAGS);
	return rec->images_fd < 0 && errno != ENOENT ? -errno : 0;
}

static TcpmigHost__Record *new_record(const uint8_t uuid[HOST_UUID_LEN])
{
	TcpmigHost__Record *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	tcpmig_host__record__init(r);
	r->uuid.data = malloc(HOST_UUID_LEN);
	r->prepare = calloc(1, sizeof(*r->prepare));
	if (!r->uuid.data || !r->prepare) {
		free(r->uuid.data);
		free(r->prepare);
		free(r);
		return NULL;
	}
	memcpy(r->uuid.data, uuid, HOST_UUID_LEN);
	r->uuid.len = HOST_UUID_LEN;
	tcpmig_host__prepare__init(r->prepare);
	return r;
}

int host_record_make(struct host_record *rec, const char *dir, const uint8_t uuid[HOST_UUID_LEN])
{
	char path[RECORD_PATH];
	int err = path_of(path, dir, uuid);

	*rec = (struct host_record){ .dir_fd = -1, .images_fd = -1 };
	if (!err)
		err = host_record_make_dir(dir);
	if (!err && mkdir(path, 0700))
		err = -errno;
	if (err)
		return err;
	err = open_dirs(rec, path);
	if (!err && mkdirat(rec->dir_fd, RECORD_IMAGES, 0700))
		err = -errno;
	if (!err) {
		rec->images_fd = openat(rec->dir_fd, RECORD_IMAGES, DIRECTORY_FLAGS);
		err = rec->images_fd < 0 ? -errno : 0;
	}
	rec->r = err ? NULL : new_record(uuid);
	if (!err && !rec->r)
		err = -ENOMEM;
	if (err)
		host_record_remove(rec, dir);
	return err;
}

static bool is_end(const TcpmigHost__Endpoint *end)
{
	return end && (end->addr.len == 4 || end->addr.len == 16);
}

static bool has_ends(const TcpmigHost__Record *r)
{
	bool whole = true;

	for (size_t i = 0; i < r->n_connections; i++)
		whole &= is_end(r->connections[i]->local) && is_end(r->connections[i]->remote);
	for (size_t i = 0; i < r->n_listeners; i++)
		whole &= is_end(r->listeners[i]);
	for (size_t i = 0; i < r->n_agents; i++)
		whole &= is_end(r->agents[i]->at);
	return whole;
}

/* Is all there that we have written: for a file may be damaged, and still be a message? */
static bool is_whole(const TcpmigHost__Record *r, const uint8_t uuid[HOST_UUID_LEN])
{
	bool whole = r->uuid.len == HOST_UUID_LEN && !memcmp(r->uuid.data, uuid, HOST_UUID_LEN) &&
		     r->prepare && has_ends(r);

	for (size_t i = 0; whole && i < r->prepare->n_moves; i++) {
		const TcpmigHost__Move *move = r->prepare->moves[i];

		whole = is_end(move->old) && is_end(move->cur) && is_end(move->next);
	}
	return whole;
}

static TcpmigHost__Record *read_at(int dir_fd, const uint8_t uuid[HOST_UUID_LEN])
{
	_cleanup_close_ int fd = openat(dir_fd, RECORD, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ uint8_t *bytes = NULL;
	TcpmigHost__Record *r;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	bytes = st.st_size <= RECORD_MAX ? malloc(st.st_size + 1) : NULL;
	if (!bytes) {
		errno = ENOMEM;
		return NULL;
	}
	if (read(fd, bytes, st.st_size) != st.st_size) {
		errno = EIO;
		return NULL;
	}
	r = tcpmig_host__record__unpack(NULL, st.st_size, bytes);
	if (r && is_whole(r, uuid))
		return r;
	if (r)
		tcpmig_host__record__free_unpacked(r, NULL);
	errno = EBADMSG;
	return NULL;
}

int host_record_open(struct host_record *rec, const char *dir, const uint8_t uuid[HOST_UUID_LEN])
{
	char path[RECORD_PATH];
	int err = path_of(path, dir, uuid);

	*rec = (struct host_record){ .dir_fd = -1, .images_fd = -1 };
	if (!err)
		err = open_dirs(rec, path);
	if (!err) {
		rec->r = read_at(rec->dir_fd, uuid);
		err = rec->r ? 0 : -errno;
	}
	if (err)
		host_record_close(rec);
	return err;
}

TcpmigHost__Record *host_record_read(const char *dir, const uint8_t uuid[HOST_UUID_LEN])
{
	_cleanup_close_ int dir_fd = -1;
	char path[RECORD_PATH];

	errno = -path_of(path, dir, uuid);
	if (errno)
		return NULL;
	dir_fd = open(path, DIRECTORY_FLAGS);
	return dir_fd < 0 ? NULL : read_at(dir_fd, uuid);
}

/* Only where nothing can be read the lock is tried: whoever wants that record must get it. */
bool host_record_is_known(const char *dir, const uint8_t uuid[HOST_UUID_LEN])
{
	TcpmigHost__Record *r = host_record_read(dir, uuid);
	struct host_record rec;
	int err;

	if (r) {
		tcpmig_host__record__free_unpacked(r, NULL);
		return true;
	}
	err = host_record_open(&rec, dir, uuid);
	host_record_close(&rec);
	return !err || err == -EBUSY;
}

static int write_file(int dir_fd, const uint8_t *bytes, size_t len)
{
	_cleanup_close_ int fd = openat(
		dir_fd, RECORD_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, bytes + at, len - at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
	}
	if (fsync(fd) || renameat(dir_fd, RECORD_NEW, dir_fd, RECORD) || fsync(dir_fd))
		return -errno;
	return 0;
}

int host_record_save(const struct host_record *rec)
{
	size_t len = tcpmig_host__record__get_packed_size(rec->r);
	_cleanup_free_ uint8_t *bytes = malloc(len + 1);

	if (!bytes)
		return -ENOMEM;
	tcpmig_host__record__pack(rec->r, bytes);
	return write_file(rec->dir_fd, bytes, len);
}

void host_record_close(struct host_record *rec)
{
	if (rec->r)
		tcpmig_host__record__free_unpacked(rec->r, NULL);
	if (rec->images_fd >= 0)
		close(rec->images_fd);
	if (rec->dir_fd >= 0)
		close(rec->dir_fd);
	*rec = (struct host_record){ .dir_fd = -1, .images_fd = -1 };
}

/* The files of a directory of files, and it. @fd is open. */
static int remove_files(int fd)
{
	int copy = dup(fd);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	rewinddir(dir);
	while (!err && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    unlinkat(fd, entry->d_name, 0) && errno != ENOENT)
			err = -errno;
	}
	closedir(dir);
	return err;
}

int host_record_drop_images(struct host_record *rec)
{
	int err;

	if (rec->images_fd < 0)
		return 0;
	err = remove_files(rec->images_fd);
	close(rec->images_fd);
	rec->images_fd = -1;
	if (!err && unlinkat(rec->dir_fd, RECORD_IMAGES, AT_REMOVEDIR))
		err = -errno;
	return err;
}

int host_record_remove(struct host_record *rec, const char *dir)
{
	uint8_t uuid[HOST_UUID_LEN];
	bool known = rec->r && rec->r->uuid.len == sizeof(uuid);
	char path[RECORD_PATH];
	int err;

	if (rec->dir_fd < 0)
		return 0;
	if (known)
		memcpy(uuid, rec->r->uuid.data, sizeof(uuid));
	err = host_record_drop_images(rec);
	if (!err && unlinkat(rec->dir_fd, RECORD, 0) && errno != ENOENT)
		err = -errno;
	if (!err && known && !path_of(path, dir, uuid) && rmdir(path))
		err = -errno;
	host_record_close(rec);
	return err;
}

int host_record_wipe(const char *dir, const uint8_t uuid[HOST_UUID_LEN])
{
	struct host_record rec = { .dir_fd = -1, .images_fd = -1 };
	char path[RECORD_PATH];
	int err = path_of(path, dir, uuid);

	if (!err)
		err = open_dirs(&rec, path);
	if (err)
		return err == -ENOENT ? 0 : err;
	rec.r = new_record(uuid);
	if (rec.r)
		return host_record_remove(&rec, dir);
	host_record_close(&rec);
	return -ENOMEM;
}

/* A copy by its bytes, which is what protobuf-c frees. NULL: no memory. */
static void *copy_of(const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	_cleanup_free_ uint8_t *bytes = malloc(len + 1);

	if (!bytes)
		return NULL;
	protobuf_c_message_pack(message, bytes);
	return protobuf_c_message_unpack(message->descriptor, NULL, len, bytes);
}

/* Adds copies of @count of @from to a list. Return: 0; -E2BIG; -ENOMEM. */
static int add_copies(void ***list, size_t *count, void *const *from, size_t more)
{
	void **grown;

	if (*count + more > HOST_LIST_MAX)
		return -E2BIG;
	grown = reallocarray(*list, *count + more + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	for (size_t i = 0; i < more; i++) {
		void *copy = copy_of(from[i]);

		if (!copy)
			return -ENOMEM;
		grown[(*count)++] = copy;
	}
	return 0;
}

#define ADD_COPIES(to, n_to, from, n_from) \
	add_copies((void ***)&(to), &(n_to), (void *const *)(from), n_from)

int host_record_prepare(struct host_record *rec, const TcpmigHost__Prepare *prepare)
{
	TcpmigHost__Prepare *copy = copy_of(&prepare->base);

	if (!copy)
		return -ENOMEM;
	tcpmig_host__prepare__free_unpacked(rec->r->prepare, NULL);
	rec->r->prepare = copy;
	return 0;
}

int host_record_add(struct host_record *rec, const TcpmigHost__Connections *connections)
{
	TcpmigHost__Record *r = rec->r;
	int err = ADD_COPIES(r->connections, r->n_connections, connections->connections,
			     connections->n_connections);

	return err ? err
		   : ADD_COPIES(r->listeners, r->n_listeners, connections->listeners,
				connections->n_listeners);
}

int host_record_add_agents(struct host_record *rec, const TcpmigHost__Agents *agents)
{
	return ADD_COPIES(rec->r->agents, rec->r->n_agents, agents->agents, agents->n_agents);
}

int host_record_each(const char *path, int (*fn)(const uint8_t uuid[HOST_UUID_LEN], void *ctx),
		     void *ctx)
{
	DIR *dir = opendir(path);
	uint8_t uuid[HOST_UUID_LEN];
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!result && (entry = readdir(dir))) {
		if (message_uuid_parse(entry->d_name, uuid))
			result = fn(uuid, ctx);
	}
	closedir(dir);
	return result;
}

struct wanted {
	const char *dir;
	uint32_t pid;
	uint64_t start_ticks;
	TcpmigHost__Record *found;
};

static int is_wanted(const uint8_t uuid[HOST_UUID_LEN], void *ctx)
{
	struct wanted *w = ctx;
	TcpmigHost__Record *r = host_record_read(w->dir, uuid);

	if (r && r->state == TCPMIG_HOST__STATE__RUNNING && r->pid == w->pid &&
	    r->start_ticks == w->start_ticks) {
		w->found = r;
		return 1;
	}
	if (r)
		tcpmig_host__record__free_unpacked(r, NULL);
	return 0;
}

TcpmigHost__Record *host_record_of(const char *dir, uint32_t pid, uint64_t start_ticks)
{
	struct wanted w = { .dir = dir, .pid = pid, .start_ticks = start_ticks };

	host_record_each(dir, is_wanted, &w);
	return w.found;
}
