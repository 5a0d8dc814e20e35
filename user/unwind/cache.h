/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache: compiled unwind tables, kept by build id between targets and between runs.
 *
 * Place      layer 3; used by probe.
 * Shapes     one file BUILD-ID per table in a folder that only its owner can write to
 *            (/var/cache/pyleaktrace/unwind as root; else $XDG_CACHE_HOME or ~/.cache). Files without a build
 *            id are compiled every time.
 * Trust      a table from the cache decides what a report says, so another user must not be able to put one
 *            there: folder and file must belong to us, not be writable for others, and not be links; contents
 *            are checked (version, length, checksum, every index in range) before they are believed.
 * Errors     a cache that cannot be used is no error: the table is compiled, and not kept.
 * Bounds     UNWIND_CACHE_MAX_BYTES in all; the files used longest ago go first.
 */
#ifndef PYLEAKTRACE_UNWIND_CACHE_H
#define PYLEAKTRACE_UNWIND_CACHE_H

#include "unwind/table.h"

#define UNWIND_CACHE_MAX_BYTES (256ull << 20)

/* The folder, made when it is not there; a descriptor to be closed, or -1: there is none to be trusted. */
int unwind_cache_open(void);

/*
 * The table of this open ELF file: from the cache, else compiled and kept there.
 *
 * in     folder: of unwind_cache_open(); -1: no cache
 * out    table: to be freed with unwind_table_fini()
 */
int unwind_cache_get(int folder, struct unwind_table *table, int fd, struct err *err);

/* Remove what was used longest ago until at most so many bytes remain. */
void unwind_cache_trim(int folder, unsigned long long max_bytes);

#endif
