/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/unpaired.h"

#include <stdlib.h>
#include <string.h>

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Are they frames of one function? */
static int compare_function(const struct frame *a, const struct frame *b)
{
	int result = (a->kind > b->kind) - (a->kind < b->kind);

	if (!result)
		result = compare_text(a->function, b->function);
	if (!result)
		result = compare_text(a->file, b->file);
	return result ? result : compare_text(a->module, b->module);
}

static int compare(const void *a, const void *b)
{
	const struct stack *x = &((const struct heap_watch_stack *)a)->stack,
			   *y = &((const struct heap_watch_stack *)b)->stack;

	for (size_t i = 0; i < x->n_frames && i < y->n_frames; i++) {
		int result = compare_function(&x->frames[i], &y->frames[i]);

		if (result)
			return result;
	}
	return (x->n_frames > y->n_frames) - (x->n_frames < y->n_frames);
}

static int64_t net_of(const struct heap_watch_stack *stack)
{
	return (int64_t)(stack->inserted - stack->removed);
}

static int64_t sum(const struct heap_watch_stack *stacks, size_t n)
{
	int64_t net = 0;

	for (size_t i = 0; i < n; i++)
		net += net_of(&stacks[i]);
	return net;
}

/* How many of the stacks go on as the first one does, with the same function at `depth`. */
static size_t run_length(const struct heap_watch_stack *stacks, size_t n, size_t depth)
{
	size_t i = 1;

	while (i < n &&
	       !compare_function(&stacks[i].stack.frames[depth], &stacks[0].stack.frames[depth]))
		i++;
	return i;
}

/* Do they all take more than they drop, or all drop more? Else one that was called may make up for
 * another. */
static bool go_one_way(const struct heap_watch_stack *stacks, size_t n, size_t depth)
{
	bool more = false, less = false;

	for (size_t i = 0, run; i < n; i += run) {
		int64_t net;

		run = run_length(stacks + i, n - i, depth);
		net = sum(stacks + i, run);
		more |= net > 0;
		less |= net < 0;
	}
	return !(more && less);
}

/* What is unpaired in the stacks, which are of one function down to `depth`. */
static size_t blame(struct unpaired *unpaired, const struct heap_watch_stack *stacks, size_t n,
		    size_t depth)
{
	int64_t net = sum(stacks, n), most = -1;
	size_t own = 0, found = 0;

	if (!net)
		return 0;
	/* shorter ones come first */
	while (own < n && stacks[own].stack.n_frames == depth)
		own++;
	if (own < n && !sum(stacks, own) && go_one_way(stacks + own, n - own, depth)) {
		for (size_t i = own, run; i < n; i += run) {
			run = run_length(stacks + i, n - i, depth);
			found += blame(unpaired + found, stacks + i, run, depth + 1);
		}
		return found;
	}
	unpaired->net = net;
	for (size_t i = 0; i < n; i++) {
		if (llabs(net_of(&stacks[i])) <= most)
			continue;
		most = llabs(net_of(&stacks[i]));
		unpaired->stack = stacks[i].stack;
		unpaired->stack.n_frames = depth;
	}
	return 1;
}

static int compare_net(const void *a, const void *b)
{
	long long x = llabs(((const struct unpaired *)a)->net),
		  y = llabs(((const struct unpaired *)b)->net);

	if (x != y)
		return x > y ? -1 : 1;
	return stack_compare_frames(&((const struct unpaired *)a)->stack,
				    &((const struct unpaired *)b)->stack);
}

size_t unpaired_find(struct unpaired *unpaired, struct heap_watch_stack *stacks, size_t n)
{
	size_t found;

	qsort(stacks, n, sizeof(*stacks), compare);
	found = blame(unpaired, stacks, n, 0);
	qsort(unpaired, found, sizeof(*unpaired), compare_net);
	return found;
}
