/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/memory_findings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmt.h"
#include "leak/finding_fill.h"
#include "leak/makers.h"
#include "leak/object_findings.h"
#include "model/retention.h"

/* more threads at the end than at the beginning */
#define LEAST_THREADS 3

void memory_finding_part(struct finding *to, struct profile *profile, enum trend_kind kind)
{
	static const struct {
		enum trend_kind kind;
		enum finding_cause cause;
		enum domain domain;
		const char *type, *what, *by;
	} parts[] = {
		{TREND_PART_MALLOC, CAUSE_C_MEMORY, DOMAIN_MALLOC, NULL,
		 "memory that C code mallocs is never freed", "called by"},
		{TREND_PART_PYMALLOC, CAUSE_PYMALLOC, DOMAIN_OBJECT, "[buffer]",
		 "blocks of CPython's allocators that hold no object are never freed", "called by"},
		{TREND_PART_MAPPINGS, CAUSE_MAPPING, DOMAIN_MMAP, NULL,
		 "anonymous mappings are never unmapped", "mapped by"},
	};
	const struct trend_row *row = &profile->trend->rows[kind];

	*to = (struct finding){.bytes_per_s = row->per_s,
			       .least_per_s = row->least_per_s,
			       .most_per_s = 2 * row->per_s - row->least_per_s,
			       .confidence = row->confidence};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].kind != kind)
			continue;
		to->cause = parts[i].cause;
		to->sentence = parts[i].what;
		finding_set_stack(to, profile,
				  makers_block(profile, parts[i].domain, parts[i].type),
				  parts[i].by);
	}
	finding_add_evidence(to, profile, "bytes_at_first", (double)row->first, "bytes at first");
	finding_add_evidence(to, profile, "bytes_now", (double)row->last, "bytes now");
	if (to->c_function && kind == TREND_PART_MALLOC)
		to->sentence = profile_format(profile, "what %s() allocates is never freed",
					      to->c_function);
	if (!to->stack)
		finding_set_next(to, profile, NULL, "--exact");
}

bool memory_finding_threads(struct finding *to, struct profile *profile)
{
	const struct trend *trend = profile->trend;
	const struct trend_row *row = &trend->rows[TREND_THREADS],
			       *stacks = &trend->rows[TREND_PART_STACKS];

	if (row->shape != FIT_STEADY || row->last < row->first + LEAST_THREADS)
		return false;
	*to = (struct finding){.cause = CAUSE_THREAD,
			       .bytes_per_s = fmax(stacks->per_s, 0),
			       .least_per_s = fmax(stacks->least_per_s, 0),
			       .most_per_s = fmax(2 * stacks->per_s - stacks->least_per_s, 0),
			       .confidence = row->confidence};
	to->sentence = profile_format(profile, "threads do not end: %s became %s (+%s/min)",
				      fmt_count(row->first).text, fmt_count(row->last).text,
				      fmt_per_second(row->per_s * 60).text);
	finding_add_evidence(to, profile, "threads_at_first", (double)row->first,
			     "threads at first");
	finding_add_evidence(to, profile, "threads_now", (double)row->last, "threads now");
	finding_set_stack(to, profile, makers_thread(profile), "started by");
	finding_set_next(to, profile, "trend", NULL);
	return true;
}

/* ---- interpreters --------------------------------------------------------------------------- */

#define LEAST_INTERPRETERS 3 /* more at the end than at the beginning */

bool memory_finding_interpreters(struct finding *to, struct profile *profile)
{
	const struct profile_retention *part = profile->retention;
	const struct trend_row *row = &profile->trend->rows[TREND_INTERPRETERS];

	if (row->shape != FIT_STEADY || row->last < row->first + LEAST_INTERPRETERS)
		return false;
	*to = (struct finding){.cause = CAUSE_INTERPRETER, .confidence = row->confidence};
	for (size_t i = 0; i < part->n_rows; i++) {
		if (part->rows[i].kind != RETENTION_INTERPRETERS ||
		    !object_finding_grows(&part->rows[i]))
			continue;
		to->bytes_per_s += part->rows[i].bytes_per_s;
		to->least_per_s += part->rows[i].least_bytes_per_s;
		to->most_per_s += part->rows[i].most_bytes_per_s;
	}
	/* one is the main one */
	to->sentence =
		profile_format(profile, "sub-interpreters do not end: %s became %s (+%s/min)",
			       fmt_count(row->first - 1).text, fmt_count(row->last - 1).text,
			       fmt_per_second(row->per_s * 60).text);
	finding_add_evidence(to, profile, "interpreters_at_first", (double)row->first,
			     "interpreters at first");
	finding_add_evidence(to, profile, "interpreters_now", (double)row->last,
			     "interpreters now");
	finding_set_stack(to, profile, makers_interpreter(profile), "made by");
	if (!to->stack)
		finding_set_next(to, profile, NULL, "--exact");
	return true;
}
