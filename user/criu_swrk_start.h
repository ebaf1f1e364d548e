/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What criu_swrk*.c share. */
#ifndef TCPMIG_CRIU_SWRK_START_H
#define TCPMIG_CRIU_SWRK_START_H

#include "criu_swrk.h"

/* The images directory, as criu itself finds it in whatever mount namespace. */
#define CRIU_SWRK_IMAGES "/proc/self/fd/4"

/**
 * struct criu_swrk - one criu.
 * @pid:       a child of ours; 0: waited for
 * @pid_fd:    the same, as a pidfd
 * @status:    of waitpid(), when @pid is 0
 * @socket:    SOCK_SEQPACKET, our end
 * @images_fd: -1: none
 * @output_fd: what it writes before it has a log
 * @hold_fd:   the FIFO that it reads or will read, to write; -1: it is not held
 * @reader_fd: the same, to read, when it is filled
 * @perf_fd:   keeps the kernel ready for hardware breakpoints, while this is open; -1: not
 * @log_file:  in the images directory; NULL: none yet
 */
struct criu_swrk {
	pid_t pid;
	int pid_fd;
	int status;
	int socket;
	int images_fd;
	int output_fd;
	int hold_fd;
	int reader_fd;
	int perf_fd;
	const char *log_file;
};

/**
 * criu_swrk_why() - why it failed: the signal that killed it; else what its log says; else
 * @message; else what it has written elsewhere.
 * @message: of its answer; NULL: it has closed its socket without one
 */
void criu_swrk_why(struct criu_swrk *w, const char *message, char why[CRIU_WHY_BYTES]);

#endif
