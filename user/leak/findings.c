/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/findings.h"

#include <stdlib.h>

#include "leak/along.h"
#include "leak/memory_findings.h"
#include "leak/object_findings.h"
#include "model/trend.h"

static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->least_per_s != y->least_per_s)
		return x->least_per_s > y->least_per_s ? -1 : 1;
	return (int)x->cause - (int)y->cause;
}

/* Of the growth of objects: what may be their buffers, though none was seen to refer to them. */
#define ASTRAY 0.03

/* Blocks that are few beside the objects may be theirs: a table that is moved while it is read. */
static bool may_be_of_objects(const struct finding *finding, const struct profile *profile)
{
	return (finding->cause == CAUSE_C_MEMORY || finding->cause == CAUSE_PYMALLOC) &&
	       finding->bytes_per_s < ASTRAY * profile->trend->rows[TREND_PART_OBJECTS].per_s;
}

size_t findings_collect(struct finding *findings, size_t room, struct profile *profile)
{
	static const enum trend_kind parts[] = {TREND_PART_MALLOC, TREND_PART_PYMALLOC,
						TREND_PART_MAPPINGS};
	const struct profile_retention *retention = profile->retention;
	size_t n = 0, n_parts = sizeof(parts) / sizeof(parts[0]);

	if (n < room && memory_finding_threads(&findings[n], profile))
		n++;
	if (n < room && memory_finding_interpreters(&findings[n], profile))
		n++;
	for (size_t i = 0; i < n_parts && n < room; i++) {
		if (!trend_grows(&profile->trend->rows[parts[i]]))
			continue;
		memory_finding_part(&findings[n], profile, parts[i]);
		n += !may_be_of_objects(&findings[n], profile);
	}
	if (n < room && object_finding_cycles(&findings[n], profile))
		n++;
	for (size_t i = 0; i < retention->n_rows && n < room; i++)
		if (object_finding_is_one(&retention->rows[i]))
			object_finding_fill(&findings[n++], profile, &retention->rows[i]);
	n = along_absorb(findings, n, CAUSE_THREAD, profile->trend->rows[TREND_THREADS].per_s);
	n = along_absorb(findings, n, CAUSE_INTERPRETER,
			 profile->trend->rows[TREND_INTERPRETERS].per_s);
	qsort(findings, n, sizeof(*findings), compare);
	return n;
}
