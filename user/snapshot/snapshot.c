/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "python/object.h"
#include "snapshot/block_types.h"
#include "snapshot/live_blocks.h"
#include "snapshot/losses.h"
#include "snapshot/reclaim.h"
#include "snapshot/site_stack.h"
#include "snapshot/site_sums.h"
#include "snapshot/thread_names.h"
#include "symbol/symbolizer.h"
#include "probe/session_maps.h"

struct snapshot {
	const struct process *process;
	const struct py_runtime *runtime;
	const struct plan *plan;
	struct session *session;
	struct symbolizer *symbolizer;
	struct py_types *types;
	struct live_blocks live;
	char **cmdline; /* read at the start: the target may be gone at the end */
	size_t n_cmdline;
	uint64_t baseline_ns;
	struct abi_site *base;              /* totals at the baseline; per site */
	struct site_sums past[ABI_DOMAINS]; /* since the baseline, of sites that are no more */
	struct reclaim *reclaim;
	uint64_t base_unknown, base_missed;
	uint64_t *previous_bytes; /* outstanding at the previous snapshot; per site */
	uint64_t previous_ns;
	uint64_t scan_ns;     /* when the live blocks were last read one by one, ... */
	uint64_t scan_cpu_ns; /* ... what that cost, ... */
	uint64_t scan_blocks; /* ... and how many there were */
	bool rebased;         /* USR2: the sites' totals include frees from before the baseline */
	struct thread_names threads;
	struct snapshot_estimates estimates;
	struct site_estimate *estimated; /* per site; NULL: all is counted */
	uint32_t learned;                /* ids below this have been learned */
	/* one stack while it gets its names */
	struct frame named[SYMBOLIZER_ROOM(ABI_MAX_ENTRIES)];
};

struct snapshot *snapshot_new(const struct process *process, const struct py_runtime *runtime,
			      const struct plan *plan, struct session *session,
			      const struct code_map *code, struct err *err)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	struct session_view view;

	if (!snapshot) {
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	session_look(session, &view);
	snapshot->process = process;
	snapshot->runtime = runtime;
	snapshot->plan = plan;
	snapshot->session = session;
	snapshot->threads.pid = process->pid;
	snapshot->symbolizer = symbolizer_new(process->pid, runtime, code);
	snapshot->types = py_types_new(process->pid, runtime);
	snapshot->base = calloc(view.max_sites, sizeof(*snapshot->base));
	snapshot->previous_bytes = calloc(view.max_sites, sizeof(*snapshot->previous_bytes));
	snapshot->reclaim = reclaim_new(view.max_sites);
	snapshot->cmdline = process_cmdline(process, &snapshot->n_cmdline);
	if (!snapshot->symbolizer || !snapshot->reclaim || !snapshot->types || !snapshot->base ||
	    !snapshot->previous_bytes || live_blocks_init(&snapshot->live, view.max_sites, err)) {
		err_set(err, ERR_FAILED, "out of memory");
		snapshot_free(snapshot);
		return NULL;
	}
	snapshot->estimates.exact_domains = (1u << ABI_DOMAINS) - 1;
	snapshot->baseline_ns = snapshot->previous_ns = clock_now_ns();
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	symbolizer_free(snapshot->symbolizer);
	py_types_free(snapshot->types);
	thread_names_fini(&snapshot->threads);
	live_blocks_fini(&snapshot->live);
	free(snapshot->base);
	free(snapshot->previous_bytes);
	free(snapshot->estimated);
	reclaim_free(snapshot->reclaim);
	free(snapshot->cmdline);
	free(snapshot);
}

void snapshot_learn(void *context, uint32_t site)
{
	struct snapshot *snapshot = context;
	const struct abi_frame *frames;
	struct session_view view;
	uint32_t n;

	session_look(snapshot->session, &view);
	if (site >= view.n_sites)
		return;
	frames = site_frames(&view, site, &n);
	if (!frames)
		return;
	symbolizer_learn(snapshot->symbolizer, frames, n);
	if (site_thread(frames, n))
		thread_names_get(&snapshot->threads, site_thread(frames, n));
}

/* Are all its blocks in the maps, each for itself? */
static bool is_counted(const struct snapshot *snapshot, enum domain domain)
{
	return snapshot->estimates.exact_domains >> domain & 1 &&
	       !(snapshot->estimates.sampled_domains >> domain & 1);
}

