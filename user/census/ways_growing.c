/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/ways_growing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fit.h"
#include "census/chain.h"

/* A growth of fewer objects in all is ignored. */
#define LEAST_DELTA 10

/* One way that holds, and all that it got. */
struct row {
	uint32_t holder; /* a node; of roots but RETAINED_ATEXIT: the node that it holds */
	uint32_t item;   /* of the nodes that it holds, the one that grew most */
	double item_delta;
	double bytes[RETAINED_LOOKS];
	struct fit_line line;
};

struct work {
	struct retained *retained;
	double *sums;  /* [n_nodes][RETAINED_LOOKS]: bytes of a node and all below it */
	bool *grows;   /* [n_nodes]: its own objects get more */
	uint32_t *row; /* [n_nodes]: of each holder; RETAINED_NONE: none */
	struct row *rows;
	size_t n_rows;
};

static double *sums_of(const struct work *work, uint32_t node)
{
	return work->sums + (size_t)node * RETAINED_LOOKS;
}

/* ---- what grows ----------------------------------------------------------------------------- */

static const double *cycle_of(const struct retained *retained)
{
	return retained->have_since_full ? retained->since_full : NULL;
}

static bool rises(const struct retained *retained, const double *y, struct fit_line *line)
{
	enum fit_shape shape =
		fit_shape(retained->seconds, y, cycle_of(retained), retained->n_looks, line);

	return (shape == FIT_STEADY || shape == FIT_UNKNOWN) && fit_least(*line) > 0;
}

static bool count_rises(const struct retained *retained, uint32_t node)
{
	const uint64_t *count = retained->nodes[node].count;
	double y[RETAINED_LOOKS];
	size_t n = retained->n_looks;
	struct fit_line line;

	if (count[n - 1] < count[0] + LEAST_DELTA)
		return false;
	for (size_t i = 0; i < n; i++)
		y[i] = (double)count[i];
	return rises(retained, y, &line);
}

static void add_up(struct work *work)
{
	const struct retained *retained = work->retained;

	for (uint32_t node = (uint32_t)retained->n_nodes; node-- > RETAINED_ROOTS;) {
		double *mine = sums_of(work, node),
		       *above = sums_of(work, retained->nodes[node].parent);

		for (size_t i = 0; i < retained->n_looks; i++) {
			mine[i] += (double)retained->nodes[node].bytes[i];
			above[i] += mine[i];
		}
	}
}

/* ---- rows ----------------------------------------------------------------------------------- */

static struct row *row_of(struct work *work, uint32_t holder)
{
	const struct retained_node *node = &work->retained->nodes[holder];
	struct row *row;

	if (work->row[holder] != RETAINED_NONE)
		return &work->rows[work->row[holder]];
	row = &work->rows[work->n_rows];
	*row = (struct row){.holder = holder, .item = RETAINED_NONE};
	for (size_t i = 0; i < work->retained->n_looks; i++)
		row->bytes[i] = (double)node->bytes[i];
	work->row[holder] = (uint32_t)work->n_rows++;
	return row;
}

/* The topmost that grows on its way: what holds it gets the growth. */
static void add_item(struct work *work, uint32_t node)
{
	const struct retained *retained = work->retained;
	uint32_t holder = retained->nodes[node].parent;
	const double *sums = sums_of(work, node);
	bool is_root = holder < RETAINED_ROOTS && holder != RETAINED_ATEXIT;
	struct row *row = row_of(work, is_root ? node : holder);
	double delta = sums[retained->n_looks - 1] - sums[0];

	for (size_t i = 0; i < retained->n_looks; i++)
		row->bytes[i] += sums[i] -
				 (row->holder == node ? (double)retained->nodes[node].bytes[i] : 0);
	if (row->item == RETAINED_NONE || delta > row->item_delta) {
		row->item = node;
		row->item_delta = delta;
	}
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double least_x = fit_least(x->line), least_y = fit_least(y->line);

	if (least_x != least_y)
		return least_x > least_y ? -1 : 1;
	return x->holder < y->holder ? -1 : x->holder > y->holder;
}

/*
 * Tables grow by doubling: one jump, and nothing for long. Where items come steadily, memory does
 * as well, by as much for each as all have now.
 */
static bool grows_by_items(const struct work *work, struct row *row)
{
	const struct retained *retained = work->retained;
	const uint64_t *count = retained->nodes[row->item].count;
	size_t last = retained->n_looks - 1;
	double y[RETAINED_LOOKS], each = row->bytes[last] / (double)count[last];
	struct fit_line line;

	for (size_t i = 0; i <= last; i++)
		y[i] = (double)count[i];
	if (!(row->bytes[last] > row->bytes[0]) || !rises(retained, y, &line))
		return false;
	row->line = (struct fit_line){line.slope * each, line.error * each, line.n};
	return true;
}

