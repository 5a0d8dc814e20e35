/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/object_findings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmt.h"
#include "leak/finding_fill.h"
#include "leak/makers.h"
#include "model/trend.h"

/* "fills up to its bound of 4,096" */
static const char *say_end(struct profile *profile, const struct retention *row)
{
	if (row->bound > 0)
		return profile_format(profile, "%s to %s bound of %s",
				      row->containers > 1 ? "fill up" : "fills up",
				      row->containers > 1 ? "their" : "its",
				      fmt_count((uint64_t)row->bound).text);
	if (row->bound < 0 && strstr(row->type, "lru_cache"))
		return "never forgets: it has no maxsize";
	return row->containers > 1 ? "only grow" : "only grows";
}

static const char *say_container(struct profile *profile, const struct retention *row)
{
	struct fmt rate = fmt_per_second(row->items_per_s * 60);
	const char *end = say_end(profile, row);

	if (row->containers > 1)
		return profile_format(profile, "%s (%s, %s of them, +%s/min in all) %s", row->path,
				      row->type, fmt_count(row->containers).text, rate.text, end);
	return profile_format(profile, "%s (%s, %s %s, +%s/min) %s", row->path, row->type,
			      fmt_count(row->items).text, row->item_type, rate.text, end);
}

/* Is it a rate with an interval? What the target writes may make nonsense of any sum. */
static bool is_measured(const struct retention *row)
{
	return isfinite(row->bytes_per_s) && isfinite(row->most_bytes_per_s) &&
	       isfinite(row->items_per_s) && row->least_bytes_per_s <= row->bytes_per_s &&
	       row->bytes_per_s <= row->most_bytes_per_s;
}

/* Does it grow, for sure? */
bool object_finding_grows(const struct retention *row)
{
	return is_measured(row) && row->least_bytes_per_s > GROWTH_LEAST_PER_S &&
	       row->confidence >= GROWTH_SURE;
}

/* What no name leads to must grow by more than one resized table. */
static bool is_small_change(const struct retention *row)
{
	return row->kind == RETENTION_OTHER && !*row->path &&
	       row->bytes_per_s * row->span_s < GROWTH_LEAST_BYTES;
}

void object_finding_fill(struct finding *to, struct profile *profile, const struct retention *row)
{
	double per_min = row->items_per_s * 60;
	const struct stack *filler = NULL;

	*to = (struct finding){.bytes_per_s = row->bytes_per_s,
			       .least_per_s = row->least_bytes_per_s,
			       .most_per_s = row->most_bytes_per_s,
			       .confidence = row->confidence,
			       .type = row->item_type};
	switch (row->kind) {
	case RETENTION_CONTAINER:
	case RETENTION_OTHER:
		to->cause = CAUSE_CONTAINER;
		to->path = row->path;
		to->ends = row->bound > 0;
		filler = makers_filler(profile, row);
		if (*row->path) {
			to->sentence = say_container(profile, row);
			break;
		}
		to->sentence = profile_format(
			profile, "data of the program holds %s (%s objects, +%s/min)",
			row->item_type, fmt_count(row->items).text, fmt_per_second(per_min).text);
		break;
	case RETENTION_MOVING:
		to->cause = CAUSE_CONTAINER;
		to->sentence = profile_format(
			profile,
			"a chain of %s, which changes while it is followed (%s objects, +%s/min)",
			row->item_type, fmt_count(row->items).text, fmt_per_second(per_min).text);
		break;
	case RETENTION_HELD:
		to->cause = CAUSE_REFERENCE;
		to->sentence = profile_format(
			profile,
			"C code, or a reference that was lost, keeps %s%s (%s objects, "
			"+%s/min)",
			row->path, row->item_type, fmt_count(row->items).text,
			fmt_per_second(per_min).text);
		break;
	case RETENTION_GARBAGE:      /* all of it is one finding: add_cycles() */
	case RETENTION_INTERPRETERS: /* so is this: add_interpreters() */
	case RETENTION_FIXED:        /* is none */
		break;
	}
	finding_add_evidence(to, profile, "items", (double)row->items, row->item_type);
	finding_add_evidence(to, profile, "items_per_min", per_min, "more a minute");
	if (row->kind == RETENTION_CONTAINER)
		finding_add_evidence(to, profile, "containers", (double)row->containers, row->type);
	if (filler)
		finding_set_stack(to, profile, filler, "filled by");
	else
		finding_set_stack(to, profile, makers_item(profile, row), "made by");
	if (row->kind == RETENTION_CONTAINER && row->containers == 1 && row->addresses[0] &&
	    !to->stack)
		finding_set_next(
			to, profile, "watch",
			profile_format(profile, "0x%llx", (unsigned long long)row->addresses[0]));
	else
		finding_set_next(to, profile, "chain", row->item_type);
}

