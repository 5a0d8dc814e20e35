/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/group.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_SHOWN 72 /* characters of a command line in a title */

/* What the stacks of a group have in common: the parts that its kind does not look at are empty. */
struct key {
	struct frame frame;
	struct package package;
	uint64_t number; /* thread or process */
	/* not compared */
	const char *elf_name;
	size_t stack;
};

const char *group_by_name(enum group_by by)
{
	static const char *const names[] = {"stack", "line", "function", "module", "thread", "pid"};

	return (unsigned)by < GROUP_BY_COUNT ? names[by] : "stack";
}

/* ---- keys ----------------------------------------------------------------------------------- */

static const struct frame *innermost_python(const struct stack *stack)
{
	for (size_t i = stack->n_frames; i-- > 0;)
		if (stack->frames[i].kind == FRAME_PYTHON)
			return &stack->frames[i];
	return NULL;
}

/* The frame whose package decides whose the stack is; NULL: there are no frames. */
static const struct frame *deciding(const struct stack *stack, const char *interpreter)
{
	enum package_kind best = PACKAGE_NONE;
	const struct frame *found = NULL;

	for (size_t i = stack->n_frames; i-- > 0;) {
		const struct frame *frame = &stack->frames[i];
		enum package_kind kind = package_of(frame, interpreter).kind;

		if (package_decides(kind))
			return frame;
		if (!found || kind < best) {
			found = frame;
			best = kind;
		}
	}
	return found;
}

static bool is_named(const struct frame *frame)
{
	return frame->function && *frame->function;
}

/* A frame with that only in it which one line, or one function, has in common. */
static struct frame place_of(const struct frame *frame, bool line)
{
	struct frame place = *frame;

	if (!line)
		place.line = 0;
	if (is_named(frame) && (!line || frame->line || frame->inlined))
		place.offset = 0;
	else if (!is_named(frame) && !line && frame->start)
		place.offset = frame->start;
	place.inlined = false;
	return place;
}

static struct key key_of(const struct profile *profile, size_t i, enum group_by by)
{
	const struct stack *stack = &profile->stacks[i];
	const struct profile_target *target = profile_target_of(profile, stack);
	const struct frame *frame = NULL;
	struct key key = {.frame.kind = FRAME_GAP, .package.kind = PACKAGE_NONE, .stack = i};

	if (by == GROUP_LINE || by == GROUP_FUNCTION)
		frame = innermost_python(stack);
	if (!frame && by <= GROUP_MODULE)
		frame = deciding(stack, target->python_module);
	switch (by) {
	case GROUP_LINE:
	case GROUP_FUNCTION:
		if (frame)
			key.frame = place_of(frame, by == GROUP_LINE);
		break;
	case GROUP_MODULE:
		if (frame)
			key.package = package_of(frame, target->python_module);
		if (frame && frame->kind == FRAME_NATIVE)
			key.elf_name = frame->module;
		break;
	case GROUP_THREAD:
		key.number = stack->thread_id;
		break;
	default:
		key.number = (uint64_t)target->pid;
	}
	return key;
}

static int compare_packages(const struct package *a, const struct package *b)
{
	size_t n = a->length < b->length ? a->length : b->length;
	int order = (int)a->kind - (int)b->kind;

	if (!order && n)
		order = memcmp(a->name, b->name, n);
	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_kin(const struct key *a, const struct key *b)
{
	int order = (a->number > b->number) - (a->number < b->number);

	if (!order)
		order = compare_packages(&a->package, &b->package);
	return order ? order : frame_compare(&a->frame, &b->frame);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = compare_kin(x, y);

	return order ? order : (x->stack > y->stack) - (x->stack < y->stack);
}

/* ---- titles --------------------------------------------------------------------------------- */

/* "4242 (gunicorn app:main ...)": the program without its folder, and as many words as fit */
static void title_of_process(char *text, size_t size, const struct profile_target *target)
{
	size_t used = (size_t)snprintf(text, size, "%d", target->pid), shown = 0;

	for (size_t i = 0; i < target->n_cmdline; i++) {
		const char *slash = i ? NULL : strrchr(target->cmdline[i], '/');
		const char *word = slash ? slash + 1 : target->cmdline[i];

		shown += strlen(word) + 1;
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : " (",
					 shown > COMMAND_SHOWN ? "..." : word);
		if (shown > COMMAND_SHOWN)
			break;
	}
	if (target->n_cmdline)
		snprintf(text + used, size - used, ")");
}

