/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/size_growth.h"

#include <math.h>
#include <string.h>

#include "base/fit.h"

/* looks that it takes to say what grows */
#define LOOKS_ENOUGH 5
/* of what grows for sure, how much another size may grow that is skipped */
#define SMALL_CHANGE 0.1
/* of a slope, to its upper bound */
#define LIKELY_ERRORS 2
/* a chunk of malloc's may have been asked for with 15 bytes less than it has room for */
#define LOWER_CLASSES 1u

void size_growth_forget(struct size_growth *growth)
{
	growth->n = 0;
}

static void thin(struct size_growth *growth)
{
	size_t n = 0;

	for (size_t i = 0; i < growth->n; i += 2, n++) {
		growth->at_s[n] = growth->at_s[i];
		growth->cycle[n] = growth->cycle[i];
		for (unsigned of = 0; of < SIZE_GROWTH_KINDS; of++)
			for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++)
				growth->blocks[of][class][n] = growth->blocks[of][class][i];
	}
	growth->n = n;
}

static void take(struct size_growth *growth, enum size_growth_of of,
		 const uint64_t blocks[ABI_SIZE_CLASSES], bool known)
{
	growth->known[of] = known && (!growth->n || growth->known[of]);
	for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++)
		growth->blocks[of][class][growth->n] = (double)blocks[class];
}

void size_growth_add(struct size_growth *growth, const struct heap_scan *scan)
{
	const struct heap_usage *room = &scan->room;

	if (growth->n == SIZE_GROWTH_LOOKS)
		thin(growth);
	growth->at_s[growth->n] = scan->at_s;
	growth->cycle[growth->n] = scan->gc.since_full;
	growth->have_cycle = scan->gc.have_since_full && (!growth->n || growth->have_cycle);
	take(growth, SIZE_GROWTH_POOLS, room->pool_blocks, room->arenas && !room->mimalloc);
	take(growth, SIZE_GROWTH_MALLOC, room->malloc_blocks, room->malloc_sized);
	growth->n++;
}

/* The largest of a class, by which it weighs. */
static double largest(unsigned class)
{
	return class <= ABI_SIZE_SMALL_LAST
		       ? class * 16.0
		       : ldexp(ABI_SIZE_SMALL, (int)(class - ABI_SIZE_SMALL_LAST));
}

static struct fit_line line_of(const struct size_growth *growth, enum size_growth_of of,
			       unsigned class)
{
	return fit_line_without_cycle(growth->at_s, growth->blocks[of][class],
				      growth->have_cycle ? growth->cycle : NULL, growth->n);
}

/* The sizes that grow for sure, in bytes a second. */
static double sure_growth(const struct fit_line lines[ABI_SIZE_CLASSES])
{
	double sum = 0;

	for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++)
		if (fit_rises(lines[class]))
			sum += lines[class].slope * largest(class);
	return sum;
}

static bool is_larger(const struct size_growth_row *a, const struct size_growth_row *b)
{
	return a->per_s * largest(a->class) > b->per_s * largest(b->class);
}

size_t size_growth_rows(const struct size_growth *growth, enum size_growth_of of,
			struct size_growth_row *rows, size_t room)
{
	size_t n = 0;

	if (growth->n < LOOKS_ENOUGH || !growth->known[of])
		return 0;
	for (unsigned class = 1; class < ABI_SIZE_CLASSES; class ++) {
		struct fit_line line = line_of(growth, of, class);
		struct size_growth_row row = {class, line.slope};
		size_t at = n;

		if (!fit_rises(line))
			continue;
		while (at > 0 && is_larger(&row, &rows[at - 1]))
			at--;
		n += n < room;
		for (size_t i = at; i < n; i++) {
			struct size_growth_row next = rows[i];

			rows[i] = row;
			row = next;
		}
	}
	while (n > 1 && rows[n - 1].per_s * largest(rows[n - 1].class) <
				SMALL_CHANGE * rows[0].per_s * largest(rows[0].class))
		n--;
	return n;
}

uint64_t size_growth_skipped(const struct size_growth *growth, enum size_growth_of of)
{
	struct fit_line lines[ABI_SIZE_CLASSES];
	uint64_t classes = 0;
	double sure;

	if (growth->n < LOOKS_ENOUGH || !growth->known[of])
		return 0;
	for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++)
		lines[class] = line_of(growth, of, class);
	sure = sure_growth(lines);
	for (unsigned class = 1; class < ABI_SIZE_CLASSES; class ++) {
		double most = lines[class].slope + LIKELY_ERRORS * lines[class].error;

		/* what varies much may grow, too */
		if (!fit_rises(lines[class]) && most * largest(class) < SMALL_CHANGE * sure)
			classes |= 1ull << class;
	}
	for (unsigned class = 1; class < ABI_SIZE_CLASSES; class ++)
		if (of == SIZE_GROWTH_MALLOC && !(classes >> class & 1))
			classes &= ~(1ull << (class - LOWER_CLASSES));
	/* larger blocks that CPython's functions ask for are malloc's */
	if (of == SIZE_GROWTH_POOLS)
		classes &= (1ull << (ABI_SIZE_SMALL_LAST + 1)) - 1;
	return sure > 0 ? classes : 0;
}
