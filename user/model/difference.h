/* SPDX-License-Identifier: BSD-2-Clause
 *
 * difference: two profiles of a process, or of two -> what grew from one to the other.
 *
 * Place      layer 1; made by cli (diff), read by view and export.
 * Shapes     rows of what grew only, largest growth first. A stack is the same where domain and
 * frames are, whatever its thread and process; a container by path and type; a type by name; a
 *            finding by cause, path, and the line that it names.
 * Units      bytes, counts, seconds, as in a profile. Of a stack that is estimated in one of the
 * two the growth is, too: error is half the width of its 95 % interval. Ownership difference_make()
 * puts all in `after`; both profiles have to live as long. Degrades   what only one of the profiles
 * has is no row, but for stacks and findings: those begin with nothing.
 */
#ifndef PYLEAKTRACE_MODEL_DIFFERENCE_H
#define PYLEAKTRACE_MODEL_DIFFERENCE_H

#include "model/profile.h"
#include "model/trend.h"
#include "model/verdict.h"

struct difference_stack {
	const struct stack *stack; /* as it is in `after` */
	uint64_t bytes_before, bytes_after, count_before, count_after;
	bool estimated;
	double error; /* bytes */
};

struct difference_memory {
	enum trend_kind kind;
	uint64_t before, after;
};

/* A type: how many, and their bytes. A container: its items, and all that is held through them. */
struct difference_things {
	const char *name;
	const char *type; /* of a container; NULL: a type's row */
	uint64_t count_before, count_after, bytes_before, bytes_after;
};

struct difference_finding {
	const struct finding *after, *before; /* before: NULL: it is new */
};

struct difference {
	const struct profile *before, *after;
	double span_s; /* between the two looks, by the wall clock */
	struct difference_stack *stacks;
	size_t n_stacks;
	struct difference_memory memory[TREND_KINDS];
	size_t n_memory;
	struct difference_things *types, *containers;
	size_t n_types, n_containers;
	struct difference_finding *findings; /* all of `after`, in its order */
	size_t n_findings;
};

const struct difference *difference_make(const struct profile *before, struct profile *after);

/*
 * A profile of the growth: each stack that grew has it as what is outstanding. For the formats that
 * draw stacks. Frames and names stay where they are.
 *
 * return NULL: memory is out
 */
struct profile *difference_growth(const struct difference *difference);

#endif
