/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/roots.h"

#include <stdio.h>
#include <string.h>

#include "export/exporter.h"
#include "export/findings.h"

#define ROOTS 2 /* group, finding */

static bool has_groups(const struct profile *profile)
{
	return profile->grouping && exporter_has_roots(profile->grouping->by);
}

bool roots_are_needed(const struct profile *profile, bool findings)
{
	return has_groups(profile) || (findings && findings_have_stacks(profile));
}

/* The titles of all groups. */
static const char **group_titles(struct profile *rooted, const struct grouping *grouping)
{
	const char **titles = profile_alloc(rooted, grouping->n_groups * sizeof(*titles));

	for (size_t i = 0; i < grouping->n_groups; i++) {
		char text[PROFILE_STRING_MAX];

		snprintf(text, sizeof(text), "%s %s", group_by_name(grouping->by),
			 grouping->groups[i].title);
		titles[i] = profile_str(rooted, text, -1);
	}
	return titles;
}

static void put_before(struct profile *rooted, struct stack *stack, const struct frame *roots,
		       size_t n_roots)
{
	struct frame *frames = profile_alloc(rooted, (stack->n_frames + n_roots) * sizeof(*frames));

	memcpy(frames, roots, n_roots * sizeof(*frames));
	if (stack->n_frames)
		memcpy(frames + n_roots, stack->frames, stack->n_frames * sizeof(*frames));
	stack->frames = frames;
	stack->n_frames += n_roots;
}

struct profile *roots_new(const struct profile *profile, bool findings)
{
	const struct grouping *grouping = has_groups(profile) ? profile->grouping : NULL;
	struct profile *rooted = profile_new();
	struct profile_arena *arena;
	const char **titles = NULL;

	if (!rooted)
		return NULL;
	arena = rooted->arena;
	*rooted = *profile;
	rooted->arena = arena;
	if (grouping)
		titles = group_titles(rooted, grouping);
	rooted->stacks = profile_alloc(rooted, profile->n_stacks * sizeof(*rooted->stacks));
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct finding *finding =
			findings ? findings_of(profile, &profile->stacks[i]) : NULL;
		char title[FINDINGS_TITLE_MAX];
		struct frame roots[ROOTS];
		size_t n = 0;

		if (grouping)
			roots[n++] = (struct frame){.kind = FRAME_GROUP,
						    .function = titles[grouping->of_stack[i]]};
		if (finding)
			roots[n++] =
				(struct frame){.kind = FRAME_GROUP,
					       .function = profile_str(
						       rooted, findings_title(finding, title), -1)};
		rooted->stacks[i] = profile->stacks[i];
		if (n)
			put_before(rooted, &rooted->stacks[i], roots, n);
	}
	return rooted;
}
