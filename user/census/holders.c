/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/holders.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fit.h"
#include "python/dict.h"

/* A growth of fewer items in all is ignored. */
#define LEAST_DELTA 10

static int compare_address(const void *key, const void *row)
{
	uint64_t address = *(const uint64_t *)key,
		 other = ((const struct heap_container *)row)->address;

	return address < other ? -1 : address > other;
}

bool holders_measure(struct heap_holder *holder, uint64_t address, struct heap_scan *const *scans,
		     size_t n)
{
	double seconds[FIT_POINTS_MAX], items[FIT_POINTS_MAX];
	struct fit_line line;
	bool falls = false;
	size_t points = 0;

	for (size_t i = 0; i < n; i++) {
		const struct heap_container *row =
			bsearch(&address, scans[i]->containers, scans[i]->n_containers,
				sizeof(*row), compare_address);

		if (!row)
			continue;
		falls |= points && (double)row->items < items[points - 1];
		seconds[points] = scans[i]->at_s;
		items[points++] = (double)row->items;
	}
	if (points < 2)
		return false;
	line = fit_line(seconds, items, points);
	holder->have_growth = true;
	holder->address = address;
	holder->items = (uint64_t)items[points - 1];
	holder->items_delta = (int64_t)(items[points - 1] - items[0]);
	holder->items_per_s = line.slope;
	holder->least_per_s = fit_least(line);
	/* the address may have been another one's meanwhile */
	holder->by_chance = falls && !fit_rises(line);
	return true;
}

bool holder_grows(const struct heap_holder *holder)
{
	return holder->have_growth && holder->least_per_s > 0 && !holder->by_chance &&
	       holder->items_delta >= LEAST_DELTA;
}

static int compare(const void *a, const void *b)
{
	const struct heap_holder *x = a, *y = b;
	double rate_x = holder_grows(x) ? x->least_per_s : 0,
	       rate_y = holder_grows(y) ? y->least_per_s : 0;

	if (rate_x != rate_y)
		return rate_x > rate_y ? -1 : 1;
	if (x->items != y->items)
		return x->items > y->items ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/*
 * A dict that data of the interpreter holds directly, and in which each key is its value: that of
 * the interned strings.
 */
static bool is_interned(const struct edges *edges, uint64_t address, const struct heap_chain *chain)
{
	const struct names *names = &edges->names;
	const struct py_layout *layout = &names->runtime->layout;
	struct py_item items[PY_DICT_CHUNK];
	struct py_dict dict;
	size_t n, same = 0;

	if (chain->n_links != 1 || strcmp(chain->links[0].type, "dict") != 0 ||
	    (strncmp(chain->root, "data of ", 8) != 0 &&
	     strcmp(chain->root, "the interpreter") != 0) ||
	    py_dict_open(&dict, names->pid, layout, address))
		return false;
	n = py_dict_read(&dict, names->pid, 0, items);
	for (size_t i = 0; i < n; i++) {
		if (items[i].key != items[i].value)
			return false;
		same += items[i].key != 0;
	}
	return same > 0;
}

int holders_name(struct edges *edges, uint64_t address, char **path, char **type, struct err *err)
{
	uint32_t object = objects_find(&edges->reach->objects, address);
	struct heap_chain chain = {0};
	const char *of = "?", *called = HOLDERS_GARBAGE;
	int result = 0;

	if (object != OBJECTS_NONE) {
		of = edges_type(edges, object)->py->name;
		if (edges->reach->how[object] != REACH_GARBAGE &&
		    edges->reach->how[object] != REACH_GONE &&
		    edges->reach->how[object] != REACH_NOT) {
			result = chain_build(&chain, edges, object, err);
			called = chain.path;
			if (!result && is_interned(edges, address, &chain))
				called = HOLDERS_INTERNED;
		}
		/* a dict that is only a part of something is called what it is a part of */
		if (!result && chain.part && chain.n_links > 1)
			of = chain.links[chain.n_links - 2].type;
	}
	if (!result) {
		*type = strdup(of);
		*path = strdup(called);
		if (!*type || !*path)
			result = err_set(err, ERR_FAILED, "no memory for containers");
	}
	heap_chain_fini(&chain);
	return result;
}

int holders_find(struct heap_held *held, struct edges *edges, struct heap_scan *const *scans,
		 size_t n_scans, struct err *err)
{
	const struct heap_scan *last = scans[n_scans - 1];
	struct heap_holder *rows = calloc(last->n_containers + 1, sizeof(*rows));
	size_t n = 0;
	int result = 0;

	if (!rows)
		return err_set(err, ERR_FAILED, "no memory for containers");
	held->have_holders = true;
	held->n_scans = n_scans;
	held->span_s = last->at_s - scans[0]->at_s;
	for (size_t i = 0; i < last->n_containers; i++) {
		struct heap_holder *holder = &rows[n];

		*holder = (struct heap_holder){.address = last->containers[i].address,
					       .items = last->containers[i].items};
		holders_measure(holder, holder->address, scans, n_scans);
		n += holder->items >= HOLDERS_LARGE || holder_grows(holder);
	}
	qsort(rows, n, sizeof(*rows), compare);
	held->holders = rows;
	for (size_t i = 0; i < n && i < HOLDERS_NAMED && !result; i++) {
		held->n_holders = i + 1;
		result = holders_name(edges, rows[i].address, &rows[i].path, &rows[i].type, err);
	}
	return result;
}
