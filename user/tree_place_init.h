/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the maker of a place and its init, for tree_place*.c alone: the leash. */
#ifndef TCPMIG_TREE_PLACE_INIT_H
#define TCPMIG_TREE_PLACE_INIT_H

/* Where the init finds its end of the leash. */
#define TREE_PLACE_LEASH_FD 3

/* The init is there: the only message of one byte that it sends. */
#define TREE_PLACE_READY       "r"
#define TREE_PLACE_READY_BYTES 1

/* It is on its own. Without this, the end of the leash is its end. */
#define TREE_PLACE_KEEP "keep"

#endif
