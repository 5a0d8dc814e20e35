/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verdict: the answer: is it a leak, of which kind, how fast, where. Plain data.
 *
 * Place      model; filled by leak, read by view and export.
 * Shapes     findings: largest growth first. With `unexplained` they add up to the growth.
 * Units      bytes a second; intervals of 90 %; seconds; shares 0 .. 1.
 * Ownership  all of it lives in its profile.
 */
#ifndef PYLEAKTRACE_MODEL_VERDICT_H
#define PYLEAKTRACE_MODEL_VERDICT_H

#include "model/profile.h"

enum verdict_state {
	VERDICT_TOO_EARLY,     /* look_again_s says when it will be known */
	VERDICT_NO_LEAK,       /* nothing grows */
	VERDICT_GROWING,       /* it grows, and may still be a warm-up or a cache that fills */
	VERDICT_LEAK,          /* it grows, and will not stop by itself */
	VERDICT_FRAGMENTATION, /* memory is free, and not given back */
};

/* "TOO EARLY", "NO LEAK", ... */
const char *verdict_state_name(enum verdict_state state);

enum finding_cause {
	CAUSE_CONTAINER, /* only gets more */
	CAUSE_REFERENCE, /* held by C code, or by a reference that was lost */
	CAUSE_CYCLE,     /* garbage that no collection takes */
	CAUSE_C_MEMORY,  /* malloc'ed by C code */
	CAUSE_PYMALLOC,  /* C code's blocks of CPython's allocators */
	CAUSE_MAPPING,
	CAUSE_THREAD,      /* and its stack */
	CAUSE_INTERPRETER, /* a sub-interpreter, with its modules */
	CAUSE_COUNT,
};

/* "container", "reference", ... */
const char *finding_cause_name(enum finding_cause cause);

/* What a finding rests on: measured, each by itself. */
struct evidence {
	const char *kind; /* stable identifier: "items", "items_per_min", "containers", ... */
	const char *text; /* "120,431 items" */
	double value;
};

#define FINDING_EVIDENCE 4
#define FINDING_WORDS    6

struct finding {
	enum finding_cause cause;
	const char
		*sentence; /* what: "app.cache.SESSIONS (dict, 120,431 items, +5,700/min) is ..." */
	double bytes_per_s, least_per_s, most_per_s;
	double confidence;
	double share;              /* of the growth */
	bool ends;                 /* by itself: at the bound of the container */
	const char *path, *type;   /* of a container, and of what it gets; NULL: none */
	const char *by;            /* "filled by": what the stack did; NULL: there is none */
	const struct stack *stack; /* a copy of one of the profile's, or another; NULL: not known */
	/* its innermost frame of the program's own code, else of Python; NULL: none */
	const struct frame *where;
	const char *c_function;          /* what C code called last: "strdup"; NULL: not known */
	const char *next[FINDING_WORDS]; /* a command that shows more, to its first NULL */
	struct evidence evidence[FINDING_EVIDENCE];
	size_t n_evidence;
};

struct verdict {
	enum verdict_state state;
	int pid;              /* where several targets are shown as one; 0: the profile's target */
	const char *sentence; /* "+66.4 MiB/min; 98 % of it explained." */
	/* of memory in use */
	double growth_per_s, least_per_s, most_per_s;
	double unexplained_per_s;
	double explained;    /* share; < 0: nothing grows */
	double limit_in_s;   /* until the limit of the control group is reached; 0: there is none */
	double look_again_s; /* 0: now is as good as later */
	const struct finding *findings;
	size_t n_findings;
};

#endif
