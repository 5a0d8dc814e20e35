/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_types: what was found in a heap, as plain data: per type how many objects and bytes, and
 * how they grow.
 *
 * Place      layer 1; filled by the census; read by view and export.
 * Shapes     types have each name once: classes of one name (made again, or in two interpreters)
 *            are one row. Names are bytes of the target ("dict", "app.cache.Session"): not
 *            escaped, maybe not UTF-8.
 * Units      bytes, counts; times in seconds; growth per minute.
 * Ownership  heap_scan_free() and heap_growth_free() free all that is in them, names included.
 * Threads    one at a time per struct.
 */
#ifndef PYLEAKTRACE_MODEL_HEAP_TYPES_H
#define PYLEAKTRACE_MODEL_HEAP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/fit.h"
#include "model/profile.h"

struct heap_type {
	char *name;
	uint64_t count;
	uint64_t tracked; /* of them, by the collector: what gc.get_objects() gives */
	uint64_t
		bytes; /* blocks as the allocator gave them, with the buffers that belong to them */
};

#define HEAP_GENERATIONS 3

/* The collector, as far as this version of CPython shows it from outside. */
struct heap_gc {
	bool have_enabled, enabled;
	bool have_generations;
	int32_t thresholds[HEAP_GENERATIONS], counts[HEAP_GENERATIONS];
	/* containers that were made since the last full collection, less those dropped, as the
	 * generations count them */
	bool have_since_full;
	double since_full;
	bool have_garbage;
	uint64_t garbage; /* len(gc.garbage) */
	bool have_frozen;
	uint64_t frozen; /* gc.get_freeze_count() */
	bool have_collections;
	uint64_t collections[HEAP_GENERATIONS]; /* since the program began */
	uint64_t full_collections;              /* of them, the ones that looked at all objects */
	/* over the looks of one run */
	double watched_s;         /* from the first look to this one */
	bool collected;           /* a collection was seen */
	double last_collection_s; /* then: since the look that saw the last one */
};

/*
 * Does a collection take cycles, sooner or later? Not while the collector is off, has thresholds
 * that it never reaches, or keeps what was frozen.
 */
bool heap_gc_takes_cycles(const struct heap_gc *gc);

#define HEAP_SIZE_CLASSES 64 /* of blocks: abi/sizes.h */

/* Objects of a type that have nearly nobody beside them: because of them a pool cannot go back. */
#define HEAP_PINNING 3 /* types that are named */
struct heap_pinning {
	char type[64]; /* cut off; "": there are no more */
	uint64_t objects;
};

/*
 * How the memory that a scan walked is used: private, writable memory without a file. Bytes that
 * are in memory (RSS), so that reserved and swapped pages count nowhere.
 */
struct heap_usage {
	/* add up to what was walked */
	uint64_t objects_bytes;     /* objects, and the buffers that belong to them */
	uint64_t pymalloc_bytes;    /* other blocks of pymalloc that are in use */
	uint64_t malloc_bytes;      /* other blocks of malloc that are in use, with all headers */
	uint64_t pools_free_bytes;  /* of pymalloc's pools: free blocks, headers, rests */
	uint64_t malloc_free_bytes; /* of glibc's heaps */
	uint64_t stacks_bytes;      /* of threads, but the main one */
	uint64_t data_bytes;        /* .bss of programs and libraries */
	uint64_t other_bytes;       /* nothing known: the program's own mappings */
	/* the allocators, in other words */
	bool mimalloc; /* CPython uses it: pymalloc fields then describe it, arenas are segments */
	uint64_t arenas, arenas_bytes; /* of pymalloc; bytes: that they have room for */
	uint64_t pools_bytes, pools_used_bytes;
	uint64_t main_bytes, main_free_bytes;             /* glibc's main heap */
	uint64_t side_heaps, side_bytes, side_free_bytes; /* heaps of its other arenas */
	uint64_t mapped, mapped_bytes;                    /* chunks that are a mapping each */
	uint64_t stacks;
	/* blocks in use by size (abi/sizes.h), of any content: of pymalloc, of malloc (as the
	 * largest that may have been asked for) */
	uint64_t pool_blocks[HEAP_SIZE_CLASSES], malloc_blocks[HEAP_SIZE_CLASSES];
	bool malloc_sized; /* malloc's are known */
	/* in pools (mimalloc: pages) of which at most a quarter is in use, most objects first */
	struct heap_pinning pinning[HEAP_PINNING];
};

