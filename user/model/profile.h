/* SPDX-License-Identifier: BSD-2-Clause
 *
 * profile: what one look at a target found, as plain data. Collectors fill it; views and exports
 * read it.
 *
 * Place      layer 1; filled by snapshot and symbol; read by view and export, which know nothing
 *            else (no pid handling, no BPF, no /proc), so that everything shown can be tested from
 *            made data.
 * Shapes     a profile has stacks (one allocation site each: domain + frames), totals over all of
 *            them, losses and costs. stack.frames is root first, as in JSON; the text view turns it
 *            around. Two stacks never have the same domain, frames, thread and process
 *            (profile_merge() ensures it). Totals are of all that was seen, selected or not.
 * Units      bytes; counts of blocks; seconds as double; ns where the name says so. Raw counts
 *            unless stack.estimated is true.
 * Ownership  everything reachable from a profile lives in its arena and dies with profile_free()
 *            (text that outlives it, such as a literal, may be pointed to as well).
 *            Strings from profile_str() are interned: equal text is the same pointer.
 * Degrades   what was not collected has its have_ flag false, and no view prints it.
 * Bounds     strings are cut at PROFILE_STRING_MAX bytes; memory is proportional to stacks and
 *            frames.
 * Threads    one at a time per profile.
 */
#ifndef PYLEAKTRACE_MODEL_PROFILE_H
#define PYLEAKTRACE_MODEL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define PROFILE_STRING_MAX 4096

enum domain {
	DOMAIN_MALLOC, /* libc's malloc family, called by anybody but CPython's object allocators */
	DOMAIN_OBJECT, /* CPython's mem and object domains */
	DOMAIN_MMAP,   /* anonymous mappings that the program made itself */
	DOMAIN_COUNT,
};

/* "malloc", "object", "mmap" */
const char *domain_name(enum domain domain);

/* Its bit in a set of domains; 0 for none of them. */
static inline unsigned domain_bit(enum domain domain)
{
	return (unsigned)domain < DOMAIN_COUNT ? 1u << domain : 0;
}

enum frame_kind {
	FRAME_PYTHON,
	FRAME_NATIVE,
	FRAME_GAP,   /* something is missing here; `function` says what, in a few words */
	FRAME_GROUP, /* at the root of flame graphs: what the stacks have in common; `function` is
			its title */
};

/* "python", "native", "gap", "group" */
const char *frame_kind_name(enum frame_kind kind);

struct frame {
	enum frame_kind kind;
	const char *function; /* python: qualified name; native: name or NULL; gap: the reason */
	const char *file;     /* source file or NULL */
	const char
		*module;  /* native: base name of the ELF file, or what else the code is; or NULL */
	const char *path; /* native: of the ELF file, as the target sees it; or NULL */
	bool inlined;     /* native: inlined into the next outer frame; offset means nothing */
	bool stripped;    /* native: no symbol names it, as its file has none but exported ones */
	uint32_t line;    /* 1-based; 0 = unknown */
	uint64_t offset;  /* native: into the symbol, or into the module when function is NULL */
	uint64_t address; /* native: link-time address in the module, as addr2line takes it; 0: not
			     known */
	uint64_t start;   /* native without function: that of its first instruction; 0: not known */
};

/*
 * < 0, 0, > 0: a total order of frames by kind, function, file, line, module, offset; 0 only for
 * equal ones
 */
int frame_compare(const struct frame *a, const struct frame *b);

/* The longest text that frame_text() writes for strings from profile_str(), with the final NUL. */
#define FRAME_TEXT_MAX (3 * PROFILE_STRING_MAX + 64)

/*
 * The one way a frame is written: `name (file:line)`, `symbol+0xoff (file.c:line)`, `symbol+0xoff
 * [libfoo.so]`, `libfoo.so+0xoffset`, `0xaddress [generated code]`, `[why]`; an inlined function
 * has no +0xoff, and of a C file's path only the last part is written. Not escaped: the bytes of
 * the target.
 *
 * out    text: cut at the end when size (> 0) is too small, always terminated
 * return text
 */