static void find_rows(struct work *work)
{
	const struct retained *retained = work->retained;
	size_t n = 0;

	add_up(work);
	for (uint32_t i = RETAINED_ROOTS; i < retained->n_nodes; i++)
		work->grows[i] = count_rises(retained, i);
	for (uint32_t i = RETAINED_ROOTS; i < retained->n_nodes; i++) {
		bool below = false;

		for (uint32_t up = retained->nodes[i].parent; up != RETAINED_NONE && !below;
		     up = retained->nodes[up].parent)
			below = up >= RETAINED_ROOTS && work->grows[up];
		if (work->grows[i] && !below)
			add_item(work, i);
	}
	for (size_t i = 0; i < work->n_rows; i++) {
		struct row *row = &work->rows[i];

		if (rises(retained, row->bytes, &row->line) || grows_by_items(work, row))
			work->rows[n++] = *row;
	}
	work->n_rows = n;
	qsort(work->rows, n, sizeof(*work->rows), compare);
}

/* ---- what they are called ------------------------------------------------------------------- */

/* Where many alike are held, any key or index stands for all. */
static void put_stars(struct heap_chain *chain, const struct work *work, struct edges *edges)
{
	const struct retained *retained = work->retained;

	for (size_t i = 0; i < chain->n_links; i++) {
		uint32_t object = objects_find(&edges->reach->objects, chain->links[i].address);
		const struct retained_node *node;

		if (object == OBJECTS_NONE || retained->node_of[object] == RETAINED_NONE)
			continue;
		node = &retained->nodes[retained->node_of[object]];
		if (node->parent == RETAINED_NONE || node->count[retained->n_looks - 1] < 2 ||
		    chain->links[i].via[0] != '[' || strlen(chain->links[i].via) < 3)
			continue;
		strcpy(chain->links[i].via, "[*]");
	}
}

/* Of what is a part of something, as the dict of an lru_cache, the whole may have a bound. */
static int64_t find_bound(const struct heap_chain *chain, const struct edges *edges)
{
	size_t n = chain->n_links;
	int64_t most;

	for (size_t i = n > 2 ? n - 2 : 0; i < n; i++) {
		uint32_t object = objects_find(&edges->reach->objects, chain->links[i].address);

		if (object != OBJECTS_NONE && edges_bound(edges, object, &most))
			return most;
	}
	return 0;
}

static int name_holder(struct retention *to, const struct work *work, uint32_t node,
		       struct edges *edges, struct err *err)
{
	const struct retained_node *holder = &work->retained->nodes[node];
	struct heap_chain chain;
	char *start;
	int result;

	to->containers = holder->count[work->retained->n_looks - 1];
	if (holder->examples[0] == OBJECTS_NONE)
		return 0;
	for (unsigned i = 0; i < RETENTION_EXAMPLES && holder->examples[i] != OBJECTS_NONE; i++)
		to->addresses[i] = edges->reach->objects.address[holder->examples[i]];
	result = chain_build(&chain, edges, holder->examples[0], err);
	if (result)
		return result;
	to->bound = find_bound(&chain, edges);
	start = strndup(chain.path, chain.path_start);
	put_stars(&chain, work, edges);
	free(to->path);
	free(to->type);
	to->path = start && heap_chain_set_path(&chain, start) ? strdup(chain.path) : NULL;
	free(start);
	/* a dict that is only a part of something is called what it is a part of */
	to->type = strdup(chain.part && chain.n_links > 1 ? chain.links[chain.n_links - 2].type
							  : holder->type);
	heap_chain_fini(&chain);
	return to->path && to->type ? 0 : err_set(err, ERR_FAILED, "no memory for a name");
}

/* It is no object: nothing is read again. */
static int name_callbacks(struct retention *to, struct err *err)
{
	free(to->path);
	free(to->type);
	to->path = strdup(CHAIN_ATEXIT);
	to->type = strdup("array");
	to->containers = 1;
	to->callbacks = true;
	return to->path && to->type ? 0 : err_set(err, ERR_FAILED, "no memory for a name");
}

static enum retention_kind kind_of(const struct retained *retained, uint32_t node)
{
	static const enum retention_kind kinds[] = {
		[RETAINED_NAMED] = RETENTION_CONTAINER, [RETAINED_OTHER] = RETENTION_OTHER,
		[RETAINED_SUB] = RETENTION_CONTAINER,   [RETAINED_ATEXIT] = RETENTION_CONTAINER,
		[RETAINED_HELD] = RETENTION_HELD,       [RETAINED_GARBAGE] = RETENTION_GARBAGE};

	while (retained->nodes[node].parent != RETAINED_NONE)
		node = retained->nodes[node].parent;
	return kinds[node];
}

