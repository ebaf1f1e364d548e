// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "control_message.h"
#include "endpoint.h"
#include "move_file.h"

_Static_assert(MOVE_FILE_UUID_LEN == MESSAGE_UUID_LEN, "the same UUID");

#define MOVE_FILE_NEW	  MOVE_FILE ".new"
#define MOVE_FILE_VERSION 1
#define AGENTS_MAX	  65536
#define FILE_BYTES_MAX	  (8 << 20)

static struct json_object *json_endpoint(const struct tcpmig_endpoint *ep)
{
	char text[ENDPOINT_STRLEN];

	return json_object_new_string(endpoint_format(ep, text));
}

static struct json_object *json_agent(const struct move_file_agent *agent)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "at", json_endpoint(&agent->at));
	json_object_object_add(json, "epoch", json_object_new_uint64(agent->epoch));
	return json;
}

static struct json_object *json_record(const struct move_record *move)
{
	struct json_object *json = json_object_new_object();
	struct json_object *agents = json_object_new_array();
	char uuid[MESSAGE_UUID_STRLEN];

	for (size_t i = 0; i < move->agent_count; i++)
		json_object_array_add(agents, json_agent(&move->agents[i]));
	json_object_object_add(json, "uuid",
			       json_object_new_string(message_uuid_text(move->uuid, uuid)));
	json_object_object_add(json, "old", json_endpoint(&move->old));
	json_object_object_add(json, "cur", json_endpoint(&move->cur));
	json_object_object_add(json, "new", json_endpoint(&move->next));
	json_object_object_add(json, "agents", agents);
	return json;
}

static struct json_object *to_json(const struct move_file *file)
{
	struct json_object *json = json_object_new_object();
	struct json_object *moves = json_object_new_array();

	for (size_t i = 0; i < file->count; i++)
		json_object_array_add(moves, json_record(&file->moves[i]));
	json_object_object_add(json, "version", json_object_new_int(MOVE_FILE_VERSION));
	json_object_object_add(json, "committed", json_object_new_boolean(file->committed));
	json_object_object_add(json, "gone", json_object_new_boolean(file->gone));
	json_object_object_add(json, "hold_ms", json_object_new_int64(file->hold_ms));
	json_object_object_add(json, "moves", moves);
	return json;
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t done;

	for (size_t at = 0; at < len; at += done) {
		done = write(fd, text + at, len - at);
		if (done < 0)
			return -errno;
	}
	return fsync(fd) ? -errno : 0;
}

int move_file_write(int dir_fd, const struct move_file *file)
{
	struct json_object *json = to_json(file);
	_cleanup_close_ int fd = openat(
		dir_fd, MOVE_FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno
			 : write_all(fd,
				     json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY));

	json_object_put(json);
	if (!err && renameat(dir_fd, MOVE_FILE_NEW, dir_fd, MOVE_FILE))
		err = -errno;
	if (err && fd >= 0)
		unlinkat(dir_fd, MOVE_FILE_NEW, 0);
	return err;
}

int move_file_remove(int dir_fd)
{
	return unlinkat(dir_fd, MOVE_FILE, 0) && errno != ENOENT ? -errno : 0;
}

void move_file_free(struct move_file *file)
{
	for (size_t i = 0; i < MOVE_FILE_MOVES; i++)
		free(file->moves[i].agents);
	*file = (struct move_file){};
}

/* Whole or NULL and errno. */
static char *read_text(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, MOVE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *text = fd < 0 ? NULL : malloc(FILE_BYTES_MAX + 1);
	ssize_t done = 1;
	size_t len = 0;
	char *whole;

	for (; text && done > 0 && len <= FILE_BYTES_MAX; len += done) {
		done = read(fd, text + len, FILE_BYTES_MAX + 1 - len);
		if (done < 0)
			return NULL;
	}
	if (!text)
		return NULL;
	if (len > FILE_BYTES_MAX || memchr(text, 0, len)) {
		errno = EBADMSG;
		return NULL;
	}
	text[len] = 0;
	whole = text;
	text = NULL;
	return whole;
}

static bool get(struct json_object *json, const char *key, enum json_type type,
		struct json_object **value)
{
	return json_object_object_get_ex(json, key, value) && json_object_is_type(*value, type);
}

