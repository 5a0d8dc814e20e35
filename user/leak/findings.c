/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/findings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "model/heap_watch.h"
#include "model/retention.h"
#include "model/trend.h"

/* Below this no part is a finding: noise, and small change. */
#define LEAST_PER_S 100.0

/* more threads at the end than at the beginning */
#define LEAST_THREADS 3

static const char *text(struct profile *profile, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static const char *text(struct profile *profile, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	return profile_str(profile, line, -1);
}

/* ---- objects -------------------------------------------------------------------------------- */

/* Who put it there: of the container's own watchpoint. */
static const struct stack *find_filler(const struct profile *profile,
				       const struct retention *retention)
{
	const struct profile_growing_containers *growing = profile->growing_containers;

	for (size_t i = 0; growing && i < growing->n_rows; i++) {
		const struct heap_watch_row *row = &growing->rows[i].row;

		if (row->address == retention->address && row->n_stacks && row->stacks[0].inserted)
			return &row->stacks[0].stack;
	}
	return NULL;
}

/*
 * Who made it: the largest stack that is sure, whose blocks are mostly of that type. An estimate
 * counts only for a class of the program's own: what survives windows of str, dict and buffers is
 * often another's work in progress, and a false line is worse than none.
 */
static const struct stack *find_maker(const struct profile *profile, enum domain domain,
				      const char *type)
{
	const struct stack *best = NULL;

	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (stack->domain != domain || !stack_is_sure(stack) ||
		    !stack_is_outstanding(stack))
			continue;
		if (type && (!stack->n_types || strcmp(stack->types[0].name, type) != 0))
			continue;
		if (stack->estimated && (!type || !strchr(type, '.')))
			continue;
		if (!best || stack->outstanding_bytes > best->outstanding_bytes)
			best = stack;
	}
	return best;
}

static const char *say_container(struct profile *profile, const struct retention *row)
{
	double per_min = row->items_per_s * 60;

	if (row->containers > 1)
		return text(profile, "%s (%s, %s of them, +%s/min in all) only grow", row->path,
			    row->type, fmt_count(row->containers).text,
			    fmt_per_second(per_min).text);
	return text(profile, "%s (%s, %s %s, +%s/min) only grows", row->path, row->type,
		    fmt_count(row->items).text, row->item_type, fmt_per_second(per_min).text);
}

static void add_retention(struct finding *to, struct profile *profile, const struct retention *row)
{
	double per_min = row->items_per_s * 60;

	*to = (struct finding){.bytes_per_s = row->bytes_per_s,
			       .least_per_s = row->least_bytes_per_s,
			       .most_per_s = row->most_bytes_per_s,
			       .confidence = row->confidence,
			       .type = row->item_type};
	switch (row->kind) {
	case RETENTION_CONTAINER:
	case RETENTION_OTHER:
		to->cause = CAUSE_CONTAINER;
		to->path = row->path;
		to->stack = find_filler(profile, row);
		to->by = "filled by";
		if (*row->path) {
			to->sentence = say_container(profile, row);
			break;
		}
		to->sentence = text(profile, "data of the program holds %s (%s objects, +%s/min)",
				    row->item_type, fmt_count(row->items).text,
				    fmt_per_second(per_min).text);
		break;
	case RETENTION_HELD:
		to->cause = CAUSE_REFERENCE;
		to->sentence = text(profile,
				    "C code, or a reference that was lost, keeps %s%s (%s objects, "
				    "+%s/min)",
				    row->path, row->item_type, fmt_count(row->items).text,
				    fmt_per_second(per_min).text);
		break;
	case RETENTION_GARBAGE:
		to->cause = CAUSE_CYCLE;
		to->sentence = text(
			profile, "cycles of %s wait for a collection (%s objects, +%s/min)",
			row->item_type, fmt_count(row->items).text, fmt_per_second(per_min).text);
		break;
	}
	if (!to->stack) {
		to->stack = find_maker(profile, DOMAIN_OBJECT, row->item_type);
		to->by = "made by";
	}
	if (row->kind == RETENTION_CONTAINER && row->containers == 1 && !to->stack)
		to->next = text(profile, "pyleaktrace watch -p %d 0x%llx", profile->target.pid,
				(unsigned long long)row->address);
	else if (row->kind != RETENTION_GARBAGE)
		to->next = text(profile, "pyleaktrace chain -p %d %s", profile->target.pid,
				row->item_type);
}

/* ---- other memory --------------------------------------------------------------------------- */

