/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/makers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/heap_watch.h"
#include "model/trend.h"

/* Is it a path of the pattern, in which "[*]" stands for any key or index? */
static bool is_of_pattern(const char *pattern, const char *path)
{
	while (*pattern) {
		if (strncmp(pattern, "[*]", 3) == 0 && *path == '[') {
			path = strchr(path, ']');
			if (!path)
				return false;
			pattern += 2;
		}
		if (*pattern++ != *path++)
			return false;
	}
	return !*path;
}

static bool is_one_of(const struct retention *retention, const struct heap_watch_row *row)
{
	for (unsigned i = 0; i < RETENTION_EXAMPLES; i++)
		if (row->address && retention->addresses[i] == row->address)
			return true;
	return retention->containers > 1 && row->path && row->type &&
	       strcmp(retention->type, row->type) == 0 && is_of_pattern(retention->path, row->path);
}

/* Who makes more of what a list of the interpreter's has: the stack that made most of what stays.
 */
static const struct stack *find_list_maker(const struct profile *profile, enum listed which,
					   bool (*makes)(const struct stack *))
{
	const struct heap_watch_row *row = profile->lists ? profile->lists->rows[which] : NULL;
	const struct stack *best = NULL;
	uint64_t most = 0;

	for (size_t i = 0; row && i < row->n_stacks; i++) {
		const struct heap_watch_stack *stack = &row->stacks[i];

		if (stack->inserted <= most || !makes(&stack->stack))
			continue;
		most = stack->inserted;
		best = &stack->stack;
	}
	return best;
}

static bool runs_python(const struct stack *stack)
{
	for (size_t i = 0; i < stack->n_frames; i++)
		if (stack->frames[i].kind == FRAME_PYTHON)
			return true;
	return false;
}

/* Who put it there: of the container's own watchpoint; of many, of the one that got most. */
const struct stack *makers_filler(const struct profile *profile, const struct retention *retention)
{
	const struct profile_growing_containers *growing = profile->growing_containers;
	const struct heap_watch_stack *most = NULL;

	if (retention->callbacks)
		return find_list_maker(profile, LISTED_CALLBACKS, runs_python);
	for (size_t i = 0; growing && i < growing->n_rows; i++) {
		const struct heap_watch_row *row = &growing->rows[i].row;

		if (is_one_of(retention, row) && row->n_stacks &&
		    row->stacks[0].inserted > (most ? most->inserted : 0))
			most = &row->stacks[0];
	}
	return most ? &most->stack : NULL;
}

/* Who made it: of the class's watchpoint. */
static const struct stack *find_class_maker(const struct profile *profile,
					    const struct retention *retention)
{
	const struct profile_growing_classes *growing = profile->growing_classes;

	for (size_t i = 0; growing && retention->item_class && i < growing->n_rows; i++) {
		const struct heap_watch_stack *maker;

		if (growing->rows[i].row.address != retention->item_class)
			continue;
		maker = growing_class_maker(&growing->rows[i]);
		return maker ? &maker->stack : NULL;
	}
	return NULL;
}

/* The same of a type whose blocks were made in pools that were watched. */
static const struct stack *find_pool_maker(const struct profile *profile, const char *type)
{
	const struct profile_growing_classes *growing = profile->growing_classes;

	for (size_t i = 0; growing && i < growing->n_rows; i++) {
		const struct growing_class *row = &growing->rows[i];
		const struct heap_watch_stack *maker;

		if (!row->row.instances->sampled || strcmp(row->name, type))
			continue;
		maker = growing_class_maker(row);
		return maker ? &maker->stack : NULL;
	}
	return NULL;
}

/* Of "3.11.2" 11; 0: not known. */
static unsigned minor_of(const struct profile *profile)
{
	const char *dot = profile->target.python ? strchr(profile->target.python, '.') : NULL;

	return dot ? (unsigned)strtoul(dot + 1, NULL, 10) : 0;
}

/*
 * Objects of these types take the memory of dead ones from a free list, without an allocator: the
 * block of one was made by whoever emptied the list. Methods have none from 3.9 to 3.13.
 */
