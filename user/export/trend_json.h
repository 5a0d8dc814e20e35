/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trend_json: memory, threads and files over time -> JSON ("trend" of pyleaktrace-2.schema.json).
 *
 * Place      layer 5, private to export.
 * Ownership  as json_parts.
 */
#ifndef PYLEAKTRACE_EXPORT_TREND_JSON_H
#define PYLEAKTRACE_EXPORT_TREND_JSON_H

#include "export/json_parts.h"
#include "model/trend.h"

json_t *json_part_trend(const struct trend *trend);

/* The collector, as heap.gc has it. */
json_t *json_part_gc(const struct heap_gc *gc);

/* The trend, and the collector where it is known. failed: as json_part_dump() */
void trend_json_put(FILE *out, const struct trend *trend, bool *failed);

#endif
