/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of the fence share: who is who, records of their own, and a packet through one
 * of the real programs by BPF_PROG_TEST_RUN. In namespaces of their own.
 */
#ifndef TCPMIG_TEST_FENCE_FIXTURE_H
#define TCPMIG_TEST_FENCE_FIXTURE_H

#include <stdbool.h>

#include "fence.h"
#include "fence_programs.h"
#include "fence_record.h"
#include "packet.h"

#define NEXT	     (-1)
#define DROP	     2
#define ETHERNET_LEN 14

enum direction { OUT, IN };
enum what { NOTHING, INGRESS, EGRESS, SYN };

/*
 * Here the bytes of an address decide what a packet without Ethernet header is taken for by
 * BPF_PROG_TEST_RUN: where the type would stand, there are two bytes of the source.
 */
enum who { SERVER, OTHER_ADDR, OTHER_PORT, PEER, PEER2, STRANGER };

/* The record has the flow SERVER - PEER, and a listener bound so. */
enum bound { TO_ADDR, TO_ANY, TO_ANY_OF_BOTH };

extern struct fence_programs programs[2]; /* by whether there is an Ethernet header */
extern struct fence_tables tables;
extern int family; /* 0: IPv4, 1: IPv6 */
extern size_t runs;

struct tcpmig_endpoint endpoint_of(enum who who);
struct fence_flow flow_of(enum who local, enum who remote);

/** any_of() - the unspecified address with SERVER's port. */
struct tcpmig_endpoint any_of(bool v6);

/** make() - a new record, which is open, without pins. */
struct fence make(uint8_t number);

/** erase() - its end. Return: 0 or -errno. */
int erase(struct fence *f);

void add_listener(struct fence *f, enum bound bound);

/** run_packet() - Return: verdict. Fails unless the packet comes out as it went in. */
int run_packet(bool ethernet, enum direction direction, const struct test_packet *in);

/** verdict_of() - of a packet in an Ethernet frame. */
int verdict_of(enum direction direction, enum shape shape, enum who src, enum who dst);

/** counts() - has one packet been counted so, and no other? */
bool counts(const struct fence *f, enum what what);

/* For cmocka: set-up and tear-down of a group. */
int load(void **state);
int unload(void **state);

#endif