static enum domain site_domain(const struct session_view *view, uint32_t id)
{
	return id < ABI_FIRST_SITE ? (enum domain)id : (enum domain)view->sites[id].domain;
}

void snapshot_baseline(struct snapshot *snapshot)
{
	uint64_t counts[ABI_COUNTERS];
	struct session_view view;

	session_look(snapshot->session, &view);
	memcpy(snapshot->base, view.sites, view.n_sites * sizeof(*snapshot->base));
	memset(snapshot->previous_bytes, 0, view.max_sites * sizeof(*snapshot->previous_bytes));
	memset(snapshot->past, 0, sizeof(snapshot->past));
	if (session_counters(snapshot->session, counts) == 0) {
		snapshot->base_unknown = counts[ABI_COUNT_UNKNOWN_FREES];
		snapshot->base_missed = counts[ABI_COUNT_MISSED_FREES];
	}
	snapshot->baseline_ns = snapshot->previous_ns = clock_now_ns();
	snapshot->scan_ns = 0;
	for (uint32_t id = 0; id < view.n_sites; id++)
		snapshot->rebased |= view.sites[id].allocated_count > 0;
}

void snapshot_rebase(struct snapshot *snapshot, unsigned domains)
{
	struct session_view view;

	session_look(snapshot->session, &view);
	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		if (domains >> domain & 1)
			snapshot->past[domain] = (struct site_sums){0};
	for (uint32_t id = 0; id < view.n_sites; id++) {
		if (!(domains >> site_domain(&view, id) & 1))
			continue;
		snapshot->base[id] = view.sites[id];
		snapshot->previous_bytes[id] = 0;
		snapshot->rebased |= view.sites[id].allocated_count > 0;
	}
}

void snapshot_estimate(struct snapshot *snapshot, const struct snapshot_estimates *estimates)
{
	struct session_view view;

	session_look(snapshot->session, &view);
	if (!snapshot->estimated)
		snapshot->estimated = calloc(view.max_sites, sizeof(*snapshot->estimated));
	snapshot->estimates = *estimates;
}

/* ---- sites that are no more ----------------------------------------------------------------- */

static void give_up(void *context, uint32_t id)
{
	struct snapshot *snapshot = context;
	struct session_view view;

	session_look(snapshot->session, &view);
	site_sums_add(&snapshot->past[site_domain(&view, id) % ABI_DOMAINS], &view, id,
		      &snapshot->base[id]);
	snapshot->base[id] = (struct abi_site){0};
	snapshot->previous_bytes[id] = 0;
	if (snapshot->estimated)
		snapshot->estimated[id] = (struct site_estimate){0};
	live_blocks_drop(&snapshot->live, id);
}

/* Names are kept of what the sites have that there are. */
static void drop_names(struct snapshot *snapshot)
{
	struct session_view view;

	session_look(snapshot->session, &view);
	symbolizer_keep_begin(snapshot->symbolizer);
	thread_names_keep_begin(&snapshot->threads);
	for (uint32_t id = ABI_FIRST_SITE; id < view.n_sites; id++)
		snapshot_learn(snapshot, id);
	symbolizer_keep_end(snapshot->symbolizer);
	thread_names_keep_end(&snapshot->threads);
}

bool snapshot_reclaim_is_due(const struct snapshot *snapshot)
{
	return reclaim_is_due(snapshot->reclaim, snapshot->session, clock_now_ns());
}

void snapshot_reclaim(struct snapshot *snapshot, struct session *session,
		      struct survivors *survivors)
{
	/* a map that cannot be read is no loss here: the next report will say so */
	if (!reclaim_round(snapshot->reclaim, session, survivors, give_up, snapshot, NULL))
		drop_names(snapshot);
}

/* ---- reading the blocks --------------------------------------------------------------------- */

/* Reading a million blocks takes a third of a second of CPU time; up to this many are read every
 * time. */
#define ALWAYS_SCANNED 250000

/* the share of a core that reading the blocks may take */
#define SCAN_SHARE 0.04

/* Would reading all blocks now be too much? Then the sites' own totals have to do, which are exact
 * too. */
static bool scan_too_dear(const struct snapshot *snapshot, uint64_t now)
{
	/* sites count sampled blocks as they come, without what they stand for */
	return session_active(snapshot->session) && !snapshot->rebased && snapshot->scan_ns &&
	       !snapshot->estimates.sampled_domains && snapshot->scan_blocks > ALWAYS_SCANNED &&
	       (double)snapshot->scan_cpu_ns > SCAN_SHARE * (double)(now - snapshot->scan_ns);
}

