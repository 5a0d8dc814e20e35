/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/finding_fill.h"

#include <math.h>

#include "base/fmt.h"
#include "model/package.h"

void finding_set_stack(struct finding *to, struct profile *profile, const struct stack *stack,
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

void finding_set_next(struct finding *to, struct profile *profile, const char *verb,
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

void finding_add_evidence(struct finding *to, struct profile *profile, const char *kind,
			  double value, const char *unit)
{
	struct fmt number = value < 10 && value != floor(value) ? fmt_per_second(value)
								: fmt_count((uint64_t)value);
	const char *text = profile_format(profile, "%s %s", number.text, unit);

	to->evidence[to->n_evidence++] = (struct evidence){kind, text, value};
}
