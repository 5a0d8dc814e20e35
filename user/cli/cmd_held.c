/* SPDX-License-Identifier: BSD-2-Clause
 *
 * holders, chain, backrefs: who holds what, in one scan. objects: after several, the newest.
 */
#include "cli/commands.h"

#include <stdio.h>

#include "cli/document.h"
#include "cli/heap_ages.h"
#include "cli/heap_held.h"
#include "cli/heap_progress.h"
#include "cli/heap_report.h"
#include "cli/verbs.h"

/* What is shown. */
struct findings {
	struct heap_held held;
	struct reach reach;
	struct heap_ages_found before; /* objects */
	bool ended;                    /* the target has: there is only what was before */
};

/* return an exit code */
static int report(const struct findings *found, const struct options *options,
		  const struct heap_target *heap)
{
	struct heap_report parts = {.scan = found->ended ? found->before.scan : found->reach.scan,
				    .held = &found->held,
				    .ended_early = found->ended};
	struct document document = {.kind = options->verb->document, .heap = &parts};
	int code = ERR_FAILED;

	if (heap_report_fill(&parts, options, heap, 0, NULL)) {
		fprintf(stderr, "pyleaktrace: no memory for a report\n");
	} else {
		heap_report_set_last(&parts, &found->before.last);
		document.profile = parts.about;
		code = document_print(&document, options);
		if (!code)
			code = document_save(&document, options);
	}
	heap_report_fini(&parts);
	return code;
}

/* The target may end at any moment of it. */
static bool has_ended(const struct findings *found, const struct heap_target *heap)
{
	return found->before.scan && found->before.ages.n && !process_alive(&heap->target->process);
}

static int find(struct findings *found, const struct options *options, struct heap_target *heap,
		struct err *err)
{
	/* the ages of a scan that comes to no end are in it too */
	const struct heap_past past = {.ages = &found->before.ages};
	int result = 0;

	if (options->verb == &verbs[VERB_OBJECTS])
		result = heap_ages_collect(&found->before, options, heap, err);
	if (!result && !has_ended(found, heap))
		result = heap_held_find(&found->held, &found->reach, options, heap, &past, err);
	else if (result)
		return result;
	found->ended = (result || !found->reach.scan) && has_ended(found, heap);
	if (!found->ended)
		return result;
	heap_held_fini(&found->held);
	found->held = (struct heap_held){0};
	return heap_held_of_ages(&found->held, options, &found->before.ages, err);
}

int command_held(const struct options *options)
{
	struct heap_target heap = {0};
	struct heap_progress progress;
	struct findings found = {0};
	struct err err = ERR_INIT;
	int result, code = document_check(options);

	if (code)
		return code;
	result = heap_target_open(&heap, options_pid(options), &err);
	if (!result) {
		heap_progress_attach(&progress, &heap, options->quiet);
		result = find(&found, options, &heap, &err);
	}
	if (!result) {
		code = report(&found, options, &heap);
	} else {
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
		code = (int)err.code;
	}
	heap_ages_fini(&found.before);
	heap_held_fini(&found.held);
	reach_fini(&found.reach);
	heap_target_close(&heap);
	return code;
}
