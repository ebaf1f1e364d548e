/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which map is which in struct tables. For tables*.c alone. */
#ifndef TCPMIG_TABLES_MAPS_H
#define TCPMIG_TABLES_MAPS_H

enum { RULES, REMOTES, FILTER, FLOWS, WIRES, COUNTERS, STATS, EVENTS, IFACES, META };

#endif
