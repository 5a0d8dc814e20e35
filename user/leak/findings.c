/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/findings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "leak/along.h"
#include "model/heap_watch.h"
#include "model/package.h"
#include "model/retention.h"
#include "model/trend.h"

/* more threads at the end than at the beginning */
#define LEAST_THREADS 3

/* As it is: the profile's rows are selected and sorted later. */
static void set_stack(struct finding *to, struct profile *profile, const struct stack *stack,
		      const char *by)
{
	const struct frame *leaf, *innermost = NULL;
	struct stack *copy;

	to->by = by;
	if (!stack)
		return;
	copy = profile_alloc(profile, sizeof(*copy));
	*copy = *stack;
	to->stack = copy;
	for (size_t i = stack->n_frames; i-- > 0 && !to->where;) {
		const struct frame *frame = &stack->frames[i];

		if (frame->kind == FRAME_PYTHON && !innermost)
			innermost = frame;
		if (package_is_own(frame))
			to->where = frame;
	}
	to->where = to->where ? to->where : innermost;
	leaf = stack->n_frames ? &stack->frames[stack->n_frames - 1] : NULL;
	if (leaf && leaf->kind == FRAME_NATIVE)
		to->c_function = leaf->function;
}

static void set_next(struct finding *to, struct profile *profile, const char *verb,
		     const char *object)
{
	size_t n = 0;

	to->next[n++] = "pyleaktrace";
	if (verb)
		to->next[n++] = verb;
	to->next[n++] = "-p";
	to->next[n++] = profile_format(profile, "%d", profile->target.pid);
	if (object)
		to->next[n++] = object;
}

static void add_evidence(struct finding *to, struct profile *profile, const char *kind,
			 double value, const char *unit)
{
	struct fmt number = value < 10 ? fmt_per_second(value) : fmt_count((uint64_t)value);
	const char *text = profile_format(profile, "%s %s", number.text, unit);

	to->evidence[to->n_evidence++] = (struct evidence){kind, text, value};
}

/* ---- objects -------------------------------------------------------------------------------- */

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

