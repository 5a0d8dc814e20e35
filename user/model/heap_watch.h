/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_watch: what was inserted into containers and removed from them while their sizes were
 * watched, by stack.
 *
 * Place      layer 1; filled by snapshot and cli; read by view and export.
 * Shapes     items_before + inserted - removed = items_after, where all hits were seen. Stacks with
 *            more items inserted come first, then those with more removed; a stack may do both.
 * Ownership  everything lives in the profile `about`; heap_watch_new() gives both, profile_free()
 *            of `about` takes both.
 */
#ifndef PYLEAKTRACE_MODEL_HEAP_WATCH_H
#define PYLEAKTRACE_MODEL_HEAP_WATCH_H

#include "model/profile.h"

struct heap_watch_stack {
	struct stack stack;         /* frames only */
	uint64_t inserted, removed; /* items */
	/* times that the size was written: a call may put in many at once */
	uint64_t insertions, removals;
};

/* What has become of the container at the end. */
enum heap_watch_fate {
	WATCH_SAME,     /* it is still there, by its path or at its address */
	WATCH_REPLACED, /* its path leads to another object: now_* */
	WATCH_GONE,     /* its path leads nowhere, or no such object is at the address */
	WATCH_UNKNOWN,  /* the target has ended */
};

/* What the references to a class say of its instances. */
struct heap_watch_instances {
	bool known;   /* which of the changes are births and deaths */
	bool sampled; /* seen in some pools of one size: made are those that stayed, and not all of
			 them */
	uint64_t made, died; /* in the whole watch; of those that died many are older */
	int64_t others;      /* references to the class that anything else took and did not drop */
	/* the row's stacks are those of births: `inserted` were made in so much of the watch, and
	 * of these `removed` were gone at its end */
	double followed_s;
};

struct heap_watch_row {
	const char *path; /* as it was asked for */
	bool refs;        /* "items" are references to it: taken (inserted) and dropped (removed) */
	const struct heap_watch_instances *instances; /* refs of a class; NULL: of anything else */
	const char *type;
	uint64_t address; /* of the object with the size field: of an lru_cache, its dict */
	uint64_t items_before, items_after;
	uint64_t inserted, removed, insertions, removals;
	const struct heap_watch_stack *stacks;
	size_t n_stacks;
	enum heap_watch_fate fate;
	const char *now_type; /* REPLACED */
	uint64_t now_address;
	/* what is not sure */
	uint64_t unseen;     /* hits that the processor counted and the program did not see */
	uint64_t foreign;    /* hits while another type of object was there */
	uint64_t unread;     /* hits whose value could not be read */
	int64_t unexplained; /* the size at the end, less what the hits say it should be */
};

/* What is not sure of some rows, by its kind; the sums are 0 at first. */
#define HEAP_WATCH_LOSSES 4
struct heap_watch_losses {
	struct loss kinds[HEAP_WATCH_LOSSES];
};

void heap_watch_losses_init(struct heap_watch_losses *losses);
void heap_watch_losses_add(struct heap_watch_losses *losses, const struct heap_watch_row *row);

enum heap_watch_end {
	WATCH_TIME,     /* as long as was asked for */
	WATCH_ASKED,    /* a signal */
	WATCH_OVERHEAD, /* the ceiling was reached */
	WATCH_LOST,     /* a container died or was replaced */
	WATCH_TARGET,   /* the target has ended, or replaced itself */
};

struct heap_watch {
	struct profile *about;
	struct heap_watch_row *rows;
	size_t n_rows;
	enum heap_watch_end end;
	int traced_by; /* the pid of the pyleaktrace that traces it at the same time; 0: none */
	bool slow; /* OVERHEAD: by what is slow while there are watchpoints, not by the changes */
	double asked_s;      /* -d; 0: until a signal */
	double max_overhead; /* of a core */
	uint64_t hits;
	double ns_per_hit;    /* measured: trap and program */
	double trap_ns;       /* of that, the trap */
	uint64_t switches;    /* of the target's threads */
	double ns_per_switch; /* measured: that it takes longer with watchpoints */
	/* of a core, over the watch: */
	double hits_fraction, switches_fraction;
	double string_loss; /* measured: share lost of the time that moving and filling memory in
			       bulk takes */
	double strings_fraction;    /* lost while bytes were moved or filled in bulk
				       (probe/watch_cost.h) */
	double target_cpu_fraction; /* all together */
	double split_ns;    /* measured: more that a store across two cache lines takes; 0: no more
			       than ever */
	double splits_most; /* of a core, and no measurement: what that may have been at most,
			       in addition to the others */
};

