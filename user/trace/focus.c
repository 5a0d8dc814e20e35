/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/focus.h"

#include <string.h>

#define ALL ((1u << DOMAIN_COUNT) - 1)

/* of the growth of objects that rows explain; below that they are not all of it */
#define EXPLAINED 0.7

static bool grows(const struct trend *trend, enum trend_kind kind)
{
	return trend_grows(&trend->rows[kind]);
}

static bool count_grows(const struct trend *trend, enum trend_kind kind)
{
	const struct trend_row *row = &trend->rows[kind];

	return row->n >= FOCUS_LOOKS && row->shape == FIT_STEADY && row->least_per_s > 0;
}

bool focus_is_watchable(const struct retention *row)
{
	static const char *const types[] = {"dict",  "list",        "set",
					    "deque", "OrderedDict", "defaultdict"};
	const char *name = strrchr(row->type, '.');

	if (row->kind != RETENTION_CONTAINER || row->containers != 1 || !row->addresses[0])
		return false;
	name = name ? name + 1 : row->type;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(name, types[i]) == 0)
			return true;
	return false;
}

/* Do objects grow in a way that only a stack explains? */
static bool objects_need_stacks(const struct trend *trend, const struct retention *rows,
				size_t n_rows)
{
	double explained = 0;

	for (size_t i = 0; i < n_rows; i++) {
		explained += rows[i].bytes_per_s;
		if (rows[i].least_bytes_per_s > GROWTH_LEAST_PER_S &&
		    rows[i].kind != RETENTION_FIXED &&
		    (rows[i].kind != RETENTION_GARBAGE || !heap_gc_takes_cycles(&trend->gc)) &&
		    !focus_is_watchable(&rows[i]))
			return true;
	}
	return grows(trend, TREND_PART_OBJECTS) &&
	       explained < EXPLAINED * trend->rows[TREND_PART_OBJECTS].least_per_s;
}

unsigned focus_lists(const struct trend *trend, const struct retention *rows, size_t n_rows)
{
	unsigned lists = (count_grows(trend, TREND_THREADS) ? 1u << LISTED_THREADS : 0) |
			 (count_grows(trend, TREND_INTERPRETERS) ? 1u << LISTED_INTERPRETERS : 0);

	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].callbacks)
			lists |= 1u << LISTED_CALLBACKS;
	return lists;
}

unsigned focus_domains(const struct trend *trend, const struct retention *rows, size_t n_rows)
{
	unsigned domains = 0;

	if (!trend->have_room)
		return trend->n_looks >= FOCUS_LOOKS ? ALL : 0;
	if (grows(trend, TREND_PART_MALLOC) || count_grows(trend, TREND_THREADS))
		domains |= 1u << DOMAIN_MALLOC;
	if (grows(trend, TREND_PART_MAPPINGS))
		domains |= 1u << DOMAIN_MMAP;
	if (grows(trend, TREND_PART_PYMALLOC) || objects_need_stacks(trend, rows, n_rows))
		domains |= 1u << DOMAIN_OBJECT;
	return domains;
}
