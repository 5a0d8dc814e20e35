/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/ages.h"

#include <stdlib.h>

#define ROOM_FIRST 1024

void ages_begin(struct ages *ages)
{
	free(ages->next);
	ages->next = NULL;
	ages->n_next = ages->room = 0;
	ages->failed = false;
}

void ages_add(struct ages *ages, uint64_t address, uint64_t type)
{
	if (ages->failed)
		return;
	if (ages->n_next == ages->room) {
		size_t room = ages->room ? 2 * ages->room : ROOM_FIRST;
		struct age *next = realloc(ages->next, room * sizeof(*next));

		if (!next) {
			ages->failed = true;
			return;
		}
		ages->next = next;
		ages->room = room;
	}
	ages->next[ages->n_next++] = (struct age){.address = address, .type = type};
}

static int compare(const void *a, const void *b)
{
	const struct age *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* A scan goes up through the memory: nearly always they are in order already. */
static void sort(struct age *rows, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (rows[i].address < rows[i - 1].address) {
			qsort(rows, n, sizeof(*rows), compare);
			return;
		}
	}
}

int ages_finish(struct ages *ages, double begin_s, double end_s, struct err *err)
{
	size_t old = 0, n = 0;

	if (ages->failed || ages->n_scans == AGES_SCANS_MAX) {
		ages_fini(ages);
		return err_set(err, ERR_FAILED, "no memory for the ages of objects");
	}
	sort(ages->next, ages->n_next);
	for (size_t i = 0; i < ages->n_next; i++) {
		struct age *row = &ages->next[n];

		/* a heap that is torn shows an object twice */
		if (n && ages->next[i].address == ages->next[n - 1].address)
			continue;
		n++;
		*row = ages->next[i];
		while (old < ages->n && ages->rows[old].address < row->address)
			old++;
		row->first = old < ages->n && ages->rows[old].address == row->address &&
					     ages->rows[old].type == row->type
				     ? ages->rows[old].first
				     : ages->n_scans;
	}
	free(ages->rows);
	ages->rows = ages->next;
	ages->n = n;
	ages->next = NULL;
	ages_begin(ages);
	ages->scans[ages->n_scans].begin_s = begin_s;
	ages->scans[ages->n_scans++].end_s = end_s;
	return 0;
}

const struct age *ages_find(const struct ages *ages, uint64_t address)
{
	const struct age key = {.address = address};

	return ages->n ? bsearch(&key, ages->rows, ages->n, sizeof(key), compare) : NULL;
}

bool age_is_new(const struct age *age)
{
	return age->first > 0;
}

static double at_least(double value, double least)
{
	return value < least ? least : value;
}

double age_least_s(const struct ages *ages, const struct age *age)
{
	/* the last scan may see an object right after it was made */
	if (age->first + 1 == ages->n_scans)
		return 0;
	return at_least(ages->scans[ages->n_scans - 1].end_s - ages->scans[age->first].end_s, 0);
}

double age_most_s(const struct ages *ages, const struct age *age)
{
	unsigned before = age->first ? age->first - 1 : 0;

	return at_least(ages->scans[ages->n_scans - 1].end_s - ages->scans[before].begin_s, 0);
}

double ages_span_s(const struct ages *ages)
{
	return ages->n_scans
		       ? at_least(ages->scans[ages->n_scans - 1].end_s - ages->scans[0].begin_s, 0)
		       : 0;
}

void ages_fini(struct ages *ages)
{
	free(ages->rows);
	free(ages->next);
	*ages = (struct ages){0};
}
