/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ages: the objects of several scans -> since which of them each is there.
 *
 * Nothing in an object says when it was made. But an object that a scan finds where the one before
 * had none was made in between:
 *
 *      scan 0   0x7f..10  0x7f..40
 *      scan 1   0x7f..10  0x7f..40  0x7f..90             <- made after scan 0 began
 *      scan 2   0x7f..10            0x7f..90  0x7f..c0   <- made after scan 1 began
 *
 * Place      the census; newest and latest fill it. Pure.
 * Shapes     ages_begin(), ages_add() for each object in any order, ages_finish(): a scan.
 * Units      seconds of the monotonic clock.
 * Ownership  zero, then ages_fini().
 * Errors     -ERR_FAILED: memory is out; the scans before are forgotten then, too.
 * Degrades   an object that was given the memory of a dead one of its type between two scans counts
 *            as that one: it is younger than is said.
 * Bounds     24 bytes an object, twice while a scan is added; AGES_SCANS_MAX scans.
 */
#ifndef PYLEAKTRACE_CENSUS_AGES_H
#define PYLEAKTRACE_CENSUS_AGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define AGES_SCANS_MAX 64

struct age {
	uint64_t address, type; /* type: its address */
	uint32_t first;         /* the scan that saw it first; 0: it may be as old as the process */
};

struct ages {
	struct age *rows; /* of the last scan, by address */
	size_t n;
	unsigned n_scans;
	struct {
		double begin_s, end_s;
	} scans[AGES_SCANS_MAX];
	/* private */
	struct age *next; /* of the scan that has begun */
	size_t n_next, room;
	bool failed;
};

/* Not more than AGES_SCANS_MAX times. */
void ages_begin(struct ages *ages);
void ages_add(struct ages *ages, uint64_t address, uint64_t type);

/* in  begin_s, end_s: when the scan was made */
int ages_finish(struct ages *ages, double begin_s, double end_s, struct err *err);

/* The row of the last scan; NULL: it has none at this address. */
const struct age *ages_find(const struct ages *ages, uint64_t address);

/* Was it made after the first scan? */
bool age_is_new(const struct age *age);

/* How old it was at the end of the last scan: not less than that; and when it is new, not more. */
double age_least_s(const struct ages *ages, const struct age *age);
double age_most_s(const struct ages *ages, const struct age *age);

/* From the beginning of the first scan to the end of the last; 0: there is none. */
double ages_span_s(const struct ages *ages);

void ages_fini(struct ages *ages);

#endif
