/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_json: a heap -> JSON ("heap" of pyleaktrace-2.schema.json).
 *
 * Place      layer 5, private to export.
 * Ownership  as json_parts.
 * Bounds     one type's JSON at a time.
 */
#ifndef PYLEAKTRACE_EXPORT_HEAP_JSON_H
#define PYLEAKTRACE_EXPORT_HEAP_JSON_H

#include "export/json_parts.h"
#include "model/heap_types.h"

json_t *json_part_growth_row(const struct heap_growth_row *row);

/* failed: as json_part_dump() */
void heap_json_put(FILE *out, const struct heap_report *report, bool *failed);

#endif
