// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The conversation: TLS where it goes by network, HELLO, one frame a message. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "control_dial.h"
#include "control_frame.h"
#include "control_link.h"
#include "control_stream.h"
#include "endpoint.h"

/**
 * struct control_link - an open connection.
 * @name:     what messages call it
 * @end_ms:   of what is being done now
 * @failed:   an order that was given up must not arrive later
 * @sent, @received: ids of the latest request and of the latest answer: answers come in order
 */
struct control_link {
	char name[CONTROL_PATH_LEN];
	struct control_stream stream;
	unsigned int timeout_ms;
	bool failed;
	uint64_t end_ms;
	uint64_t sent;
	uint64_t received;
	uint8_t frame[FRAME_BYTES];
};

static int fail(struct control_link *link, int err, char *why)
{
	link->failed = true;
	control_stream_why(&link->stream, err, link->name, "agent", link->timeout_ms, why);
	return err;
}

static void begin(struct control_link *link)
{
	link->end_ms = clock_mono_ms() + link->timeout_ms;
}

static int send_request(struct control_link *link, struct message_request *req, char *why)
{
	int len, err;

	req->id = link->sent + 1;
	len = message_request_encode(req, link->frame);
	if (len < 0) {
		snprintf(why, CONTROL_WHY_LEN, "%s: a %s that cannot be sent: %s", link->name,
			 message_type_name(req->type), strerror(-len));
		return len;
	}
	link->sent++;
	err = control_stream_write(&link->stream, link->frame, len, link->end_ms);
	return err ? fail(link, err, why) : 0;
}

static int read_frame(struct control_link *link, char *why)
{
	int err = control_stream_read(&link->stream, link->frame, FRAME_HEAD_BYTES, link->end_ms);
	int len = err ? err : frame_payload(link->frame);

	if (!err && len < 0) {
		snprintf(why, CONTROL_WHY_LEN, "%s: what it answers is not our protocol",
			 link->name);
		return -EBADMSG;
	}
	if (!err)
		err = control_stream_read(&link->stream, link->frame, len, link->end_ms);
	return err ? fail(link, err, why) : len;
}

static int receive_answer(struct control_link *link, struct message_answer *answer, char *why)
{
	const char *wrong;
	int len, err;

	*answer = (struct message_answer){};
	len = read_frame(link, why);
	if (len < 0)
		return len;
	err = message_answer_decode(answer, link->frame, len, &wrong);
	if (!err && answer->id == ++link->received)
		return 0;
	if (!err) {
		wrong = "it is that to another request";
		err = -EBADMSG;
	}
	snprintf(why, CONTROL_WHY_LEN, "%s: a wrong answer: %s", link->name,
		 err == -ENOMEM ? "no memory" : wrong);
	message_answer_free(answer);
	*answer = (struct message_answer){};
	return err;
}

int control_send(struct control_link *link, struct message_request *req, char *why)
{
	begin(link);
	return send_request(link, req, why);
}

int control_receive(struct control_link *link, struct message_answer *answer, char *why)
{
	begin(link);
	return receive_answer(link, answer, why);
}

int control_call(struct control_link *link, struct message_request *req,
		 struct message_answer *answer, char *why)
{
	int err;

	begin(link);
	err = send_request(link, req, why);
	return err ? err : receive_answer(link, answer, why);
}

static int hello(struct control_link *link, char *why)
{
	struct message_request req = { .type = MESSAGE_HELLO, .version = MESSAGE_VERSION };
	struct message_answer answer;
	int err;

	snprintf(req.text, sizeof(req.text), "tcpmig-bpf " TCPMIG_VERSION);
	err = send_request(link, &req, why);
	if (!err)
		err = receive_answer(link, &answer, why);
	if (err)
		return err;
	if (answer.result != MESSAGE_OK)
		snprintf(why, CONTROL_WHY_LEN, "%s: %.200s", link->name, answer.text);
	else if (answer.version != MESSAGE_VERSION)
		snprintf(why, CONTROL_WHY_LEN, "%s: it speaks version %u of the protocol, we %d",
			 link->name, answer.version, MESSAGE_VERSION);
	else
		why = NULL;
	message_answer_free(&answer);
	return why ? -EPROTONOSUPPORT : 0;
}

static int check_agent(struct control_link *link, struct tls *tls,
		       const struct tcpmig_endpoint *agent, char *why)
{
	char reason[TLS_WHY_LEN];
	struct tls_peer peer;
	int err = tls_peer_of(link->stream.ssl, &peer, reason);

	if (!err)
		err = tls_peer_check(tls, &peer, reason);
	if (err)
		snprintf(why, CONTROL_WHY_LEN, "%s: TLS: %s", link->name, reason);
	else if (!tls_peer_speaks_for(&peer, agent)) {
		snprintf(why, CONTROL_WHY_LEN,
			 "%s: its certificate %s is not for that address; expected it as IP in "
			 "subjectAltName",
			 link->name, peer.name);
		err = -EACCES;
	}
	tls_peer_free(&peer);
	return err;
}

static int handshake(struct control_link *link, struct tls *tls, char *why)
{
	int err = control_stream_handshake(&link->stream, tls, link->end_ms);

	return err ? fail(link, err, why) : 0;
}

static struct control_link *link_new(const char *name, unsigned int timeout_ms, char *why)
{
	struct control_link *link = calloc(1, sizeof(*link));

	if (!link) {
		snprintf(why, CONTROL_WHY_LEN, "%s: no memory", name);
		return NULL;
	}
	snprintf(link->name, sizeof(link->name), "%s", name);
	link->stream.fd = -1;
	link->timeout_ms = timeout_ms;
	begin(link);
	return link;
}

struct control_link *control_link_tls(struct tls *tls, const struct tcpmig_endpoint *agent,
				      const struct tcpmig_endpoint *from, unsigned int timeout_ms,
				      char *why)
{
	char name[ENDPOINT_STRLEN];
	struct control_link *link = link_new(endpoint_format(agent, name), timeout_ms, why);

	if (!link)
		return NULL;
	link->stream.fd = control_dial(agent, from, "; is the agent running?", timeout_ms,
				       link->end_ms, why);
	if (link->stream.fd >= 0 && !handshake(link, tls, why) &&
	    !check_agent(link, tls, agent, why) && !hello(link, why))
		return link;
	control_link_close(link);
	return NULL;
}

struct control_link *control_link_local(const char *path, unsigned int timeout_ms, char *why)
{
	struct control_link *link = link_new(path, timeout_ms, why);

	if (!link)
		return NULL;
	link->stream.fd = control_dial_local(path, timeout_ms, link->end_ms, why);
	if (link->stream.fd >= 0 && !hello(link, why))
		return link;
	control_link_close(link);
	return NULL;
}

void control_link_close(struct control_link *link)
{
	if (!link)
		return;
	control_stream_close(&link->stream, link->failed);
	free(link);
}