/* Read every block: what is outstanding and older than `until_ns`, ages, and a sample of
 * addresses. */
static int scan_blocks(struct snapshot *snapshot, const struct session_view *view, uint64_t now,
		       uint64_t until_ns, struct err *err)
{
	uint64_t began = clock_cpu_ns();
	const struct live_wanted wanted = {.domains = snapshot->estimates.exact_domains,
					   .from_ns = snapshot->baseline_ns,
					   .until_ns = until_ns,
					   .downsampling = snapshot->estimates.downsampling};
	int result = live_blocks_read(&snapshot->live, view, &wanted, err);

	snapshot->scan_cpu_ns = clock_cpu_ns() - began;
	snapshot->scan_ns = now;
	snapshot->scan_blocks = 0;
	for (uint32_t id = 0; id < view->n_sites; id++)
		snapshot->scan_blocks += snapshot->live.sites[id].count;
	return result;
}

/* What is outstanding by the sites' totals, the youngest included; ages and samples stay as they
 * were. */
static void sum_sites(struct snapshot *snapshot, const struct session_view *view)
{
	for (uint32_t id = 0; id < view->n_sites; id++) {
		const struct abi_site *site = &view->sites[id];
		struct live_site *live = &snapshot->live.sites[id];
		uint64_t freed_bytes = site->freed_bytes, freed = site->freed_count;

		/* freed is read first and only grows, so that nothing falls below zero */
		if (!(snapshot->estimates.exact_domains >> site_domain(view, id) & 1)) {
			live->bytes = live->count = 0;
			continue;
		}
		live->bytes = site->allocated_bytes > freed_bytes
				      ? site->allocated_bytes - freed_bytes
				      : 0;
		live->count = site->allocated_count > freed ? site->allocated_count - freed : 0;
	}
}

/* What windows have seen of a site; NULL: nothing. */
static const struct site_estimate *windows_of(const struct snapshot *snapshot, uint32_t id)
{
	return snapshot->estimated && snapshot->estimated[id].sum.seen ? &snapshot->estimated[id]
								       : NULL;
}

static bool is_estimated(const struct snapshot *snapshot, uint32_t id)
{
	return snapshot->live.sites[id].estimate.seen > 0 || windows_of(snapshot, id);
}

/* ---- filling a profile ---------------------------------------------------------------------- */

static void fill_target(const struct snapshot *snapshot, struct profile *profile)
{
	const char **words = profile_alloc(profile, (snapshot->n_cmdline + 1) * sizeof(*words));
	struct process_stats stats;
	const char *slash;

	for (size_t i = 0; i < snapshot->n_cmdline; i++)
		words[i] = profile_str(profile, snapshot->cmdline[i], -1);
	profile->target.pid = snapshot->process->pid;
	profile->target.exe = profile_str(profile, snapshot->process->exe, -1);
	profile->target.cmdline = words;
	profile->target.n_cmdline = snapshot->n_cmdline;
	profile->target.python = profile_str(profile, snapshot->runtime->version, -1);
	profile->target.implementation = "CPython";
	slash = strrchr(snapshot->runtime->python.path, '/');
	profile->target.python_module =
		profile_str(profile, slash ? slash + 1 : snapshot->runtime->python.path, -1);
	if (process_stats(snapshot->process, &stats) == 0) {
		profile->target.threads = stats.threads;
		profile->target.rss_bytes = stats.rss_bytes;
	}
	profile->target.stopped = process_stopped(snapshot->process);
}

static void fill_mode(const struct snapshot *snapshot, struct profile *profile, uint64_t older_ns)
{
	const struct plan *plan = snapshot->plan;

	profile->mode.exact = true;
	for (unsigned i = 0; i < DOMAIN_COUNT; i++)
		profile->mode.domains[i] = plan->domains >> i & 1;
	profile->mode.steered = plan->n_words > 0;
	if (plan->coverage[0])
		profile->mode.object_coverage = profile_str(profile, plan->coverage, -1);
	else if (session_steering_lost(snapshot->session))
		profile->mode.object_coverage =
			"the allocator tables were changed during the trace, by the program itself "
			"(tracemalloc does) or by another tool: since then not every allocation "
			"of an object is seen";
	profile->mode.max_size = UINT64_MAX;
	profile->mode.older_s = (double)older_ns / 1e9;
}

