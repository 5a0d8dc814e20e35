/* SPDX-License-Identifier: BSD-2-Clause
 *
 * scan: a live CPython -> how many objects of each type it has, and their bytes. One pass over its
 * memory; it is neither stopped nor changed.
 *
 * Counted are objects in memory that was allocated: whatever gc.get_objects() gives, untracked
 * tuples and dicts, and what the collector does not know (str, bytes, int, float, ...). Not
 * counted: objects in the interpreter's own data (the types of C code, None, small ints from 3.11
 * on, the strings that CPython 3.12 was compiled with); remains on free lists; objects in pages
 * that are swapped out (that would bring them in: scan.swapped_bytes says how much there is).
 *
 * Place      the census; called by cli.
 * Source     pool, walk, classify: each says where it is from.
 * Errors     -ERR_TARGET: the process ended, or its objects are not where pymalloc, mimalloc and
 *            malloc put them.
 * Degrades   a target that works meanwhile is seen at slightly different times; scan.torn_pools
 *            and lost_chains count what had to be guessed.
 * Bounds     memory: the window of 512 KiB, tables for TYPES_MAX types; independent of the
 *            target's size.
 * Needs      the right to read the target (CAP_SYS_PTRACE).
 * Threads    one at a time per struct census.
 * Example    struct census *census = census_new(&process, &runtime, err);
 *            struct heap_scan *scan = census ? census_scan(census, err) : NULL;
 */
#ifndef PYLEAKTRACE_CENSUS_SCAN_H
#define PYLEAKTRACE_CENSUS_SCAN_H

#include "census/classify.h"
#include "model/heap_types.h"

struct census;

/* in  runtime: borrowed. NULL with err set: memory is out */
struct census *census_new(pid_t pid, const struct py_runtime *runtime, struct err *err);
void census_free(struct census *census);

/* Show `see` each object that a scan finds. reach_mark() and tests use it. */
void census_set_object_cb(struct census *census,
			  void (*see)(void *context, const struct found *found), void *context);

enum census_work {
	CENSUS_READS,   /* bytes; what they will be is not known: 0 */
	CENSUS_FOLLOWS, /* objects that were reached, of all */
	CENSUS_RESTS,   /* nothing, for now */
};

/* Have its progress reported, often. */
void census_set_progress_cb(struct census *census,
			    void (*on_progress)(void *context, enum census_work work, uint64_t done,
						uint64_t all),
			    void *context);

/* For those who work on what was scanned. */
void census_report_progress(const struct census *census, enum census_work work, uint64_t done,
			    uint64_t all);

/* From now on scans have the large containers too (heap_scan.containers). */
void census_collect(struct census *census);

/* The types of the last scan; valid until the next. NULL: there was none. */
const struct type_table *census_types(const struct census *census);

const struct py_runtime *census_runtime(const struct census *census);
pid_t census_pid(const struct census *census);

/* Scan once. To be freed with heap_scan_free(); NULL with err set. */
struct heap_scan *census_scan(struct census *census, struct err *err);

#endif
