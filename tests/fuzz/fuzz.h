/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the fuzz targets share: claims that must hold for every input, and mutations. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a decoder has let through, or made, and must not: libFuzzer keeps the input. */
#define CLAIM(holds)                                                                          \
	do {                                                                                  \
		if (!(holds)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #holds); \
			abort();                                                              \
		}                                                                             \
	} while (0)

/** claim_phrase() - @why is one line of printable ASCII, not empty. */
void claim_phrase(const char *why);

/**
 * mutate_message() - a LLVMFuzzerCustomMutator for a protobuf message: half of what it makes is
 * written in the one right way, so that not all of it ends at the first check.
 */
size_t mutate_message(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t size,
		      size_t max, unsigned int seed);

#endif
