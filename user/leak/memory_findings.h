/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memory_findings: memory that is no object's -> findings: blocks of C code and of CPython's
 * allocators, mappings, threads, sub-interpreters.
 *
 * Place      leak, private to it. Pure.
 */
#ifndef PYLEAKTRACE_LEAK_MEMORY_FINDINGS_H
#define PYLEAKTRACE_LEAK_MEMORY_FINDINGS_H

#include "model/trend.h"
#include "model/verdict.h"

/* in  kind: TREND_PART_MALLOC, TREND_PART_PYMALLOC or TREND_PART_MAPPINGS, which grows */
void memory_finding_part(struct finding *to, struct profile *profile, enum trend_kind kind);

/* return false: they do not get more */
bool memory_finding_threads(struct finding *to, struct profile *profile);
bool memory_finding_interpreters(struct finding *to, struct profile *profile);

#endif