/* Of all sites, whether something is outstanding or not. */
static void fill_native_gaps(struct profile *profile, const uint64_t *counts)
{
	struct native_gap *gaps = profile_alloc(profile, ABI_GAP_NATIVE_END * sizeof(*gaps));
	size_t n = 0;

	for (uint32_t gap = ABI_GAP_NATIVE_FIRST; gap < ABI_GAP_NATIVE_END; gap++)
		if (counts[gap])
			gaps[n++] = (struct native_gap){symbolizer_gap_text(gap), counts[gap]};
	profile->native_gaps = gaps;
	profile->n_native_gaps = n;
}

/* Totals since the baseline, of all sites, whether something is outstanding or not, or they are no
 * more. */
static void fill_totals(const struct snapshot *snapshot, struct profile *profile,
			const struct session_view *view, const uint64_t *counts)
{
	struct site_sums sums[ABI_DOMAINS], all = {0};

	memcpy(sums, snapshot->past, sizeof(sums));
	for (uint32_t id = 0; id < view->n_sites; id++) {
		site_sums_add(&sums[site_domain(view, id) % ABI_DOMAINS], view, id,
			      &snapshot->base[id]);
		profile->totals.estimated |= is_estimated(snapshot, id);
		profile->totals.outstanding_bytes += snapshot->live.sites[id].bytes;
		profile->totals.outstanding_count += snapshot->live.sites[id].count;
	}
	for (enum domain domain = 0; domain < DOMAIN_COUNT; domain++) {
		if (is_counted(snapshot, domain)) {
			profile->totals.allocated_bytes += sums[domain].allocated_bytes;
			profile->totals.allocated_count += sums[domain].allocated_count;
			profile->totals.freed_count += sums[domain].freed_count;
		}
		site_sums_join(&all, &sums[domain]);
	}
	fill_native_gaps(profile, all.gaps);
	profile->totals.unknown_frees = counts[ABI_COUNT_UNKNOWN_FREES] - snapshot->base_unknown;
	profile->totals.missed_frees = counts[ABI_COUNT_MISSED_FREES] - snapshot->base_missed;
}

static void fill_frames(struct snapshot *snapshot, struct profile *profile,
			const struct session_view *view, uint32_t id, struct stack *stack)
{
	stack->thread_id =
		site_name_frames(snapshot->symbolizer, profile, view, id, snapshot->named, stack);
	if (stack->thread_id)
		stack->thread = profile_str(
			profile, thread_names_get(&snapshot->threads, stack->thread_id), -1);
}

/* 0: there is no such block */
static double age_s(uint64_t time_ns, uint64_t now)
{
	return time_ns && now > time_ns ? (double)(now - time_ns) / 1e9 : 0;
}

static void fill_stack(struct snapshot *snapshot, struct profile *profile,
		       const struct session_view *view, uint32_t id, uint64_t now, double passed_s,
		       struct stack *stack)
{
	const struct abi_site *site = &view->sites[id], *base = &snapshot->base[id];
	const struct live_site *live = &snapshot->live.sites[id];

	stack->domain = site_domain(view, id);
	stack->outstanding_bytes = live->bytes;
	stack->outstanding_count = live->count;
	stack->allocated_bytes = site->allocated_bytes - base->allocated_bytes;
	stack->allocated_count = site->allocated_count - base->allocated_count;
	stack->freed_count = site->freed_count - base->freed_count;
	stack->oldest_s = age_s(live->oldest_ns, now);
	stack->newest_s = age_s(live->newest_ns, now);
	if (passed_s > 0)
		stack->growth_bytes_per_s =
			((double)live->bytes - (double)snapshot->previous_bytes[id]) / passed_s;
	if (is_estimated(snapshot, id))
		site_estimate_fill(windows_of(snapshot, id), &live->estimate,
				   (double)(now - snapshot->baseline_ns) / 1e9, stack);
	fill_frames(snapshot, profile, view, id, stack);
}

/* The smallest size that the `most` largest sites have; so that types are looked up for these
 * only. */
static uint64_t typed_from(const struct live_blocks *live, uint32_t n_sites, unsigned most)
{
	uint64_t from = 1;

	for (;; from *= 2) {
		uint32_t n = 0;

		for (uint32_t id = 0; id < n_sites; id++)
			n += live->sites[id].bytes >= from;
		if (n <= most)
			return from;
	}
}

