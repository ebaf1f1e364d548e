/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of a cgroup v2, for cgroup*.c alone. */
#ifndef TCPMIG_CGROUP_FS_H
#define TCPMIG_CGROUP_FS_H

#include <stddef.h>
#include <sys/types.h>

/** cgroup_full_path() - of @path below the mount point. @full: PATH_MAX. Return: 0; -errno. */
int cgroup_full_path(const char *path, char *full);

/** cgroup_open_dir() - Return: fd of the directory of @path below the mount point; -errno. */
int cgroup_open_dir(const char *path);

/** cgroup_write() - @text into file @name of it. Return: 0; -errno. */
int cgroup_write(int dir_fd, const char *name, const char *text);

/** cgroup_read() - file @name of it, as a string. Return: 0; -errno. */
int cgroup_read(int dir_fd, const char *name, char *text, size_t size);

/** cgroup_add_pids() - append the processes in it and below. 0: of another PID namespace. */
int cgroup_add_pids(int dir_fd, pid_t **pids, size_t *count);

/** cgroup_move() - @pid into it. Return: 0, also where it has ended; -errno. */
int cgroup_move(int dir_fd, pid_t pid);

#endif