static bool has_free_list(const struct profile *profile, const char *type)
{
	static const char *const types[] = {"dict",  "list",   "tuple",     "float", "frame",
					    "slice", "method", "generator", "int",   "coroutine"};
	unsigned minor = minor_of(profile);

	if (strcmp(type, "method") == 0 && minor >= 9 && minor <= 13)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* Of an estimate: blocks that it comes from, and the share of its type that it makes */
#define LEAST_SEEN  5
#define LEAST_SHARE 0.5

/* Buffers are one for each item when they are as many, but for this share. */
#define BUFFERS_ALIKE 0.3

/* Is it sure, and if it is an estimate, of enough blocks? */
static bool is_proven(const struct stack *stack)
{
	return stack_is_outstanding(stack) && stack_is_sure(stack) &&
	       (!stack->estimated || stack->seen >= LEAST_SEEN);
}

static bool is_of(const struct stack *stack, enum domain domain, const char *type)
{
	return stack->domain == domain && stack_is_outstanding(stack) &&
	       (!type || (stack->n_types && strcmp(stack->types[0].name, type) == 0));
}

/*
 * Did the interpreter itself call malloc()? It does so for large blocks of its own allocators, most
 * of which are buffers of objects.
 */
static bool is_interpreters(const struct profile *profile, const struct stack *stack)
{
	const struct frame *leaf = stack->n_frames ? &stack->frames[stack->n_frames - 1] : NULL;
	const char *interpreter = profile->target.python_module;

	return leaf && leaf->kind == FRAME_NATIVE && leaf->module && interpreter &&
	       strcmp(leaf->module, interpreter) == 0;
}

/* Do others call malloc(), too? Then the interpreter's blocks are taken for the objects'. */
static bool others_malloc(const struct profile *profile, enum domain domain)
{
	for (size_t i = 0; i < profile->n_stacks; i++)
		if (domain == DOMAIN_MALLOC && is_of(&profile->stacks[i], domain, NULL) &&
		    !is_interpreters(profile, &profile->stacks[i]))
			return true;
	return false;
}

/*
 * Who made it: the largest stack that is sure, whose blocks are mostly of that type. An estimate
 * counts where it makes most of what the windows left of the type: of the others it may be
 * another's work in progress, and a false line is worse than none.
 */
static const struct stack *find_traced(const struct profile *profile, enum domain domain,
				       const char *type)
{
	bool others = others_malloc(profile, domain);
	const struct stack *best = NULL;
	double all = 0;

	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (!is_of(stack, domain, type) || (others && is_interpreters(profile, stack)))
			continue;
		all += (double)stack->outstanding_bytes;
		if (stack_is_sure(stack) &&
		    (!best || stack->outstanding_bytes > best->outstanding_bytes))
			best = stack;
	}
	if (best && (!is_proven(best) ||
		     (best->estimated && (double)best->outstanding_bytes < LEAST_SHARE * all)))
		return NULL;
	return best;
}

/* Is it all that grows, nearly? Then what comes along with it is its own. */
#define NEARLY_ALL 0.8

/* The same by pools that were watched: of a type that grows as fast as the items, or faster. */
static const struct stack *find_pool_contents_maker(const struct profile *profile,
						    const struct retention *row)
{
	const struct profile_growing_classes *growing = profile->growing_classes;

	for (size_t i = 0; growing && i < growing->n_rows; i++) {
		const struct growing_class *type = &growing->rows[i];
		const struct heap_watch_stack *maker =
			type->row.instances->sampled ? growing_class_maker(type) : NULL;

		if (maker && type->row.address != HEAP_WATCH_BUFFERS &&
		    !has_free_list(profile, type->name) &&
		    type->per_s > (1 - BUFFERS_ALIKE) * row->items_per_s)
			return &maker->stack;
	}
	return NULL;
}

/*
 * Who made what the items hold: objects of a type without a free list, of which each new item has
 * one or more.
 */
