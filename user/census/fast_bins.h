/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fast_bins: glibc's arenas -> bytes of the small chunks that are free and look as if they were in
 * use: glibc keeps them unmerged for the next request of that size, and there may be millions.
 *
 * An arena's state has `top`, the chunk at the end of its heap, before its bins, and the fast bins
 * before that. The main arena's is in libc's data, under a name that is stripped; it is known by
 * its bins: most are empty, and an empty one points at itself. Those of other arenas are where the
 * begin of their heaps says.
 *
 *     ... fastbinsY[10] (lists of chunks of 32, 48, ... bytes)
 *         top   last_remainder   bins[254] ...
 *
 * Place      the census; called by allocator_glibc.
 * Source     glibc malloc/malloc.c 2.17 to 2.42 (struct malloc_state, PROTECT_PTR from 2.32 on).
 *            From 2.43 on there are none: the words there are not chunks, and the sum is 0.
 * Degrades   the lists change while they are followed: a word that is not a chunk ends its list,
 *            and so does one that was there before. What threads keep in caches of their own
 *            (tcache: up to 240 KiB each) is not counted.
 * Bounds     FAST_BINS_STEPS chunks, FAST_BINS_DATA bytes of libc's data.
 */
#ifndef PYLEAKTRACE_CENSUS_FAST_BINS_H
#define PYLEAKTRACE_CENSUS_FAST_BINS_H

#include <stddef.h>
#include <stdint.h>

#include "census/pages.h"
#include "python/runtime.h"
#include "target/maps.h"

#define FAST_BINS_STEPS (1u << 21)
#define FAST_BINS_DATA  (256u << 10)

struct fast_bins {
	uint64_t main_bytes, side_bytes; /* of the main arena, of all others */
};

/* in  arenas: addresses of the states of others than the main arena */
void fast_bins_read(struct fast_bins *bins, const struct maps *maps,
		    const struct py_runtime *runtime, const uint64_t *arenas, size_t n_arenas);

/*
 * The index in a copy of libc's data of the word `top` of the main arena; n: it is not there. Pure,
 * for tests.
 */
size_t fast_bins_find_top(const uint64_t *words, size_t n, uint64_t address);

#endif
