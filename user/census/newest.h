/* SPDX-License-Identifier: BSD-2-Clause
 *
 * newest: a type -> one of its objects, the youngest that can be identified.
 *
 * Nothing in an object says when it was made. But an object that a second scan finds at an address
 * where the first had none of the type was made in between; when there is no such one, any is as
 * good, and the last by address is taken.
 *
 *      scan   0x7f..10  0x7f..40
 *      scan   0x7f..10  0x7f..40  0x7f..90   <- made meanwhile
 *
 * Place      the census; containers/container_find asks for it.
 * Errors     -ERR_TARGET: there is no object of the type; -ERR_FAILED: memory is out.
 * Bounds     NEWEST_SCANS scans before it is content with any.
 */
#ifndef PYLEAKTRACE_CENSUS_NEWEST_H
#define PYLEAKTRACE_CENSUS_NEWEST_H

#include "census/scan.h"

#define NEWEST_SCANS 5

/* out  address: of the object; fresh: it was made while we looked */
int newest_find(uint64_t *address, bool *fresh, struct census *census, const char *type,
		struct err *err);

#endif
