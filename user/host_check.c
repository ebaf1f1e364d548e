// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "cleanup.h"
#include "control_message.h"
#include "endpoint.h"
#include "host_check.h"

#define PID_MAX_LIMIT (4 << 20)
#define MODE_MAX      0177777
#define BUILD_ID_MAX  64
#define BAD_TEXT      "text that is too long, no UTF-8, or has control characters"
#define BAD_PATH \
	"a path that does not begin with '/', is too long, no UTF-8, or has control characters"

static const char *check_address(const TcpmigHost__Endpoint *from)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	if (from->port < 1 || from->port > 65535)
		return "a port that is not in 1..65535";
	if (from->addr.len != 4 && from->addr.len != 16)
		return "an address that has neither 4 nor 16 bytes";
	return from->addr.len == 16 && !memcmp(from->addr.data, mapped, sizeof(mapped))
		       ? "an IPv4 address in 16 bytes"
		       : NULL;
}

/* Where a connection over an interface may end. */
static const char *check_end(const TcpmigHost__Endpoint *from)
{
	struct tcpmig_endpoint ep;
	const char *why;

	if (!from)
		return "an endpoint is missing";
	why = from->v6only ? "v6only of what is no listener" : check_address(from);
	if (why)
		return why;
	host_endpoint_take(from, &ep);
	return endpoint_check_routable(&ep);
}

static const char *check_listener(const TcpmigHost__Endpoint *from)
{
	const char *why = check_address(from);
	struct tcpmig_endpoint ep;

	if (why)
		return why;
	if (from->v6only && from->addr.len == 4)
		return "v6only of an IPv4 address";
	host_endpoint_take(from, &ep);
	return endpoint_is_any(&ep) || endpoint_is_loopback(&ep) ? NULL
								 : endpoint_check_routable(&ep);
}

static const char *check_move(const TcpmigHost__Move *move)
{
	const char *why = check_end(move->old);

	if (!why)
		why = check_end(move->cur);
	if (!why)
		why = check_end(move->next);
	if (why)
		return why;
	return move->old->addr.len == move->cur->addr.len &&
			       move->old->addr.len == move->next->addr.len
		       ? NULL
		       : "old, cur and next are not of one family";
}

static const char *check_hello(const TcpmigHost__Hello *hello)
{
	if (!hello->version)
		return "no version";
	return message_text_is_valid(hello->software) ? NULL : BAD_TEXT;
}

static const char *check_flags(const TcpmigHost__Prepare *prepare)
{
	if (prepare->n_cpu_flags > HOST_FLAGS_MAX)
		return "more CPU flags than there may be";
	for (size_t i = 0; i < prepare->n_cpu_flags; i++)
		if (!*prepare->cpu_flags[i] || !message_text_fits(prepare->cpu_flags[i], 64))
			return "a CPU flag that is not one";
	return NULL;
}

static const char *check_pids(const TcpmigHost__Prepare *prepare)
{
	if (prepare->n_pids > HOST_PIDS_MAX)
		return "more PIDs than there may be";
	for (size_t i = 0; i < prepare->n_pids; i++)
		if (!prepare->pids[i] || prepare->pids[i] > PID_MAX_LIMIT)
			return "a PID that cannot be";
	return NULL;
}

static const char *check_prepare(const TcpmigHost__Prepare *prepare)
{
	const char *why = NULL;

	if (prepare->n_moves > HOST_MOVES_MAX)
		return "more moves than there may be";
	for (size_t i = 0; !why && i < prepare->n_moves; i++)
		why = check_move(prepare->moves[i]);
	if (why)
		return why;
	if (!message_text_is_valid(prepare->criu_version) ||
	    !message_text_is_valid(prepare->kernel_release))
		return BAD_TEXT;
	if (!prepare->lease_ms)
		return "no duration";
	why = check_flags(prepare);
	return why ?: check_pids(prepare);
}

static bool is_path(const char *path)
{
	return *path == '/' && message_text_fits(path, HOST_PATH_MAX + 1);
}

static const char *check_file(const TcpmigHost__File *file)
{
	if (!is_path(file->path))
		return BAD_PATH;
	if (file->mode > MODE_MAX)
		return "a mode that is not one";
	if (file->size > INT64_MAX)
		return "a size that cannot be";
	if (file->build_id.len > BUILD_ID_MAX)
		return "a build-id that is too long";
	return !file->sha256.len || file->sha256.len == HOST_SHA256_LEN ? NULL
									: "a digest that is none";
}

static const char *check_files(const TcpmigHost__Files *files)
{
	const char *why = NULL;

	if (files->n_files > HOST_LIST_MAX)
		return "more files than a message may have";
	for (size_t i = 0; !why && i < files->n_files; i++)
		why = check_file(files->files[i]);
	return why;
}

static const char *check_connection(const TcpmigHost__Connection *connection)
{
	const char *why = check_end(connection->local);

	if (!why)
		why = check_end(connection->remote);
	if (why)
		return why;
	return connection->local->addr.len == connection->remote->addr.len
		       ? NULL
		       : "local and remote are not of one family";
}

