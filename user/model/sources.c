/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/sources.h"

#include <stdlib.h>
#include <string.h>

#include "model/package.h"

/* A line of a stack. */
struct place {
	const struct stack *stack;
	const char *path;
	uint32_t number;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int compare_files(const void *a, const void *b)
{
	const struct source_file *x = a, *y = b;

	if (x->most != y->most)
		return x->most > y->most ? -1 : 1;
	return strcmp(x->path, y->path);
}

static bool is_shown(const struct frame *frame)
{
	return frame->kind == FRAME_PYTHON && frame->file && frame->line && package_is_own(frame);
}

static size_t find_places(const struct profile *profile, struct place *places)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		for (size_t k = 0; k < stack->n_frames && stack_is_outstanding(stack); k++) {
			const struct frame *frame = &stack->frames[k];

			if (!is_shown(frame))
				continue;
			if (places)
				places[n] = (struct place){stack, frame->file, frame->line};
			n++;
		}
	}
	return n;
}

static void add_stack(struct source_line *line, const struct stack *stack)
{
	line->estimated |= stack->estimated;
	line->outstanding_bytes += stack->outstanding_bytes;
	line->outstanding_count += stack->outstanding_count;
	line->allocated_bytes += stack->allocated_bytes;
	line->growth_per_s += stack->growth_bytes_per_s;
}

/* places: sorted */
static void add_up(struct profile_sources *sources, struct source_line *lines,
		   const struct place *places, size_t n)
{
	struct source_file *file = NULL;

	for (size_t i = 0; i < n; i++) {
		bool is_new = !i || strcmp(places[i].path, places[i - 1].path);

		if (is_new) {
			file = &sources->files[sources->n_files++];
			*file = (struct source_file){.path = places[i].path, .lines = lines};
		}
		if (is_new || places[i].number != places[i - 1].number) {
			*lines++ = (struct source_line){.number = places[i].number};
			file->n_lines++;
		} else if (places[i].stack == places[i - 1].stack) {
			continue;
		}
		add_stack(&lines[-1], places[i].stack);
		if (lines[-1].outstanding_bytes > file->most)
			file->most = lines[-1].outstanding_bytes;
	}
}

struct profile_sources *sources_collect(struct profile *profile)
{
	size_t n = find_places(profile, NULL);
	struct profile_sources *sources = profile_alloc(profile, sizeof(*sources));
	struct place *places = profile_alloc(profile, (n + 1) * sizeof(*places));
	struct source_line *lines = profile_alloc(profile, (n + 1) * sizeof(*lines));

	sources->files = profile_alloc(profile, (n + 1) * sizeof(*sources->files));
	find_places(profile, places);
	qsort(places, n, sizeof(*places), compare_places);
	add_up(sources, lines, places, n);
	qsort(sources->files, sources->n_files, sizeof(*sources->files), compare_files);
	if (sources->n_files > SOURCES_FILES)
		sources->n_files = SOURCES_FILES;
	profile->sources = sources;
	return sources;
}
