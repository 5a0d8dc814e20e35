/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/join.h"

#include "model/heap_watch.h"
#include "model/verdict.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static void join_totals(struct profile *all, const struct profile *one)
{
	sum_add(&all->totals.outstanding_bytes, one->totals.outstanding_bytes);
	sum_add(&all->totals.outstanding_count, one->totals.outstanding_count);
	sum_add(&all->totals.allocated_bytes, one->totals.allocated_bytes);
	sum_add(&all->totals.allocated_count, one->totals.allocated_count);
	sum_add(&all->totals.freed_count, one->totals.freed_count);
	sum_add(&all->totals.unknown_frees, one->totals.unknown_frees);
	sum_add(&all->totals.missed_frees, one->totals.missed_frees);
	all->totals.estimated |= one->totals.estimated;
	all->selection.modules = one->selection.modules;
	all->selection.n_modules = one->selection.n_modules;
	sum_add(&all->selection.left_out_bytes, one->selection.left_out_bytes);
	sum_add(&all->selection.left_out_count, one->selection.left_out_count);
	all->selection.left_out_stacks += one->selection.left_out_stacks;
}

/* Notes on what is not seen appear once if they are the same everywhere, else with the process they
 * are true of. */
static const char *join_coverage(struct profile *all, const struct profile *const *profiles,
				 size_t n)
{
	const char *first = profiles[0]->mode.object_coverage;
	char text[PROFILE_STRING_MAX] = "";
	size_t same = 1, used = 0;

	while (same < n && !strcmp(text_of(profiles[same]->mode.object_coverage), text_of(first)))
		same++;
	if (same == n)
		return first;
	for (size_t i = 0; i < n && used < sizeof(text); i++)
		if (profiles[i]->mode.object_coverage)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%spid %d: %s",
						 used ? " " : "", profiles[i]->target.pid,
						 profiles[i]->mode.object_coverage);
	return profile_str(all, text, -1);
}

static void join_mode(struct profile *all, const struct profile *one, bool first)
{
	for (int i = 0; i < DOMAIN_COUNT; i++)
		all->mode.domains[i] |= one->mode.domains[i];
	all->mode.exact = (first || all->mode.exact) && one->mode.exact;
	all->mode.untraced = (first || all->mode.untraced) && one->mode.untraced;
	all->mode.steered |= one->mode.steered;
	all->mode.min_size = one->mode.min_size;
	all->mode.max_size = one->mode.max_size;
	all->mode.older_s = one->mode.older_s;
}

/* Each target has its own ceiling, and its own ways below it. */
static void join_parts(struct profile *all, const struct profile *const *profiles, size_t n)
{
	struct trace_part *parts;
	size_t n_parts = 0;

	for (size_t i = 0; i < n; i++)
		n_parts += profiles[i]->mode.n_parts;
	parts = profile_alloc(all, (n_parts + 1) * sizeof(*parts));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < profiles[i]->mode.n_parts; k++) {
			struct trace_part *part = &parts[all->mode.n_parts++];

			*part = profiles[i]->mode.parts[k];
			part->pid = profiles[i]->target.pid;
		}
	all->mode.parts = parts;
}

static void join_notes(struct profile *all, const struct profile *const *profiles, size_t n)
{
	struct note *notes;
	size_t n_notes = 0;

	for (size_t i = 0; i < n; i++)
		n_notes += profiles[i]->n_notes;
	notes = profile_alloc(all, (n_notes + 1) * sizeof(*notes));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < profiles[i]->n_notes; k++) {
			struct note *note = &notes[all->n_notes++];

			*note = profiles[i]->notes[k];
			note->pid = profiles[i]->target.pid;
		}
	all->notes = notes;
}

static void join_losses(struct loss *losses, size_t *n_losses, const struct profile *one)
{
	for (size_t i = 0; i < one->n_losses; i++) {
		size_t at = 0;

		while (at < *n_losses &&
		       strcmp(text_of(losses[at].name), text_of(one->losses[i].name)))
			at++;
		if (at < *n_losses)
			sum_add(&losses[at].count, one->losses[i].count);
		else
			losses[(*n_losses)++] = one->losses[i];
	}
}

static void join_native_gaps(struct native_gap *gaps, size_t *n_gaps, const struct profile *one)
{
	for (size_t i = 0; i < one->n_native_gaps; i++) {
		size_t at = 0;

		while (at < *n_gaps && strcmp(gaps[at].reason, one->native_gaps[i].reason))
			at++;
		if (at < *n_gaps)
			sum_add(&gaps[at].count, one->native_gaps[i].count);
		else
			gaps[(*n_gaps)++] = one->native_gaps[i];
	}
}