static bool part_grows(const struct trend *trend, enum trend_kind kind)
{
	const struct trend_row *row = &trend->rows[kind];

	return row->shape == FIT_STEADY && row->least_per_s > LEAST_PER_S;
}

/* The function that C code called last: "strdup" */
static const char *leaf_function(const struct stack *stack)
{
	const struct frame *leaf = stack->n_frames ? &stack->frames[stack->n_frames - 1] : NULL;

	return leaf && leaf->kind == FRAME_NATIVE ? leaf->function : NULL;
}

static void add_part(struct finding *to, struct profile *profile, enum trend_kind kind)
{
	static const struct {
		enum trend_kind kind;
		enum finding_cause cause;
		enum domain domain;
		const char *type, *what, *by;
	} parts[] = {
		{TREND_PART_MALLOC, CAUSE_C_MEMORY, DOMAIN_MALLOC, NULL,
		 "memory that C code mallocs is never freed", "called by"},
		{TREND_PART_PYMALLOC, CAUSE_PYMALLOC, DOMAIN_OBJECT, "[buffer]",
		 "blocks of CPython's allocators that hold no object are never freed", "called by"},
		{TREND_PART_MAPPINGS, CAUSE_MAPPING, DOMAIN_MMAP, NULL,
		 "anonymous mappings are never unmapped", "mapped by"},
	};
	const struct trend_row *row = &profile->trend->rows[kind];
	const char *function;

	*to = (struct finding){.bytes_per_s = row->per_s,
			       .least_per_s = row->least_per_s,
			       .most_per_s = 2 * row->per_s - row->least_per_s,
			       .confidence = row->confidence};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].kind != kind)
			continue;
		to->cause = parts[i].cause;
		to->sentence = parts[i].what;
		to->by = parts[i].by;
		to->stack = find_maker(profile, parts[i].domain, parts[i].type);
	}
	function = to->stack ? leaf_function(to->stack) : NULL;
	if (function && kind == TREND_PART_MALLOC)
		to->sentence = text(profile, "what %s() allocates is never freed", function);
	if (!to->stack)
		to->next = text(profile, "pyleaktrace -p %d --exact -d 10", profile->target.pid);
}

static bool add_threads(struct finding *to, struct profile *profile)
{
	const struct trend *trend = profile->trend;
	const struct trend_row *row = &trend->rows[TREND_THREADS],
			       *stacks = &trend->rows[TREND_PART_STACKS];

	if (row->shape != FIT_STEADY || row->last < row->first + LEAST_THREADS)
		return false;
	*to = (struct finding){.cause = CAUSE_THREAD,
			       .bytes_per_s = fmax(stacks->per_s, 0),
			       .least_per_s = fmax(stacks->least_per_s, 0),
			       .most_per_s = fmax(2 * stacks->per_s - stacks->least_per_s, 0),
			       .confidence = row->confidence,
			       .by = "started by"};
	to->sentence = text(profile, "threads do not end: %s became %s (+%s/min)",
			    fmt_count(row->first).text, fmt_count(row->last).text,
			    fmt_per_second(row->per_s * 60).text);
	for (size_t i = 0; i < trend->threads.n_rows && !to->stack; i++)
		to->stack = trend->threads.rows[i].starter;
	to->next = text(profile, "pyleaktrace trend -p %d", profile->target.pid);
	return true;
}

/* ---- all ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->least_per_s != y->least_per_s)
		return x->least_per_s > y->least_per_s ? -1 : 1;
	return (int)x->cause - (int)y->cause;
}

size_t findings_collect(struct finding *findings, size_t room, struct profile *profile)
{
	static const enum trend_kind parts[] = {TREND_PART_MALLOC, TREND_PART_PYMALLOC,
						TREND_PART_MAPPINGS};
	const struct profile_retention *retention = profile->retention;
	size_t n = 0, n_parts = sizeof(parts) / sizeof(parts[0]);

	if (n < room && add_threads(&findings[n], profile))
		n++;
	for (size_t i = 0; i < n_parts && n < room; i++)
		if (part_grows(profile->trend, parts[i]))
			add_part(&findings[n++], profile, parts[i]);
	for (size_t i = 0; i < retention->n_rows && n < room; i++)
		if (retention->rows[i].least_bytes_per_s > LEAST_PER_S)
			add_retention(&findings[n++], profile, &retention->rows[i]);
	qsort(findings, n, sizeof(*findings), compare);
	return n;
}