const char *frame_text(const struct frame *frame, char *text, size_t size);

struct type_share {
	const char *name; /* "dict", "app.Session", or "[buffer]" for what is not an object */
	uint64_t count;   /* of the blocks looked at (stack.types_sampled) */
	uint64_t bytes;
};

struct stack {
	enum domain domain;
	bool estimated; /* the figures below are sampled and scaled; never mixed with exact ones */
	uint64_t outstanding_bytes, outstanding_count;
	/* half the widths of their 95 % intervals; 0 for what was counted. allocated_* and
	 * freed_count are 0 then: not known */
	double bytes_error, count_error;
	uint64_t seen; /* blocks that the estimate comes from */
	uint64_t allocated_bytes, allocated_count, freed_count; /* since the baseline */
	double oldest_s, newest_s;      /* ages of the oldest and of the newest outstanding block */
	double growth_bytes_per_s;      /* outstanding bytes now against the previous report */
	const struct type_share *types; /* largest share of bytes first */
	size_t n_types;
	uint64_t types_sampled;     /* outstanding blocks whose type was looked up; 0: none */
	const struct frame *frames; /* root first */
	size_t n_frames;
	uint32_t thread_id; /* as the tool sees it; 0: not known */
	const char *thread; /* its name; NULL: not known */
	int pid;            /* where several targets are shown as one; 0: the profile's target */
};

struct grouping;

struct loss {
	const char *name;     /* stable identifier, e.g. "blocks_full" */
	const char *sentence; /* what it means for the reader, with no count in it */
	uint64_t count;       /* > 0 */
};

/* What the reader has to know before the figures: in what way the trace is less than it could be,
 * and how to fix it. */
struct note {
	/* stable identifier: "not_traced", "no_c_frames", "not_read", "children_work" */
	const char *name;
	const char *sentence; /* with reason and remedy */
	int pid;              /* where several targets are shown as one; 0: the profile's target */
};

/* Stacks whose C frames end early, since the baseline. */
struct native_gap {
	const char *reason; /* as the gap frame says it */
	uint64_t count;     /* allocations, > 0 */
};

struct cost {
	double hits_per_s;          /* probe hits over the last interval */
	double ns_per_hit;          /* measured: trap (calibrated on this machine) + BPF program */
	double target_cpu_fraction; /* of one core: hits_per_s * ns_per_hit / 1e9 */
	double target_cpu_used; /* cores that the target used over the interval, hits included; 0:
				   not known */
	double tool_cpu_s;      /* CPU seconds used by the tool so far */
	uint64_t tool_rss_bytes;
	uint64_t maps_bytes; /* kernel memory of the BPF maps */
	double ceiling;      /* share of the target's own CPU time that tracing may take; 0: none */
	double floor;        /* of a core: what it may take in any case */
	double own_share; /* ... and what it took since the start, as measured; with a ceiling only;
			     < 0: not known */
	double syscall_ns; /* while mappings are traced each system call of every process takes so
			      much more; 0: not known, or not */
	bool syscalls_counted; /* it is known how many did over the interval: */
	double syscalls_per_s, other_syscalls_per_s; /* the target's; all others' */
	double own_share_most; /* the same with what cannot be measured (caches that hits displace),
				  at most */
};

/* How some domains were traced; figures of their stacks are counted (all) or estimated. */
enum trace_how {
	TRACE_ALL,     /* every call since `since_s` */
	TRACE_SAMPLED, /* a sample by bytes since `since_s` */
	TRACE_WINDOWS, /* all calls, for a moment at a time */
	TRACE_NONE,
};

/* "all", "sampled", "windows", "none" */
const char *trace_how_name(enum trace_how how);

struct trace_part {
	bool domains[DOMAIN_COUNT];
	enum trace_how how;
	double since_s;        /* before this look; all, sampled */
	uint64_t sample_bytes; /* sampled: mean bytes between two samples */
	/* windows, since the baseline; 0 where there were none */
	uint64_t windows;
	double windows_s, longest_s; /* all of them together; the longest */
	uint64_t survivors;          /* blocks born in their first halves and alive at their ends */
	bool long_enough; /* windows exceed the program's unit of work: what survives stays */
	double demand; /* what tracing all would cost, as a share of the target's own work; 0: not
			  known */
	bool idle;     /* not traced now: nothing in it grows that needs a stack */
	const char *trouble; /* why it could not be traced; NULL: it could */
	int pid;             /* where several targets are shown as one; 0: the profile's target */
};