static void join_cost(struct profile *all, const struct profile *one)
{
	struct cost *sum = &all->cost;
	double hits = sum->hits_per_s + one->cost.hits_per_s;

	if (!one->have_cost)
		return;
	if (hits > 0)
		sum->ns_per_hit = (sum->ns_per_hit * sum->hits_per_s +
				   one->cost.ns_per_hit * one->cost.hits_per_s) /
				  hits;
	sum->hits_per_s = hits;
	sum->target_cpu_fraction += one->cost.target_cpu_fraction;
	sum->target_cpu_used += one->cost.target_cpu_used;
	if (one->cost.tool_cpu_s > sum->tool_cpu_s)
		sum->tool_cpu_s = one->cost.tool_cpu_s;
	if (one->cost.tool_rss_bytes > sum->tool_rss_bytes)
		sum->tool_rss_bytes = one->cost.tool_rss_bytes;
	sum_add(&sum->maps_bytes, one->cost.maps_bytes);
	sum->ceiling = one->cost.ceiling;
	sum->floor = one->cost.floor;
	/* each has its ceiling for itself: of all the one that comes nearest to it */
	if (!all->have_cost || one->cost.own_share > sum->own_share) {
		sum->own_share = one->cost.own_share;
		sum->own_share_most = one->cost.own_share_most;
	}
	all->have_cost = true;
}

/* Containers of all targets, each with its pid; fastest first within each. */
static void join_growing_containers(struct profile *all, const struct profile *const *profiles,
				    size_t n)
{
	struct profile_growing_containers *growing = profile_alloc(all, sizeof(*growing));
	struct growing_container *rows;
	size_t n_rows = 0;

	for (size_t i = 0; i < n; i++)
		n_rows += profiles[i]->growing_containers ? profiles[i]->growing_containers->n_rows
							  : 0;
	rows = profile_alloc(all, (n_rows + 1) * sizeof(*rows));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0;
		     profiles[i]->growing_containers && k < profiles[i]->growing_containers->n_rows;
		     k++) {
			struct growing_container *row = &rows[growing->n_rows++];

			*row = profiles[i]->growing_containers->rows[k];
			row->pid = profiles[i]->target.pid;
		}
	growing->rows = rows;
	all->growing_containers = growing;
}

/* The same of classes. */
static void join_growing_classes(struct profile *all, const struct profile *const *profiles,
				 size_t n)
{
	struct profile_growing_classes *growing = profile_alloc(all, sizeof(*growing));
	size_t n_rows = 0;

	for (size_t i = 0; i < n; i++)
		n_rows += profiles[i]->growing_classes ? profiles[i]->growing_classes->n_rows : 0;
	growing->rows = profile_alloc(all, (n_rows + 1) * sizeof(*growing->rows));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0;
		     profiles[i]->growing_classes && k < profiles[i]->growing_classes->n_rows;
		     k++) {
			struct growing_class *row = &growing->rows[growing->n_rows++];

			*row = profiles[i]->growing_classes->rows[k];
			row->pid = profiles[i]->target.pid;
		}
	all->growing_classes = growing;
}

/* The answer is for each process by itself. */
static void join_verdicts(struct profile *all, const struct profile *const *profiles, size_t n)
{
	const struct verdict **verdicts = profile_alloc(all, n * sizeof(*verdicts));

	for (size_t i = 0; i < n; i++) {
		struct verdict *verdict;

		if (!profiles[i]->verdict)
			continue;
		verdict = profile_alloc(all, sizeof(*verdict));
		*verdict = *profiles[i]->verdict;
		verdict->pid = profiles[i]->target.pid;
		verdicts[all->n_verdicts++] = verdict;
	}
	all->verdicts = verdicts;
}

static void join_stacks(struct profile *all, const struct profile *one)
{
	for (size_t i = 0; i < one->n_stacks; i++) {
		struct stack *stack = &all->stacks[all->n_stacks++];

		*stack = one->stacks[i];
		stack->pid = one->target.pid;
	}
}

struct profile *profile_join(const struct profile *const *profiles, size_t n)
{
	struct profile *all = profile_new();
	struct profile_target *targets;
	size_t n_stacks = 0, n_losses = 0, n_gaps = 0;
	struct native_gap *gaps;
	struct loss *losses;

	if (!all)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		n_stacks += profiles[i]->n_stacks;
		n_losses += profiles[i]->n_losses;
		n_gaps += profiles[i]->n_native_gaps;
	}
	all->stacks = profile_alloc(all, n_stacks * sizeof(*all->stacks));
	losses = profile_alloc(all, n_losses * sizeof(*losses));
	gaps = profile_alloc(all, n_gaps * sizeof(*gaps));
	targets = profile_alloc(all, n * sizeof(*targets));
	n_losses = n_gaps = 0;
	for (size_t i = 0; i < n; i++) {
		const struct profile *one = profiles[i];

		targets[i] = one->target;
		if (one->duration_s > all->duration_s)
			all->duration_s = one->duration_s;
		if (one->time.tv_sec >= all->time.tv_sec)
			all->time = one->time;
		join_totals(all, one);
		join_mode(all, one, i == 0);
		join_losses(losses, &n_losses, one);
		join_native_gaps(gaps, &n_gaps, one);
		join_cost(all, one);
		join_stacks(all, one);
	}
	join_growing_containers(all, profiles, n);
	join_growing_classes(all, profiles, n);
	join_verdicts(all, profiles, n);
	join_parts(all, profiles, n);
	join_notes(all, profiles, n);
	all->mode.object_coverage = join_coverage(all, profiles, n);
	all->targets = targets;
	all->n_targets = n;
	all->losses = losses;
	all->n_losses = n_losses;
	all->native_gaps = gaps;
	all->n_native_gaps = n_gaps;
	return all;
}
