/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/walk.h"

#include <stdlib.h>

int walk_begin(struct walk *walk, pid_t pid, const struct py_runtime *runtime,
	       const struct maps *maps, struct err *err)
{
	int result = memory_open(&walk->memory, pid, err);

	for (size_t i = 0; i < ALLOCATORS && !result; i++) {
		void *state = calloc(1, allocators[i]->state_size);

		if (!state)
			return err_set(err, ERR_FAILED, "no memory to walk the heap of pid %d",
				       (int)pid);
		if (allocators[i]->begin(state, walk, runtime, maps)) {
			walk->states[i] = state;
			walk->knows_malloc |= allocators[i]->is_malloc;
		} else {
			free(state);
		}
	}
	return result;
}

void walk_end(struct walk *walk)
{
	memory_close(&walk->memory);
	for (size_t i = 0; i < ALLOCATORS; i++) {
		free(walk->states[i]);
		walk->states[i] = NULL;
	}
}

static uint64_t page_end(uint64_t address)
{
	return (address + MEMORY_PAGE - 1) & ~(uint64_t)(MEMORY_PAGE - 1);
}

/* return the end of what begins at this page */
static uint64_t walk_page(struct walk *walk, uint64_t page)
{
	uint64_t end = 0;

	if (!memory_peek(&walk->memory, page, MEMORY_PAGE))
		return page + MEMORY_PAGE;
	if (!memory_page_present(&walk->memory, page))
		return memory_after_absent(&walk->memory, page);
	for (size_t i = 0; i < ALLOCATORS && !end; i++)
		if (walk->states[i])
			end = allocators[i]->take_page(walk->states[i], page);
	return page_end(end);
}

/* return the end of the span that the page lies in, or 0 */
static uint64_t step_over_span(struct walk *walk, uint64_t page)
{
	const struct walk_span *span;
	uint64_t end;

	while (walk->next_span < walk->n_spans && walk->spans[walk->next_span].end <= page)
		walk->next_span++;
	span = &walk->spans[walk->next_span];
	if (walk->next_span == walk->n_spans || span->start > page)
		return 0;
	end = page_end(span->end);
	end = end < walk->range->end ? end : walk->range->end;
	walk->span_bytes += memory_resident(&walk->memory, page, end);
	return end;
}

void walk_range(struct walk *walk, const struct map_range *range)
{
	uint64_t page = range->start;

	walk->range = range;
	memory_begin(&walk->memory, range);
	for (size_t i = 0; i < ALLOCATORS; i++)
		if (walk->states[i] && allocators[i]->take_range &&
		    allocators[i]->take_range(walk->states[i]))
			return;
	while (page < range->end && !walk->memory.gone) {
		uint64_t end = step_over_span(walk, page);

		page = end ? end : walk_page(walk, page);
	}
}

void walk_add_usage(const struct walk *walk, struct heap_usage *usage)
{
	usage->stacks_bytes += walk->span_bytes;
	for (size_t i = 0; i < ALLOCATORS; i++)
		if (walk->states[i])
			allocators[i]->add_usage(walk->states[i], usage);
	usage->pymalloc_bytes = usage->pools_used_bytes;
	if (usage->pools_bytes > usage->pools_used_bytes)
		usage->pools_free_bytes = usage->pools_bytes - usage->pools_used_bytes;
}