/* A container that grows, in a trace of the whole process: what the census says, and what its
 * watchpoint saw. */
struct growing_container {
	struct heap_watch_row row; /* path: the shortest; its figures are of watched_s */
	double watched_s;          /* so long, lately; 0: not (yet) */
	double ago_s;              /* since that ended */
	double items_per_s;        /* by the census, since the start */
	double least_per_s;        /* lower end of its 90 % interval */
	bool cut;                  /* it was watched as long as the ceiling allowed */
	double lost;               /* of a core meanwhile, as heap_watch.strings_fraction */
	int pid; /* where several targets are shown as one; 0: the profile's target */
};

struct profile_growing_containers {
	struct growing_container *rows; /* fastest growth first */
	size_t n_rows;
	const char *why_not; /* nothing could be watched, for this reason; NULL: it could, or
				nothing grows */
};

/* A class that grows, in a trace of the whole process: what the census says of its instances, and
 * what the watchpoint on its reference count saw. Or a type of which objects were made in pools of
 * a size that grows (instances->sampled). */
struct growing_class {
	struct heap_watch_row row; /* instances: known; of all rounds together */
	const char *name;
	double per_s; /* instances more, by the census, since the start; sampled: blocks of the size
		       */
	double ago_s; /* since the last round */
	bool cut;     /* which was as long as the ceiling allowed */
	int pid;      /* where several targets are shown as one; 0: the profile's target */
};

struct profile_growing_classes {
	struct growing_class *rows; /* fastest growth first */
	size_t n_rows;
};

/*
 * Lists that the interpreter keeps of what a process may make more and more of. A list has no size:
 * the word with its newest entry is watched (containers/list_watch.h).
 */
enum listed {
	LISTED_THREADS,      /* of the main interpreter's, that have run Python */
	LISTED_INTERPRETERS, /* the newest is the first, and the main one the last */
	LISTED_CALLBACKS,    /* of atexit, up to 3.13: an array, of which the count is watched */
	LISTED,
};

struct profile_lists {
	/* of the last round in which any stayed: those are what is inserted; NULL: there was none
	 */
	const struct heap_watch_row *rows[LISTED];
};

/* The address of what is no object, in the place of its type's. */
#define HEAP_WATCH_BUFFERS 1u

/* Instances of one stack that stayed: fewer show nothing. */
#define GROWING_CLASS_LEAST 10
/* the same of a sample, where each is one that stayed among few that did not */
#define GROWING_CLASS_SAMPLED 5
/* ... and what part of all that stayed the stack must have made */
#define GROWING_CLASS_SHARE 0.8

/*
 * The stack that makes the instances that stay; NULL: none does for sure. What was there at the end
 * of a round may be work in progress. So all of it must be as much as the census has seen come in
 * that time: half of it to twice of it, or off by chance. Then no stack with most of it can be
 * another's, for what really stays is counted as well. Of a sample it may be less.
 */
const struct heap_watch_stack *growing_class_maker(const struct growing_class *class);

/* Add what another watch of the same class has seen. */
void heap_watch_add_births(struct profile *profile, struct heap_watch_row *to,
			   const struct heap_watch_row *from);

/* Copy a row with all that it points to into another profile. */
void heap_watch_copy(struct profile *profile, struct heap_watch_row *to,
		     const struct heap_watch_row *from);

/* With n_rows empty rows; NULL: memory is out. */
struct heap_watch *heap_watch_new(struct profile *about, size_t n_rows);

/* Join stacks with equal frames, bring them in order, and sum them up. */
void heap_watch_merge_stacks(struct heap_watch_row *row, struct heap_watch_stack *stacks, size_t n);

const char *heap_watch_fate_name(enum heap_watch_fate fate);
const char *heap_watch_end_name(enum heap_watch_end end);

#endif