/*
 * Why the trace ended, when the target had a part in it. end_detail: of TARGET_EXITED the exit
 * code, -1 where it is not known; of TARGET_KILLED the number of the signal.
 */
enum target_end {
	TARGET_RUNS,
	TARGET_EXITED,
	TARGET_KILLED,
	TARGET_EXECED,
};

/* Which stacks the user asked for; the others were removed from the profile. */
struct selection {
	const char *const *modules;              /* n_modules names: see package_has() */
	size_t n_modules;                        /* 0: all stacks are there */
	uint64_t left_out_bytes, left_out_count; /* outstanding, of the stacks that were removed */
	size_t left_out_stacks;                  /* those with something outstanding */
};

/* What grew in the heap since the start, by type; struct heap_growth_row is of
 * model/heap_types.h. */
struct heap_growth_row;
struct trend;

struct profile_growing_containers; /* of model/heap_watch.h */
struct profile_growing_classes;    /* the same */
struct profile_lists;              /* the same */
struct profile_sources;            /* of model/sources.h */

struct retention; /* of model/retention.h */

/* What holds more and more memory. */
struct profile_retention {
	const struct retention *rows; /* least growth that is sure, largest first */
	size_t n_rows;
	size_t n_looks; /* fewer than WAYS_GROWING_LOOKS show nothing yet */
};

struct profile_growing_types {
	const struct heap_growth_row *rows; /* only what grows, steadiest first, a few */
	size_t n_rows;
	double span_s; /* from the first scan to the last */
	size_t n_scans;
	bool no_full_collection; /* it is known that there was none meanwhile */
	double cpu_fraction;     /* of a core, that the scans took so far */
};

struct profile {
	struct timespec time; /* wall clock of the look */
	double duration_s;    /* since the baseline */

	struct profile_target {
		int pid;
		const char *exe;            /* path as the target sees it */
		const char *const *cmdline; /* n_cmdline words */
		size_t n_cmdline;
		const char *python;         /* "3.11.2" */
		const char *implementation; /* "CPython" */
		const char
			*python_module; /* base name of the ELF file that holds the interpreter */
		unsigned threads;
		uint64_t rss_bytes;
		enum target_end end;
		int end_detail;
		bool stopped; /* in state T at the time of the look */
	} target;
	const struct profile_target *targets; /* of several shown as one; then target is empty */
	size_t n_targets;                     /* 0: the one above */

	const struct note *notes;
	size_t n_notes;

	struct {
		bool untraced; /* no allocation could be traced (a note says why): there are no
				  stacks and no totals */
		bool exact;
		bool domains[DOMAIN_COUNT]; /* traced */
		bool steered;
		const char *object_coverage; /* what is not seen, one sentence; NULL: nothing */
		uint64_t min_size, max_size; /* -z, -Z; 0 and UINT64_MAX when not given */
		double older_s;              /* --older */
		const struct trace_part
			*parts; /* n_parts; 0: everything was traced, all the time */
		size_t n_parts;
	} mode;

	struct {
		uint64_t outstanding_bytes, outstanding_count;
		uint64_t allocated_bytes, allocated_count, freed_count;
		uint64_t unknown_frees; /* of blocks that were not on the account (older, kept out,
					   lost, ...) */
		uint64_t missed_frees;  /* 0 expected: the standing proof of complete coverage */
		bool estimated; /* of what is outstanding a part is; allocated and freed is what was
				   counted */
	} totals;

