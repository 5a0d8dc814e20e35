/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/heap_watch.h"

#include <stdlib.h>

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

void heap_watch_settle(struct heap_watch_row *row, struct heap_watch_stack *stacks, size_t n)
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
