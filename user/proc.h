/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of /proc/PID, as text and numbers. What ends while it is read is -ESRCH. */
#ifndef TCPMIG_PROC_H
#define TCPMIG_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Room for /proc/PID/status: the list of groups stands before much else, and may be long. */
#define PROC_STATUS_ROOM 32768

/**
 * proc_read() - /proc/PID/@name as a string; what does not fit is cut off.
 * Return: its length, or -errno.
 */
ssize_t proc_read(pid_t pid, const char *name, char *buf, size_t size);

/** proc_link() - where the link /proc/PID/@name leads, as a string. Return: as proc_read(). */
ssize_t proc_link(pid_t pid, const char *name, char *buf, size_t size);

/** proc_open() - open(/proc/PID/@name). Return: a descriptor, or -errno. */
int proc_open(pid_t pid, const char *name, int flags);

/** proc_namespace() - inode of the namespace /proc/PID/ns/@name. Return: 0 or -errno. */
int proc_namespace(pid_t pid, const char *name, uint64_t *inode);

/** proc_comm() - name of the process, "" if it is gone. */
void proc_comm(pid_t pid, char *comm, size_t size);

/**
 * proc_each() - call @fn for every number that is a name in /proc/PID/@name: "fd", "task"; @pid 0:
 * in /proc itself.
 * Return: 0, what @fn returned if not 0, or -errno.
 */
int proc_each(pid_t pid, const char *name, int (*fn)(int number, void *ctx), void *ctx);

/** proc_field() - the value behind "NAME:" in the text of /proc/PID/status, or NULL. */
const char *proc_field(const char *status, const char *name);

/** proc_inner_pid() - the PID in its own PID namespace, from the text of status; 0: not there. */
pid_t proc_inner_pid(const char *status);

/** proc_link_inode() - the inode of a link such as "socket:[123]" of @kind "socket"; 0: it is none.
 */
uint64_t proc_link_inode(const char *link, const char *kind);

#endif