static const char *check_connections(const TcpmigHost__Connections *of)
{
	const char *why = NULL;

	if (of->n_connections > HOST_LIST_MAX || of->n_listeners > HOST_LIST_MAX)
		return "more connections than a message may have";
	for (size_t i = 0; !why && i < of->n_connections; i++)
		why = check_connection(of->connections[i]);
	for (size_t i = 0; !why && i < of->n_listeners; i++)
		why = check_listener(of->listeners[i]);
	return why;
}

static const char *check_agents(const TcpmigHost__Agents *agents)
{
	const char *why = NULL;

	if (agents->n_agents > HOST_LIST_MAX)
		return "more agents than a message may have";
	for (size_t i = 0; !why && i < agents->n_agents; i++) {
		const TcpmigHost__Agent *agent = agents->agents[i];

		if (agent->move >= HOST_MOVES_MAX)
			return "a move that cannot be";
		if (!agent->epoch)
			return "no epoch";
		why = check_end(agent->at);
	}
	return why;
}

static const char *check_image(const TcpmigHost__Image *image)
{
	if (!host_name_is_valid(image->name))
		return "a name that no image has";
	if (image->data.len > HOST_PIECE_MAX)
		return "a piece that is too large";
	if (!image->data.len && image->offset)
		return "a piece of nothing";
	return image->offset > HOST_IMAGE_BYTES_MAX - image->data.len ? "an offset that cannot be"
								      : NULL;
}

static const char *check_digests(TcpmigHost__ImageDigest *const *digests, size_t count)
{
	if (count > HOST_LIST_MAX)
		return "more digests than a message may have";
	for (size_t i = 0; i < count; i++) {
		if (!host_name_is_valid(digests[i]->name))
			return "a name that no image has";
		if (digests[i]->size > HOST_IMAGE_BYTES_MAX)
			return "a size that cannot be";
		if (digests[i]->sha256.len != HOST_SHA256_LEN)
			return "a digest that is none";
	}
	return NULL;
}

static const char *check_body(const TcpmigHost__Request *req)
{
	switch (req->body_case) {
	case TCPMIG_HOST__REQUEST__BODY_HELLO:
		return check_hello(req->hello);
	case TCPMIG_HOST__REQUEST__BODY_PREPARE:
		return check_prepare(req->prepare);
	case TCPMIG_HOST__REQUEST__BODY_FILES:
		return check_files(req->files);
	case TCPMIG_HOST__REQUEST__BODY_CONNECTIONS:
		return check_connections(req->connections);
	case TCPMIG_HOST__REQUEST__BODY_AGENTS:
		return check_agents(req->agents);
	case TCPMIG_HOST__REQUEST__BODY_IMAGE:
		return check_image(req->image);
	case TCPMIG_HOST__REQUEST__BODY_DIGESTS:
		return check_digests(req->digests->images, req->digests->n_images);
	case TCPMIG_HOST__REQUEST__BODY_RESTORE:
		return check_digests(req->restore->images, req->restore->n_images);
	case TCPMIG_HOST__REQUEST__BODY_ABORT:
		return message_text_is_valid(req->abort->reason) ? NULL : BAD_TEXT;
	case TCPMIG_HOST__REQUEST__BODY_READY:
	case TCPMIG_HOST__REQUEST__BODY_COMMIT:
	case TCPMIG_HOST__REQUEST__BODY_STATUS:
	case TCPMIG_HOST__REQUEST__BODY_ALIVE:
		return NULL;
	default:
		return "no body";
	}
}

const char *host_check_request(const TcpmigHost__Request *req)
{
	static const uint8_t nil[HOST_UUID_LEN];
	const char *why = check_body(req);

	if (why)
		return why;
	if (req->body_case == TCPMIG_HOST__REQUEST__BODY_HELLO)
		return req->uuid.len ? "a migration where none belongs" : NULL;
	return req->uuid.len == sizeof(nil) && memcmp(req->uuid.data, nil, sizeof(nil))
		       ? NULL
		       : "a uuid that is not one";
}

static const char *check_differences(const TcpmigHost__Answer *answer)
{
	if (answer->n_differs > HOST_LIST_MAX)
		return "more differences than a message may have";
	for (size_t i = 0; i < answer->n_differs; i++) {
		if (!is_path(answer->differs[i]->path))
			return BAD_PATH;
		if (!message_text_is_valid(answer->differs[i]->what))
			return BAD_TEXT;
	}
	return NULL;
}

const char *host_check_answer(const TcpmigHost__Answer *answer)
{
	if ((unsigned int)answer->result > TCPMIG_HOST__RESULT__INVALID)
		return "a result that is not known";
	if ((unsigned int)answer->state > TCPMIG_HOST__STATE__BUSY)
		return "a state that is not known";
	if (answer->result == TCPMIG_HOST__RESULT__OK && *answer->text)
		return "text that does not go with the result";
	if (answer->pid > PID_MAX_LIMIT)
		return "a PID that cannot be";
	if (!message_text_is_valid(answer->text) || !message_text_is_valid(answer->software) ||
	    !message_text_is_valid(answer->criu_version) ||
	    !message_text_is_valid(answer->kernel_release))
		return BAD_TEXT;
	return check_differences(answer);
}