static const struct stack *find_contents_maker(const struct profile *profile,
					       const struct retention *row)
{
	const struct stack *best = NULL;

	if (row->bytes_per_s < NEARLY_ALL * profile->trend->rows[TREND_PART_OBJECTS].per_s)
		return NULL;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (stack->domain == DOMAIN_OBJECT && stack->n_types &&
		    !has_free_list(profile, stack->types[0].name) &&
		    strcmp(stack->types[0].name, "[buffer]") && is_proven(stack) &&
		    (double)stack->outstanding_count >
			    (1 - BUFFERS_ALIKE) * (double)row->items_delta &&
		    (!best || stack->outstanding_bytes > best->outstanding_bytes))
			best = stack;
	}
	return best ? best : find_pool_contents_maker(profile, row);
}

/*
 * Who made the items of a type. Of those with a free list only a buffer can say it, of which each
 * new item has one (not of a dict, whose keys come from a free list, too), or what they hold.
 */
const struct stack *makers_item(const struct profile *profile, const struct retention *row)
{
	const struct stack *buffers, *maker = find_class_maker(profile, row);

	if (!maker && !has_free_list(profile, row->item_type))
		maker = find_pool_maker(profile, row->item_type);
	if (maker)
		return maker;
	if (!has_free_list(profile, row->item_type))
		return find_traced(profile, DOMAIN_OBJECT, row->item_type);
	buffers = strcmp(row->item_type, "dict") ? find_traced(profile, DOMAIN_OBJECT, "[buffer]")
						 : NULL;
	return buffers && fabs((double)buffers->outstanding_count - (double)row->items_delta) <
				       BUFFERS_ALIKE * (double)row->items_delta
		       ? buffers
		       : find_contents_maker(profile, row);
}

const struct stack *makers_block(const struct profile *profile, enum domain domain,
				 const char *type)
{
	const struct stack *maker = find_traced(profile, domain, type);

	return maker || !type ? maker : find_pool_maker(profile, type);
}

/* ---- what the interpreter lists ------------------------------------------------------------- */

const struct stack *makers_thread(const struct profile *profile)
{
	const struct trend_threads *threads = &profile->trend->threads;
	const struct stack *maker = find_list_maker(profile, LISTED_THREADS, runs_python);

	for (size_t i = 0; i < threads->n_rows && !maker; i++)
		maker = threads->rows[i].starter;
	return maker;
}

/* Py_NewInterpreter(), Py_NewInterpreterFromConfig(), _Py_NewInterpreter(): in every version one of
 * them makes an interpreter, and is exported. */
static bool makes_interpreter(const struct stack *stack)
{
	for (size_t i = 0; i < stack->n_frames; i++)
		if (stack->frames[i].kind == FRAME_NATIVE && stack->frames[i].function &&
		    strstr(stack->frames[i].function, "Py_NewInterpreter"))
			return true;
	return false;
}

/* The same, and it is known by which line. */
static bool line_makes_interpreter(const struct stack *stack)
{
	return makes_interpreter(stack) && runs_python(stack);
}

static const struct stack *find_interpreter_maker(const struct profile *profile,
						  bool (*makes)(const struct stack *))
{
	const struct profile_growing_containers *growing = profile->growing_containers;
	const struct stack *best = find_list_maker(profile, LISTED_INTERPRETERS, makes);

	if (best)
		return best;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (stack_is_outstanding(stack) && makes(stack) &&
		    (!best || stack->outstanding_bytes > best->outstanding_bytes))
			best = stack;
	}
	for (size_t i = 0; growing && i < growing->n_rows && !best; i++)
		for (size_t j = 0; j < growing->rows[i].row.n_stacks && !best; j++)
			if (makes(&growing->rows[i].row.stacks[j].stack))
				best = &growing->rows[i].row.stacks[j].stack;
	return best;
}

/* What was allocated while one was made, or got an item then. That it did make one is sure, however
 * few were seen. */
const struct stack *makers_interpreter(const struct profile *profile)
{
	const struct stack *maker = find_interpreter_maker(profile, line_makes_interpreter);

	return maker ? maker : find_interpreter_maker(profile, makes_interpreter);
}
