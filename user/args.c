// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "endpoint.h"
#include "log.h"

int args_next(struct globals *g, const struct command *self, int argc, char **argv,
	      const struct option *options, int *status)
{
	for (;;) {
		int c = getopt_long(argc, argv, ":jvh", options, NULL);

		switch (c) {
		case 'j':
			g->json = true;
			break;
		case 'v':
			log_verbosity++;
			break;
		case ARG_PIN_DIR:
			g->pin_dir = optarg;
			break;
		case 'h':
			printf("Usage: tcpmig-bpf [OPTIONS] %s %s\n\n%s\n", self->name, self->args,
			       self->summary);
			*status = 0;
			return ARGS_STOP;
		case ':':
			*status = log_usage("'%s': a value is missing; expected: %s %s",
					    argv[optind - 1], self->name, self->args);
			return ARGS_STOP;
		case '?':
			*status = log_usage("'%s': no such option; expected: %s %s",
					    argv[optind - 1], self->name, self->args);
			return ARGS_STOP;
		case -1:
			return ARGS_END;
		default:
			return c;
		}
	}
}

bool args_operands(const struct command *self, int argc, int min, int max)
{
	int count = argc - optind;

	if (count >= min && count <= max)
		return true;
	log_usage("%s: %s; expected: %s %s", self->name,
		  count < min ? "an argument is missing" : "too many arguments", self->name,
		  self->args);
	return false;
}

bool args_endpoint(const char *text, struct tcpmig_endpoint *ep)
{
	const char *wrong = endpoint_parse(text, ep);

	if (wrong) {
		log_usage("'%s': %s; expected ADDR:PORT or [V6]:PORT", text, wrong);
		return false;
	}
	wrong = endpoint_check_routable(ep);
	if (wrong) {
		log_usage("'%s': %s; expected the address of a host", text, wrong);
		return false;
	}
	return true;
}

int args_flow(const char *text, struct rules_flows *flows)
{
	struct tcpmig_endpoint *grown;

	grown = realloc(flows->local, (flows->count + 1) * sizeof(*grown));
	if (!grown)
		return log_errno(ENOMEM, "'%s'", text);
	flows->local = grown;
	if (!args_endpoint(text, &grown[flows->count]))
		return 2;
	flows->count++;
	return 0;
}

bool args_pair(const char *old_text, const struct tcpmig_endpoint *old, const char *new_text,
	       const struct tcpmig_endpoint *new)
{
	if (old->family != new->family) {
		log_usage("'%s' to '%s': IPv4 and IPv6 do not mix; expected two of one kind",
			  old_text, new_text);
		return false;
	}
	if (endpoint_same(old, new)) {
		log_usage("'%s': OLD and NEW are the same; expected two addresses or ports",
			  new_text);
		return false;
	}
	return true;
}

unsigned int args_seconds(const char *option, const char *text, unsigned int max)
{
	unsigned long value = 0;
	char *end = NULL;

	errno = 0;
	if (*text >= '0' && *text <= '9')
		value = strtoul(text, &end, 10);
	if (!end || *end || errno || value < 1 || value > max) {
		log_usage("'%s': expected whole seconds, 1..%u, for %s", text, max, option);
		return 0;
	}
	return value;
}
