/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/class_results.h"

#include "base/clock.h"

static void release(struct class_result *result)
{
	profile_free(result->about);
	result->about = NULL;
	result->row = NULL;
}

static const struct class_result *find(const struct class_results *results, uint64_t address)
{
	for (size_t i = 0; i < results->n; i++)
		if (results->all[i].class.address == address)
			return &results->all[i];
	return NULL;
}

/* Its place: its own, a free one, or that of the one that was watched longest ago. */
static struct class_result *place_of(struct class_results *results, uint64_t address)
{
	struct class_result *oldest = &results->all[0];

	for (size_t i = 0; i < results->n; i++) {
		if (results->all[i].class.address == address)
			return &results->all[i];
		if (results->all[i].ended_ns < oldest->ended_ns)
			oldest = &results->all[i];
	}
	if (results->n < CLASS_RESULTS_MAX)
		oldest = &results->all[results->n++];
	release(oldest);
	*oldest = (struct class_result){.class.address = address};
	return oldest;
}

void class_results_add(struct class_results *results, const struct heap_monitor_class *class,
		       const struct heap_watch_row *seen, bool cut)
{
	struct class_result *result = place_of(results, class->address);
	struct profile *about;
	struct heap_watch_row *row;

	result->class = *class;
	result->ended_ns = clock_now_ns();
	if (!seen || !seen->instances || !seen->instances->known)
		return;
	about = profile_new();
	if (!about)
		return;
	row = profile_alloc(about, sizeof(*row));
	heap_watch_copy(about, row, seen);
	if (result->row)
		heap_watch_add_births(about, row, result->row);
	release(result);
	result->about = about;
	result->row = row;
	result->cut = cut;
}

void class_results_forget(struct class_results *results)
{
	while (results->n)
		release(&results->all[--results->n]);
}

const struct heap_monitor_class *class_results_next(const struct class_results *results,
						    const struct heap_monitor_class *classes,
						    size_t n)
{
	const struct heap_monitor_class *next = NULL;
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct class_result *result = find(results, classes[i].address);
		uint64_t last = result ? result->ended_ns : 0;

		if (last >= least)
			continue;
		least = last;
		next = &classes[i];
	}
	return next;
}

size_t class_results_fresh(const struct class_results *results,
			   struct heap_monitor_class classes[CLASS_RESULTS_MAX])
{
	uint64_t now = clock_now_ns();
	size_t n = 0;

	for (size_t i = 0; i < results->n; i++)
		if ((double)(now - results->all[i].ended_ns) / 1e9 < CLASS_RESULTS_FRESH_S)
			classes[n++] = results->all[i].class;
	return n;
}

size_t class_results_report(const struct class_results *results,
			    const struct heap_monitor_class *classes, size_t n,
			    struct profile *profile, struct growing_class *rows)
{
	uint64_t now = clock_now_ns();
	size_t n_rows = 0;

	for (size_t i = 0; i < n; i++) {
		const struct class_result *result = find(results, classes[i].address);
		struct growing_class *row = &rows[n_rows];

		if (!result || !result->row)
			continue;
		*row = (struct growing_class){.name = profile_str(profile, classes[i].name, -1),
					      .per_s = classes[i].per_s,
					      .ago_s = (double)(now - result->ended_ns) / 1e9,
					      .cut = result->cut};
		heap_watch_copy(profile, &row->row, result->row);
		n_rows++;
	}
	return n_rows;
}