/* Who put it there: of the container's own watchpoint; of many, of the one that got most. */
static const struct stack *find_filler(const struct profile *profile,
				       const struct retention *retention)
{
	const struct profile_growing_containers *growing = profile->growing_containers;
	const struct heap_watch_stack *most = NULL;

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
static const struct stack *find_maker(const struct profile *profile, enum domain domain,
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
static const struct stack *find_item_maker(const struct profile *profile,
					   const struct retention *row)
{
	const struct stack *buffers, *maker = find_class_maker(profile, row);

	if (!maker && !has_free_list(profile, row->item_type))
		maker = find_pool_maker(profile, row->item_type);
	if (maker)
		return maker;
	if (!has_free_list(profile, row->item_type))
		return find_maker(profile, DOMAIN_OBJECT, row->item_type);
	buffers = strcmp(row->item_type, "dict") ? find_maker(profile, DOMAIN_OBJECT, "[buffer]")
						 : NULL;
	return buffers && fabs((double)buffers->outstanding_count - (double)row->items_delta) <
				       BUFFERS_ALIKE * (double)row->items_delta
		       ? buffers
		       : find_contents_maker(profile, row);
}

/* "fills up to its bound of 4,096" */
static const char *say_end(struct profile *profile, const struct retention *row)
{
	if (row->bound > 0)
		return profile_format(profile, "%s to %s bound of %s",
				      row->containers > 1 ? "fill up" : "fills up",
				      row->containers > 1 ? "their" : "its",
				      fmt_count((uint64_t)row->bound).text);
	if (row->bound < 0 && strstr(row->type, "lru_cache"))
		return "never forgets: it has no maxsize";
	return row->containers > 1 ? "only grow" : "only grows";
}

static const char *say_container(struct profile *profile, const struct retention *row)
{
	struct fmt rate = fmt_per_second(row->items_per_s * 60);
	const char *end = say_end(profile, row);

	if (row->containers > 1)
		return profile_format(profile, "%s (%s, %s of them, +%s/min in all) %s", row->path,
				      row->type, fmt_count(row->containers).text, rate.text, end);
	return profile_format(profile, "%s (%s, %s %s, +%s/min) %s", row->path, row->type,
			      fmt_count(row->items).text, row->item_type, rate.text, end);
}

/* Is it a rate with an interval? What the target writes may make nonsense of any sum. */
static bool is_measured(const struct retention *row)
{
	return isfinite(row->bytes_per_s) && isfinite(row->most_bytes_per_s) &&
	       isfinite(row->items_per_s) && row->least_bytes_per_s <= row->bytes_per_s &&
	       row->bytes_per_s <= row->most_bytes_per_s;
}

/* Does it grow, for sure? */
static bool grows(const struct retention *row)
{
	return is_measured(row) && row->least_bytes_per_s > GROWTH_LEAST_PER_S &&
	       row->confidence >= GROWTH_SURE;
}

/* What no name leads to must grow by more than one resized table. */
static bool is_small_change(const struct retention *row)
{
	return row->kind == RETENTION_OTHER && !*row->path &&
	       row->bytes_per_s * row->span_s < GROWTH_LEAST_BYTES;
}

static void add_retention(struct finding *to, struct profile *profile, const struct retention *row)
{
	double per_min = row->items_per_s * 60;
	const struct stack *filler = NULL;

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
		to->ends = row->bound > 0;
		filler = find_filler(profile, row);
		if (*row->path) {
			to->sentence = say_container(profile, row);
			break;
		}
		to->sentence = profile_format(
			profile, "data of the program holds %s (%s objects, +%s/min)",
			row->item_type, fmt_count(row->items).text, fmt_per_second(per_min).text);
		break;
	case RETENTION_MOVING:
		to->cause = CAUSE_CONTAINER;
		to->sentence = profile_format(
			profile,
			"a chain of %s, which changes while it is followed (%s objects, +%s/min)",
			row->item_type, fmt_count(row->items).text, fmt_per_second(per_min).text);
		break;
	case RETENTION_HELD:
		to->cause = CAUSE_REFERENCE;
		to->sentence = profile_format(
			profile,
			"C code, or a reference that was lost, keeps %s%s (%s objects, "
			"+%s/min)",
			row->path, row->item_type, fmt_count(row->items).text,
			fmt_per_second(per_min).text);
		break;
	case RETENTION_GARBAGE:      /* all of it is one finding: add_cycles() */
	case RETENTION_INTERPRETERS: /* so is this: add_interpreters() */
	case RETENTION_FIXED:        /* is none */
		break;
	}
	add_evidence(to, profile, "items", (double)row->items, row->item_type);
	add_evidence(to, profile, "items_per_min", per_min, "more a minute");
	if (row->kind == RETENTION_CONTAINER)
		add_evidence(to, profile, "containers", (double)row->containers, row->type);
	if (filler)
		set_stack(to, profile, filler, "filled by");
	else
		set_stack(to, profile, find_item_maker(profile, row), "made by");
	if (row->kind == RETENTION_CONTAINER && row->containers == 1 && row->addresses[0] &&
	    !to->stack)
		set_next(to, profile, "watch",
			 profile_format(profile, "0x%llx", (unsigned long long)row->addresses[0]));
	else
		set_next(to, profile, "chain", row->item_type);
}

/* ---- cycles --------------------------------------------------------------------------------- */

#define CYCLE_TYPES 3 /* that are named */

/* Cycles are made of classes; what is built in hangs on them. */
static bool is_named_first(const char *type)
{
	return strchr(type, '.') != NULL;
}

/* "app.Order, app.Line and what they hold" */
static const char *say_types(struct profile *profile, const struct retention *rows, size_t n)
{
	const char *text = NULL;
	size_t named = 0, all = 0;

	for (int first = 1; first >= 0; first--) {
		for (size_t i = 0; i < n; i++) {
			if (rows[i].kind != RETENTION_GARBAGE ||
			    is_named_first(rows[i].item_type) != first || (!first && named))
				continue;
			all++;
			if (all > CYCLE_TYPES)
				continue;
			text = text ? profile_format(profile, "%s, %s", text, rows[i].item_type)
				    : rows[i].item_type;
		}
		named = all;
	}
	return all > CYCLE_TYPES ? profile_format(profile, "%s and others", text) : text;
}

/* return false: there are none that stay */
static bool add_cycles(struct finding *to, struct profile *profile)
{
	const struct profile_retention *part = profile->retention;
	const struct retention *largest = NULL;
	double objects = 0, per_min = 0;

	*to = (struct finding){.cause = CAUSE_CYCLE};
	for (size_t i = 0; i < part->n_rows; i++) {
		const struct retention *row = &part->rows[i];

		if (row->kind != RETENTION_GARBAGE || !grows(row))
			continue;
		to->bytes_per_s += row->bytes_per_s;
		to->least_per_s += row->least_bytes_per_s;
		to->most_per_s += row->most_bytes_per_s;
		to->confidence = fmax(to->confidence, row->confidence);
		objects += (double)row->items;
		per_min += row->items_per_s * 60;
		if (!largest || is_named_first(row->item_type) > is_named_first(largest->item_type))
			largest = row;
	}
	if (!largest || heap_gc_takes_cycles(&profile->trend->gc))
		return false;
	to->type = largest->item_type;
	to->sentence = profile_format(
		profile, "cycles of %s are not collected (%s objects with what they hold, +%s/min)",
		say_types(profile, part->rows, part->n_rows), fmt_count((uint64_t)objects).text,
		fmt_per_second(per_min).text);
	add_evidence(to, profile, "items", objects, "objects");
	add_evidence(to, profile, "items_per_min", per_min, "more a minute");
	set_stack(to, profile, find_item_maker(profile, largest), "made by");
	return true;
}

struct passing_growth findings_passing(const struct profile *profile)
{
	const struct profile_retention *part = profile->retention;
	bool is_taken = heap_gc_takes_cycles(&profile->trend->gc);
	struct passing_growth passing = {0};

	for (size_t i = 0; i < part->n_rows; i++) {
		double bytes_per_s = fmax(part->rows[i].bytes_per_s, 0);

		if (!is_measured(&part->rows[i]))
			continue;
		if (part->rows[i].kind == RETENTION_GARBAGE && is_taken)
			passing.garbage_per_s += bytes_per_s;
		else if (part->rows[i].kind == RETENTION_FIXED)
			passing.tables_per_s += bytes_per_s;
		else
			continue;
		passing.most_per_s += fmax(part->rows[i].most_bytes_per_s, bytes_per_s);
	}
	return passing;
}

/* ---- other memory --------------------------------------------------------------------------- */

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
	const struct stack *maker;

	*to = (struct finding){.bytes_per_s = row->per_s,
			       .least_per_s = row->least_per_s,
			       .most_per_s = 2 * row->per_s - row->least_per_s,
			       .confidence = row->confidence};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].kind != kind)
			continue;
		to->cause = parts[i].cause;
		to->sentence = parts[i].what;
		maker = find_maker(profile, parts[i].domain, parts[i].type);
		if (!maker && parts[i].type)
			maker = find_pool_maker(profile, parts[i].type);
		set_stack(to, profile, maker, parts[i].by);
	}
	add_evidence(to, profile, "bytes_at_first", (double)row->first, "bytes at first");
	add_evidence(to, profile, "bytes_now", (double)row->last, "bytes now");
	if (to->c_function && kind == TREND_PART_MALLOC)
		to->sentence = profile_format(profile, "what %s() allocates is never freed",
					      to->c_function);
	if (!to->stack)
		set_next(to, profile, NULL, "--exact");
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
			       .confidence = row->confidence};
	to->sentence = profile_format(profile, "threads do not end: %s became %s (+%s/min)",
				      fmt_count(row->first).text, fmt_count(row->last).text,
				      fmt_per_second(row->per_s * 60).text);
	add_evidence(to, profile, "threads_at_first", (double)row->first, "threads at first");
	add_evidence(to, profile, "threads_now", (double)row->last, "threads now");
	set_stack(to, profile, find_list_maker(profile, LISTED_THREADS, runs_python), "started by");
	for (size_t i = 0; i < trend->threads.n_rows && !to->stack; i++)
		set_stack(to, profile, trend->threads.rows[i].starter, "started by");
	set_next(to, profile, "trend", NULL);
	return true;
}

