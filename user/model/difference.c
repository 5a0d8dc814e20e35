/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/difference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/heap_types.h"
#include "model/retention.h"

/* ---- stacks --------------------------------------------------------------------------------- */

static int compare_sites(const struct stack *x, const struct stack *y)
{
	return x->domain != y->domain ? (int)x->domain - (int)y->domain
				      : stack_compare_frames(x, y);
}

static int compare_stack_rows(const void *a, const void *b)
{
	return compare_sites(((const struct difference_stack *)a)->stack,
			     ((const struct difference_stack *)b)->stack);
}

static int compare_stack_growth(const void *a, const void *b)
{
	const struct difference_stack *x = a, *y = b;
	uint64_t more_x = x->bytes_after - x->bytes_before;
	uint64_t more_y = y->bytes_after - y->bytes_before;

	return more_x != more_y ? (more_x < more_y) - (more_x > more_y) : compare_stack_rows(a, b);
}

static void add_stacks(struct difference_stack *rows, const struct profile *profile, bool after)
{
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		rows[i] = (struct difference_stack){
			.stack = stack, .estimated = stack->estimated, .error = stack->bytes_error};
		*(after ? &rows[i].bytes_after : &rows[i].bytes_before) = stack->outstanding_bytes;
		*(after ? &rows[i].count_after : &rows[i].count_before) = stack->outstanding_count;
	}
}

static void join_rows(struct difference_stack *into, const struct difference_stack *from)
{
	sum_add(&into->bytes_before, from->bytes_before);
	sum_add(&into->bytes_after, from->bytes_after);
	sum_add(&into->count_before, from->count_before);
	sum_add(&into->count_after, from->count_after);
	into->estimated |= from->estimated;
	into->error = hypot(into->error, from->error);
	if (from->bytes_after)
		into->stack = from->stack;
}

static void compare_stacks(struct difference *difference, struct profile *owner)
{
	size_t n = difference->before->n_stacks + difference->after->n_stacks, kept = 0, grown = 0;
	struct difference_stack *rows = profile_alloc(owner, (n + 1) * sizeof(*rows));

	add_stacks(rows, difference->before, false);
	add_stacks(rows + difference->before->n_stacks, difference->after, true);
	qsort(rows, n, sizeof(*rows), compare_stack_rows);
	for (size_t i = 0; i < n; i++) {
		if (kept && !compare_stack_rows(&rows[kept - 1], &rows[i]))
			join_rows(&rows[kept - 1], &rows[i]);
		else
			rows[kept++] = rows[i];
	}
	for (size_t i = 0; i < kept; i++)
		if (rows[i].bytes_after > rows[i].bytes_before)
			rows[grown++] = rows[i];
	qsort(rows, grown, sizeof(*rows), compare_stack_growth);
	difference->stacks = rows;
	difference->n_stacks = grown;
}

struct profile *difference_growth(const struct difference *difference)
{
	struct profile *growth = profile_new();

	if (!growth)
		return NULL;
	growth->time = difference->after->time;
	growth->duration_s = difference->after->duration_s;
	growth->target = difference->after->target;
	growth->mode = difference->after->mode;
	growth->stacks =
		profile_alloc(growth, (difference->n_stacks + 1) * sizeof(*growth->stacks));
	growth->n_stacks = difference->n_stacks;
	for (size_t i = 0; i < difference->n_stacks; i++) {
		const struct difference_stack *row = &difference->stacks[i];
		struct stack *stack = &growth->stacks[i];

		stack->domain = row->stack->domain;
		stack->frames = row->stack->frames;
		stack->n_frames = row->stack->n_frames;
		stack->estimated = row->estimated;
		stack->bytes_error = row->error;
		stack->outstanding_bytes = row->bytes_after - row->bytes_before;
		if (row->count_after > row->count_before)
			stack->outstanding_count = row->count_after - row->count_before;
		sum_add(&growth->totals.outstanding_bytes, stack->outstanding_bytes);
		sum_add(&growth->totals.outstanding_count, stack->outstanding_count);
		growth->totals.estimated |= stack->estimated;
	}
	return growth;
}

/* ---- the heap ------------------------------------------------------------------------------- */

static int compare_things(const void *a, const void *b)
{
	const struct difference_things *x = a, *y = b;
	int64_t more_x = (int64_t)(x->bytes_after - x->bytes_before);
	int64_t more_y = (int64_t)(y->bytes_after - y->bytes_before);

	return more_x != more_y ? (more_x < more_y) - (more_x > more_y) : strcmp(x->name, y->name);
}

static bool has_grown(const struct difference_things *row)
{
	return row->count_after > row->count_before || row->bytes_after > row->bytes_before;
}

