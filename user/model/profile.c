/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/profile.h"

#include <inttypes.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

struct interned {
	UT_hash_handle hh;
	char text[];
};

struct profile_arena {
	struct chunk *chunks; /* the one being filled first */
	struct interned *strings;
};

/* ---- names ---------------------------------------------------------------------------------- */

const char *domain_name(enum domain domain)
{
	static const char *const names[DOMAIN_COUNT] = {"malloc", "object", "mmap"};

	return (unsigned)domain < DOMAIN_COUNT ? names[domain] : "unknown";
}

const char *trace_how_name(enum trace_how how)
{
	static const char *const names[] = {[TRACE_ALL] = "all",
					    [TRACE_SAMPLED] = "sampled",
					    [TRACE_WINDOWS] = "windows",
					    [TRACE_NONE] = "none"};

	return (unsigned)how < sizeof(names) / sizeof(names[0]) ? names[how] : "?";
}

const char *frame_kind_name(enum frame_kind kind)
{
	static const char *const names[] = {"python", "native", "gap", "group"};

	return (unsigned)kind <= FRAME_GROUP ? names[kind] : "gap";
}

/* ---- memory --------------------------------------------------------------------------------- */

static void out_of_memory(void)
{
	fputs("pyleaktrace: out of memory\n", stderr);
	exit(EXIT_FAILURE); /* not abort(): what was set up with atexit() is taken back */
}

struct profile *profile_new(void)
{
	struct profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return NULL;
	profile->arena = calloc(1, sizeof(*profile->arena));
	if (!profile->arena) {
		free(profile);
		return NULL;
	}
	profile->mode.max_size = UINT64_MAX;
	return profile;
}

void profile_free(struct profile *profile)
{
	struct chunk *chunk, *next;

	if (!profile)
		return;
	HASH_CLEAR(hh, profile->arena->strings);
	for (chunk = profile->arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(profile->arena);
	free(profile);
}

void *profile_alloc(struct profile *profile, size_t size)
{
	struct profile_arena *arena = profile->arena;
	struct chunk *chunk = arena->chunks;
	void *memory;

	if (size > SIZE_MAX / 2)
		out_of_memory();
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES;
		struct chunk *fresh = calloc(1, sizeof(*fresh) + room);

		if (!fresh)
			out_of_memory();
		fresh->size = room;
		if (chunk && room == size) { /* a large one: go on filling the chunk at hand */
			fresh->next = chunk->next;
			chunk->next = fresh;
		} else {
			fresh->next = chunk;
			arena->chunks = fresh;
		}
		chunk = fresh;
	}
	memory = (char *)chunk->bytes + chunk->used;
	chunk->used += size;
	return memory;
}

const char *profile_str(struct profile *profile, const char *text, long length)
{
	struct profile_arena *arena = profile->arena;
	struct interned *found;
	size_t room, n;

	if (!text)
		return NULL;
	room = length < 0 || length > PROFILE_STRING_MAX ? PROFILE_STRING_MAX : (size_t)length;
	n = strnlen(text, room);
	if (n == PROFILE_STRING_MAX) {
		n--;
		/* not inside a character: step back over at most three continuation bytes */
		for (int i = 0; i < 3 && ((unsigned char)text[n] & 0xc0) == 0x80; i++)
			n--;
	}
	HASH_FIND(hh, arena->strings, text, n, found);
	if (found)
		return found->text;
	found = profile_alloc(profile, sizeof(*found) + n + 1);
	memcpy(found->text, text, n);
	HASH_ADD_KEYPTR(hh, arena->strings, found->text, n, found);
	return found->text;
}

