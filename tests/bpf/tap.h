/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program on a TAP device of its own, with frames that arrive in pieces: only the first
 * piece is in the linear area of the skb. What the program lets pass comes back.
 */
#ifndef TCPMIG_TEST_TAP_H
#define TCPMIG_TEST_TAP_H

#include <stddef.h>

#define TAP_PIECES_MAX 4

struct tap {
	int fd;
	int ifindex;
};

/**
 * tap_open() - a device @name on whose ingress hook @prog_fd runs.
 * Return: 0; -errno: the kernel cannot do it.
 */
int tap_open(struct tap *tap, const char *name, int prog_fd);

/** tap_send() - a frame in @pieces[]; they add up to all of it. Return: 0 or -errno. */
int tap_send(const struct tap *tap, const unsigned char *data, const size_t pieces[], size_t count);

/**
 * tap_receive() - the frame that came back.
 * @wait_ms: for it; mostly it is there when tap_send() returns, but not always
 * Return: its bytes; 0: none did; -errno.
 */
int tap_receive(const struct tap *tap, unsigned char *data, size_t size, int wait_ms);

#endif
