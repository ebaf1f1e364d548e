/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `doctor` looks at, beside the rules (checks_rules.h). Each adds what it finds;
 * none changes anything (the kernel may load modules for what is tried), prints, or needs anything
 * attached or any privilege: what cannot be looked at is a finding.
 */
#ifndef TCPMIG_CHECKS_H
#define TCPMIG_CHECKS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "findings.h"
#include "pindir.h"
#include "tables.h"

/**
 * checks_kernel() - version and features, each tried rather than looked up.
 * Named kernel, bpf, jit, tcx, clsact, programs, csum_ipv6, redirect_neigh, ring_buffer, tun, btf.
 */
void checks_kernel(struct findings *f);

/** checks_host() - named capabilities, unprivileged_bpf, lockdown, bpffs. */
void checks_host(struct findings *f);

/**
 * checks_pin_dir() - one finding, pin_dir.
 * @err: of pindir_open() or tables_open() for @path: 0 or -errno
 */
void checks_pin_dir(const char *path, int err, struct findings *f);

/**
 * checks_ifaces() - for each attached interface one finding named interface, and one a
 * direction named hook. In the netns that the pins serve.
 */
void checks_ifaces(const struct tables *t, int dir_fd, struct findings *f);

/**
 * checks_certs() - the files of the control plane in @dir: named tls_ca, tls_crl, and for each
 * certificate tls_key, tls_cert, tls_chain, tls_address. With none of them one finding, tls_ca.
 */
void checks_certs(const char *dir, struct findings *f);

/**
 * checks_server() - where host.conf is @path and there is one: named host_conf, cgroup, images,
 * migration (each that is open) and fence (each that belongs to none).
 * @criu: the one that it names; "" for none
 */
void checks_server(const char *path, char criu[PATH_MAX], struct findings *f);

/**
 * checks_criu_works() - does this criu dump and restore a process of ours here?
 * @text: its version, or what failed
 */
bool checks_criu_works(const char *criu, char *text, size_t size);

/**
 * checks_criu() - does it dump and restore a process here? Named criu.
 *
 * In namespaces of its own, with nothing left of it afterwards; takes up to 40 s if criu
 * hangs. That of $CRIU, else @named (if not ""), else of $PATH.
 */
void checks_criu(const char *named, struct findings *f);

#endif
