/* SPDX-License-Identifier: BSD-2-Clause
 *
 * holders: the large containers of one scan or of several -> the ones that are very large or grow,
 * by name.
 *
 * Place      the census; called by cli; fills model/heap_graph.
 * Source     base/fit: the same straight line as for types (growth.h). A container does not move:
 *            the same address in several scans is the same one, as long as it has not been freed.
 * Shapes     steadiest growth first, then the largest.
 * Errors     -ERR_FAILED: memory is out.
 * Bounds     HOLDERS_NAMED containers are named, GROWTH_SCANS_MAX scans.
 */
#ifndef PYLEAKTRACE_CENSUS_HOLDERS_H
#define PYLEAKTRACE_CENSUS_HOLDERS_H

#include "census/chain.h"

#define HOLDERS_LARGE 1000
#define HOLDERS_NAMED 1000

/* The name of containers that no root reaches: nothing can be added to them. */
#define HOLDERS_GARBAGE "cyclic garbage"

/* The name of a dict in the data of the interpreter whose keys are its values. */
#define HOLDERS_INTERNED "the interpreter's own (interned strings, most likely)"

/* The name of the container at this address, and its type (or that of what it is a part of); both
 * malloc()ed. */
int holders_name(struct edges *edges, uint64_t address, char **path, char **type, struct err *err);

/*
 * How the container at this address grew over some scans, oldest first; false: it is in fewer than
 * two of them.
 *
 * out    holder: items, items_delta, items_per_s, least_per_s
 */
bool holders_measure(struct heap_holder *holder, uint64_t address, struct heap_scan *const *scans,
		     size_t n_scans);

/* Does it grow for sure, and by more than a few items? */
bool holder_grows(const struct heap_holder *holder);

/*
 * in     scans: oldest first, each with its containers; at_s rising
 * out    held: holders, n_holders, n_scans, span_s
 */
int holders_find(struct heap_held *held, struct edges *edges, struct heap_scan *const *scans,
		 size_t n_scans, struct err *err);

#endif