/* A large container; which one, the census says (holders.h). */
struct heap_container {
	uint64_t address, items;
};

/* One look at a whole heap. */
struct heap_scan {
	struct timespec time; /* wall clock, at its end */
	double at_s;          /* monotonic clock, in its middle */
	double duration_s;
	double pause_s; /* the target was stopped for so long; 0: it ran on */
	uint64_t read_bytes;
	struct heap_type *types; /* by name */
	size_t n_types;
	uint64_t count, tracked, bytes;    /* sums over types */
	struct heap_container *containers; /* by address; when they were asked for */
	size_t n_containers;
	struct heap_gc gc;
	struct heap_usage room;
	bool judged; /* another malloc than glibc's: above 512 bytes by contents only */
	/* what makes it inexact */
	uint64_t swapped_bytes, sparse_bytes, torn_pools, lost_chains, unasked_words;
};

/* How a type changed over some scans; a type that is in none of them has no row. */
struct heap_growth_row {
	const char *name;                    /* of the last scan that has the type */
	uint64_t count, bytes;               /* in the last scan */
	int64_t count_delta, bytes_delta;    /* last less first scan */
	double count_per_min, bytes_per_min; /* slopes of the straight lines that fit best */
	double least_count_per_min;          /* lower end of the 90 % interval of that slope */
	double least_bytes_per_min;
	/* that the count (when that never changes: the bytes) really goes in the direction of its
	   slope: 0 .. 1; -1: fewer than
	   three scans, nothing to infer it from */
	double confidence;
	enum fit_shape shape; /* of the same series as confidence */
};

struct heap_growth {
	double span_s; /* from the first scan to the last */
	size_t n_scans;
	bool no_full_collection; /* it is known that there was none */
	struct heap_growth_row *rows;
	size_t n_rows;
};

struct heap_held;

/* What a report shows: the look at the target, and the rows that the user asked for. All
 * borrowed. */
struct heap_report {
	const struct profile *about;    /* time, duration, target and losses; no stacks */
	const struct heap_scan *scan;   /* the last */
	const struct heap_type **types; /* of scan, those asked for, in the order to be shown */
	size_t n_types;
	const struct heap_growth *growth;    /* NULL: not asked for, or fewer than two scans */
	const struct heap_growth_row **rows; /* of growth; those asked for that changed, in order */
	size_t n_rows;
	const struct heap_held *held; /* what holds what; NULL: not asked for */
	bool ended_early;             /* the target ended before the time was over */
};

enum heap_order {
	HEAP_BY_BYTES, /* largest first */
	HEAP_BY_COUNT,
	HEAP_BY_NAME,
};

/*
 * Bring the types into the order of their names, join those of one name, and add up. The names of
 * joined rows are freed.
 */
void heap_scan_finalize(struct heap_scan *scan);

void heap_scan_free(struct heap_scan *scan);       /* may be NULL */
void heap_growth_free(struct heap_growth *growth); /* the names are the scans' */

/* The type of this name in a finalized scan, or NULL. */
const struct heap_type *heap_scan_find(const struct heap_scan *scan, const char *name);

/*
 * Pointers to the types in an order; ties by name.
 *
 * out    n_types pointers, to be freed
 * return NULL: memory is out
 */
const struct heap_type **heap_scan_order(const struct heap_scan *scan, enum heap_order order);

/*
 * Steadiest growth first: what goes up steadily before what does in another way; then by the least
 * growth in bytes that the scans allow for, then in count, then by name.
 */
void heap_growth_sort(struct heap_growth *growth, enum heap_order order);

#endif
