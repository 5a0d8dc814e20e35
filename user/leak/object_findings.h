/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object_findings: what retains more and more objects, as the census found it -> findings:
 * containers, references, cycles.
 *
 * Place      leak, private to it. Pure.
 */
#ifndef PYLEAKTRACE_LEAK_OBJECT_FINDINGS_H
#define PYLEAKTRACE_LEAK_OBJECT_FINDINGS_H

#include "model/retention.h"
#include "model/verdict.h"

/* Does it grow, for sure? */
bool object_finding_grows(const struct retention *row);

/* Does the row get a finding of its own? Not what belongs to another cause. */
bool object_finding_is_one(const struct retention *row);

void object_finding_fill(struct finding *to, struct profile *profile, const struct retention *row);

/* All cycles are one. return false: there are none that stay */
bool object_finding_cycles(struct finding *to, struct profile *profile);

/* Growth that ends, in bytes a second: garbage that a collection takes sooner or later, and what
 * fills tables of the interpreter's. */
struct passing_growth {
	double garbage_per_s, tables_per_s;
	double most_per_s; /* of both, the upper end of the interval */
};

struct passing_growth object_findings_passing(const struct profile *profile);

#endif