/* Of what each sub-interpreter has there is one more; or it is below such, and is in each. */
static bool comes_with_interpreters(const struct retained *retained, uint32_t node)
{
	if (retained->nodes[node].parent == RETAINED_SUB)
		return true;
	while (retained->nodes[node].sub && retained->nodes[node].parent != RETAINED_SUB)
		node = retained->nodes[node].parent;
	return retained->nodes[node].sub &&
	       retained->nodes[node].count[retained->n_looks - 1] > retained->nodes[node].count[0];
}

static enum retention_kind kind_of_row(const struct retained *retained, const struct row *row)
{
	enum retention_kind kind = kind_of(retained, row->holder);

	if (comes_with_interpreters(retained, row->item))
		return RETENTION_INTERPRETERS;
	if (row->holder == row->item && retained_is_fixed(retained, row->holder))
		return RETENTION_FIXED;
	if (kind != RETENTION_HELD)
		return kind;
	if (retained->roots_cut)
		return RETENTION_OTHER;
	return retained_moves(retained, row->holder) ? RETENTION_MOVING : kind;
}

static void measure(struct retention *to, const struct work *work, const struct row *row)
{
	const struct retained *retained = work->retained;
	const struct retained_node *item = &retained->nodes[row->item];
	size_t n = retained->n_looks;
	double y[RETAINED_LOOKS];
	struct fit_line line;

	for (size_t i = 0; i < n; i++)
		y[i] = (double)item->count[i];
	rises(retained, y, &line);
	to->items = item->count[n - 1];
	to->items_delta = (int64_t)(item->count[n - 1] - item->count[0]);
	to->span_s = retained->seconds[n - 1] - retained->seconds[0];
	to->items_per_s = line.slope;
	to->least_items_per_s = fit_least(line);
	to->bytes_per_s = row->line.slope;
	to->least_bytes_per_s = fit_least(row->line);
	to->most_bytes_per_s = 2 * row->line.slope - to->least_bytes_per_s;
	to->bytes = (uint64_t)row->bytes[n - 1];
	to->confidence = fit_confidence(row->line);
}

/*
 * Made by a class statement, as far as its flags say: static types count no instances, and types
 * of C that are made at run time mostly may not be changed.
 */
static uint64_t class_of(const struct retained *retained, uint32_t node)
{
	uint64_t address = retained->nodes[node].type_at;
	const struct census_type *type =
		type_table_find(census_types(retained->reach->census), address);

	return type && (type->py->flags & PY_TYPE_HEAP) && !(type->py->flags & PY_TYPE_IMMUTABLE)
		       ? address
		       : 0;
}

/* Whose type the items are called by: an instance's dict is a part of the instance. */
static uint32_t whole_of(const struct retained *retained, uint32_t node)
{
	const struct retained_node *item = &retained->nodes[node];

	return item->names && item->parent >= RETAINED_ROOTS && class_of(retained, item->parent)
		       ? item->parent
		       : node;
}

static int fill(struct retention *to, const struct work *work, const struct row *row,
		struct edges *edges, struct err *err)
{
	uint32_t item = whole_of(work->retained, row->item);

	*to = (struct retention){.kind = kind_of_row(work->retained, row),
				 .path = strdup(""),
				 .type = strdup(""),
				 .item_type = strdup(work->retained->nodes[item].type),
				 .item_class = class_of(work->retained, item)};
	if (!to->path || !to->type || !to->item_type)
		return err_set(err, ERR_FAILED, "no memory for a name");
	measure(to, work, row);
	if (row->holder == RETAINED_ATEXIT)
		return name_callbacks(to, err);
	/* what it hangs on is not known */
	return row->holder == row->item || to->kind == RETENTION_MOVING ||
			       (to->kind == RETENTION_OTHER && work->retained->roots_cut)
		       ? 0
		       : name_holder(to, work, row->holder, edges, err);
}

int ways_growing(struct retention rows[WAYS_GROWING_MAX], size_t *n, struct retained *retained,
		 struct edges *edges, struct err *err)
{
	size_t n_nodes = retained->n_nodes;
	struct work work = {
		.retained = retained,
		.sums = calloc(n_nodes * RETAINED_LOOKS, sizeof(*work.sums)),
		.grows = calloc(n_nodes, sizeof(*work.grows)),
		.row = malloc(n_nodes * sizeof(*work.row)),
		.rows = calloc(n_nodes, sizeof(*work.rows)),
	};
	int result = 0;

	*n = 0;
	if (!work.sums || !work.grows || !work.row || !work.rows) {
		result = err_set(err, ERR_FAILED, "no memory for growing references");
	} else if (retained->n_looks >= WAYS_GROWING_LOOKS) {
		memset(work.row, 0xff, n_nodes * sizeof(*work.row));
		find_rows(&work);
	}
	for (size_t i = 0; i < work.n_rows && i < WAYS_GROWING_MAX && !result; i++)
		result = fill(&rows[(*n)++], &work, &work.rows[i], edges, err);
	free(work.sums);
	free(work.grows);
	free(work.row);
	free(work.rows);
	return result;
}
