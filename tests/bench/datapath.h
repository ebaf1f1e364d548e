/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Client number i of the benchmark, for both its sides: 11.0.0.0 + i, and a port. */
#define BENCH_CLIENT_NET     0x0b000000
#define BENCH_CLIENT_PORT(i) (1024 + (i) % 50000)
