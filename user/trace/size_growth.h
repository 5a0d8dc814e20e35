/* SPDX-License-Identifier: BSD-2-Clause
 *
 * size_growth: how many blocks there were of each size, scan by scan -> the sizes that do not grow.
 *
 * A window needs not record what does not grow: a block of such a size costs its traps, and not its
 * stack, so that the same ceiling pays for two or three times as much of the program's work.
 *
 * Place      trace; heap_monitor.c has one. Pure.
 * Units      classes of sizes: abi/sizes.h.
 * Degrades   a size that varies too much to tell is not skipped.
 * Bounds     SIZE_GROWTH_LOOKS looks; then every second one goes, so that the first stays.
 */
#ifndef PYLEAKTRACE_TRACE_SIZE_GROWTH_H
#define PYLEAKTRACE_TRACE_SIZE_GROWTH_H

#include <stddef.h>
#include <stdint.h>

#include "abi/sizes.h"
#include "model/heap_types.h"

#define SIZE_GROWTH_LOOKS 32

enum size_growth_of { SIZE_GROWTH_POOLS, SIZE_GROWTH_MALLOC, SIZE_GROWTH_KINDS };

struct size_growth {
	size_t n;
	double at_s[SIZE_GROWTH_LOOKS], cycle[SIZE_GROWTH_LOOKS];
	bool have_cycle, known[SIZE_GROWTH_KINDS];
	double blocks[SIZE_GROWTH_KINDS][ABI_SIZE_CLASSES][SIZE_GROWTH_LOOKS];
};

void size_growth_forget(struct size_growth *growth);
void size_growth_add(struct size_growth *growth, const struct heap_scan *scan);

/* A size that grows for sure. */
struct size_growth_row {
	uint32_t class;
	double per_s; /* blocks */
};

/* The most bytes first, and none that is small beside it. return how many */
size_t size_growth_rows(const struct size_growth *growth, enum size_growth_of of,
			struct size_growth_row *rows, size_t room);

/* Sizes that a block may be asked for with, and that do not grow: a bit for each class; 0: none, or
 * not known. */
uint64_t size_growth_skipped(const struct size_growth *growth, enum size_growth_of of);

#endif