static void compare_types(struct difference *difference, struct profile *owner)
{
	const struct profile_growing_types *before = difference->before->growing_types;
	const struct profile_growing_types *after = difference->after->growing_types;

	if (!before || !after)
		return;
	difference->types = profile_alloc(owner, (after->n_rows + 1) * sizeof(*difference->types));
	for (size_t i = 0; i < after->n_rows; i++)
		for (size_t k = 0; k < before->n_rows; k++) {
			const struct difference_things row = {.name = after->rows[i].name,
							      .count_before = before->rows[k].count,
							      .count_after = after->rows[i].count,
							      .bytes_before = before->rows[k].bytes,
							      .bytes_after = after->rows[i].bytes};

			if (strcmp(after->rows[i].name, before->rows[k].name) || !has_grown(&row))
				continue;
			difference->types[difference->n_types++] = row;
			break;
		}
	qsort(difference->types, difference->n_types, sizeof(*difference->types), compare_things);
}

static bool is_same_container(const struct retention *x, const struct retention *y)
{
	return x->kind == RETENTION_CONTAINER && y->kind == RETENTION_CONTAINER &&
	       !strcmp(x->path, y->path) && !strcmp(x->type, y->type);
}

static void compare_containers(struct difference *difference, struct profile *owner)
{
	const struct profile_retention *before = difference->before->retention;
	const struct profile_retention *after = difference->after->retention;

	if (!before || !after)
		return;
	difference->containers =
		profile_alloc(owner, (after->n_rows + 1) * sizeof(*difference->containers));
	for (size_t i = 0; i < after->n_rows; i++)
		for (size_t k = 0; k < before->n_rows; k++) {
			const struct difference_things row = {.name = after->rows[i].path,
							      .type = after->rows[i].type,
							      .count_before = before->rows[k].items,
							      .count_after = after->rows[i].items,
							      .bytes_before = before->rows[k].bytes,
							      .bytes_after = after->rows[i].bytes};

			if (!is_same_container(&after->rows[i], &before->rows[k]) ||
			    !has_grown(&row))
				continue;
			difference->containers[difference->n_containers++] = row;
			break;
		}
	qsort(difference->containers, difference->n_containers, sizeof(*difference->containers),
	      compare_things);
}

/* ---- memory, and the answers ----------------------------------------------------------------- */

static int compare_memory(const void *a, const void *b)
{
	const struct difference_memory *x = a, *y = b;
	uint64_t more_x = x->after - x->before, more_y = y->after - y->before;

	return more_x != more_y ? (more_x < more_y) - (more_x > more_y)
				: (int)x->kind - (int)y->kind;
}

/* The parts of the account: they do not overlap, and add up to the RSS. */
static void compare_accounts(struct difference *difference)
{
	const struct trend *before = difference->before->trend, *after = difference->after->trend;

	for (int kind = TREND_PART_FIRST; before && after && kind <= TREND_PART_LAST; kind++) {
		const struct trend_row *x = &before->rows[kind], *y = &after->rows[kind];

		if (x->n && y->n && y->last > x->last)
			difference->memory[difference->n_memory++] = (struct difference_memory){
				.kind = (enum trend_kind)kind, .before = x->last, .after = y->last};
	}
	qsort(difference->memory, difference->n_memory, sizeof(*difference->memory),
	      compare_memory);
}

static bool is_same_text(const char *x, const char *y)
{
	return x == y || (x && y && !strcmp(x, y));
}

static bool is_same_finding(const struct finding *x, const struct finding *y)
{
	return x->cause == y->cause && is_same_text(x->path, y->path) && !x->where == !y->where &&
	       (!x->where || !frame_compare(x->where, y->where)) &&
	       is_same_text(x->c_function, y->c_function);
}

static void compare_findings(struct difference *difference, struct profile *owner)
{
	const struct verdict *before = difference->before->verdict;
	const struct verdict *after = difference->after->verdict;

	if (!after)
		return;
	difference->findings =
		profile_alloc(owner, (after->n_findings + 1) * sizeof(*difference->findings));
	difference->n_findings = after->n_findings;
	for (size_t i = 0; i < after->n_findings; i++) {
		struct difference_finding *row = &difference->findings[i];

		row->after = &after->findings[i];
		for (size_t k = 0; before && k < before->n_findings && !row->before; k++)
			if (is_same_finding(row->after, &before->findings[k]))
				row->before = &before->findings[k];
	}
}

const struct difference *difference_make(const struct profile *before, struct profile *after)
{
	struct difference *difference = profile_alloc(after, sizeof(*difference));

	difference->before = before;
	difference->after = after;
	difference->span_s = difftime(after->time.tv_sec, before->time.tv_sec);
	compare_stacks(difference, after);
	compare_types(difference, after);
	compare_containers(difference, after);
	compare_accounts(difference);
	compare_findings(difference, after);
	return difference;
}
