/* SPDX-License-Identifier: BSD-2-Clause
 *
 * containers: the objects of a scan -> the large containers among them, with their lengths.
 *
 * Place      the census; called by scan when census_collect() asked for it.
 * Source     dict, list, set and deque have their length in themselves, at the same place in every
 *            version. What derives from them (OrderedDict, defaultdict), the dict of an instance
 *            and that of an lru_cache are found as the dict that they are or have.
 * Shapes     in the order of addresses; model/heap_types.h has the rows.
 * Bounds     CONTAINERS_MAX rows, CONTAINERS_LEAST items at first. When there are more, only those
 *            with twice as many are kept.
 */
#ifndef PYLEAKTRACE_CENSUS_CONTAINERS_H
#define PYLEAKTRACE_CENSUS_CONTAINERS_H

#include "census/classify.h"
#include "model/heap_types.h"

#define CONTAINERS_MAX   4096
#define CONTAINERS_LEAST 64

struct containers {
	struct heap_container *rows; /* CONTAINERS_MAX; NULL: none are needed */
	size_t n;
	uint64_t least;
};

/* Where in an object of this kind its length is, 8 bytes; false: it has none that changes. */
bool containers_field(enum type_kind kind, const struct py_layout *layout, size_t *at);

int containers_begin(struct containers *containers, struct err *err);
void containers_add(struct containers *containers, const struct py_layout *layout,
		    const struct found *found);

/* Bring them in order, and hand them to the scan. */
void containers_finish(struct containers *containers, struct heap_scan *scan);

#endif