/* ---- interpreters --------------------------------------------------------------------------- */

#define LEAST_INTERPRETERS 3 /* more at the end than at the beginning */

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

/* Who makes them: what was allocated while one was made, or got an item then. That it did make one
 * is sure, however few were seen. */
static const struct stack *find_interpreter_maker(const struct profile *profile)
{
	const struct profile_growing_containers *growing = profile->growing_containers;
	const struct stack *best = find_list_maker(profile, LISTED_INTERPRETERS, makes_interpreter);

	if (best)
		return best;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (stack_is_outstanding(stack) && makes_interpreter(stack) &&
		    (!best || stack->outstanding_bytes > best->outstanding_bytes))
			best = stack;
	}
	for (size_t i = 0; growing && i < growing->n_rows && !best; i++)
		for (size_t j = 0; j < growing->rows[i].row.n_stacks && !best; j++)
			if (makes_interpreter(&growing->rows[i].row.stacks[j].stack))
				best = &growing->rows[i].row.stacks[j].stack;
	return best;
}

/* return false: they do not get more */
static bool add_interpreters(struct finding *to, struct profile *profile)
{
	const struct profile_retention *part = profile->retention;
	const struct trend_row *row = &profile->trend->rows[TREND_INTERPRETERS];

	if (row->shape != FIT_STEADY || row->last < row->first + LEAST_INTERPRETERS)
		return false;
	*to = (struct finding){.cause = CAUSE_INTERPRETER, .confidence = row->confidence};
	for (size_t i = 0; i < part->n_rows; i++) {
		if (part->rows[i].kind != RETENTION_INTERPRETERS || !grows(&part->rows[i]))
			continue;
		to->bytes_per_s += part->rows[i].bytes_per_s;
		to->least_per_s += part->rows[i].least_bytes_per_s;
		to->most_per_s += part->rows[i].most_bytes_per_s;
	}
	/* one is the main one */
	to->sentence =
		profile_format(profile, "sub-interpreters do not end: %s became %s (+%s/min)",
			       fmt_count(row->first - 1).text, fmt_count(row->last - 1).text,
			       fmt_per_second(row->per_s * 60).text);
	add_evidence(to, profile, "interpreters_at_first", (double)row->first,
		     "interpreters at first");
	add_evidence(to, profile, "interpreters_now", (double)row->last, "interpreters now");
	set_stack(to, profile, find_interpreter_maker(profile), "made by");
	if (!to->stack)
		set_next(to, profile, NULL, "--exact");
	return true;
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Does the row get a finding of its own? */
static bool is_one_by_itself(const struct retention *row)
{
	return row->kind != RETENTION_GARBAGE && row->kind != RETENTION_FIXED &&
	       row->kind != RETENTION_INTERPRETERS && grows(row) && !is_small_change(row);
}

static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->least_per_s != y->least_per_s)
		return x->least_per_s > y->least_per_s ? -1 : 1;
	return (int)x->cause - (int)y->cause;
}

