/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trend: how a process's memory, threads and files went over a run, as plain data: series, the
 * account of its RSS, its threads, its cgroup, and what that shows.
 *
 * Place      layer 1; filled by user/trend and cli; read by view and export.
 * Shapes     a look is one moment: for each quantity a value, or nothing. A trend has the looks of
 *            a whole run, in the order of time; when there are TREND_LOOKS_MAX, half of them are
 *            dropped, so that the first and the span stay. The account divides RSS into parts
 *            that do not overlap; what no part explains is a number of its own, and may be
 *            negative: the target changed between the readings.
 * Units      bytes or counts as the quantity has it; seconds; slopes per second.
 * Ownership  trend_free() frees the text of threads; findings' sentences are in the struct.
 * Degrades   what could not be read has no bit in look.have, and account.have_* false; `missing`
 *            says why, in a sentence each.
 * Threads    one at a time per struct.
 */
#ifndef PYLEAKTRACE_MODEL_TREND_H
#define PYLEAKTRACE_MODEL_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/fit.h"
#include "model/heap_types.h"

#define TREND_LOOKS_MAX FIT_POINTS_MAX

/* A rise of fewer bytes in all is no growth yet: an arena more, a table that was resized. */
#define GROWTH_LEAST_BYTES 16384

/* Growth below this is not distinguished from none, whatever the figures say: 360 KiB an hour. */
#define GROWTH_LEAST_PER_S 100.0

/* That a quantity grows, to be said: of series that only go up and down one in ten thousand seems
 * to, and reports are many. */
#define GROWTH_SURE 0.9998

enum trend_kind {
	TREND_RSS,
	TREND_PSS,
	TREND_ANONYMOUS,
	TREND_PRIVATE, /* pages that no other process maps */
	TREND_COMMON,  /* anonymous memory that a fork left to two processes: proc_memory.common */
	TREND_SWAP,
	TREND_CGROUP,
	TREND_OBJECTS, /* how many */
	/* the parts of the account, in bytes that are in memory; they add up to RSS */
	TREND_PART_OBJECTS,
	TREND_PART_PYMALLOC,
	TREND_PART_MALLOC,
	TREND_PART_POOLS_FREE,
	TREND_PART_MALLOC_FREE,
	TREND_PART_STACKS,
	TREND_PART_MAPPINGS,
	TREND_PART_DATA,
	TREND_PART_FILES,
	TREND_PART_SHARED,
	TREND_PART_OTHER,
	/* counts */
	TREND_ARENAS,
	TREND_FDS,
	TREND_THREADS,
	TREND_INTERPRETERS,     /* the main one too */
	TREND_FULL_COLLECTIONS, /* since the program began */
	TREND_SINCE_FULL,       /* heap_gc.since_full */
	TREND_KINDS,
};

#define TREND_PART_FIRST TREND_PART_OBJECTS
#define TREND_PART_LAST  TREND_PART_OTHER

struct trend_kind_info {
	const char *name;  /* in JSON: "rss_bytes" */
	const char *label; /* for people */
	bool bytes;        /* else a count */
};

const struct trend_kind_info *trend_kind_info(enum trend_kind kind);

/* Its label, by the allocator that this CPython has. */
const char *trend_label(const struct trend *trend, enum trend_kind kind);

struct trend_look {
	double at_s; /* monotonic clock */
	uint32_t have;
	uint64_t value[TREND_KINDS];
};

static inline bool trend_has(const struct trend_look *look, enum trend_kind kind)
{
	return look->have >> kind & 1;
}

static inline void trend_set(struct trend_look *look, enum trend_kind kind, uint64_t value)
{
	look->have |= 1u << kind;
	look->value[kind] = value;
}

/* One quantity over the looks that have it. */
struct trend_row {
	enum trend_kind kind;
	size_t n; /* looks that have it; 0: none, the rest is 0 */
	uint64_t first, last;
	double per_s, least_per_s; /* slope; lower end of its 90 % interval */
	double confidence;         /* as fit_confidence() */
	enum fit_shape shape;
};

/* Does a quantity in bytes go up, and by so much that it counts? */
bool trend_grows(const struct trend_row *row);

struct trend_cgroup {
	bool have;
	int version;    /* 1 or 2 */
	char path[256]; /* of the level with these figures, as in /proc/PID/cgroup */
	uint64_t usage_bytes,
		cache_bytes; /* cache: of it, of files; given back when memory is short */
	bool have_limit;
	uint64_t limit_bytes;
};

struct trend_thread {
	uint64_t ident;
	pid_t tid;             /* as seen from here; 0: not known */
	char state;            /* of the kernel's; 0: not known */
	char *name;            /* NULL: none */
	char *function, *file; /* where it is in Python; NULL: not in Python */
	uint32_t line;
	char *entry, *entry_file; /* what it was made for; NULL: not known */
	uint32_t entry_line;
	uint64_t made; /* its PyThreadState, which the thread allocated that started it */
	const struct stack
		*starter; /* that did; NULL: not known, as before the run and without one */
};

struct trend_threads {
	struct trend_thread *rows; /* of Python, newest first */
	size_t n_rows;
	size_t n_tasks;                   /* of the kernel, those without Python too */
	bool cut;                         /* there are more */
	bool have_flow;                   /* from 3.7 on */
	uint64_t begun_with, came, ended; /* Python's, during the run */
};

#define TREND_FINDINGS_MAX 12
#define TREND_SENTENCE_MAX 640
#define TREND_MISSING_MAX  8

struct trend_finding {
	const char *name; /* "growth", "fragmentation", "threads", "collector", "files", "limit",
			     "copy_on_write" */
	char sentence[TREND_SENTENCE_MAX];
};

struct trend {
	struct trend_look *looks; /* n_looks <= TREND_LOOKS_MAX */
	size_t n_looks;
	uint64_t n_made; /* looks, the dropped ones included */
	struct trend_row rows[TREND_KINDS];
	int64_t unexplained_bytes; /* of RSS, in the last look */
	bool have_account;         /* every part is there, in the last look */
	struct heap_usage room;    /* of the last scan */
	bool have_room;
	struct heap_gc gc;
	struct trend_cgroup cgroup;
	struct trend_threads threads;
	bool have_threads;
	struct trend_finding findings[TREND_FINDINGS_MAX];
	size_t n_findings;
	char missing[TREND_MISSING_MAX][160]; /* "PSS: /proc/7/smaps_rollup: Permission denied" */
	size_t n_missing;
};

struct trend *trend_new(void); /* NULL: memory is out */
void trend_free(struct trend *trend);
void trend_threads_free(struct trend_threads *threads);

/* A copy that lives as long as the profile. */
const struct trend *trend_copy(struct profile *profile, const struct trend *trend);

/* The sentence of this name, or NULL. */
const char *trend_finding(const struct trend *trend, const char *name);

/* The span from the first look to the last, in seconds. */
double trend_span_s(const struct trend *trend);

#endif
