/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of the control protocol: a length of 4 bytes, big-endian, and so many bytes. Pure. */
#ifndef TCPMIG_CONTROL_FRAME_H
#define TCPMIG_CONTROL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_BYTES    4
#define FRAME_PAYLOAD_BYTES (16 * 1024)
#define FRAME_BYTES	    (FRAME_HEAD_BYTES + FRAME_PAYLOAD_BYTES)

/**
 * frame_payload() - the length that a head announces.
 * @head: FRAME_HEAD_BYTES bytes
 * Return: 1..FRAME_PAYLOAD_BYTES; -EMSGSIZE: 0, or more than a frame may have.
 */
int frame_payload(const uint8_t head[FRAME_HEAD_BYTES]);

/** frame_payload_within() - the same where a frame may have @max bytes, less than 2 GiB. */
int frame_payload_within(const uint8_t head[FRAME_HEAD_BYTES], uint32_t max);

/**
 * frame_put_head() - the head of a frame with @payload bytes.
 * @payload: 1..FRAME_PAYLOAD_BYTES, or what another protocol allows
 */
void frame_put_head(uint8_t head[FRAME_HEAD_BYTES], size_t payload);

#endif