/* Of the growth of objects: what may be their buffers, though none was seen to refer to them. */
#define ASTRAY 0.03

/* Blocks that are few beside the objects may be theirs: a table that is moved while it is read. */
static bool may_be_of_objects(const struct finding *finding, const struct profile *profile)
{
	return (finding->cause == CAUSE_C_MEMORY || finding->cause == CAUSE_PYMALLOC) &&
	       finding->bytes_per_s < ASTRAY * profile->trend->rows[TREND_PART_OBJECTS].per_s;
}

size_t findings_collect(struct finding *findings, size_t room, struct profile *profile)
{
	static const enum trend_kind parts[] = {TREND_PART_MALLOC, TREND_PART_PYMALLOC,
						TREND_PART_MAPPINGS};
	const struct profile_retention *retention = profile->retention;
	size_t n = 0, n_parts = sizeof(parts) / sizeof(parts[0]);

	if (n < room && add_threads(&findings[n], profile))
		n++;
	if (n < room && add_interpreters(&findings[n], profile))
		n++;
	for (size_t i = 0; i < n_parts && n < room; i++) {
		if (!trend_grows(&profile->trend->rows[parts[i]]))
			continue;
		add_part(&findings[n], profile, parts[i]);
		n += !may_be_of_objects(&findings[n], profile);
	}
	if (n < room && add_cycles(&findings[n], profile))
		n++;
	for (size_t i = 0; i < retention->n_rows && n < room; i++)
		if (is_one_by_itself(&retention->rows[i]))
			add_retention(&findings[n++], profile, &retention->rows[i]);
	n = along_absorb(findings, n, CAUSE_THREAD, profile->trend->rows[TREND_THREADS].per_s);
	n = along_absorb(findings, n, CAUSE_INTERPRETER,
			 profile->trend->rows[TREND_INTERPRETERS].per_s);
	qsort(findings, n, sizeof(*findings), compare);
	return n;
}
