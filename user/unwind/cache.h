/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache: compiled unwind tables, kept by build id between targets and between runs.
 *
 * Place      layer 3; used by probe.
 * Shapes     one file BUILD-ID per table in a folder that only its owner can write to
 *            (/var/cache/pyleaktrace/unwind as root; else $XDG_CACHE_HOME or ~/.cache). Files
 *            without a build id are compiled every time.
 * Trust      a table from the cache decides what a report says, so another user must not be able to
 *            put one there: folder and file must belong to us, not be writable for others, and not
 *            be links; contents are checked (the compiler's version, length, fingerprint, every
 *            number in range) before they are believed. A target's owner can give any file libc's
 *            build id: a table is used only for the unwind information that it was compiled from,
 *            which a fingerprint with a secret key identifies.
 * Errors     a cache that cannot be used is no error: the table is compiled, and not kept.
 * Bounds     UNWIND_CACHE_MAX_BYTES in all; the files used longest ago go first.
 */
#ifndef PYLEAKTRACE_UNWIND_CACHE_H
#define PYLEAKTRACE_UNWIND_CACHE_H

#include "unwind/table.h"

#define UNWIND_CACHE_MAX_BYTES (256ull << 20)

/* The user's folder, made if it is not there; a descriptor to be closed, or -1: none that can be
 * trusted. */
int unwind_cache_open(void);

/*
 * The table of this open ELF file: from the cache, else compiled and kept there.
 *
 * in     folder: of unwind_cache_open(); -1: no cache
 * out    table: to be freed with unwind_table_fini()
 */
int unwind_cache_get(int folder, struct unwind_table *table, int fd, struct err *err);

#endif
