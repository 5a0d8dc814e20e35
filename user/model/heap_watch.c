/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/heap_watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct heap_watch *heap_watch_new(struct profile *about, size_t n_rows)
{
	struct heap_watch *watch;

	if (!about)
		return NULL;
	watch = profile_alloc(about, sizeof(*watch));
	watch->about = about;
	watch->rows = profile_alloc(about, (n_rows + 1) * sizeof(*watch->rows));
	watch->n_rows = n_rows;
	return watch;
}

void heap_watch_losses_init(struct heap_watch_losses *losses)
{
	*losses = (struct heap_watch_losses){{
		{"hits_unseen",
		 "changes were counted by the processor and not seen by the program: their items "
		 "are counted with the next change that was seen",
		 0},
		{"hits_unread", "changes whose size could not be read", 0},
		{"hits_foreign", "changes while something else was in the container's place", 0},
		{"items_unexplained", "items more or less than the changes that were seen make", 0},
	}};
}

void heap_watch_losses_add(struct heap_watch_losses *losses, const struct heap_watch_row *row)
{
	losses->kinds[0].count += row->unseen;
	losses->kinds[1].count += row->unread;
	losses->kinds[2].count += row->foreign;
	losses->kinds[3].count += (uint64_t)llabs(row->unexplained);
}

static const struct frame *copy_frames(struct profile *profile, const struct stack *stack)
{
	struct frame *frames = profile_alloc(profile, (stack->n_frames + 1) * sizeof(*frames));

	for (size_t i = 0; i < stack->n_frames; i++) {
		struct frame *frame = &frames[i];

		*frame = stack->frames[i];
		frame->function = profile_str(profile, frame->function, -1);
		frame->file = profile_str(profile, frame->file, -1);
		frame->module = profile_str(profile, frame->module, -1);
		frame->path = profile_str(profile, frame->path, -1);
	}
	return frames;
}

void heap_watch_copy(struct profile *profile, struct heap_watch_row *to,
		     const struct heap_watch_row *from)
{
	struct heap_watch_stack *stacks =
		profile_alloc(profile, (from->n_stacks + 1) * sizeof(*stacks));

	*to = *from;
	to->path = profile_str(profile, from->path, -1);
	to->type = profile_str(profile, from->type, -1);
	to->now_type = profile_str(profile, from->now_type, -1);
	if (from->instances) {
		struct heap_watch_instances *instances = profile_alloc(profile, sizeof(*instances));

		*instances = *from->instances;
		to->instances = instances;
	}
	for (size_t i = 0; i < from->n_stacks; i++) {
		stacks[i] = from->stacks[i];
		stacks[i].stack.frames = copy_frames(profile, &from->stacks[i].stack);
		stacks[i].stack.thread = profile_str(profile, from->stacks[i].stack.thread, -1);
	}
	to->stacks = stacks;
}

static int compare_frames(const void *a, const void *b)
{
	const struct heap_watch_stack *x = a, *y = b;

	return stack_compare_frames(&x->stack, &y->stack);
}

static int compare(const void *a, const void *b)
{
	const struct heap_watch_stack *x = a, *y = b;

	if (x->inserted != y->inserted)
		return x->inserted > y->inserted ? -1 : 1;
	if (x->removed != y->removed)
		return x->removed > y->removed ? -1 : 1;
	return compare_frames(a, b);
}

void heap_watch_merge_stacks(struct heap_watch_row *row, struct heap_watch_stack *stacks, size_t n)
{
	size_t kept = 0;

	qsort(stacks, n, sizeof(*stacks), compare_frames);
	for (size_t i = 0; i < n; i++) {
		struct heap_watch_stack *into = &stacks[kept ? kept - 1 : 0];

		sum_add(&row->inserted, stacks[i].inserted);
		sum_add(&row->removed, stacks[i].removed);
		sum_add(&row->insertions, stacks[i].insertions);
		sum_add(&row->removals, stacks[i].removals);
		if (!kept || compare_frames(into, &stacks[i])) {
			stacks[kept++] = stacks[i];
			continue;
		}
		sum_add(&into->inserted, stacks[i].inserted);
		sum_add(&into->removed, stacks[i].removed);
		sum_add(&into->insertions, stacks[i].insertions);
		sum_add(&into->removals, stacks[i].removals);
	}
	qsort(stacks, kept, sizeof(*stacks), compare);
	row->stacks = stacks;
	row->n_stacks = kept;
}

void heap_watch_add_births(struct profile *profile, struct heap_watch_row *to,
			   const struct heap_watch_row *from)
{
	struct heap_watch_instances *sum = profile_alloc(profile, sizeof(*sum));
	struct heap_watch_stack *stacks =
		profile_alloc(profile, (to->n_stacks + from->n_stacks + 1) * sizeof(*stacks));
	struct heap_watch_row more;

	heap_watch_copy(profile, &more, from);
	*sum = *to->instances;
	sum_add(&sum->made, from->instances->made);
	sum_add(&sum->died, from->instances->died);
	sum->others += from->instances->others;
	sum->followed_s += from->instances->followed_s;
	to->instances = sum;
	to->inserted = to->removed = to->insertions = to->removals = 0;
	for (size_t i = 0; i < to->n_stacks; i++)
		stacks[i] = to->stacks[i];
	for (size_t i = 0; i < more.n_stacks; i++)
		stacks[to->n_stacks + i] = more.stacks[i];
	heap_watch_merge_stacks(to, stacks, to->n_stacks + more.n_stacks);
}

static double stayed(const struct heap_watch_stack *stack)
{
	return stack->inserted > stack->removed ? (double)(stack->inserted - stack->removed) : 0;
}

const struct heap_watch_stack *growing_class_maker(const struct growing_class *class)
{
	const struct heap_watch_instances *instances = class->row.instances;
	const struct heap_watch_stack *best = NULL;
	double all = 0, expected, chance;
	uint64_t least;

	if (!instances || !instances->known)
		return NULL;
	least = instances->sampled ? GROWING_CLASS_SAMPLED : GROWING_CLASS_LEAST;
	for (size_t i = 0; i < class->row.n_stacks; i++) {
		const struct heap_watch_stack *stack = &class->row.stacks[i];

		all += stayed(stack);
		if (!best || stayed(stack) > stayed(best))
			best = stack;
	}
	expected = class->per_s * instances->followed_s;
	chance = 3 * sqrt(fmax(expected, 0));
	if (!best || !best->stack.n_frames || stayed(best) < (double)least ||
	    stayed(best) < GROWING_CLASS_SHARE * all ||
	    (!instances->sampled && all < expected / 2 - chance) || all > expected * 2 + chance)
		return NULL;
	return best;
}

const char *heap_watch_fate_name(enum heap_watch_fate fate)
{
	static const char *const names[] = {[WATCH_SAME] = "same",
					    [WATCH_REPLACED] = "replaced",
					    [WATCH_GONE] = "gone",
					    [WATCH_UNKNOWN] = "unknown"};

	return names[fate];
}

const char *heap_watch_end_name(enum heap_watch_end end)
{
	static const char *const names[] = {[WATCH_TIME] = "time",
					    [WATCH_ASKED] = "signal",
					    [WATCH_OVERHEAD] = "overhead",
					    [WATCH_LOST] = "container",
					    [WATCH_TARGET] = "target"};

	return names[end];
}
