/* SPDX-License-Identifier: BSD-2-Clause
 *
 * newest: a scan -> the ages of the objects of a type (ages.h); and one of them, the youngest that
 * can be identified. When none was made while we looked any is as good, and the last by address is
 * taken.
 *
 * Place      the census; containers/container_find asks for one, cli's `objects` for ages.
 * Errors     -ERR_TARGET: there is no object of the type; -ERR_FAILED: memory is out; those of
 *            census_scan().
 * Bounds     NEWEST_SCANS scans before newest_find() is content with any.
 */
#ifndef PYLEAKTRACE_CENSUS_NEWEST_H
#define PYLEAKTRACE_CENSUS_NEWEST_H

#include "census/ages.h"
#include "census/scan.h"

#define NEWEST_SCANS 5

/*
 * Scan, and add the objects that are asked for.
 *
 * in     type: as type_name.h has it; NULL: the object at `address`
 */
int newest_look(struct ages *ages, struct census *census, const char *type, uint64_t address,
		struct err *err);

/* The same, and the scan itself, to be freed; NULL on failure. */
struct heap_scan *newest_scan(struct ages *ages, struct census *census, const char *type,
			      uint64_t address, struct err *err);

/* The same of a scan whose objects are in a table. */
struct edges;
int newest_take(struct ages *ages, const struct edges *edges, const char *type, uint64_t address,
		struct err *err);

/* out  address: of the object; fresh: it was made while we looked */
int newest_find(uint64_t *address, bool *fresh, struct census *census, const char *type,
		struct err *err);

#endif