bool object_finding_is_one(const struct retention *row)
{
	return row->kind != RETENTION_GARBAGE && row->kind != RETENTION_FIXED &&
	       row->kind != RETENTION_INTERPRETERS && object_finding_grows(row) &&
	       !is_small_change(row);
}

/* ---- cycles --------------------------------------------------------------------------------- */

#define CYCLE_TYPES 3 /* that are named */

/* Cycles are made of classes; what is built in hangs on them. */
static bool is_named_first(const char *type)
{
	return strchr(type, '.') != NULL;
}

/* "app.Order, app.Line and what they hold" */
static const char *say_types(struct profile *profile, const struct retention *rows, size_t n)
{
	const char *text = NULL;
	size_t named = 0, all = 0;

	for (int first = 1; first >= 0; first--) {
		for (size_t i = 0; i < n; i++) {
			if (rows[i].kind != RETENTION_GARBAGE ||
			    is_named_first(rows[i].item_type) != first || (!first && named))
				continue;
			all++;
			if (all > CYCLE_TYPES)
				continue;
			text = text ? profile_format(profile, "%s, %s", text, rows[i].item_type)
				    : rows[i].item_type;
		}
		named = all;
	}
	return all > CYCLE_TYPES ? profile_format(profile, "%s and others", text) : text;
}

/* return false: there are none that stay */
bool object_finding_cycles(struct finding *to, struct profile *profile)
{
	const struct profile_retention *part = profile->retention;
	const struct retention *largest = NULL;
	double objects = 0, per_min = 0;

	*to = (struct finding){.cause = CAUSE_CYCLE};
	for (size_t i = 0; i < part->n_rows; i++) {
		const struct retention *row = &part->rows[i];

		if (row->kind != RETENTION_GARBAGE || !object_finding_grows(row))
			continue;
		to->bytes_per_s += row->bytes_per_s;
		to->least_per_s += row->least_bytes_per_s;
		to->most_per_s += row->most_bytes_per_s;
		to->confidence = fmax(to->confidence, row->confidence);
		objects += (double)row->items;
		per_min += row->items_per_s * 60;
		if (!largest || is_named_first(row->item_type) > is_named_first(largest->item_type))
			largest = row;
	}
	if (!largest || heap_gc_takes_cycles(&profile->trend->gc))
		return false;
	to->type = largest->item_type;
	to->sentence = profile_format(
		profile, "cycles of %s are not collected (%s objects with what they hold, +%s/min)",
		say_types(profile, part->rows, part->n_rows), fmt_count((uint64_t)objects).text,
		fmt_per_second(per_min).text);
	finding_add_evidence(to, profile, "items", objects, "objects");
	finding_add_evidence(to, profile, "items_per_min", per_min, "more a minute");
	finding_set_stack(to, profile, makers_item(profile, largest), "made by");
	return true;
}

struct passing_growth object_findings_passing(const struct profile *profile)
{
	const struct profile_retention *part = profile->retention;
	bool is_taken = heap_gc_takes_cycles(&profile->trend->gc);
	struct passing_growth passing = {0};

	for (size_t i = 0; i < part->n_rows; i++) {
		double bytes_per_s = fmax(part->rows[i].bytes_per_s, 0);

		if (!is_measured(&part->rows[i]))
			continue;
		if (part->rows[i].kind == RETENTION_GARBAGE && is_taken)
			passing.garbage_per_s += bytes_per_s;
		else if (part->rows[i].kind == RETENTION_FIXED)
			passing.tables_per_s += bytes_per_s;
		else
			continue;
		passing.most_per_s += fmax(part->rows[i].most_bytes_per_s, bytes_per_s);
	}
	return passing;
}
