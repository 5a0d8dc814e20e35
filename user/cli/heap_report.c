/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_report.h"

#include <stdlib.h>
#include <string.h>

#include "census/describe.h"

/* ---- what is asked for ---------------------------------------------------------------------- */

/* The type is of the module or of one below it; what has no module is of builtins. */
static bool is_of_module(const char *name, const char *module)
{
	size_t length = strlen(module);

	if (!strcmp(module, "builtins"))
		return !strchr(name, '.');
	return !strncmp(name, module, length) && name[length] == '.';
}

static bool wants(const struct options *options, const char *path, const char *type, uint64_t n)
{
	const struct heap_options *heap = &options->heap;
	bool is_wanted = !options->n_modules;

	for (unsigned i = 0; i < options->n_modules; i++)
		is_wanted |= is_of_module(path, options->modules[i]);
	return is_wanted && n >= heap->min_count &&
	       (!heap->have_like || regexec(&heap->like, type, 0, NULL, 0) == 0);
}

bool heap_report_wants(const struct options *options, const char *name, uint64_t count)
{
	return wants(options, name, name, count);
}

/* The rows that the user asked for. */
bool heap_report_wants_holder(const struct options *options, const struct heap_holder *holder)
{
	return wants(options, holder->path, holder->type, holder->items);
}

static int choose(struct heap_report *report, const struct options *options,
		  struct heap_growth *growth)
{
	report->types = heap_scan_order(report->scan, options->heap.order);
	if (!report->types)
		return -1;
	for (size_t i = 0; i < report->scan->n_types; i++)
		if (heap_report_wants(options, report->types[i]->name, report->types[i]->count))
			report->types[report->n_types++] = report->types[i];
	if (!growth)
		return 0;
	heap_growth_sort(growth, options->heap.order);
	report->rows = calloc(growth->n_rows + 1, sizeof(*report->rows));
	for (size_t i = 0; report->rows && i < growth->n_rows; i++) {
		const struct heap_growth_row *row = &growth->rows[i];

		if ((row->count_per_min != 0 || row->bytes_per_min != 0 || row->count_delta) &&
		    heap_report_wants(options, row->name, row->count))
			report->rows[report->n_rows++] = row;
	}
	return report->rows ? 0 : -1;
}

/* ---- what is said --------------------------------------------------------------------------- */

static void describe_losses(struct profile *about, const struct heap_report *report)
{
	const struct heap_scan *scan = report->scan;
	const struct loss losses[] = {
		{"swapped_bytes",
		 "bytes of memory are swapped out: objects in them are not counted",
		 scan->swapped_bytes},
		{"sparse_bytes",
		 "bytes of memory in large mappings that are mostly unused were not read: "
		 "/proc/PID/pagemap says which pages are used, to root or with "
		 "CAP_DAC_READ_SEARCH",
		 scan->sparse_bytes},
		{"torn_pools",
		 "pools changed each time they were read: dead objects in them may be counted",
		 scan->torn_pools},
		{"lost_chains",
		 "places in malloc's heaps changed while they were read: objects there may be "
		 "missed",
		 scan->lost_chains},
		{"unasked_words",
		 "words that may be types were not looked up: their objects are not counted",
		 scan->unasked_words},
		{"unread",
		 "objects or their buffers could not be read when they were looked up again: "
		 "what they hold is not known",
		 report->held ? report->held->unread : 0},
		{"judged",
		 "malloc is not glibc's: objects above 512 bytes are recognized by their contents "
		 "alone",
		 scan->judged},
	};

	profile_add_losses(about, losses, sizeof(losses) / sizeof(losses[0]));
}

int heap_report_fill(struct heap_report *report, const struct options *options,
		     const struct heap_target *heap, double duration_s, struct heap_growth *growth)
{
	struct profile *about = describe_target(heap->target);

	report->about = about;
	if (!about)
		return -1;
	about->time = report->scan->time;
	about->duration_s = duration_s;
	describe_losses(about, report);
	return choose(report, options, growth);
}

void heap_report_look(struct process_stats *last, const struct heap_target *heap)
{
	struct process_stats now;

	/* a process that is ending has no memory any more */
	if (!process_stats(&heap->target->process, &now) && now.rss_bytes)
		*last = now;
}

void heap_report_set_last(struct heap_report *report, const struct process_stats *last)
{
	struct profile *about = (struct profile *)report->about;

	if (about->target.end == TARGET_RUNS)
		return;
	about->target.rss_bytes = last->rss_bytes;
	about->target.threads = last->threads;
}

void heap_report_fini(struct heap_report *report)
{
	free(report->types);
	free(report->rows);
	profile_free((struct profile *)report->about);
	*report = (struct heap_report){0};
}