	struct stack *stacks; /* sorted by profile_sort() */
	size_t n_stacks;
	struct selection selection;
	const struct grouping *grouping; /* of model/group.h; NULL: each stack stands for itself */
	const struct loss *losses;
	size_t n_losses;
	const struct native_gap *native_gaps;
	size_t n_native_gaps;
	bool have_cost;
	struct cost cost;
	struct profile_growing_types *growing_types; /* NULL: the heap was not scanned, or once */
	const struct profile_retention *retention;   /* NULL: references were not followed */
	/* NULL: not looked for */
	const struct profile_growing_containers *growing_containers;
	const struct profile_growing_classes *growing_classes;
	const struct profile_lists *lists;
	const struct profile_sources *sources; /* NULL: not asked for */
	const struct trend *trend;             /* of model/trend.h; NULL: not looked at */
	const struct verdict *verdict;         /* of model/verdict.h; NULL: there is none */
	/* where several targets are shown as one: those that there are */
	const struct verdict *const *verdicts;
	size_t n_verdicts;

	struct profile_arena *arena; /* private */
};

enum profile_order { ORDER_SIZE, ORDER_COUNT, ORDER_GROWTH, ORDER_AGE };

/* An empty profile, or NULL when memory is out. */
struct profile *profile_new(void);
void profile_free(struct profile *profile);

/*
 * Zeroed memory that lives as long as the profile; never NULL (the program ends when memory is
 * out).
 */
void *profile_alloc(struct profile *profile, size_t size);

/*
 * Interned copy of `length` bytes; length -1: of a C string. Invalid UTF-8 is kept as it is
 * (exports escape).
 *
 * note   the text ends at a NUL inside, and is cut (between characters) at PROFILE_STRING_MAX - 1
 *        bytes; text NULL gives NULL
 */
const char *profile_str(struct profile *profile, const char *text, long length);

/* The same of formatted text. */
const char *profile_format(struct profile *profile, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Add; the sum stops at the largest number instead of wrapping. */
static inline void sum_add(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

/*
 * Add the figures of n stacks to those of `into`: sum_add() of each, oldest and newest of all,
 * types added up. A sum with an estimate in it is an estimate. What is not a figure (domain,
 * frames, ...) stays.
 */
void stack_sum(struct profile *profile, struct stack *into, const struct stack *const *from,
	       size_t n_from);

/*
 * Join stacks of one domain, thread and process that have equal frames: stack_sum() of them. Order
 * is lost.
 */
void profile_merge(struct profile *profile);

/*
 * < 0, 0, > 0: a total order of call paths, root first; a path comes before its own continuations

 */
int stack_compare_frames(const struct stack *a, const struct stack *b);

/*
 * Sort the stacks, greatest first; ties by bytes, then count, then frames, so that equal input
 * gives equal output. Of an estimate the lower end of its interval is what counts: one that comes
 * from two or three blocks, which may be work in progress, does not stand before what is known.
 * Stacks with nothing outstanding (no byte and no block) go last.
 */
void profile_sort(struct profile *profile, enum profile_order order);

/*
 * < 0, 0, > 0: the order of profile_sort(), frames and whatever else distinguishes equal figures
 * are left to the caller
 */
int stack_compare_ranks(const struct stack *a, const struct stack *b, enum profile_order order);

/* Has it a byte or a block outstanding? */
bool stack_is_outstanding(const struct stack *stack);

/* Is it certain (95 %) that there is something at all? Not of an estimate whose interval reaches
 * down to nothing. */
bool stack_is_sure(const struct stack *stack);

/* The target that a stack is of. */
const struct profile_target *profile_target_of(const struct profile *profile,
					       const struct stack *stack);

/*
 * Is it known how much was allocated and freed in all? Not where there were only windows or a
 * sample: blocks are seen then, and not all of them: then totals.allocated_*, freed_count and
 * unknown_frees are 0 and mean nothing.
 */
bool profile_counts_calls(const struct profile *profile);

/* Add a note; name: a literal; sentence: copied. */
void profile_note(struct profile *profile, const char *name, const char *sentence);

/* Add those of which there are some; names and sentences: literals. */
void profile_add_losses(struct profile *profile, const struct loss *losses, size_t n);

/* Is there a loss of this name? */
bool profile_has_loss(const struct profile *profile, const char *name);

#endif