static void fill_stacks(struct snapshot *snapshot, struct profile *profile,
			const struct session_view *view, uint64_t now, double passed_s)
{
	uint64_t typed = typed_from(&snapshot->live, view->n_sites, SNAPSHOT_TYPED_SITES);
	bool alive = !session_execed(snapshot->session) && process_alive(snapshot->process);
	size_t n = 0;

	for (uint32_t id = 0; id < view->n_sites; id++)
		n += snapshot->live.sites[id].count > 0;
	profile->stacks = profile_alloc(profile, (n + 1) * sizeof(*profile->stacks));
	py_types_begin(snapshot->types);
	for (uint32_t id = 0; id < view->n_sites; id++) {
		const struct live_site *live = &snapshot->live.sites[id];
		struct stack *stack = &profile->stacks[profile->n_stacks];

		if (live->count == 0)
			continue;
		fill_stack(snapshot, profile, view, id, now, passed_s, stack);
		if (alive && live->bytes >= typed)
			block_types_fill(profile, stack, snapshot->types, live->samples,
					 live->n_samples);
		profile->n_stacks++;
	}
	for (uint32_t id = 0; id < view->n_sites; id++)
		snapshot->previous_bytes[id] = snapshot->live.sites[id].bytes;
	profile_merge(profile);
}

/*
 * Seconds in which what is outstanding now has grown. Both ends of the time between two snapshots
 * are shifted by --older; the baseline is not, so the first time is that much shorter.
 */
static double passed_since(const struct snapshot *snapshot, uint64_t now, uint64_t older_ns)
{
	uint64_t passed_ns = now - snapshot->previous_ns;

	if (snapshot->previous_ns == snapshot->baseline_ns)
		passed_ns = passed_ns > older_ns ? passed_ns - older_ns : 0;
	return (double)passed_ns / 1e9;
}

int snapshot_take(struct snapshot *snapshot, uint64_t older_ns, struct profile **out,
		  struct err *err)
{
	struct symbolizer_losses names;
	uint64_t now = clock_now_ns(), counts[ABI_COUNTERS];
	struct session_view view;
	struct profile *profile;
	int result;

	*out = NULL;
	result = session_counters(snapshot->session, counts);
	if (result)
		return err_set(err, ERR_FAILED, "the counters cannot be read");
	session_look(snapshot->session, &view);
	/* names that no event announced */
	for (; snapshot->learned < view.n_sites; snapshot->learned++)
		snapshot_learn(snapshot, snapshot->learned);
	if (scan_too_dear(snapshot, now)) {
		sum_sites(snapshot, &view);
		older_ns = 0;
	} else {
		result =
			scan_blocks(snapshot, &view, now, now > older_ns ? now - older_ns : 0, err);
	}
	if (result)
		return result;
	if (snapshot->estimated && snapshot->estimates.survivors)
		site_estimates_make(snapshot->estimated, &snapshot->live, &snapshot->estimates,
				    snapshot->baseline_ns);
	/* sites that appeared while the blocks were read */
	session_look(snapshot->session, &view);
	profile = profile_new();
	if (!profile)
		return err_set(err, ERR_FAILED, "out of memory");
	clock_gettime(CLOCK_REALTIME, &profile->time);
	profile->duration_s = (double)(now - snapshot->baseline_ns) / 1e9;
	fill_target(snapshot, profile);
	fill_mode(snapshot, profile, older_ns);
	fill_totals(snapshot, profile, &view, counts);
	fill_stacks(snapshot, profile, &view, now, passed_since(snapshot, now, older_ns));
	names = symbolizer_losses(snapshot->symbolizer);
	losses_fill(profile, counts, &names);
	snapshot->previous_ns = now;
	*out = profile;
	return 0;
}

const struct stack *snapshot_allocator(struct snapshot *snapshot, struct profile *profile,
				       uint64_t address)
{
	struct session_view view;
	struct abi_block block;
	struct stack *stack;

	session_look(snapshot->session, &view);
	if (!live_blocks_find(&view, address, &block))
		return NULL;
	stack = profile_alloc(profile, sizeof(*stack));
	stack->domain = site_domain(&view, block.site);
	fill_frames(snapshot, profile, &view, block.site, stack);
	return stack;
}
