/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/container_results.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "census/holders.h"

static const struct container_result *find(const struct container_results *results,
					   uint64_t address)
{
	for (size_t i = 0; i < results->n; i++)
		if (results->all[i].address == address)
			return &results->all[i];
	return NULL;
}

/* A place for this container's result: its own, a free one, or that of the one that was watched
 * longest ago. */
static struct container_result *place_of(struct container_results *results, uint64_t address)
{
	struct container_result *oldest = &results->all[0];

	for (size_t i = 0; i < results->n; i++) {
		if (results->all[i].address == address) {
			oldest = &results->all[i];
			break;
		}
		if (results->all[i].ended_ns < oldest->ended_ns)
			oldest = &results->all[i];
	}
	if (results->n < CONTAINER_RESULTS_MAX && !find(results, address))
		return &results->all[results->n++];
	profile_free(oldest->about);
	return oldest;
}

static void put(struct container_results *results, const struct container_result *result,
		const struct heap_watch_row *row)
{
	struct profile *about = profile_new();
	struct container_result *place;
	struct heap_watch_row *copy;

	if (!about)
		return;
	copy = profile_alloc(about, sizeof(*copy));
	heap_watch_copy(about, copy, row);
	place = place_of(results, row->address);
	*place = *result;
	place->about = about;
	place->row = copy;
	place->address = row->address;
	place->ended_ns = clock_now_ns();
}

/*
 * A round that the end of the trace broke off shows less than the whole one before it, and one in
 * which nothing was seen shows nothing: of many containers each gets little.
 */
static bool is_wanted(const struct container_results *results, enum heap_watch_end end,
		      const struct heap_watch_row *row)
{
	bool saw = row->insertions || row->removals;

	return !find(results, row->address) || (end != WATCH_ASKED && saw);
}

void container_results_add(struct container_results *results, const struct heap_watch *round)
{
	const struct container_result result = {.watched_s = round->about->duration_s,
						.lost = round->strings_fraction,
						.cut = round->end == WATCH_OVERHEAD};

	for (size_t i = 0; i < round->n_rows; i++)
		if (is_wanted(results, round->end, &round->rows[i]))
			put(results, &result, &round->rows[i]);
}

void container_results_add_name(struct container_results *results, const struct heap_watch_row *row)
{
	put(results, &(struct container_result){.watched_s = 0}, row);
}

bool container_results_know(const struct container_results *results, uint64_t address)
{
	return find(results, address) != NULL;
}

uint64_t container_results_last_ns(const struct container_results *results, uint64_t address)
{
	const struct container_result *result = find(results, address);

	return result ? result->ended_ns : 0;
}

void container_results_forget(struct container_results *results)
{
	while (results->n)
		profile_free(results->all[--results->n].about);
}

static int faster(const void *a, const void *b)
{
	const struct growing_container *x = a, *y = b;

	if (x->least_per_s != y->least_per_s)
		return x->least_per_s > y->least_per_s ? -1 : 1;
	return x->row.address < y->row.address ? -1 : x->row.address > y->row.address;
}

/*
 * Garbage and what is gone cannot grow any more. They are still remembered, so that others
 * have their turn to be watched.
 */
static bool can_grow(const struct heap_watch_row *row)
{
	return row->insertions || row->removals ||
	       (row->fate != WATCH_GONE && strcmp(row->path, HOLDERS_GARBAGE) != 0);
}

bool container_results_report(const struct container_results *results, struct heap_monitor *monitor,
			      struct profile *profile, struct profile_growing_containers *growing)
{
	uint64_t now = clock_now_ns();
	struct heap_watch_losses losses;
	bool any = false;

	heap_watch_losses_init(&losses);
	growing->rows = profile_alloc(profile, CONTAINER_RESULTS_MAX * sizeof(*growing->rows));
	for (size_t i = 0; i < results->n; i++) {
		const struct container_result *result = &results->all[i];
		struct growing_container *row = &growing->rows[growing->n_rows];
		struct heap_holder holder = {0};

		/* it may have stopped to grow, or died */
		if (!can_grow(result->row) ||
		    !heap_monitor_container(monitor, result->address, &holder))
			continue;
		*row = (struct growing_container){
			.watched_s = result->watched_s,
			.lost = result->lost,
			.ago_s = (double)(now - result->ended_ns) / 1e9,
			.items_per_s = holder.items_per_s,
			.least_per_s = holder.least_per_s,
			.cut = result->cut,
		};
		heap_watch_copy(profile, &row->row, result->row);
		if (!(row->watched_s > 0))
			row->row.items_before = row->row.items_after = holder.items;
		heap_watch_losses_add(&losses, &row->row);
		any |= row->watched_s > 0;
		growing->n_rows++;
	}
	qsort(growing->rows, growing->n_rows, sizeof(*growing->rows), faster);
	profile_add_losses(profile, losses.kinds, HEAP_WATCH_LOSSES);
	return any;
}