const char *profile_format(struct profile *profile, const char *format, ...)
{
	char text[PROFILE_STRING_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return profile_str(profile, text, -1);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int compare_text(const char *a, const char *b)
{
	if (a == b)
		return 0;
	if (!a || !b)
		return a ? 1 : -1;
	return strcmp(a, b);
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int frame_compare(const struct frame *a, const struct frame *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (!order)
		order = compare_text(a->function, b->function);
	if (!order)
		order = compare_text(a->file, b->file);
	if (!order)
		order = compare_u64(a->line, b->line);
	if (!order)
		order = compare_text(a->module, b->module);
	if (!order)
		order = compare_u64(a->offset, b->offset);
	if (!order)
		order = (int)a->inlined - (int)b->inlined;
	if (!order)
		order = compare_text(a->path, b->path);
	if (!order)
		order = compare_u64(a->start, b->start);
	return order;
}

static bool is_set(const char *text)
{
	return text && *text;
}

/* Where a native frame without file is. "[vdso]" comes with its brackets. */
static void put_module(const struct frame *frame, char *place, size_t size)
{
	const char *module = frame->module;
	size_t n = strlen(module);
	int bracketed = n > 2 && module[0] == '[' && module[n - 1] == ']';

	module += bracketed;
	n -= 2 * (size_t)bracketed;
	snprintf(place, size, " [%.*s]", (int)n, module);
}

/* Of other code the offset is an address. */
static bool is_in_file(const struct frame *frame)
{
	return frame->kind == FRAME_NATIVE && is_set(frame->module) && is_set(frame->path);
}

/* Of the path of a C source that was compiled elsewhere only its end says something here. */
static const char *file_shown(const struct frame *frame)
{
	const char *slash = NULL;

	if (frame->kind == FRAME_NATIVE && frame->file)
		slash = strrchr(frame->file, '/');
	return slash && slash[1] ? slash + 1 : frame->file;
}

const char *frame_text(const struct frame *frame, char *text, size_t size)
{
	char name[PROFILE_STRING_MAX + 24], place[2 * PROFILE_STRING_MAX + 24] = "";
	const char *file = file_shown(frame);
	bool named = is_set(frame->function);

	if (frame->kind == FRAME_GAP) {
		const char *why = named ? frame->function : "unknown";

		/* reasons may come with their brackets */
		snprintf(text, size, *why == '[' ? "%s" : "[%s]", why);
		return text;
	}
	if (frame->kind == FRAME_PYTHON || frame->kind == FRAME_GROUP || (named && frame->inlined))
		snprintf(name, sizeof(name), "%s", named ? frame->function : "?");
	else if (named)
		snprintf(name, sizeof(name), "%s+0x%" PRIx64, frame->function, frame->offset);
	else if (is_in_file(frame))
		snprintf(name, sizeof(name), "%s+0x%" PRIx64, frame->module, frame->offset);
	else
		snprintf(name, sizeof(name), "0x%" PRIx64, frame->offset);

	if (is_set(file) && frame->line)
		snprintf(place, sizeof(place), " (%s:%" PRIu32 ")", file, frame->line);
	else if (is_set(file))
		snprintf(place, sizeof(place), " (%s)", file);
	else if (is_set(frame->module) && (named || !is_in_file(frame)))
		put_module(frame, place, sizeof(place));
	snprintf(text, size, "%s%s", name, place);
	return text;
}

/* ---- merging -------------------------------------------------------------------------------- */

int stack_compare_frames(const struct stack *a, const struct stack *b)
{
	size_t n = a->n_frames < b->n_frames ? a->n_frames : b->n_frames;

	if (a->frames != b->frames)
		for (size_t i = 0; i < n; i++) {
			int order = frame_compare(&a->frames[i], &b->frames[i]);

			if (order)
				return order;
		}
	return compare_u64(a->n_frames, b->n_frames);
}

static int compare_sites(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;
	int order = (int)x->domain - (int)y->domain;

	if (!order)
		order = compare_u64(x->thread_id, y->thread_id);
	if (!order)
		order = (x->pid > y->pid) - (x->pid < y->pid);
	return order ? order : stack_compare_frames(x, y);
}

static int compare_type_names(const void *a, const void *b)
{
	return compare_text(((const struct type_share *)a)->name,
			    ((const struct type_share *)b)->name);
}

static int compare_type_sizes(const void *a, const void *b)
{
	const struct type_share *x = a, *y = b;
	int order = -compare_u64(x->bytes, y->bytes);

	if (!order)
		order = -compare_u64(x->count, y->count);
	return order ? order : compare_text(x->name, y->name);
}

static void sum_types(struct profile *profile, struct stack *into, const struct stack *const *from,
		      size_t n_from)
{
	struct type_share *all;
	size_t n = into->n_types, kept = 0;

	for (size_t i = 0; i < n_from; i++)
		n += from[i]->n_types;
	if (n == into->n_types)
		return;
	all = profile_alloc(profile, n * sizeof(*all));
	n = into->n_types;
	if (n)
		memcpy(all, into->types, n * sizeof(*all));
	for (size_t i = 0; i < n_from; i++)
		if (from[i]->n_types) {
			memcpy(all + n, from[i]->types, from[i]->n_types * sizeof(*all));
			n += from[i]->n_types;
		}
	qsort(all, n, sizeof(*all), compare_type_names);
	for (size_t i = 0; i < n; i++) {
		if (kept && !compare_text(all[kept - 1].name, all[i].name)) {
			sum_add(&all[kept - 1].count, all[i].count);
			sum_add(&all[kept - 1].bytes, all[i].bytes);
		} else {
			all[kept++] = all[i];
		}
	}
	qsort(all, kept, sizeof(*all), compare_type_sizes);
	into->types = all;
	into->n_types = kept;
}

void stack_sum(struct profile *profile, struct stack *into, const struct stack *const *from,
	       size_t n_from)
{
	for (size_t i = 0; i < n_from; i++) {
		if (stack_is_outstanding(from[i]) &&
		    (!stack_is_outstanding(into) || from[i]->newest_s < into->newest_s))
			into->newest_s = from[i]->newest_s;
		into->estimated |= from[i]->estimated;
		into->seen += from[i]->seen;
		/* errors of different stacks have nothing to do with each other */
		into->bytes_error = hypot(into->bytes_error, from[i]->bytes_error);
		into->count_error = hypot(into->count_error, from[i]->count_error);
		sum_add(&into->outstanding_bytes, from[i]->outstanding_bytes);
		sum_add(&into->outstanding_count, from[i]->outstanding_count);
		sum_add(&into->allocated_bytes, from[i]->allocated_bytes);
		sum_add(&into->allocated_count, from[i]->allocated_count);
		sum_add(&into->freed_count, from[i]->freed_count);
		if (from[i]->oldest_s > into->oldest_s)
			into->oldest_s = from[i]->oldest_s;
		into->growth_bytes_per_s += from[i]->growth_bytes_per_s;
		sum_add(&into->types_sampled, from[i]->types_sampled);
	}
	sum_types(profile, into, from, n_from);
}

void profile_merge(struct profile *profile)
{
	struct stack *stacks = profile->stacks;
	size_t n = profile->n_stacks, kept = 0, next;
	const struct stack **equal;

	if (n < 2)
		return;
	equal = malloc(n * sizeof(*equal));
	if (!equal)
		out_of_memory();
	qsort(stacks, n, sizeof(*stacks), compare_sites);
	for (size_t i = 0; i < n; i = next) {
		size_t n_equal = 0;

		for (next = i + 1; next < n && !compare_sites(&stacks[i], &stacks[next]); next++)
			equal[n_equal++] = &stacks[next];
		stacks[kept] = stacks[i];
		stack_sum(profile, &stacks[kept++], equal, n_equal);
	}
	free(equal);
	profile->n_stacks = kept;
}

/* ---- sorting -------------------------------------------------------------------------------- */

/* Greatest first; what is not a number counts as nothing, so that the order stays total. */
static int compare_down(double a, double b)
{
	a = a == a ? a : 0;
	b = b == b ? b : 0;
	return (a < b) - (a > b);
}

bool stack_is_outstanding(const struct stack *stack)
{
	return stack->outstanding_bytes || stack->outstanding_count;
}

bool stack_is_sure(const struct stack *stack)
{
	return !stack->estimated || stack->bytes_error < (double)stack->outstanding_bytes;
}

/* The lower end of the interval: what an estimate is sure of. What was counted is sure. */
static double sure_of(uint64_t figure, double error)
{
	return fmax((double)figure - error, 0);
}

int stack_compare_ranks(const struct stack *a, const struct stack *b, enum profile_order by)
{
	int order = (int)stack_is_outstanding(b) - (int)stack_is_outstanding(a);

	if (!order && by == ORDER_COUNT)
		order = compare_down(sure_of(a->outstanding_count, a->count_error),
				     sure_of(b->outstanding_count, b->count_error));
	if (!order && by == ORDER_GROWTH)
		order = compare_down(a->growth_bytes_per_s, b->growth_bytes_per_s);
	if (!order && by == ORDER_AGE)
		order = compare_down(a->oldest_s, b->oldest_s);
	if (!order && by != ORDER_COUNT)
		order = compare_down(sure_of(a->outstanding_bytes, a->bytes_error),
				     sure_of(b->outstanding_bytes, b->bytes_error));
	if (!order)
		order = -compare_u64(a->outstanding_bytes, b->outstanding_bytes);
	return order ? order : -compare_u64(a->outstanding_count, b->outstanding_count);
}

static int compare_stacks(const void *a, const void *b, void *context)
{
	const struct stack *x = a, *y = b;
	int order = stack_compare_ranks(x, y, *(const enum profile_order *)context);

	if (!order)
		order = stack_compare_frames(x, y);
	return order ? order : compare_sites(x, y);
}

void profile_sort(struct profile *profile, enum profile_order order)
{
	if (profile->n_stacks > 1)
		qsort_r(profile->stacks, profile->n_stacks, sizeof(*profile->stacks),
			compare_stacks, &order);
}

const struct profile_target *profile_target_of(const struct profile *profile,
					       const struct stack *stack)
{
	for (size_t i = 0; i < profile->n_targets; i++)
		if (profile->targets[i].pid == stack->pid)
			return &profile->targets[i];
	return &profile->target;
}

bool profile_counts_calls(const struct profile *profile)
{
	return !profile->mode.n_parts || profile->totals.allocated_count;
}

void profile_note(struct profile *profile, const char *name, const char *sentence)
{
	struct note *notes =
		profile_alloc(profile, (profile->n_notes + 1) * sizeof(*profile->notes));

	if (profile->n_notes)
		memcpy(notes, profile->notes, profile->n_notes * sizeof(*notes));
	notes[profile->n_notes++] =
		(struct note){.name = name, .sentence = profile_str(profile, sentence, -1)};
	profile->notes = notes;
}

void profile_add_losses(struct profile *profile, const struct loss *losses, size_t n)
{
	struct loss *all = profile_alloc(profile, (profile->n_losses + n + 1) * sizeof(*all));
	size_t n_all = 0;

	for (size_t i = 0; i < profile->n_losses; i++)
		all[n_all++] = profile->losses[i];
	for (size_t i = 0; i < n; i++)
		if (losses[i].count)
			all[n_all++] = losses[i];
	profile->losses = all;
	profile->n_losses = n_all;
}

bool profile_has_loss(const struct profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->n_losses; i++)
		if (profile->losses[i].name && !strcmp(profile->losses[i].name, name))
			return true;
	return false;
}
