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

/* return an exit code */
static int report(const struct heap_held *held, const struct reach *reach,
		  const struct options *options, const struct heap_target *heap)
{
	struct heap_report parts = {.scan = reach->scan, .held = held};
	struct document document = {.kind = options->verb->document, .heap = &parts};
	int code = ERR_FAILED;

	if (heap_report_fill(&parts, options, heap, 0, NULL)) {
		fprintf(stderr, "pyleaktrace: no memory for a report\n");
	} else {
		document.profile = parts.about;
		code = document_print(&document, options);
		if (!code)
			code = document_save(&document, options);
	}
	heap_report_fini(&parts);
	return code;
}

int command_held(const struct options *options)
{
	struct heap_target heap = {0};
	struct heap_progress progress;
	struct heap_held held = {0};
	struct reach reach = {0};
	struct ages ages = {0};
	const struct heap_past past = {.ages = &ages};
	struct err err = ERR_INIT;
	int result, code = document_check(options);

	if (code)
		return code;
	result = heap_target_open(&heap, options_pid(options), &err);
	if (!result) {
		heap_progress_attach(&progress, &heap, options->quiet);
		if (options->verb == &verbs[VERB_OBJECTS])
			result = heap_ages_collect(&ages, options, &heap, &err);
	}
	if (!result)
		result = heap_held_find(&held, &reach, options, &heap, &past, &err);
	if (!result) {
		code = report(&held, &reach, options, &heap);
	} else {
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
		code = (int)err.code;
	}
	ages_fini(&ages);
	heap_held_fini(&held);
	reach_fini(&reach);
	heap_target_close(&heap);
	return code;
}
