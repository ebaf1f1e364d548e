// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Everything that reads one word of a user or of a file: what it takes, it writes and takes again.
 */
#include <errno.h>
#include <string.h>

#include "control_message.h"
#include "endpoint.h"
#include "fuzz.h"
#include "prefix.h"

static void fuzz_endpoint(const char *text)
{
	struct tcpmig_endpoint ep, other, again;
	char formatted[ENDPOINT_STRLEN];
	const char *wrong = endpoint_parse(text, &ep);
	const char *other_wrong = endpoint_parse_optional_port(text, &other);

	if (wrong)
		claim_phrase(wrong);
	else
		CLAIM(!other_wrong && endpoint_same(&ep, &other) && ep.port);
	if (other_wrong)
		return claim_phrase(other_wrong);
	if (!other.port)
		other.port = 1;
	CLAIM(strlen(endpoint_format(&other, formatted)) < ENDPOINT_STRLEN);
	CLAIM(!endpoint_parse(formatted, &again));
	CLAIM(!memcmp(&again, &other, sizeof(other)));
}

static void fuzz_prefix(const char *text)
{
	struct tcpmig_prefix prefix, again;
	char formatted[PREFIX_STRLEN], why[PREFIX_WHY_LEN];

	memset(&prefix, 0, sizeof(prefix));
	memset(&again, 0, sizeof(again));
	if (prefix_parse(text, &prefix, why))
		return claim_phrase(why);
	CLAIM(prefix.bits >= (prefix.family == TCPMIG_AF_INET ? 96 : 0) && prefix.bits <= 128);
	CLAIM(!prefix_parse(prefix_format(&prefix, formatted), &again, why));
	CLAIM(!memcmp(&prefix, &again, sizeof(prefix)));
}

static void fuzz_ports(const char *text)
{
	struct tcpmig_prefix range, again;
	char formatted[16];

	if (ports_parse(text, &range))
		return;
	CLAIM(range.port_min >= 1 && range.port_min <= range.port_max);
	snprintf(formatted, sizeof(formatted), "%u-%u", range.port_min, range.port_max);
	CLAIM(!ports_parse(formatted, &again));
	CLAIM(again.port_min == range.port_min && again.port_max == range.port_max);
}

static void fuzz_text(const char *from)
{
	uint8_t uuid[MESSAGE_UUID_LEN];
	char formatted[MESSAGE_UUID_STRLEN], text[MESSAGE_TEXT_MAX];

	if (message_uuid_parse(from, uuid))
		CLAIM(!strcasecmp(message_uuid_text(uuid, formatted), from));
	message_text_set(text, from);
	CLAIM(message_text_is_valid(text));
	CLAIM(!message_text_is_valid(from) || !strcmp(text, from));
}

/* In memory that ends behind the NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	fuzz_endpoint(text);
	fuzz_prefix(text);
	fuzz_ports(text);
	fuzz_text(text);
	free(text);
	return 0;
}