static bool get_bool(struct json_object *json, const char *key, bool *value)
{
	struct json_object *found;

	if (!get(json, key, json_type_boolean, &found))
		return false;
	*value = json_object_get_boolean(found);
	return true;
}

static bool get_number(struct json_object *json, const char *key, uint64_t max, uint64_t *value)
{
	struct json_object *found;

	if (!get(json, key, json_type_int, &found) || json_object_get_int64(found) < 1)
		return false;
	*value = json_object_get_uint64(found);
	return *value <= max;
}

static bool get_endpoint(struct json_object *json, const char *key, struct tcpmig_endpoint *ep)
{
	struct json_object *found;

	return get(json, key, json_type_string, &found) &&
	       !endpoint_parse(json_object_get_string(found), ep) && !endpoint_check_routable(ep);
}

static const char *read_agent(struct json_object *json, struct move_file_agent *agent)
{
	if (!json_object_is_type(json, json_type_object) || !get_endpoint(json, "at", &agent->at))
		return "agents: expected ADDR:PORT for at";
	if (!get_number(json, "epoch", INT64_MAX, &agent->epoch))
		return "agents: expected a positive number for epoch";
	return NULL;
}

static const char *read_agents(struct json_object *json, struct move_record *move)
{
	struct json_object *agents;
	const char *wrong = NULL;
	size_t count;

	if (!get(json, "agents", json_type_array, &agents))
		return "agents: expected a list";
	count = json_object_array_length(agents);
	if (count > AGENTS_MAX)
		return "agents: too many";
	move->agents = calloc(count ?: 1, sizeof(*move->agents));
	if (!move->agents)
		return "no memory";
	for (; !wrong && move->agent_count < count; move->agent_count++)
		wrong = read_agent(json_object_array_get_idx(agents, move->agent_count),
				   &move->agents[move->agent_count]);
	return wrong;
}

static const char *read_record(struct json_object *json, struct move_record *move)
{
	struct json_object *uuid;

	if (!get(json, "uuid", json_type_string, &uuid) ||
	    !message_uuid_parse(json_object_get_string(uuid), move->uuid))
		return "uuid: expected one";
	if (!get_endpoint(json, "old", &move->old) || !get_endpoint(json, "cur", &move->cur) ||
	    !get_endpoint(json, "new", &move->next))
		return "old, cur, new: expected ADDR:PORT";
	if (move->old.family != move->next.family || move->old.family != move->cur.family)
		return "old, cur, new: IPv4 and IPv6 do not mix";
	return read_agents(json, move);
}

static const char *from_json(struct json_object *json, struct move_file *file)
{
	struct json_object *moves;
	const char *wrong = NULL;
	uint64_t number;
	size_t count;

	if (!get_number(json, "version", MOVE_FILE_VERSION, &number))
		return "version: expected 1";
	if (!get_bool(json, "committed", &file->committed) || !get_bool(json, "gone", &file->gone))
		return "committed, gone: expected true or false";
	if (!get_number(json, "hold_ms", UINT32_MAX, &number))
		return "hold_ms: expected milliseconds";
	file->hold_ms = number;
	if (!get(json, "moves", json_type_array, &moves))
		return "moves: expected a list";
	count = json_object_array_length(moves);
	if (count < 1 || count > MOVE_FILE_MOVES)
		return "moves: expected 1 to 16";
	for (; !wrong && file->count < count; file->count++)
		wrong = read_record(json_object_array_get_idx(moves, file->count),
				    &file->moves[file->count]);
	return wrong;
}

int move_file_read(int dir_fd, struct move_file *file, const char **why)
{
	_cleanup_free_ char *text = NULL;
	enum json_tokener_error error;
	struct json_object *json;
	int err;

	*file = (struct move_file){};
	text = read_text(dir_fd);
	if (!text) {
		err = -errno;
		*why = err == -EBADMSG ? "no text" : "it cannot be read";
		return err;
	}
	json = json_tokener_parse_verbose(text, &error);
	*why = json ? from_json(json, file) : json_tokener_error_desc(error);
	json_object_put(json);
	return *why ? -EBADMSG : 0;
}
