/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/watch_hits.h"

#include <stdlib.h>
#include <string.h>

#include "snapshot/losses.h"
#include "snapshot/site_stack.h"
#include "symbol/symbolizer.h"
#include "probe/session_maps.h"

struct watch_hits {
	const struct session *session;
	struct symbolizer *symbolizer;
	uint32_t learned; /* ids below this have been learned */
	struct frame named[SYMBOLIZER_ROOM(ABI_MAX_ENTRIES)];
};

struct watch_hits *watch_hits_new(const struct process *process, const struct py_runtime *runtime,
				  const struct session *session, const struct code_map *code)
{
	struct watch_hits *hits = calloc(1, sizeof(*hits));

	if (!hits)
		return NULL;
	hits->session = session;
	hits->symbolizer = symbolizer_new(process->pid, runtime, code);
	if (hits->symbolizer)
		return hits;
	free(hits);
	return NULL;
}

void watch_hits_free(struct watch_hits *hits)
{
	if (!hits)
		return;
	symbolizer_free(hits->symbolizer);
	free(hits);
}

void watch_hits_learn(void *context, uint32_t site)
{
	struct watch_hits *hits = context;
	const struct abi_frame *frames;
	struct session_view view;
	uint32_t n;

	session_look(hits->session, &view);
	frames = site < view.n_sites ? site_frames(&view, site, &n) : NULL;
	if (frames)
		symbolizer_learn(hits->symbolizer, frames, n);
}

static bool is_of(const struct abi_site *site, uint32_t id, unsigned number)
{
	if (!site->allocated_count && !site->freed_count)
		return false;
	return id < ABI_FIRST_SITE ? id == number : site->domain == number;
}

static void look(struct watch_hits *hits, struct session_view *view)
{
	session_look(hits->session, view);
	/* names that no event announced */
	for (; hits->learned < view->n_sites; hits->learned++)
		watch_hits_learn(hits, hits->learned);
}

void watch_hits_take(struct watch_hits *hits, struct profile *profile, unsigned number,
		     struct heap_watch_row *row)
{
	struct heap_watch_stack *stacks;
	struct session_view view;
	size_t n = 0;

	look(hits, &view);
	for (uint32_t id = 0; id < view.n_sites; id++)
		n += is_of(&view.sites[id], id, number);
	stacks = profile_alloc(profile, (n + 1) * sizeof(*stacks));
	n = 0;
	for (uint32_t id = 0; id < view.n_sites; id++) {
		const struct abi_site *site = &view.sites[id];

		if (!is_of(site, id, number))
			continue;
		stacks[n].inserted = site->allocated_bytes;
		stacks[n].insertions = site->allocated_count;
		stacks[n].removed = site->freed_bytes;
		stacks[n].removals = site->freed_count;
		site_name_frames(hits->symbolizer, profile, &view, id, hits->named,
				 &stacks[n].stack);
		n++;
	}
	heap_watch_merge_stacks(row, stacks, n);
}

void watch_hits_take_sites(struct watch_hits *hits, struct profile *profile,
			   const struct watch_hits_site *sites, size_t n,
			   struct heap_watch_row *row)
{
	struct heap_watch_stack *stacks = profile_alloc(profile, (n + 1) * sizeof(*stacks));
	struct session_view view;
	size_t kept = 0;

	look(hits, &view);
	for (size_t i = 0; i < n; i++) {
		if (sites[i].site >= view.n_sites)
			continue;
		stacks[kept].inserted = stacks[kept].insertions = sites[i].inserted;
		stacks[kept].removed = stacks[kept].removals = sites[i].removed;
		site_name_frames(hits->symbolizer, profile, &view, sites[i].site, hits->named,
				 &stacks[kept++].stack);
	}
	heap_watch_merge_stacks(row, stacks, kept);
}

/* ---- losses --------------------------------------------------------------------------------- */

static const struct {
	enum abi_counter counter;
	const char *name, *sentence;
} kernel_losses[] = {
	{ABI_COUNT_STACKS_FULL, "stacks_full",
	 "changes share one entry without a stack because the stack maps are full"},
	{ABI_COUNT_THREADS_FULL, "threads_full",
	 "changes share one entry without a stack because too many threads made some"},
	{ABI_COUNT_TSTATE_UNREADABLE, "tstate_unreadable",
	 "stacks have no Python frames because the thread's Python state could not be read"},
	{ABI_COUNT_FRAME_UNREADABLE, "frame_unreadable",
	 "stacks end early because a frame could not be read"},
	{ABI_COUNT_STACKS_CUT, "stacks_cut",
	 "changes had stacks deeper than the frames that are kept"},
	{ABI_COUNT_EVENTS_LOST, "events_lost",
	 "new stacks were not announced at once; a name may have been read late"},
};

#define N_KERNEL (sizeof(kernel_losses) / sizeof(kernel_losses[0]))

void watch_hits_losses(struct watch_hits *hits, struct profile *profile)
{
	const struct symbolizer_losses names = symbolizer_losses(hits->symbolizer);
	struct loss losses[N_KERNEL];
	uint64_t counts[ABI_COUNTERS];

	if (session_counters(hits->session, counts))
		memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < N_KERNEL; i++)
		losses[i] = (struct loss){kernel_losses[i].name, kernel_losses[i].sentence,
					  counts[kernel_losses[i].counter]};
	profile_add_losses(profile, losses, N_KERNEL);
	losses_add_names(profile, &names);
}
