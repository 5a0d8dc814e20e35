/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/nameless.h"

#include <stdio.h>
#include <string.h>

#define MODULE_MOST 60 /* bytes of a name */

struct files {
	const struct frame *first[NAMELESS_FILES]; /* a frame of each */
	size_t n;
	bool more;
};

static void add(struct files *files, const struct frame *frame)
{
	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->first[i]->path, frame->path) == 0)
			return;
	if (files->n < NAMELESS_FILES)
		files->first[files->n++] = frame;
	else
		files->more = true;
}

static void add_stack(struct files *files, const struct profile *profile, const struct stack *stack)
{
	const char *interpreter = profile_target_of(profile, stack)->python_module;

	for (size_t i = 0; i < stack->n_frames; i++) {
		const struct frame *frame = &stack->frames[i];
		bool leaf = i + 1 == stack->n_frames;

		if (frame->kind != FRAME_NATIVE || !frame->stripped || frame->function ||
		    !frame->module || !frame->path)
			continue;
		if (leaf || !interpreter || strcmp(frame->module, interpreter) != 0)
			add(files, frame);
	}
}

bool nameless_sentence(const struct profile *profile, char *text, size_t size)
{
	/* Debian's interpreter: its package is called like it */
	static const char debian[] = "/usr/bin/python3.";
	const char *package = NULL;
	struct files files = {0};
	int n;

	*text = '\0';
	for (size_t i = 0; i < profile->n_stacks; i++)
		if (stack_is_outstanding(&profile->stacks[i]) && stack_is_sure(&profile->stacks[i]))
			add_stack(&files, profile, &profile->stacks[i]);
	if (!files.n)
		return false;
	n = snprintf(text, size, "Some C functions of");
	for (size_t i = 0; i < files.n && (size_t)n < size; i++) {
		const struct frame *frame = files.first[i];

		if (strncmp(frame->path, debian, sizeof(debian) - 1) == 0)
			package = frame->module;
		n += snprintf(text + n, size - (size_t)n, "%s %.*s", i ? "," : "", MODULE_MOST,
			      frame->module);
	}
	if ((size_t)n < size)
		n += snprintf(text + n, size - (size_t)n, "%s have no names: install debug symbols",
			      files.more ? " and more" : "");
	if (package && (size_t)n < size)
		n += snprintf(text + n, size - (size_t)n, " (%.*s-dbg)", MODULE_MOST, package);
	if ((size_t)n < size)
		snprintf(text + n, size - (size_t)n, ", or set DEBUGINFOD_URLS.");
	return true;
}