static void title_of_package(char *text, size_t size, const struct group *group)
{
	const struct package *package = &group->package;
	const char *more = package->kind == PACKAGE_STDLIB        ? "stdlib"
			   : package->kind == PACKAGE_INTERPRETER ? "interpreter"
			   : package->kind == PACKAGE_INSTALLED   ? group->elf_name
								  : NULL;

	if (!package->length)
		snprintf(text, size, "[no frames]");
	else if (package->kind == PACKAGE_GAP && *package->name != '[')
		snprintf(text, size, "[%.*s]", (int)package->length, package->name);
	else
		snprintf(text, size, more ? "%.*s [%s]" : "%.*s", (int)package->length,
			 package->name, more);
}

static const char *title_of(struct profile *profile, const struct group *group, enum group_by by)
{
	struct frame place = group->frame;
	char text[FRAME_TEXT_MAX];

	switch (by) {
	case GROUP_MODULE:
		title_of_package(text, sizeof(text), group);
		break;
	case GROUP_THREAD:
		if (!group->sum.thread_id)
			return "[not known]";
		if (group->sum.thread)
			snprintf(text, sizeof(text), "%s (tid %" PRIu32 ")", group->sum.thread,
				 group->sum.thread_id);
		else
			snprintf(text, sizeof(text), "tid %" PRIu32, group->sum.thread_id);
		break;
	case GROUP_PID:
		title_of_process(text, sizeof(text), profile_target_of(profile, &group->sum));
		break;
	default:
		if (!group->sum.n_frames)
			return "[no frames]";
		place.inlined = is_named(&place) && !place.offset; /* written without an offset */
		frame_text(&place, text, sizeof(text));
	}
	return profile_str(profile, text, -1);
}

/* ---- groups --------------------------------------------------------------------------------- */

/* One group of the stacks of n keys, which are in the order of the stacks. */
static struct group make_group(struct profile *profile, const struct key *keys, size_t n,
			       enum group_by by, const struct stack **members)
{
	struct group group = {.frame = keys[0].frame,
			      .package = keys[0].package,
			      .largest = keys[0].stack,
			      .elf_name = keys[0].elf_name};
	const struct stack *largest = &profile->stacks[group.largest];

	for (size_t i = 0; i < n; i++) {
		const struct stack *stack = members[i] = &profile->stacks[keys[i].stack];

		if (!stack_is_outstanding(stack))
			continue;
		group.n_stacks++;
		group.domains |= domain_bit(stack->domain);
		if (group.elf_name &&
		    (!keys[i].elf_name || strcmp(group.elf_name, keys[i].elf_name)))
			group.elf_name = NULL;
	}
	group.sum.domain = largest->domain;
	group.sum.frames = largest->frames;
	group.sum.n_frames = largest->n_frames;
	group.sum.thread_id = largest->thread_id;
	group.sum.thread = largest->thread;
	group.sum.pid = largest->pid;
	stack_sum(profile, &group.sum, members, n);
	group.title = title_of(profile, &group, by);
	return group;
}

struct order {
	const struct group *groups;
	enum profile_order by;
};

static int compare_groups(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	const struct group *x = &order->groups[*(const size_t *)a];
	const struct group *y = &order->groups[*(const size_t *)b];
	int result = stack_compare_ranks(&x->sum, &y->sum, order->by);

	if (!result)
		result = strcmp(x->title, y->title);
	return result ? result : (x->largest > y->largest) - (x->largest < y->largest);
}

