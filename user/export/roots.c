/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/roots.h"

#include <stdio.h>
#include <string.h>

struct profile *roots_new(const struct profile *profile)
{
	const struct grouping *grouping = profile->grouping;
	struct profile *rooted = profile_new();
	struct profile_arena *arena;
	const char **titles;

	if (!rooted)
		return NULL;
	arena = rooted->arena;
	*rooted = *profile;
	rooted->arena = arena;
	titles = profile_alloc(rooted, grouping->n_groups * sizeof(*titles));
	for (size_t i = 0; i < grouping->n_groups; i++) {
		char text[PROFILE_STRING_MAX];

		snprintf(text, sizeof(text), "%s %s", group_by_name(grouping->by),
			 grouping->groups[i].title);
		titles[i] = profile_str(rooted, text, -1);
	}
	rooted->stacks = profile_alloc(rooted, profile->n_stacks * sizeof(*rooted->stacks));
	for (size_t i = 0; i < profile->n_stacks; i++) {
		struct stack *stack = &rooted->stacks[i];
		struct frame *frames;

		*stack = profile->stacks[i];
		frames = profile_alloc(rooted, (stack->n_frames + 1) * sizeof(*frames));
		frames[0] = (struct frame){.kind = FRAME_GROUP,
					   .function = titles[grouping->of_stack[i]]};
		if (stack->n_frames)
			memcpy(frames + 1, stack->frames, stack->n_frames * sizeof(*frames));
		stack->frames = frames;
		stack->n_frames++;
	}
	return rooted;
}