/* Bring the groups into their order; of_stack follows. */
static void sort_groups(struct profile *profile, struct grouping *grouping, size_t *of_stack,
			enum profile_order by)
{
	size_t n = grouping->n_groups;
	size_t *order = profile_alloc(profile, n * sizeof(*order));
	size_t *moved_to = profile_alloc(profile, n * sizeof(*moved_to));
	struct group *sorted = profile_alloc(profile, n * sizeof(*sorted));
	struct order context = {grouping->groups, by};

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), compare_groups, &context);
	for (size_t i = 0; i < n; i++) {
		sorted[i] = grouping->groups[order[i]];
		moved_to[order[i]] = i;
	}
	for (size_t i = 0; i < profile->n_stacks; i++)
		of_stack[i] = moved_to[of_stack[i]];
	grouping->groups = sorted;
}

/* Outstanding bytes that are all of them, for shares. */
static double all_bytes(const struct profile *profile)
{
	double all = 0;

	if (profile->totals.outstanding_bytes)
		return (double)profile->totals.outstanding_bytes;
	for (size_t i = 0; i < profile->n_stacks; i++)
		all += (double)profile->stacks[i].outstanding_bytes;
	return all;
}

void profile_group(struct profile *profile, enum group_by by, enum profile_order order)
{
	size_t n = profile->n_stacks, next;
	struct grouping *grouping;
	const struct stack **members;
	size_t *of_stack;
	struct key *keys;
	double all;

	profile->grouping = NULL;
	if (by == GROUP_STACK)
		return;
	grouping = profile_alloc(profile, sizeof(*grouping));
	keys = profile_alloc(profile, n * sizeof(*keys));
	members = profile_alloc(profile, n * sizeof(*members));
	of_stack = profile_alloc(profile, n * sizeof(*of_stack));
	grouping->groups = profile_alloc(profile, n * sizeof(*grouping->groups));
	grouping->by = by;
	grouping->of_stack = of_stack;
	for (size_t i = 0; i < n; i++)
		keys[i] = key_of(profile, i, by);
	qsort(keys, n, sizeof(*keys), compare_keys);
	all = all_bytes(profile);
	for (size_t i = 0; i < n; i = next) {
		struct group *group = &grouping->groups[grouping->n_groups];

		for (next = i; next < n && !compare_kin(&keys[i], &keys[next]); next++)
			of_stack[keys[next].stack] = grouping->n_groups;
		*group = make_group(profile, &keys[i], next - i, by, members);
		group->share = all > 0 ? (double)group->sum.outstanding_bytes / all : 0;
		grouping->n_groups++;
	}
	sort_groups(profile, grouping, of_stack, order);
	profile->grouping = grouping;
}

/* ---- selection ------------------------------------------------------------------------------ */

static bool is_selected(const struct stack *stack, const char *const *modules, size_t n_modules)
{
	for (size_t i = 0; i < stack->n_frames; i++)
		for (size_t m = 0; m < n_modules; m++)
			if (package_has(&stack->frames[i], modules[m]))
				return true;
	return false;
}

void profile_select(struct profile *profile, const char *const *modules, size_t n_modules)
{
	struct selection *selection = &profile->selection;
	size_t kept = 0;

	if (!n_modules)
		return;
	selection->modules = modules;
	selection->n_modules = n_modules;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (is_selected(stack, modules, n_modules)) {
			profile->stacks[kept++] = *stack;
		} else if (stack_is_outstanding(stack)) {
			selection->left_out_stacks++;
			sum_add(&selection->left_out_bytes, stack->outstanding_bytes);
			sum_add(&selection->left_out_count, stack->outstanding_count);
		}
	}
	profile->n_stacks = kept;
}
